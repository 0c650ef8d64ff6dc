"""Cohen's kappa of every pair of annotators, from counts that add up across partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PairCounts", "PairKappa", "cohen_kappas", "merge_pairs", "pair_counts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairKappa:
    """Kappa of two annotators on the items both judged; ``kappa`` None with fewer than one, or one category."""

    first: str
    second: str
    items: int
    kappa: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairCounts:
    """What Cohen's kappa of two annotators needs.

    Attributes:
        items: Items both judged.
        agreeing: Of these, judged alike.
        first: (C,) their judgements by the first annotator, by category.
        second: (C,) by the second.
    """

    items: int
    agreeing: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    @property
    def kappa(self) -> float | None:
        """(P - P_e) / (1 - P_e); None without a shared item, or where only one category was used."""
        if self.items == 0:
            return None
        chance = float((self.first / self.items) @ (self.second / self.items))
        if chance >= 1:
            return None
        return (self.agreeing / self.items - chance) / (1 - chance)


Pairs = Mapping[tuple[str, str], PairCounts]


def pair_counts(
    items: NDArray[np.int64],
    annotators: NDArray[np.int64],
    codes: NDArray[np.int64],
    *,
    n_items: int,
    names: tuple[str, ...],
    n_categories: int,
) -> dict[tuple[str, str], PairCounts]:
    """Counts per pair of annotators.

    Args:
        items: (J,) item of each judgement.
        annotators: (J,) position in ``names``.
        codes: (J,) category, 0 to ``n_categories`` - 1.
        n_items: Number of items.
        names: The annotators; the table is items x names, so keep them few.
        n_categories: Number of categories.
    """
    table = np.full((n_items, len(names)), -1, dtype=np.int64)
    table[items, annotators] = codes
    found = {}
    for a, b in combinations(range(len(names)), 2):
        both = (table[:, a] >= 0) & (table[:, b] >= 0)
        x, y = table[both, a], table[both, b]
        found[names[a], names[b]] = PairCounts(
            items=len(x),
            agreeing=int((x == y).sum()),
            first=np.bincount(x, minlength=n_categories),
            second=np.bincount(y, minlength=n_categories),
        )
    return found


def merge_pairs(parts: Sequence[Pairs], positions: Sequence[Sequence[int]], width: int) -> dict[Any, Any]:
    """Counts of disjoint sets of items, added up.

    Args:
        parts: Counts of each set.
        positions: Where each part's categories stand among the ``width`` categories of the whole.
        width: Number of categories of the whole.
    """
    sums: dict[tuple[str, str], PairCounts] = {}
    for part, where in zip(parts, positions, strict=True):
        place = np.asarray(where, dtype=np.int64)
        for key, counts in part.items():
            first, second = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
            first[place], second[place] = counts.first, counts.second
            before = sums.get(key)
            sums[key] = PairCounts(
                items=counts.items + (before.items if before else 0),
                agreeing=counts.agreeing + (before.agreeing if before else 0),
                first=first + (before.first if before else 0),
                second=second + (before.second if before else 0),
            )
    return sums


def cohen_kappas(pairs: Pairs) -> tuple[PairKappa, ...]:
    """Cohen's kappa per pair: (P - P_e) / (1 - P_e), P_e = sum_c p_c q_c with each annotator's own shares.

    Source: Cohen (1960), doi:10.1177/001316446002000104. Worked: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no
    give P = .7, P_e = .5, kappa = .4.
    """
    return tuple(
        PairKappa(first=first, second=second, items=counts.items, kappa=counts.kappa)
        for (first, second), counts in pairs.items()
    )
