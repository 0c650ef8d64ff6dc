"""Everything about the agreement of one table of judgements, as one value.

The table is in long form: one row per judgement with ``item``, ``annotator``, ``value`` and any columns
to compare by. The command line, the release and the tracking all read this report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from annotation.agreement import Coefficient, Level, ac1, alpha, fleiss_kappa, percent_agreement
from annotation.agreement_annotators import annotator_interval, disagreement_by_item
from annotation.agreement_bootstrap import Interval, alpha_interval
from annotation.agreement_groups import GroupAgreement, border_agreement, inside_of
from annotation.agreement_tally import MISSING, GroupTally, Tally, code, tally
from annotation.cohen import PairKappa, cohen_kappas
from annotation.cross_pairs import form_of, own_sum
from annotation.patterns import PatternHistogram

__all__ = ["MISSING", "AgreementReport", "GroupReport", "assess", "report_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much was judged: items with a judgement, those with two or more, annotators, judgements."""

    items: int
    pairable_items: int
    annotators: int
    judgements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """One stratum of one column. ``border`` is None where every item lies in one stratum only."""

    sizes: Sizes
    alpha: Coefficient
    interval: Interval
    border: GroupAgreement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputedItem:
    """An item and the mean distance between two of its judgements."""

    item: str
    judgements: int
    disagreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """Agreement overall, per pair of annotators and by stratum.

    ``interval`` resamples items; ``annotator_interval``, where asked for, resamples annotators.
    """

    level: Level
    seed: int
    sizes: Sizes
    missing: int
    repeated: int
    alpha: Coefficient
    interval: Interval
    percent_agreement: Coefficient
    fleiss_kappa: Coefficient
    ac1: Coefficient
    cohen: tuple[PairKappa, ...]
    by: Mapping[str, Mapping[str, GroupReport]]
    histogram: PatternHistogram
    comparisons: int = 0
    annotator_interval: Interval | None = None
    disputed: tuple[DisputedItem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The JSON object of ``bounds agreement --json``; undefined figures are null with their reason."""
        people = self.annotator_interval
        return {
            **_head(self.sizes, self.alpha, self.interval),
            "annotators_low": None if people is None else people.low,
            "annotators_high": None if people is None else people.high,
            "level": str(self.level),
            "by": {
                column: {name: _group_json(group) for name, group in groups.items()}
                for column, groups in self.by.items()
            },
            "percent_agreement": self.percent_agreement.value,
            "fleiss_kappa": self.fleiss_kappa.value,
            "ac1": self.ac1.value,
            "cohen_kappa": [
                {"annotators": [pair.first, pair.second], "kappa": pair.kappa, "items": pair.items}
                for pair in self.cohen
            ],
            "disputed": [
                {"item": item.item, "judgements": item.judgements, "disagreement": item.disagreement}
                for item in self.disputed
            ],
            "comparisons": self.comparisons,
            "confidence": self.interval.confidence,
            "bootstrap": self.interval.replicates,
            "seed": self.seed,
            "missing": self.missing,
            "repeated": self.repeated,
        }


def _head(sizes: Sizes, value: Coefficient, interval: Interval) -> dict[str, Any]:
    return {
        "alpha": value.value,
        "low": interval.low,
        "high": interval.high,
        "items": sizes.items,
        "pairable_items": sizes.pairable_items,
        "annotators": sizes.annotators,
        "judgements": sizes.judgements,
        "undefined_replicates": interval.undefined,
        "reason": value.reason,
    }


def _group_json(group: GroupReport) -> dict[str, Any]:
    body = _head(group.sizes, group.alpha, group.interval)
    border = group.border
    body["across"] = None if border is None else border.across.value
    body["difference"] = None if border is None else border.difference
    if border is not None:
        body |= {
            "across_low": border.across_interval.low,
            "across_high": border.across_interval.high,
            "across_items": border.shared_items,
            "across_reason": border.across.reason,
            "difference_low": border.difference_interval.low,
            "difference_high": border.difference_interval.high,
            "difference_simultaneous": [border.simultaneous.low, border.simultaneous.high],
        }
    return body


def assess(
    frame: pl.DataFrame,
    *,
    level: Level = Level.NOMINAL,
    by: Sequence[str] = (),
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    annotator_replicates: int = 0,
    top: int = 0,
) -> AgreementReport:
    """Agreement of a table of judgements in long form.

    Args:
        frame: Columns ``item``, ``annotator``, ``value`` (text or numbers) and those named by ``by``. Rows
            with a null among the three are counted as missing. If an annotator judged an item more than
            once, the first row counts and the others are counted as repeated.
        level: Level of measurement.
        by: Columns whose values form groups; a null value forms the group ``(missing)``.
        replicates: Bootstrap samples over items; 0 for none.
        seed: Seed of the draws.
        confidence: Nominal coverage of the intervals.
        annotator_replicates: Bootstrap samples over annotators, for the alpha over all; 0 for none.
        top: Most disputed items to name.

    Raises:
        RecordError: Values do not suit the level.
    """
    coded = code(frame, level=level)
    settings: dict[str, Any] = {"seed": seed, "confidence": confidence}
    counted = tally(coded, level=level, by=by, top=top)
    over_people = None
    if annotator_replicates:
        over_people = annotator_interval(
            coded.items,
            coded.annotators,
            coded.codes,
            n_items=coded.n_items,
            n_annotators=len(coded.names),
            categories=coded.categories,
            distance=level,
            replicates=annotator_replicates,
            **settings,
        )
    return replace(report_of(counted, replicates=replicates, **settings), annotator_interval=over_people)


def report_of(
    counted: Tally, *, replicates: int = 1000, seed: int = 0, confidence: float = 0.95
) -> AgreementReport:
    """The report of a tally: the same for a table and for the merged tallies of its partitions.

    The interval over annotators is not in it: that one needs the rows.

    Args:
        counted: Counts of the judgements.
        replicates: Bootstrap samples over items; 0 for none.
        seed: Seed of the draws.
        confidence: Nominal coverage of the intervals.
    """
    whole, level = counted.histogram, counted.level
    settings: dict[str, Any] = {"replicates": replicates, "seed": seed, "confidence": confidence}
    comparisons = sum(len(counted.groups[column]) for column in counted.crossed)
    return AgreementReport(
        level=level,
        seed=seed,
        sizes=_sizes(whole, len(counted.people)),
        missing=counted.missing,
        repeated=counted.repeated,
        alpha=alpha(whole, level),
        interval=alpha_interval(whole, level, **settings),
        percent_agreement=percent_agreement(whole),
        fleiss_kappa=fleiss_kappa(whole),
        ac1=ac1(whole),
        cohen=cohen_kappas(counted.pairs or {}),
        by={
            column: {
                name: _group(
                    counted, group, settings | {"groups": comparisons}, crossed=column in counted.crossed
                )
                for name, group in groups.items()
            }
            for column, groups in counted.groups.items()
        },
        comparisons=comparisons,
        histogram=whole,
        disputed=_disputed(counted),
    )


def _group(counted: Tally, group: GroupTally, settings: dict[str, Any], *, crossed: bool) -> GroupReport:
    categories, level = counted.histogram.categories, counted.level
    inside = inside_of(group.joint, categories)
    border = None
    if crossed:
        border = border_agreement(group.joint, categories, distance=level, **settings)
        interval = border.inside_interval
    else:
        interval = alpha_interval(
            inside, level, **{name: settings[name] for name in ("replicates", "seed", "confidence")}
        )
    return GroupReport(
        sizes=_sizes(inside, len(group.people)),
        alpha=alpha(inside, level),
        interval=interval,
        border=border,
    )


def _disputed(counted: Tally) -> tuple[DisputedItem, ...]:
    """The ``top`` items by disagreement, ties by name; items without disagreement are not disputed."""
    shown = counted.examples
    if not counted.top or shown.is_empty():
        return ()
    position = {value: code for code, value in enumerate(counted.histogram.categories)}
    lengths = shown["values"].list.len().to_numpy()
    codes = shown["values"].explode().replace_strict(position, return_dtype=pl.Int64).to_numpy()
    rows = np.repeat(np.arange(shown.height), lengths)
    if counted.level is Level.ORDINAL:
        # Ranks are those of all judgements, not only of these.
        pairs = counted.histogram.pairable()
        form = form_of(Level.ORDINAL, pairs, np.asarray(pairs.items @ pairs.counts, dtype=np.float64))
        table = sparse.csr_array((np.ones(len(codes)), (rows, codes)), shape=(shown.height, len(position)))
        found = own_sum(table, form) / (lengths * (lengths - 1.0))
    else:
        found = disagreement_by_item(
            rows, codes, n_items=shown.height, categories=counted.histogram.categories, distance=counted.level
        )
    entries = [
        DisputedItem(item=item, judgements=int(many), disagreement=float(value))
        for value, many, items in zip(found, lengths, shown["items"].to_list(), strict=True)
        for item in items
        if value > 0
    ]
    return tuple(sorted(entries, key=lambda entry: (-entry.disagreement, entry.item))[: counted.top])


def _sizes(part: PatternHistogram, annotators: int) -> Sizes:
    return Sizes(
        items=part.n_items,
        pairable_items=part.pairable().n_items,
        annotators=annotators,
        judgements=part.n_judgements,
    )
