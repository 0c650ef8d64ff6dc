"""What one annotator or one item contributes: alpha under other annotators, and the most disputed items.

The bootstrap over items asks "what if we had shown other items"; this one asks "what if we had asked other
people". It needs to know who gave which judgement, so it works on the rows and costs a pass over them per
replicate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from annotation.agreement import Distance, Level, expected, midranks
from annotation.agreement_bootstrap import Interval, percentile_interval
from annotation.cross_pairs import Form, form_of, own_sum
from annotation.patterns import Categories, Counts, PatternHistogram, histogram

__all__ = ["annotator_interval", "disagreement_by_item"]


class _Cells:
    """The (item, category) cells that occur, for sums per item with a weight per judgement."""

    def __init__(
        self, items: NDArray[np.int64], codes: NDArray[np.int64], *, n_items: int, plain: PatternHistogram
    ) -> None:
        self.items, self.n_items, self.width = items, n_items, len(plain.categories)
        self.plain = plain
        cells, self.cell = np.unique(items * self.width + codes, return_inverse=True)
        self.row, self.column = cells // self.width, cells % self.width
        self.start = np.searchsorted(self.row, np.arange(n_items + 1))

    def counts(self, weight: NDArray[np.float64]) -> Counts:
        """(n_items, C) sparse weighted counts."""
        data = np.bincount(self.cell, weights=weight, minlength=len(self.row))
        return sparse.csr_array((data, self.column, self.start), shape=(self.n_items, self.width))


def _ordinal(margins: NDArray[np.float64]) -> Form:
    ranks = midranks(margins)
    return Form(points=ranks - ranks.mean())


def annotator_interval(
    items: NDArray[np.int64],
    annotators: NDArray[np.int64],
    codes: NDArray[np.int64],
    *,
    n_items: int,
    n_annotators: int,
    categories: Categories,
    distance: Distance = Level.NOMINAL,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Percentile bootstrap interval of alpha over annotators, with items held fixed.

    A replicate draws A annotators with replacement: annotator a counts v_a times. Two copies of one person
    are no pair (they would always agree), so with M_u = sum_a v_a and T_u = M_u^2 - sum_a v_a^2,
    ``D_o ~ sum_u M_u / T_u sum_{a != b in u} v_a v_b d2(x_a, x_b)`` over items with T_u > 0, and D_e is that
    of the weighted margins of these items. With every v_a = 1 this is Krippendorff's alpha.

    Args:
        items: (J,) item of each judgement.
        annotators: (J,) annotator of each judgement.
        codes: (J,) category of each judgement.
        n_items: Number of items.
        n_annotators: Number of annotators A.
        categories: The C values.
        distance: As in alpha.
        replicates: Bootstrap samples; each costs a pass over the J rows.
        seed: Seed of the draws.
        confidence: Nominal coverage.
    """
    if n_annotators < 2 or len(items) == 0:
        return Interval(low=None, high=None, confidence=confidence, replicates=0, undefined=0)
    values = histogram(items, codes, n_items=n_items, categories=categories)
    cells = _Cells(items, codes, n_items=n_items, plain=values)
    fixed = (
        None if distance is Level.ORDINAL else form_of(distance, values, np.zeros(len(categories)), unit=True)
    )
    generator = np.random.default_rng(seed)
    found = np.full(replicates, np.nan)
    for replicate in range(replicates):
        drawn = np.bincount(generator.integers(0, n_annotators, size=n_annotators), minlength=n_annotators)
        weight = drawn[annotators].astype(np.float64)
        totals = np.bincount(items, weights=weight, minlength=n_items)
        distinct = totals**2 - np.bincount(items, weights=weight**2, minlength=n_items)
        used = distinct > 0
        counts = cells.counts(weight)
        margins = np.asarray(used.astype(np.float64) @ counts, dtype=np.float64)
        chance = float(expected(margins, distance, values))
        if chance <= 0:
            continue
        pairs = own_sum(counts, fixed or _ordinal(margins))
        observed = float((totals[used] / distinct[used] * pairs[used]).sum())
        found[replicate] = 1 - observed * (margins.sum() - 1) / chance
    return percentile_interval(found, confidence=confidence)


def disagreement_by_item(
    items: NDArray[np.int64],
    codes: NDArray[np.int64],
    *,
    n_items: int,
    categories: Categories,
    distance: Distance = Level.NOMINAL,
) -> NDArray[np.float64]:
    """(n_items,) mean distance between two judgements of an item; NaN with fewer than two.

    Nominal: the share of disagreeing pairs. Interval: twice the variance. Worked: judgements 1, 1, 2 on an
    item disagree in 4 of 6 ordered pairs.
    """
    values = histogram(items, codes, n_items=n_items, categories=categories)
    counts = _Cells(items, codes, n_items=n_items, plain=values).counts(np.ones(len(items)))
    totals = np.bincount(items, minlength=n_items).astype(np.float64)
    used = totals >= 2
    margins = np.asarray(used.astype(np.float64) @ counts, dtype=np.float64)
    result = np.full(n_items, np.nan)
    pairs = own_sum(counts, form_of(distance, values, margins))
    result[used] = pairs[used] / (totals[used] * (totals[used] - 1))
    return result
