"""Soft labels: the share of an item's judgements in each category, with the uncertainty of a few voices.

What was said is kept whole: a soft label of .6 and .4 trains and evaluates as such, where a majority vote
would say 1 and 0. Source: Uma et al. (2021), Learning from Disagreement, doi:10.1613/jair.1.12752.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["category_counts", "normalised_entropy", "soft_labels"]


def category_counts(
    items: NDArray[np.int64], codes: NDArray[np.int64], *, n_items: int, n_categories: int
) -> NDArray[np.int64]:
    """(I, C) judgements of each item in each category; counts of partitions by item are stacked."""
    cells = np.bincount(items * n_categories + codes, minlength=n_items * n_categories)
    return cells.reshape(n_items, n_categories)


def soft_labels(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(I, C) shares; NaN for an item without a judgement. Worked: counts 3, 1, 0 give .75, .25, 0."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0))


def normalised_entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """(I,) -sum p ln p / ln C: 0 unanimous, 1 evenly split over all C categories. Worked: .5, .5 give 1."""
    width = shares.shape[1]
    if width < 2:
        return np.zeros(len(shares))
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return np.asarray(-(shares * logs).sum(axis=1) / np.log(width))
