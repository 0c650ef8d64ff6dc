"""What a report of agreement needs to know of a table of judgements, in a form that adds up.

A :class:`Tally` of the whole equals the merged tallies of its parts, if no item is in two parts. So a
table of any size is read one partition after the other, and only counts are held: patterns of the items,
overall and at the border of every group, the pairs of few annotators, and the ids of the annotators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.agreement import Level
from annotation.agreement_annotators import disagreement_by_item
from annotation.agreement_groups import joint_of
from annotation.cohen import PairCounts, merge_pairs, pair_counts
from annotation.patterns import Categories, PatternHistogram, histogram, merge
from governance.errors import RecordError

__all__ = ["MISSING", "Coded", "GroupTally", "Tally", "code", "merge_tallies", "tally"]

MISSING: Final = "(missing)"
MAX_COHEN: Final = 12
LARGEST: Final = 1e150
_SPREAD: Final = 4
_FEW: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTally:
    """One stratum: patterns inside and outside of it (:func:`annotation.agreement_groups.joint_of`), its people."""

    joint: PatternHistogram
    people: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of a table of judgements.

    Attributes:
        level: Level of measurement.
        histogram: Items by pattern.
        people: Annotators.
        groups: Column to stratum to its counts.
        crossed: Columns in which some item was judged in two strata: these have borders.
        pairs: Counts per pair of annotators; None where there are more than a dozen annotators.
        missing: Rows without item, annotator or value.
        repeated: Rows of an annotator and item that had a row before.
        top: How many disputed items can be named.
        examples: Patterns (``values``, sorted) with the names of the first ``top`` items that show them.
    """

    level: Level
    histogram: PatternHistogram
    people: frozenset[str]
    groups: Mapping[str, Mapping[str, GroupTally]]
    crossed: frozenset[str]
    pairs: Mapping[tuple[str, str], PairCounts] | None
    missing: int
    repeated: int
    top: int
    examples: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """The table as integers: ``items``, ``annotators`` and ``codes`` are (J,) positions."""

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


