"""The published columns of judgements, items and splits."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

__all__ = ["released_items", "released_judgements", "splits_table"]

_KEPT = (
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


def released_judgements(judgements: pl.DataFrame, ids: Mapping[tuple[str, str], str]) -> pl.DataFrame:
    """Judgements under release-scoped ids, sorted by item and annotator.

    Left out is what would join two releases by person: ids of judgements, consents, presentations and
    sources, exact times, free text. Judgements are numbered in the order of the released rows; seconds are
    whole.

    Args:
        judgements: Kept judgements.
        ids: (annotator, site) to release-scoped id.
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
    width = len(str(max(1, named.height)))
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(width)
    return named.sort("item", "annotator", "judgement").select(
        pl.concat_str(pl.lit("j-"), number).alias("judgement"), *_KEPT
    )


def released_items(items: pl.DataFrame) -> pl.DataFrame:
    """Items as they are; they say nothing about annotators."""
    return items.sort("item")


def splits_table(items: Mapping[str, str], annotators: pl.DataFrame) -> pl.DataFrame:
    """``unit`` (item or annotator), ``id``, ``split``; sorted."""
    rows = [("item", item, split) for item, split in items.items()]
    rows += [("annotator", *row) for row in annotators.select("annotator", "split").iter_rows()]
    return pl.DataFrame(
        sorted(rows), schema={"unit": pl.String, "id": pl.String, "split": pl.String}, orient="row"
    )
