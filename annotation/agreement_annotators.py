"""What one annotator or one item contributes: alpha under other annotators, and the most disputed items.

The bootstrap over items asks "what if we had shown other items"; this one asks "what if we had asked other
people". It needs to know who gave which judgement, so it works on the rows and costs a pass over them per
replicate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from annotation.agreement import Distance, Level, distance_matrix, expected, midranks
from annotation.agreement_bootstrap import Interval, percentile_interval
from annotation.patterns import Categories, PatternHistogram, histogram

__all__ = ["annotator_interval", "disagreement_by_item"]


def _pairs(
    table: NDArray[np.float64], distance: Distance, values: PatternHistogram, margins: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(I,) sum over ordered pairs of judgements of an item of their distance, for weighted counts (I, C)."""
    totals = table.sum(axis=1)
    if distance is Level.NOMINAL:
        return np.asarray(totals**2 - (table**2).sum(axis=1))
    if distance in (Level.ORDINAL, Level.INTERVAL):
        points = midranks(margins) if distance is Level.ORDINAL else values.values
        points = points - points.mean()
        return np.asarray(2 * (totals * (table @ points**2) - (table @ points) ** 2))
    return np.asarray(((table @ distance_matrix(values, distance, margins)) * table).sum(axis=1))


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
    width = len(categories)
    values = histogram(items, codes, n_items=n_items, categories=categories)
    generator = np.random.default_rng(seed)
    found = np.full(replicates, np.nan)
    cells = items * width + codes
    for replicate in range(replicates):
        drawn = np.bincount(generator.integers(0, n_annotators, size=n_annotators), minlength=n_annotators)
        weight = drawn[annotators].astype(np.float64)
        table = np.bincount(cells, weights=weight, minlength=n_items * width).reshape(n_items, width)
        totals = table.sum(axis=1)
        distinct = totals**2 - np.bincount(items, weights=weight**2, minlength=n_items)
        used = distinct > 0
        margins = table[used].sum(axis=0)
        chance = float(expected(margins, distance, values))
        if chance <= 0:
            continue
        pairs = _pairs(table[used], distance, values, margins)
        observed = float((totals[used] / distinct[used] * pairs).sum())
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
    width = len(categories)
    table = (
        np.bincount(items * width + codes, minlength=n_items * width).reshape(n_items, width).astype(float)
    )
    totals = table.sum(axis=1)
    values = histogram(items, codes, n_items=n_items, categories=categories)
    used = totals >= 2
    result = np.full(n_items, np.nan)
    pairs = _pairs(table[used], distance, values, table[used].sum(axis=0))
    result[used] = pairs / (totals[used] * (totals[used] - 1))
    return result