def code(frame: pl.DataFrame, *, level: Level) -> Coded:
    """A table in long form (``item``, ``annotator``, ``value``) as integers; what is left out is counted.

    Raises:
        RecordError: Values do not suit the level.
    """
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
    if numeric and level is not Level.NOMINAL and categories:
        far = max(categories, key=abs)
        if abs(far) > LARGEST:
            raise RecordError(
                "too large to square", field="value", value=far, expected=f"numbers within {LARGEST:g}"
            )
    return Coded(
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


def tally(coded: Coded, *, level: Level, by: Sequence[str] = (), top: int = 0) -> Tally:
    """The counts of a coded table.

    Args:
        coded: The table.
        level: Level of measurement.
        by: Columns whose values form groups; a null value forms the group ``(missing)``.
        top: Most disputed items to name.
    """
    pairs = None
    if len(coded.names) <= MAX_COHEN:
        pairs = pair_counts(
            coded.items,
            coded.annotators,
            coded.codes,
            n_items=coded.n_items,
            names=coded.names,
            n_categories=len(coded.categories),
        )
    groups: dict[str, Mapping[str, GroupTally]] = {}
    crossed = set()
    for column in by:
        groups[column], crosses = _by(coded, column)
        if crosses:
            crossed.add(column)
    return Tally(
        level=level,
        histogram=histogram(coded.items, coded.codes, n_items=coded.n_items, categories=coded.categories),
        people=frozenset(coded.names),
        groups=groups,
        crossed=frozenset(crossed),
        pairs=pairs,
        missing=coded.missing,
        repeated=coded.repeated,
        top=top,
        examples=_examples(coded, level, top),
    )


def _by(coded: Coded, column: str) -> tuple[dict[str, GroupTally], bool]:
    groups, names = _codes(coded.frame[column].cast(pl.String).fill_null(MISSING))
    first = np.full(coded.n_items, -1, dtype=np.int64)
    first[coded.items[::-1]] = groups[::-1]
    found = {}
    for number, name in enumerate(names):
        member = groups == number
        people = np.flatnonzero(np.bincount(coded.annotators[member], minlength=len(coded.names)))
        joint = joint_of(coded.items, coded.codes, member, n_items=coded.n_items, categories=coded.categories)
        found[str(name)] = GroupTally(joint=joint, people=frozenset(coded.names[who] for who in people))
    return found, bool((first[coded.items] != groups).any())


def _examples(coded: Coded, level: Level, top: int) -> pl.DataFrame:
    """Patterns and the first items of each; only the most disputed where later margins cannot change that."""
    values = coded.frame["value"].cast(pl.String if isinstance(_first(coded.categories), str) else pl.Float64)
    shown = pl.DataFrame({"item": coded.frame["item"].cast(pl.String), "value": values})
    if top and level is not Level.ORDINAL and coded.n_items:
        found = disagreement_by_item(
            coded.items, coded.codes, n_items=coded.n_items, categories=coded.categories, distance=level
        )
        worth = np.nan_to_num(found)
        least = np.partition(worth, -top)[-top] if top < len(worth) else 0.0
        shown = shown.filter(pl.Series(((worth >= least) & (worth > 0))[coded.items]))
    return _first_of_patterns(
        shown.group_by("item")
        .agg(pl.col("value").sort().alias("values"))
        .filter(pl.col("values").list.len() > 1),
        top,
    )


def _first_of_patterns(items: pl.DataFrame, top: int) -> pl.DataFrame:
    kept = items if top else items.clear()
    return (
        kept.sort("item")
        .group_by("values", maintain_order=True)
        .agg(pl.col("item").head(max(1, top)).alias("items"))
        .sort("items")
    )


def _first(categories: Categories) -> Any:
    return categories[0] if categories else 0.0


def merge_tallies(parts: Sequence[Tally]) -> Tally:
    """The tally of the union of parts that share no item, of one level and with the same columns.

    Raises:
        ValueError: There is no part, or parts of different kinds.
    """
    if not parts:
        raise ValueError("nothing to merge")
    first = parts[0]
    if any((p.level, p.top, list(p.groups)) != (first.level, first.top, list(first.groups)) for p in parts):
        raise ValueError("tallies of different levels, columns or tops do not add up")
    whole = merge([part.histogram for part in parts])
    people = frozenset().union(*(part.people for part in parts))
    pairs = None
    if len(people) <= MAX_COHEN:
        place = {value: position for position, value in enumerate(whole.categories)}
        positions = [[place[value] for value in part.histogram.categories] for part in parts]
        known = [part.pairs for part in parts if part.pairs is not None]
        met = merge_pairs(known, positions, len(whole.categories))
        none = np.zeros(len(whole.categories), dtype=np.int64)
        never = PairCounts(items=0, agreeing=0, first=none, second=none)
        # Two people whom no part holds together are a pair of the whole all the same.
        pairs = {pair: met.get(pair, never) for pair in combinations(sorted(people), 2)}
    examples = pl.concat([part.examples for part in parts]).explode("items").rename({"items": "item"})
    return Tally(
        level=first.level,
        histogram=whole,
        people=people,
        groups={column: _merged_groups(parts, column) for column in first.groups},
        crossed=frozenset().union(*(part.crossed for part in parts)),
        pairs=pairs,
        missing=sum(part.missing for part in parts),
        repeated=sum(part.repeated for part in parts),
        top=first.top,
        examples=_first_of_patterns(examples, first.top),
    )


def _merged_groups(parts: Sequence[Tally], column: str) -> dict[str, GroupTally]:
    """A group counts the items of the parts it is absent from, too: they lie outside of it."""
    names = sorted({name for part in parts for name in part.groups[column]})
    merged = {}
    for name in names:
        joints = [
            part.groups[column][name].joint if name in part.groups[column] else _all_outside(part.histogram)
            for part in parts
        ]
        people = [part.groups[column][name].people for part in parts if name in part.groups[column]]
        joint = merge(joints)
        merged[name] = GroupTally(joint=joint, people=frozenset().union(*people))
    return merged


def _all_outside(plain: PatternHistogram) -> PatternHistogram:
    width = len(plain.categories)
    codes = plain.counts.tocoo()
    counts = type(plain.counts)(
        (codes.data, (codes.row, codes.col + width)), shape=(plain.counts.shape[0], 2 * width)
    )
    sides: Categories = tuple((side, value) for side in (0, 1) for value in plain.categories)
    return PatternHistogram(categories=sides, counts=counts, items=plain.items)
