"""The aggregates of a release: of its own columns, beside its judgements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from annotation.aggregates import FIRST, SECOND, TIE, Aggregates, aggregate
from annotation.records import AnswerStatus, JudgementKind, Outcome
from annotation.suppression import SUPPRESSED

__all__ = ["NO_GROUP", "compared_frame", "group_columns", "release_aggregates"]

NO_GROUP: Final = (
    str(AnswerStatus.NOT_ASKED),
    str(AnswerStatus.EXPIRED),
    str(AnswerStatus.REVOKED),
    str(AnswerStatus.PREFER_NOT_TO_SAY),
    SUPPRESSED,
)
MAX_COLUMNS: Final = 3


def compared_frame(judgements: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Pairwise judgements of a release as :func:`annotation.aggregates.aggregate` reads them.

    ``value`` is ``candidate 0``, ``candidate 1``, … in the item's order, ``tie`` or ``neither``; "cannot judge" is
    left out. ``first`` and ``second`` are the models of the two answers shown, in the item's order; a pair of
    one model with itself, or with an answer of no known model, compares nothing.
    """
    ranks = (
        items.select("item", "candidates")
        .explode("candidates")
        .select(
            "item",
            candidate=pl.col("candidates").struct.field("candidate"),
            model=pl.col("candidates").struct.field("model"),
            rank=pl.int_range(pl.len()).over("item"),
        )
    )
    pairwise = judgements.filter(
        (pl.col("kind") == str(JudgementKind.PAIRWISE))
        & (pl.col("outcome") != str(Outcome.CANNOT_JUDGE))
        & (pl.col("shown").list.len() == 2)
    ).select(
        "item",
        "annotator",
        "outcome",
        "preferred",
        one=pl.col("shown").list.get(0, null_on_oob=True),
        two=pl.col("shown").list.get(1, null_on_oob=True),
    )
    for side, name in (("one", "a"), ("two", "b"), ("preferred", "p")):
        pairwise = pairwise.join(
            ranks.rename({"model": f"model_{name}", "rank": f"rank_{name}"}),
            left_on=["item", side],
            right_on=["item", "candidate"],
            how="left",
            maintain_order="left",
        )
    straight = pl.col("rank_a") < pl.col("rank_b")
    first = pl.when(straight).then("model_a").otherwise("model_b")
    second = pl.when(straight).then("model_b").otherwise("model_a")
    prefers = pl.col("outcome") == str(Outcome.PREFERS)
    outcome = (
        pl.when(prefers)
        .then(
            pl.when(pl.col("rank_p") == pl.min_horizontal("rank_a", "rank_b"))
            .then(pl.lit(FIRST))
            .otherwise(pl.lit(SECOND))
        )
        .when(pl.col("outcome") == str(Outcome.TIE))
        .then(pl.lit(TIE))
    )
    return pairwise.select(
        "item",
        "annotator",
        value=pl.when(prefers)
        .then(pl.lit("candidate ") + pl.col("rank_p").cast(pl.String))
        .otherwise(pl.col("outcome")),
        first=first,
        second=second,
        outcome=pl.when(first != second).then(outcome),
    )


def group_columns(annotators: pl.DataFrame, strata: Sequence[str]) -> pl.DataFrame:
    """``annotator`` and the first strata in which two groups are published; an absent answer is no group."""
    kept = []
    for name in strata:
        if name not in annotators.columns:
            continue
        column = pl.when(~pl.col(name).is_in(NO_GROUP)).then(pl.col(name)).alias(name)
        if (
            annotators.select(column).to_series().n_unique()
            - bool(annotators.select(column).to_series().null_count())
            > 1
        ):
            kept.append(column)
    return annotators.select("annotator", *kept[:MAX_COLUMNS])


def release_aggregates(
    judgements: pl.DataFrame, items: pl.DataFrame, annotators: pl.DataFrame, strata: Sequence[str]
) -> tuple[Aggregates, pl.DataFrame] | None:
    """Aggregates of released tables, with the table of items; None where nothing was compared pairwise.

    Args:
        judgements: Released judgements.
        items: Released items.
        annotators: Released annotators.
        strata: Codebook fields to compare groups by, most important first.
    """
    frame = compared_frame(judgements, items)
    if frame.is_empty():
        return None
    people = group_columns(annotators, strata)
    found = aggregate([frame], people=people, by=people.columns[1:])
    return found, found.items(frame)
