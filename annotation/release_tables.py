"""The published columns of judgements, items and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl
import pyarrow as pa

from annotation.records import JUDGEMENTS

__all__ = ["RELEASED", "SPLITS", "annotators_schema", "released_items", "released_judgements", "splits_table"]

_KEPT: Final = (
    "item",
    "item_digest",
    "annotator",
    "kind",
    "shown",
    "outcome",
    "preferred",
    "strength",
    "scores",
    "ranking",
    "config_digest",
    "policy_digest",
    "seconds",
    "simulated",
)


def _documented(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field[pa.DataType]:
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


RELEASED: Final = pa.schema(
    [
        _documented("judgement", pa.string(), "number within the release"),
        *(
            JUDGEMENTS.field(name)
            if name != "annotator"
            else _documented(name, pa.string(), "release-scoped annotator id")
            for name in _KEPT
        ),
    ]
)
"""``judgements.parquet``."""

SPLITS: Final = pa.schema(
    [
        _documented("unit", pa.string(), "item or annotator"),
        _documented("id", pa.string(), "id of the item or annotator"),
        _documented("split", pa.string(), "train, validation or test"),
    ]
)
"""``splits.parquet``."""


def annotators_schema(fields: Sequence[str]) -> pa.Schema:
    """``annotators.parquet`` with these codebook fields."""
    return pa.schema(
        [
            _documented("annotator", pa.string(), "release-scoped id"),
            _documented("site", pa.string(), "place of collection, or suppressed"),
            _documented("simulated", pa.bool_(), "whether the annotator is simulated"),
            _documented("split", pa.string(), "split by annotator"),
            _documented("judgements", pa.int64(), "judgements in the release"),
            _documented("weight", pa.float64(), "post-stratification weight, mean 1", nullable=True),
            *(
                _documented(
                    field, pa.string(), f"codebook field {field}: category, missing code or suppressed"
                )
                for field in fields
            ),
        ]
    )


def released_judgements(
    judgements: pl.DataFrame,
    ids: Mapping[tuple[str, str], str],
    *,
    before: int = 0,
    total: int | None = None,
) -> pl.DataFrame:
    """Judgements under release-scoped ids, sorted by item and annotator.

    Left out is what would join two releases by person: ids of judgements, consents, presentations and
    sources, exact times, free text. Judgements are numbered in the order of the released rows; seconds are
    whole.

    Args:
        judgements: Kept judgements.
        ids: (annotator, site) to release-scoped id.
        before: Judgements of the release that come before these.
        total: Judgements of the release; these alone by default.
    """
    keys = pl.DataFrame(
        {
            "annotator": [annotator for annotator, _ in ids],
            "site": [site for _, site in ids],
            "_scoped": list(ids.values()),
        },
        schema={"annotator": pl.String, "site": pl.String, "_scoped": pl.String},
    )
    named = judgements.join(keys, on=["annotator", "site"], how="left", maintain_order="left").with_columns(
        annotator=pl.col("_scoped"), seconds=pl.col("seconds").round()
    )
    width = len(str(max(1, named.height if total is None else total)))
    number = pl.int_range(before + 1, before + pl.len() + 1).cast(pl.String).str.zfill(width)
    return named.sort("item", "annotator", "judgement").select(
        pl.concat_str(pl.lit("j-"), number).alias("judgement"), *_KEPT
    )


def released_items(items: pl.DataFrame) -> pl.DataFrame:
    """Items as they are; they say nothing about annotators."""
    return items.sort("item")


def splits_table(unit: str, splits: Mapping[str, str]) -> pl.DataFrame:
    """``unit`` (item or annotator), ``id``, ``split``; sorted by id."""
    return pl.DataFrame(
        [(unit, name, split) for name, split in sorted(splits.items())],
        schema={"unit": pl.String, "id": pl.String, "split": pl.String},
        orient="row",
    )
