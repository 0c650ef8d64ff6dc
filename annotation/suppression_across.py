"""What two releases tell together: no published cell changes by fewer than k people, none alone explains who left.

A release without somebody who withdrew, laid beside the one before, would say who they were: the cell that has one
person less. What a reader can count in two releases of the same people are the *cells*, the published combinations
of a profile, and sums of cells. Against every earlier release therefore

1. a cell has the very count that it had, or one that differs by at least k;
2. where the number of all people differs by fewer than k, not exactly one cell differs: the few may be of any of
   several cells, or of the people of whom nothing is said.

Both are reached by saying nothing of further people (all columns ``suppressed``); nothing is ever said that
:func:`annotation.suppression.suppress_profiles` hid. What a reader may not learn is computed from published tables
alone: who is who in an earlier release is known to nobody any more.

Source: Xiao and Tao (2007), m-invariance, doi:10.1145/1247480.1247556, for the attack; the rule is stricter for
counts, and knows no sensitive column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from annotation.suppression import SUPPRESSED

__all__ = ["hide_differences"]

Cell = tuple[str, ...]
_NOTHING: Final = "_nothing"


def hide_differences(
    people: pl.DataFrame, columns: Sequence[str], earlier: Sequence[pl.DataFrame], *, k: int
) -> pl.DataFrame:
    """``people`` with further rows suppressed until no earlier release tells more together with this one.

    INVARIANT: the result keeps what :func:`annotation.suppression.suppress_profiles` promises, and for every
    earlier release both rules above; or nothing at all is said of anybody.

    Args:
        people: One row per person, small cells suppressed already.
        columns: Quasi-identifiers; text without nulls.
        earlier: The published people of earlier releases; each is compared on the columns that both have.
        k: Smallest cell, from 1.
    """
    if not columns or people.is_empty() or k <= 1:
        return people
    cells: list[Cell] = people.select(columns).rows()
    blank: Cell = (SUPPRESSED,) * len(columns)
    tables = [_Table.of(table, columns) for table in earlier]
    tables = [table for table in tables if table.places]
    before: list[Cell] = []
    while before != cells:
        before = list(cells)
        for table in tables:
            _keep_rules(cells, table, blank, k)
        _fill_up(cells, blank, k)
    return people.with_columns(
        pl.Series(name, [cell[place] for cell in cells], dtype=pl.String)
        for place, name in enumerate(columns)
    )


class _Table:
    """An earlier release: which places of a cell it has, and its counts by what stands there."""

    def __init__(self, places: tuple[int, ...], counts: Mapping[Cell, int]) -> None:
        self.places = places
        self.counts = counts
        self.total = sum(counts.values())
        self.blank: Cell = (SUPPRESSED,) * len(places)

    @classmethod
    def of(cls, table: pl.DataFrame, columns: Sequence[str]) -> _Table:
        shared = [(place, name) for place, name in enumerate(columns) if name in table.columns]
        names = [name for _, name in shared]
        counts = Counter(table.select(names).rows()) if names else Counter()
        return cls(tuple(place for place, _ in shared), counts)

    def part(self, cell: Cell) -> Cell:
        """What of a cell this release has, too."""
        return tuple(cell[place] for place in self.places)

    def allowed(self, cell: Cell, count: int, k: int) -> int:
        """The largest count up to ``count`` that the cell may have."""
        before = self.counts.get(cell, 0)
        if count >= before + k or count == before:
            return count
        if count > before:
            return before
        return count if count <= before - k else max(before - k, 0)


def _keep_rules(cells: list[Cell], table: _Table, blank: Cell, k: int) -> None:
    """Blank rows until the cells keep both rules against one earlier release."""
    for cell, count in sorted(_counted(cells, table).items()):
        kept = _small(table.allowed(cell, count, k), k)
        if kept < count:
            _reduce(cells, table, cell, kept, blank)
    now = _counted(cells, table)
    changed = [cell for cell in sorted({*now, *table.counts}) if _differs(cell, now, table)]
    difference = len(cells) - table.total
    rest = sorted((count, cell) for cell, count in now.items() if cell not in changed)
    if 0 < abs(difference) < k and len(changed) == 1:
        # With no other cell to hide in, the one that changed says nothing either.
        count, cell = rest[0] if rest else (0, changed[0])
        _reduce(cells, table, cell, _small(table.allowed(cell, max(count - 1, 0), k), k), blank)


def _fill_up(cells: list[Cell], blank: Cell, k: int) -> None:
    """Blank a whole cell more while the people of whom nothing is said are fewer than k."""
    while 0 < cells.count(blank) < k and cells.count(blank) < len(cells):
        smallest = min((count, cell) for cell, count in Counter(cells).items() if cell != blank)[1]
        for place, cell in enumerate(cells):
            if cell == smallest:
                cells[place] = blank


def _counted(cells: Sequence[Cell], table: _Table) -> Counter[Cell]:
    counts = Counter(table.part(cell) for cell in cells)
    counts.pop(table.blank, None)
    return counts


def _differs(cell: Cell, now: Mapping[Cell, int], table: _Table) -> bool:
    return cell != table.blank and now.get(cell, 0) != table.counts.get(cell, 0)


def _small(count: int, k: int) -> int:
    return count if count >= k else 0


def _reduce(cells: list[Cell], table: _Table, part: Cell, count: int, blank: Cell) -> None:
    """Blank the last rows of a cell until ``count`` are left."""
    places = [place for place, cell in enumerate(cells) if table.part(cell) == part]
    for place in places[count:]:
        cells[place] = blank
