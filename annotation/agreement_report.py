"""Everything about the agreement of one table of judgements, as one value.

The table is in long form: one row per judgement with ``item``, ``annotator``, ``value`` and any columns
to compare by. The command line, the release and the tracking all read this report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.agreement import Coefficient, Level, ac1, alpha, fleiss_kappa, percent_agreement
from annotation.agreement_annotators import annotator_interval, disagreement_by_item
from annotation.agreement_bootstrap import Interval, alpha_interval
from annotation.agreement_groups import GroupAgreement, group_agreement
from annotation.cohen import PairKappa, cohen_kappas
from annotation.patterns import Categories, PatternHistogram, histogram
from governance.errors import RecordError

__all__ = ["MISSING", "AgreementReport", "GroupReport", "assess"]

MISSING: Final = "(missing)"
MAX_COHEN: Final = 12
_SPREAD: Final = 4
_FEW: Final = 1024


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coded:
    """The table as integers."""

    frame: pl.DataFrame
    items: NDArray[np.int64]
    annotators: NDArray[np.int64]
    codes: NDArray[np.int64]
    n_items: int
    names: tuple[str, ...]
    categories: Categories
    missing: int
    repeated: int


def _codes(column: pl.Series) -> tuple[NDArray[np.int64], list[Any]]:
    """Every value as its position among the sorted different values."""
    dtype = column.dtype
    if dtype.is_integer() and len(column):
        # Whole numbers in a narrow range need no sorting: an offset and the numbers that occur.
        numbers = column.cast(pl.Int64).to_numpy()
        low, high = int(numbers.min()), int(numbers.max())
        if high - low < _SPREAD * len(numbers) + 1024:
            shifted = numbers - low
            present = np.bincount(shifted, minlength=high - low + 1) > 0
            position = np.cumsum(present) - 1
            return position[shifted].astype(np.int64), (np.flatnonzero(present) + low).tolist()
    uniques = column.unique().sort()
    if len(uniques) <= _FEW and dtype.is_numeric():
        return np.searchsorted(uniques.to_numpy(), column.to_numpy()).astype(np.int64), uniques.to_list()
    lookup = pl.DataFrame({"value": uniques, "code": pl.Series(range(len(uniques)), dtype=pl.Int64)})
    coded = pl.DataFrame({"value": column}).join(lookup, on="value", how="left", maintain_order="left")
    return coded["code"].to_numpy().astype(np.int64), uniques.to_list()


def _first_of_each(
    items: NDArray[np.int64], annotators: NDArray[np.int64], n_annotators: int
) -> NDArray[np.bool_]:
    """(J,) whether a row is the first of its item and annotator."""
    keys = items * n_annotators + annotators
    cells = int(keys.max()) + 1 if len(keys) else 0
    if cells < _SPREAD * len(keys) + 1024 and int(np.bincount(keys, minlength=1).max()) <= 1:
        return np.ones(len(keys), dtype=bool)
    first = np.zeros(len(keys), dtype=bool)
    first[np.unique(keys, return_index=True)[1]] = True
    return first


def _code(frame: pl.DataFrame, *, level: Level) -> _Coded:
    needed = ["item", "annotator", "value"]
    known = frame
    if any(frame[name].null_count() for name in needed):
        known = frame.filter(pl.all_horizontal(pl.col(needed).is_not_null()))
    numeric = known["value"].dtype.is_numeric()
    if not numeric and level is not Level.NOMINAL:
        raise RecordError(
            f"the {level} level needs numbers",
            field="value",
            value=known["value"].first() if len(known) else None,
            expected="numbers, or the nominal level",
        )
    items, item_names = _codes(known["item"])
    annotators, annotator_names = _codes(known["annotator"])
    first = _first_of_each(items, annotators, max(1, len(annotator_names)))
    repeated = len(known) - int(first.sum())
    if repeated:
        known, items, annotators = known.filter(pl.Series(first)), items[first], annotators[first]
    values = known["value"].cast(pl.Float64 if numeric else pl.String)
    codes, categories = _codes(values)
    if level is Level.RATIO and categories and categories[0] < 0:
        raise RecordError(
            "the ratio level has a true zero", field="value", value=categories[0], expected="numbers from 0"
        )
    return _Coded(
        frame=known,
        items=items,
        annotators=annotators,
        codes=codes,
        n_items=len(item_names),
        names=tuple(str(name) for name in annotator_names),
        categories=tuple(categories),
        missing=len(frame) - len(known) - repeated,
        repeated=repeated,
    )


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
    coded = _code(frame, level=level)
    whole = histogram(coded.items, coded.codes, n_items=coded.n_items, categories=coded.categories)
    settings: dict[str, Any] = {"replicates": replicates, "seed": seed, "confidence": confidence}
    cohen: tuple[PairKappa, ...] = ()
    if 2 <= len(coded.names) <= MAX_COHEN:
        cohen = cohen_kappas(
            coded.items,
            coded.annotators,
            coded.codes,
            n_items=coded.n_items,
            names=coded.names,
            n_categories=len(coded.categories),
        )
    return AgreementReport(
        level=level,
        seed=seed,
        sizes=_sizes(whole, len(coded.names)),
        missing=coded.missing,
        repeated=coded.repeated,
        alpha=alpha(whole, level),
        interval=alpha_interval(whole, level, **settings),
        percent_agreement=percent_agreement(whole),
        fleiss_kappa=fleiss_kappa(whole),
        ac1=ac1(whole),
        cohen=cohen,
        by={column: _by(coded, column, level, settings) for column in by},
        histogram=whole,
        annotator_interval=_over_annotators(coded, level, settings | {"replicates": annotator_replicates}),
        disputed=_disputed(coded, level, top),
    )


def _over_annotators(coded: _Coded, level: Level, settings: Mapping[str, Any]) -> Interval | None:
    if not settings["replicates"]:
        return None
    return annotator_interval(
        coded.items,
        coded.annotators,
        coded.codes,
        n_items=coded.n_items,
        n_annotators=len(coded.names),
        categories=coded.categories,
        distance=level,
        **settings,
    )


def _disputed(coded: _Coded, level: Level, top: int) -> tuple[DisputedItem, ...]:
    """The ``top`` items by disagreement, ties by name; items without disagreement are not disputed."""
    if not top or not coded.n_items:
        return ()
    found = disagreement_by_item(
        coded.items, coded.codes, n_items=coded.n_items, categories=coded.categories, distance=level
    )
    sizes = np.bincount(coded.items, minlength=coded.n_items)
    names = np.empty(coded.n_items, dtype=object)
    names[coded.items] = coded.frame["item"].cast(pl.String).to_numpy()
    some = np.flatnonzero(np.nan_to_num(found) > 0)
    first = sorted(some, key=lambda number: (-found[number], names[number]))[:top]
    return tuple(
        DisputedItem(item=str(names[n]), judgements=int(sizes[n]), disagreement=float(found[n]))
        for n in first
    )


def _sizes(part: PatternHistogram, annotators: int) -> Sizes:
    return Sizes(
        items=part.n_items,
        pairable_items=part.pairable().n_items,
        annotators=annotators,
        judgements=part.n_judgements,
    )


def _by(coded: _Coded, column: str, level: Level, settings: Mapping[str, Any]) -> dict[str, GroupReport]:
    groups, names = _codes(coded.frame[column].cast(pl.String).fill_null(MISSING))
    first_group = np.full(coded.n_items, -1, dtype=np.int64)
    first_group[coded.items[::-1]] = groups[::-1]
    crosses = bool((first_group[coded.items] != groups).any())
    reports = {}
    for number, name in enumerate(names):
        member = groups == number
        part = histogram(
            coded.items[member], coded.codes[member], n_items=coded.n_items, categories=coded.categories
        )
        border = None
        if crosses:
            border = group_agreement(
                coded.items,
                coded.codes,
                member,
                n_items=coded.n_items,
                categories=coded.categories,
                distance=level,
                groups=len(names),
                **settings,
            )
        reports[name] = GroupReport(
            sizes=_sizes(part, len(np.unique(coded.annotators[member]))),
            alpha=alpha(part, level),
            interval=alpha_interval(part, level, **settings) if border is None else border.inside_interval,
            border=border,
        )
    return reports
