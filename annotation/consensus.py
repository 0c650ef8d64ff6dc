"""Group-aware consensus: what every group can live with, which a large group cannot vote through.

A majority over all lets the largest group speak for everybody. Two figures per item and category say
how far a category carries across groups: the product of the groups' shares, and the smallest of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_consensus", "group_counts", "worst_group_share"]


def group_counts(
    items: NDArray[np.int64],
    codes: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    n_items: int,
    n_categories: int,
    n_groups: int,
) -> NDArray[np.int64]:
    """(I, G, C) judgements by item, group and category."""
    cells = (items * n_groups + groups) * n_categories + codes
    flat = np.bincount(cells, minlength=n_items * n_groups * n_categories)
    return flat.reshape(n_items, n_groups, n_categories)


def group_consensus(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(I, C) group-informed consensus: ``prod_g (1 + n_gc) / (2 + n_g)``.

    Each group contributes the probability that its next member says c (Laplace's rule, so that a group of
    one is not certain); a group that did not judge the item contributes 1/2 to every category and so
    changes no order. Values of different items compare only where the same groups judged them.

    Source: Small et al. (2021), doi:10.6035/recerca.5516 (Polis). Worked: group x says c in 3 of 4, group y in 0
    of 2: 4/6 x 1/4 = .167; another category with 1 of 4 and 2 of 2: 2/6 x 3/4 = .25 carries further.
    """
    totals = counts.sum(axis=2, keepdims=True)
    return np.asarray(((1 + counts) / (2 + totals)).prod(axis=1))


def worst_group_share(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(I, C) smallest share of a category in a group that judged the item; NaN where none did."""
    totals = counts.sum(axis=2, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.inf), where=totals > 0)
    worst = shares.min(axis=1) if counts.shape[1] else np.full((len(counts), counts.shape[2]), np.inf)
    return np.where(np.isinf(worst), np.nan, worst)
