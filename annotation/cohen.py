"""Cohen's kappa of every pair of annotators."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["PairKappa", "cohen_kappas"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairKappa:
    """Kappa of two annotators on the items both judged; ``kappa`` None with fewer than one, or one category."""

    first: str
    second: str
    items: int
    kappa: float | None


def cohen_kappas(
    items: NDArray[np.int64],
    annotators: NDArray[np.int64],
    codes: NDArray[np.int64],
    *,
    n_items: int,
    names: tuple[str, ...],
    n_categories: int,
) -> tuple[PairKappa, ...]:
    """Cohen's kappa per pair: (P - P_e) / (1 - P_e), P_e = sum_c p_c q_c with each annotator's own shares.

    Args:
        items: (J,) item of each judgement.
        annotators: (J,) position in ``names``.
        codes: (J,) category, 0 to ``n_categories`` - 1.
        n_items: Number of items.
        names: The annotators; the table is items x names, so keep them few.
        n_categories: Number of categories.

    Source: Cohen (1960), doi:10.1177/001316446002000104. Worked: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no
    give P = .7, P_e = .5, kappa = .4.
    """
    table = np.full((n_items, len(names)), -1, dtype=np.int64)
    table[items, annotators] = codes
    found = []
    for a, b in combinations(range(len(names)), 2):
        both = (table[:, a] >= 0) & (table[:, b] >= 0)
        x, y = table[both, a], table[both, b]
        kappa = None
        if len(x):
            p = np.bincount(x, minlength=n_categories) / len(x)
            q = np.bincount(y, minlength=n_categories) / len(y)
            chance = float(p @ q)
            if chance < 1:
                kappa = float((np.mean(x == y) - chance) / (1 - chance))
        found.append(PairKappa(first=names[a], second=names[b], items=len(x), kappa=kappa))
    return tuple(found)
