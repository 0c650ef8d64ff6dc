"""Figures over the accepted judgements of a batch, each tested against a limit of the policy.

A figure that cannot be computed (no judgement, no pair of annotators) is None: unknown, and so failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from annotation.agreement import alpha
from annotation.patterns import histogram
from annotation.records import AnswerStatus, Outcome

__all__ = ["BatchFacts", "figure", "nominal_alpha"]

_DOCUMENTED: Final = (str(AnswerStatus.ANSWERED), str(AnswerStatus.PREFER_NOT_TO_SAY))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """What the figures are computed from.

    Attributes:
        accepted: Accepted judgements with ``preferred_rank`` among the item's candidates beside the record.
        profiles: Codebook answers.
        read: Rows read.
        quarantined: Rows in quarantine.
    """

    accepted: pl.DataFrame
    profiles: pl.DataFrame
    read: int
    quarantined: int


def figure(facts: BatchFacts, wanted: Mapping[str, Any]) -> float | None:
    """The figure that a check's ``figure`` describes, or None where it is undefined."""
    match wanted["check"]:
        case "quarantine_share":
            return facts.quarantined / facts.read if facts.read else None
        case "busiest_share":
            return _busiest(facts.accepted)
        case "overlap":
            return _overlap(facts.accepted, wanted["at_least"])
        case "documented_share":
            return _documented(facts, wanted.get("questions", ()))
        case "agreement":
            return nominal_alpha(facts.accepted)
        case "coverage":
            return _coverage(facts, wanted["question"], wanted["stratum"])
        case unknown:
            raise ValueError(f"no figure {unknown!r}")


def _busiest(accepted: pl.DataFrame) -> float | None:
    if accepted.is_empty():
        return None
    counts = accepted.group_by("annotator").len().get_column("len")
    return float(counts.max() or 0) / accepted.height  # type: ignore[arg-type]


def _overlap(accepted: pl.DataFrame, at_least: int) -> float | None:
    if accepted.is_empty():
        return None
    counts = accepted.group_by("item").len().get_column("len")
    return int((counts >= at_least).sum()) / len(counts)


def _documented(facts: BatchFacts, questions: tuple[str, ...] | list[str]) -> float | None:
    """Share of annotators who answered every question asked for (any question where none is named).

    "Prefer not to say" is an answer: it documents a choice. "Not asked", expired and revoked are none.
    """
    annotators = facts.accepted.select("annotator").unique()
    if annotators.is_empty():
        return None
    answers = facts.profiles.filter(pl.col("status").is_in(_DOCUMENTED)).select("annotator", "field").unique()
    if questions:
        answers = answers.filter(pl.col("field").is_in(list(questions)))
    enough = max(len(set(questions)), 1)
    documented = answers.group_by("annotator").len().filter(pl.col("len") >= enough)
    return annotators.join(documented, on="annotator", how="semi").height / annotators.height


def _coverage(facts: BatchFacts, question: str, stratum: str) -> float | None:
    annotators = facts.accepted.select("annotator").unique()
    if annotators.is_empty():
        return None
    within = facts.profiles.filter(
        (pl.col("field") == question)
        & (pl.col("status") == str(AnswerStatus.ANSWERED))
        & (pl.col("value") == stratum)
    )
    return annotators.join(within, on="annotator", how="semi").height / annotators.height


def nominal_alpha(accepted: pl.DataFrame) -> float | None:
    """Krippendorff's alpha of the pairwise judgements, nominal over the candidates, tie and neither.

    "Cannot judge" is a missing value. None where it is undefined, see :func:`annotation.agreement.alpha`.
    """
    outcome = pl.col("outcome")
    judged = accepted.filter((pl.col("kind") == "pairwise") & (outcome != str(Outcome.CANNOT_JUDGE))).select(
        item=pl.col("item").rank("dense").cast(pl.Int64) - 1,
        code=pl.when(outcome == str(Outcome.NEITHER))
        .then(0)
        .when(outcome == str(Outcome.TIE))
        .then(1)
        .otherwise(2 + pl.col("preferred_rank"))
        .cast(pl.Int64),
    )
    if judged.is_empty():
        return None
    codes = judged.get_column("code").to_numpy()
    items = judged.get_column("item").to_numpy()
    # Names of the categories in sorted order: neither, tie, then the candidates by canonical rank.
    names = tuple(float(code) for code in range(int(codes.max()) + 1))
    return alpha(histogram(items, codes, n_items=int(items.max()) + 1, categories=names)).value
