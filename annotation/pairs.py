"""Preference pairs: judgements in the form that preference training reads (TRL, conversational).

Only a judgement that prefers one of two shown answers makes a pair. A tie, "neither is acceptable" and
"cannot judge" are answers of another kind: they stay in the judgements, are left out here, and are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

from annotation.records import JudgementKind, Outcome

__all__ = ["PAIRS", "Pairs", "preference_pairs"]

_MESSAGES: Final = pa.list_(
    pa.struct(
        [pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)]
    )
)


def _column(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field[pa.DataType]:
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


PAIRS: Final = pa.schema(
    [
        _column("judgement", pa.string(), "judgement the pair was made from"),
        _column("item", pa.string(), "item judged"),
        _column("annotator", pa.string(), "release-scoped annotator id"),
        _column("split", pa.string(), "train, validation or test, by prompt"),
        _column("prompt", _MESSAGES, "conversation up to the answers"),
        _column("chosen", _MESSAGES, "the preferred answer, as one assistant message"),
        _column("rejected", _MESSAGES, "the other answer"),
        _column("chosen_model", pa.string(), "model of the preferred answer", nullable=True),
        _column("rejected_model", pa.string(), "model of the other answer", nullable=True),
        _column(
            "margin", pa.float64(), "strength of the preference, 1 to 3; null where not asked", nullable=True
        ),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The pairs, and how many judgements made none, by reason."""

    frame: pl.DataFrame
    left_out: Mapping[str, int]


def preference_pairs(judgements: pl.DataFrame, items: pl.DataFrame, splits: Mapping[str, str]) -> Pairs:
    """Pairs of the judgements that prefer one of two answers, in the order of ``judgements``.

    Args:
        judgements: Released judgements.
        items: Their items.
        splits: Item to split.
    """
    reason = (
        pl.when(pl.col("kind") != str(JudgementKind.PAIRWISE))
        .then(pl.lit("not_pairwise"))
        .when(pl.col("outcome") != str(Outcome.PREFERS))
        .then(pl.col("outcome"))
        .when(pl.col("shown").list.len() != 2)
        .then(pl.lit("not_two_answers"))
    )
    marked = judgements.with_columns(reason.alias("_reason"))
    usable = marked.filter(pl.col("_reason").is_null())
    left_out = marked.filter(pl.col("_reason").is_not_null())["_reason"].value_counts()
    answers = (
        items.select("item", "candidates")
        .explode("candidates")
        .select(
            "item",
            candidate=pl.col("candidates").struct.field("candidate"),
            text=pl.col("candidates").struct.field("text"),
            model=pl.col("candidates").struct.field("model"),
        )
    )
    other = (
        pl.when(pl.col("shown").list.get(0) == pl.col("preferred"))
        .then(pl.col("shown").list.get(1))
        .otherwise(pl.col("shown").list.get(0))
    )
    joined = (
        usable.with_columns(other.alias("_other"))
        .join(items.select("item", "prompt"), on="item", how="inner", maintain_order="left")
        .join(
            answers.rename({"text": "_chosen", "model": "chosen_model"}),
            left_on=["item", "preferred"],
            right_on=["item", "candidate"],
            how="inner",
            maintain_order="left",
        )
        .join(
            answers.rename({"text": "_rejected", "model": "rejected_model"}),
            left_on=["item", "_other"],
            right_on=["item", "candidate"],
            how="inner",
            maintain_order="left",
        )
    )
    if joined.height != usable.height:
        raise ValueError("a judgement prefers or shows an answer that its item does not have")
    frame = joined.select(
        "judgement",
        "item",
        "annotator",
        pl.col("item").replace_strict(dict(splits), return_dtype=pl.String).alias("split"),
        "prompt",
        _message("_chosen").alias("chosen"),
        _message("_rejected").alias("rejected"),
        "chosen_model",
        "rejected_model",
        pl.col("strength").cast(pl.Float64).abs().alias("margin"),
    )
    counts = {str(name): int(count) for name, count in left_out.sort("_reason").iter_rows()}
    return Pairs(frame=frame, left_out=counts)


def _message(column: str) -> pl.Expr:
    return pl.concat_list(pl.struct(pl.lit("assistant").alias("role"), pl.col(column).alias("content")))
