"""Figures over the accepted judgements of a batch, each tested against a limit of the policy.

A figure that cannot be computed (no judgement, no pair of annotators) is None: unknown, and so failed. Figures
are computed from counts that add up over partitions that share no item (:class:`Tally`), so that a batch read
part by part has exactly the figures of the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import polars as pl

from annotation.agreement import alpha
from annotation.distributions import Distributions, distance, merge_distributions
from annotation.item_facts import threshold_name
from annotation.patterns import PatternHistogram, histogram, merge
from annotation.records import AnswerStatus, Outcome

__all__ = ["BatchFacts", "Tally", "figure", "merge_tallies", "tally", "told"]

_Key = TypeVar("_Key")
_TOLD: Final = ("item", "annotator", "kind", "outcome", "preferred_rank", "policy_digest")
_DOCUMENTED: Final = (str(AnswerStatus.ANSWERED), str(AnswerStatus.PREFER_NOT_TO_SAY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the figures need to know of the accepted judgements of a part; parts share no item.

    Attributes:
        accepted: Accepted judgements.
        annotators: ``annotator, len``: accepted judgements of each person.
        overlaps: Accepted judgements of an item → number of items.
        patterns: Pattern histogram of the pairwise judgements; None where there is none.
        twins: ``prompt_twin_<t>`` → items with such a twin.
        outdated: Policy whose rulings have changed since → judgements given under it.
        distributions: See :mod:`annotation.distributions`.
    """

    accepted: int
    annotators: pl.DataFrame
    overlaps: Mapping[int, int]
    patterns: PatternHistogram | None
    twins: Mapping[str, int]
    outdated: Mapping[str, int]
    distributions: Distributions

    @property
    def items(self) -> int:
        """Items with at least one accepted judgement."""
        return sum(self.overlaps.values())


