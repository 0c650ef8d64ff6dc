"""Figures over the accepted judgements of a batch, each tested against a limit of the policy.

A figure that cannot be computed (no judgement, no pair of annotators) is None: unknown, and so failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from annotation.agreement import alpha
from annotation.distributions import Distributions, distance
from annotation.item_facts import threshold_name
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
        outdated: Policies whose rulings have changed since: digest → what changed.
        now: Distributions of the accepted judgements, see :mod:`annotation.distributions`.
        before: Those of the last batch; None where this is the first.
    """

    accepted: pl.DataFrame
    profiles: pl.DataFrame
    read: int
    quarantined: int
    outdated: Mapping[str, str] = field(default_factory=dict)
    now: Distributions = field(default_factory=dict)
    before: Distributions | None = None


def figure(facts: BatchFacts, wanted: Mapping[str, Any]) -> float | None:
    """The figure that a check's ``figure`` describes, or None where it is undefined."""
    kind = wanted["check"]
    if kind not in _FIGURES:
        raise ValueError(f"no figure {kind!r}")
    return _FIGURES[kind](facts, wanted)


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


def _split_contamination(accepted: pl.DataFrame, column: str) -> float | None:
    if accepted.is_empty():
        return None
    items = accepted.group_by("item").agg(pl.col(column).first().is_not_null())
    return int(items[column].sum()) / items.height


def _stale(facts: BatchFacts) -> float | None:
    if facts.accepted.is_empty():
        return None
    stale = facts.accepted["policy_digest"].is_in(list(facts.outdated))
    return int(stale.sum()) / facts.accepted.height


def _drift(facts: BatchFacts, of: str) -> float | None:
    """Distance from the last batch; 0 where there is none, since nothing can have drifted."""
    if facts.accepted.is_empty():
        return None
    return 0.0 if facts.before is None else distance(facts.now.get(of, {}), facts.before.get(of, {}))


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


_FIGURES: Final[Mapping[str, Callable[[BatchFacts, Mapping[str, Any]], float | None]]] = {
    "quarantine_share": lambda facts, _: facts.quarantined / facts.read if facts.read else None,
    "busiest_share": lambda facts, _: _busiest(facts.accepted),
    "overlap": lambda facts, wanted: _overlap(facts.accepted, wanted["at_least"]),
    "documented_share": lambda facts, wanted: _documented(facts, wanted.get("questions", ())),
    "agreement": lambda facts, _: nominal_alpha(facts.accepted),
    "coverage": lambda facts, wanted: _coverage(facts, wanted["question"], wanted["stratum"]),
    "split_contamination": lambda facts, wanted: _split_contamination(
        facts.accepted, threshold_name("prompt_twin_", wanted["similarity"])
    ),
    "stale_share": lambda facts, _: _stale(facts),
    "drift": lambda facts, wanted: _drift(facts, wanted["of"]),
}
