"""Who speaks: the people there are against the population they should stand for, cell by cell.

A target gives each cell of strata (say age band by gender) its share of the population. Coverage names the
cells where people are missing, and says how far the whole is from the target before and after cutting every
cell to what its share allows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from governance.errors import InputError

__all__ = ["Cell", "Coverage", "coverage"]

_SLACK: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of strata.

    Attributes:
        stratum: A value per stratum column.
        share: Share of the population, 0 to 1.
        have: People there are.
        need: People a sample of the wanted size asks for, floor(share x N) + 1.
    """

    stratum: tuple[str, ...]
    share: float
    have: int
    need: int

    @property
    def take(self) -> int:
        """People of the cell in the balanced sample: min(have, need)."""
        return min(self.have, self.need)

    @property
    def is_under_filled(self) -> bool:
        """Whether people are missing."""
        return self.have < self.need


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Observed people against a target.

    Attributes:
        names: Stratum columns.
        cells: In the order of the target.
        size: Sample size N that ``need`` refers to.
        outside: People in no cell of the target (a value it does not know, or no answer).
        total_share: What the given shares summed to before they were scaled to 1.
    """

    names: tuple[str, ...]
    cells: tuple[Cell, ...]
    size: int
    outside: int
    total_share: float

    @property
    def observed(self) -> int:
        """People in a cell of the target."""
        return sum(cell.have for cell in self.cells)

    @property
    def balanced_size(self) -> int:
        """People left when every cell is cut to what its share allows."""
        return sum(cell.take for cell in self.cells)

    @property
    def under_filled(self) -> tuple[Cell, ...]:
        """Cells where people are missing."""
        return tuple(cell for cell in self.cells if cell.is_under_filled)

    @property
    def total_variation_before(self) -> float | None:
        """Distance of the people there are from the target."""
        return _distance([cell.have for cell in self.cells], self.cells)

    @property
    def total_variation_after(self) -> float | None:
        """Distance of the balanced sample from the target."""
        return _distance([cell.take for cell in self.cells], self.cells)

    def as_json(self) -> dict[str, Any]:
        """The JSON object of ``bounds coverage --json``."""

        def name(cell: Cell) -> dict[str, str]:
            return dict(zip(self.names, cell.stratum, strict=True))

        return {
            "size": self.size,
            "observed": self.observed,
            "outside": self.outside,
            "balanced_size": self.balanced_size,
            "under_filled_count": len(self.under_filled),
            "total_variation_before": self.total_variation_before,
            "total_variation_after": self.total_variation_after,
            "under_filled": [
                {
                    "stratum": name(cell),
                    "have": cell.have,
                    "need": cell.need,
                    "missing": cell.need - cell.have,
                }
                for cell in self.under_filled
            ],
            "cells": [
                {
                    "stratum": name(cell),
                    "share": cell.share,
                    "have": cell.have,
                    "need": cell.need,
                    "take": cell.take,
                    "under_filled": cell.is_under_filled,
                }
                for cell in self.cells
            ],
        }


def coverage(
    observed: Mapping[tuple[str, ...], int],
    target: Mapping[tuple[str, ...], float],
    *,
    names: tuple[str, ...],
    size: int | None = None,
) -> Coverage:
    """Compare people with a target.

    ``need = floor(share x N) + 1``, the rebalancing rule published with PRISM (Kirk et al. 2024,
    doi:10.48550/arXiv.2404.16019, notebook 02); the distance is total variation,
    ``TV = 1/2 sum_c |have_c / sum have - share_c|``, 0 (alike) to 1 (disjoint).
    Worked: its UK sample of 274 people against the census with N = 300 leaves 243 people, 32 of 60 cells
    under-filled, TV .2068 before.

    Args:
        observed: People per cell.
        target: Share per cell; the shares sum to 1 within 2 % and are scaled to exactly 1.
        names: Stratum columns, one per position of a cell.
        size: Sample size N; by default the people in the target's cells.

    Raises:
        InputError: A share or count is negative or not finite, or the shares do not sum to 1.
    """
    for cell, share in target.items():
        if not math.isfinite(share) or share < 0:
            raise InputError("a share is not a number from 0", field=" / ".join(cell), value=share)
    for cell, count in observed.items():
        if count < 0:
            raise InputError("a count is negative", field=" / ".join(cell), value=count)
    total = math.fsum(target.values())
    if not target or abs(total - 1) > _SLACK:
        raise InputError(
            "the target's shares do not sum to 1", value=round(total, 6), expected="1 (or 100 percent)"
        )
    inside = sum(count for cell, count in observed.items() if cell in target)
    wanted = inside if size is None else size
    cells = tuple(
        Cell(
            stratum=cell,
            share=share / total,
            have=observed.get(cell, 0),
            need=math.floor(share / total * wanted) + 1,
        )
        for cell, share in target.items()
    )
    return Coverage(
        names=names,
        cells=cells,
        size=wanted,
        outside=sum(observed.values()) - inside,
        total_share=total,
    )


def _distance(counts: list[int], cells: tuple[Cell, ...]) -> float | None:
    total = sum(counts)
    if total == 0:
        return None
    return math.fsum(abs(count / total - cell.share) for count, cell in zip(counts, cells, strict=True)) / 2