def told(accepted: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    """What :func:`tally` reads of accepted judgements, and nothing more.

    Args:
        accepted: They, with ``preferred_rank`` among the item's candidates beside the record.
        columns: Names of the columns that figures are computed from.
    """
    return accepted.select(*_TOLD, *_twins(columns))


def tally(
    accepted: pl.DataFrame,
    *,
    columns: Collection[str],
    outdated: Collection[str],
    distributions: Distributions,
) -> Tally:
    """The tally of accepted judgements.

    Args:
        accepted: What is :func:`told` by all of these items.
        columns: Names of the columns that figures are computed from.
        outdated: Digests of the policies whose rulings have changed since.
        distributions: Of the same judgements.
    """
    overlaps = accepted.group_by("item").len().get_column("len").value_counts()
    twins = _twins(columns)
    items = accepted.group_by("item").agg(pl.col(column).first().is_not_null() for column in twins)
    old = accepted.filter(pl.col("policy_digest").is_in(list(outdated)))
    return Tally(
        accepted=accepted.height,
        annotators=accepted.group_by("annotator").len(),
        overlaps={int(judged): int(many) for judged, many in overlaps.iter_rows()},
        patterns=_patterns(accepted),
        twins={column: int(items[column].sum()) for column in twins},
        outdated=dict(old.group_by("policy_digest").len().iter_rows()),
        distributions=distributions,
    )


def _twins(columns: Collection[str]) -> list[str]:
    return [column for column in sorted(columns) if column.startswith("prompt_twin_")]


def merge_tallies(parts: Sequence[Tally]) -> Tally:
    """The tally of all parts together; they share no item."""
    return Tally(
        accepted=sum(part.accepted for part in parts),
        annotators=pl.concat([part.annotators for part in parts])
        .group_by("annotator")
        .agg(pl.col("len").sum()),
        overlaps=_added(part.overlaps for part in parts),
        patterns=_merged([part.patterns for part in parts if part.patterns is not None]),
        twins=_added(part.twins for part in parts),
        outdated=_added(part.outdated for part in parts),
        distributions=merge_distributions([part.distributions for part in parts]),
    )


def _added(counts: Iterable[Mapping[_Key, int]]) -> dict[_Key, int]:
    total: Counter[_Key] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _merged(patterns: Sequence[PatternHistogram]) -> PatternHistogram | None:
    return merge(patterns) if patterns else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """What the figures are computed from.

    Attributes:
        tally: Of the accepted judgements.
        profiles: Codebook answers.
        read: Rows read.
        quarantined: Rows in quarantine.
        before: Distributions of the last batch; None where this is the first.
    """

    tally: Tally
    profiles: pl.DataFrame
    read: int
    quarantined: int
    before: Distributions | None = None


def figure(facts: BatchFacts, wanted: Mapping[str, Any]) -> float | None:
    """The figure that a check's ``figure`` describes, or None where it is undefined."""
    kind = wanted["check"]
    if kind not in _FIGURES:
        raise ValueError(f"no figure {kind!r}")
    if not facts.tally.accepted and kind != "quarantine_share":
        return None
    return _FIGURES[kind](facts, wanted)


def _busiest(tally: Tally) -> float:
    return float(tally.annotators.get_column("len").max() or 0) / tally.accepted  # type: ignore[arg-type]


def _overlap(tally: Tally, at_least: int) -> float:
    return sum(many for judged, many in tally.overlaps.items() if judged >= at_least) / tally.items


def _documented(facts: BatchFacts, questions: tuple[str, ...] | list[str]) -> float:
    """Share of annotators who answered every question asked for (any question where none is named).

    "Prefer not to say" is an answer: it documents a choice. "Not asked", expired and revoked are none.
    """
    annotators = facts.tally.annotators
    answers = facts.profiles.filter(pl.col("status").is_in(_DOCUMENTED)).select("annotator", "field").unique()
    if questions:
        answers = answers.filter(pl.col("field").is_in(list(questions)))
    enough = max(len(set(questions)), 1)
    documented = answers.group_by("annotator").len().filter(pl.col("len") >= enough)
    return annotators.join(documented, on="annotator", how="semi").height / annotators.height


def _coverage(facts: BatchFacts, question: str, stratum: str) -> float:
    annotators = facts.tally.annotators
    within = facts.profiles.filter(
        (pl.col("field") == question)
        & (pl.col("status") == str(AnswerStatus.ANSWERED))
        & (pl.col("value") == stratum)
    )
    return annotators.join(within, on="annotator", how="semi").height / annotators.height


def _drift(facts: BatchFacts, of: str) -> float | None:
    """Distance from the last batch; 0 where there is none, since nothing can have drifted."""
    now = facts.tally.distributions
    return 0.0 if facts.before is None else distance(now.get(of, {}), facts.before.get(of, {}))


def _agreement(tally: Tally) -> float | None:
    return None if tally.patterns is None else alpha(tally.patterns).value


def _patterns(accepted: pl.DataFrame) -> PatternHistogram | None:
    """Pattern histogram of the pairwise judgements, nominal over the candidates, tie and neither.

    "Cannot judge" is a missing value.
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
    return histogram(items, codes, n_items=int(items.max()) + 1, categories=names)


_FIGURES: Final[Mapping[str, Callable[[BatchFacts, Mapping[str, Any]], float | None]]] = {
    "quarantine_share": lambda facts, _: facts.quarantined / facts.read if facts.read else None,
    "busiest_share": lambda facts, _: _busiest(facts.tally),
    "overlap": lambda facts, wanted: _overlap(facts.tally, wanted["at_least"]),
    "documented_share": lambda facts, wanted: _documented(facts, wanted.get("questions", ())),
    "agreement": lambda facts, _: _agreement(facts.tally),
    "coverage": lambda facts, wanted: _coverage(facts, wanted["question"], wanted["stratum"]),
    "split_contamination": lambda facts, wanted: (
        facts.tally.twins[threshold_name("prompt_twin_", wanted["similarity"])] / facts.tally.items
    ),
    "stale_share": lambda facts, _: sum(facts.tally.outdated.values()) / facts.tally.accepted,
    "drift": lambda facts, wanted: _drift(facts, wanted["of"]),
}
