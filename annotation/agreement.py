"""Agreement between annotators: Krippendorff's alpha and its relatives, from a pattern histogram.

Alpha compares the disagreement seen inside items with the disagreement expected when the same judgements
are dealt to items at random: 1 is perfect, 0 is chance, below 0 is systematic disagreement. It takes any
number of annotators, missing judgements and any distance. A figure that is not defined is ``None`` with
the reason, never 0 or 1.

Intervals are in :mod:`annotation.agreement_bootstrap`, groups in :mod:`annotation.agreement_groups`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from annotation.patterns import Counts, PatternHistogram
from governance.errors import RecordError

__all__ = [
    "Coefficient",
    "Distance",
    "Level",
    "ac1",
    "alpha",
    "coincidence_matrix",
    "distance_matrix",
    "fleiss_kappa",
    "percent_agreement",
    "unit_points",
]

MAX_MATRIX_CATEGORIES: Final = 4000
_ROWS: Final = 4096


class Level(StrEnum):
    """Level of measurement, which fixes the squared distance between two values."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"
    RATIO = "ratio"


Distance: TypeAlias = Level | Callable[[Any, Any], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """A coefficient, or the reason why it has no value."""

    value: float | None
    reason: str | None = None


NO_PAIR: Final = "no item has two judgements"
ONE_CATEGORY: Final = "only one category was used, so no disagreement is expected by chance"


def midranks(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Midrank of each category along the last axis: r_c = sum_{g<=c} n_g - n_c / 2.

    The ordinal distance (sum_{g=c..k} n_g - (n_c + n_k) / 2)^2 equals (r_k - r_c)^2.
    """
    ranks: NDArray[np.float64] = np.cumsum(margins, axis=-1) - margins / 2
    return ranks


def distance_matrix(
    histogram: PatternHistogram, distance: Distance, margins: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(C, C) squared distances between categories.

    ====================  ============================================
    nominal               1 if c != k else 0
    ordinal               (r_k - r_c)^2, midranks of ``margins``
    interval              (v_k - v_c)^2
    ratio                 ((v_k - v_c) / (v_k + v_c))^2, 0 where both are 0
    a function            its value; symmetric, 0 on the diagonal
    ====================  ============================================

    Raises:
        RecordError: More different values than a table of distances holds.
        ValueError: Values that the distance is not defined for, or a function that is no distance.
    """
    width = len(histogram.categories)
    if width > MAX_MATRIX_CATEGORIES:
        raise RecordError(
            "too many different values for a table of distances",
            field="value",
            value=width,
            expected=f"at most {MAX_MATRIX_CATEGORIES}, or the nominal, ordinal or interval level",
        )
    if not isinstance(distance, Level):
        table = np.array(
            [[float(distance(a, b)) for b in histogram.categories] for a in histogram.categories],
            dtype=np.float64,
        ).reshape(width, width)
        if not np.allclose(table, table.T) or np.any(np.diag(table) != 0) or np.any(table < 0):
            raise ValueError("a distance must be symmetric, not negative, and 0 between equal values")
        return table
    match distance:
        case Level.NOMINAL:
            return 1.0 - np.eye(width)
        case Level.ORDINAL:
            ranks = midranks(margins)
            return np.asarray((ranks[:, None] - ranks[None, :]) ** 2)
        case Level.INTERVAL:
            values = histogram.values
            return np.asarray((values[:, None] - values[None, :]) ** 2)
        case Level.RATIO:
            values = histogram.values
            if np.any(values < 0):
                raise ValueError("the ratio level has a true zero; negative values are not allowed")
            values = values / (values.max(initial=0.0) or 1.0)
            total = values[:, None] + values[None, :]
            difference = values[:, None] - values[None, :]
            return np.asarray(np.divide(difference, total, out=np.zeros_like(total), where=total != 0) ** 2)


def unit_points(histogram: PatternHistogram) -> NDArray[np.float64]:
    """(C,) values moved to mean 0 and scaled to at most 1, and 0 for a value that no pattern has.

    Alpha at the interval level depends neither on zero nor on unit. Readings of a billionth are as good as any
    then, and a stray value far off, in an item that is not counted, costs the others no digits.
    """
    values = histogram.values
    used = np.asarray(histogram.counts.sum(axis=0)).ravel() > 0
    if not used.any():
        return np.zeros(len(values))
    centred = np.where(used, values - values[used].mean(), 0.0)
    return np.asarray(centred / (np.abs(centred).max() or 1.0))


def within(counts: Counts, distance: Distance, histogram: PatternHistogram) -> NDArray[np.float64]:
    """(P,) sum over ordered pairs of judgements in a pattern of their distance, divided by m - 1.

    Only for distances that do not depend on the margins (every one but the ordinal).
    """
    sizes = np.asarray(counts.sum(axis=1), dtype=np.float64)
    if distance is Level.NOMINAL:
        squares = np.asarray(counts.multiply(counts).sum(axis=1), dtype=np.float64)
        pairs = sizes**2 - squares
    elif distance is Level.INTERVAL:
        pairs = spread(counts, unit_points(histogram), sizes)
    else:
        table = distance_matrix(histogram, distance, np.zeros(len(histogram.categories)))
        pairs = np.concatenate(
            [
                np.asarray(
                    counts[start : start + _ROWS].multiply(counts[start : start + _ROWS] @ table).sum(axis=1)
                )
                for start in range(0, counts.shape[0], _ROWS)
            ]
            or [np.zeros(0)]
        )
    return np.asarray(pairs / (sizes - 1))


def spread(counts: Counts, values: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P,) sum over ordered pairs of (v_a - v_b)^2 = 2 (m sum v^2 - (sum v)^2)."""
    return np.asarray(2 * (sizes * (counts @ values**2) - (counts @ values) ** 2))


def expected(
    margins: NDArray[np.float64], distance: Distance, histogram: PatternHistogram
) -> NDArray[np.float64]:
    """Sum over ordered pairs of all judgements of their distance; margins (..., C) give (...)."""
    n = margins.sum(axis=-1)
    if distance is Level.NOMINAL:
        return np.asarray(n**2 - (margins**2).sum(axis=-1))
    if distance is Level.ORDINAL:
        ranks = midranks(margins)
        first = (margins * ranks).sum(axis=-1)
        return np.asarray(2 * (n * (margins * ranks**2).sum(axis=-1) - first**2))
    if distance is Level.INTERVAL:
        values = unit_points(histogram)
        return np.asarray(2 * (n * (margins @ values**2) - (margins @ values) ** 2))
    table = distance_matrix(histogram, distance, np.zeros(len(histogram.categories)))
    return np.asarray(((margins @ table) * margins).sum(axis=-1))


def alpha(histogram: PatternHistogram, distance: Distance = Level.NOMINAL) -> Coefficient:
    """Krippendorff's alpha.

    ``alpha = 1 - D_o / D_e`` over pairable judgements (n of them, in items with m_u >= 2):
    ``D_o = 1/n sum_u 1/(m_u - 1) sum_{a != b in u} d2(a, b)`` and
    ``D_e = 1/(n (n - 1)) sum_{a != b} d2(a, b)``.

    Args:
        histogram: Items by pattern.
        distance: Level of measurement, or a squared distance between two values.

    Returns:
        A value in (-inf, 1]; None when no item has two judgements or when no disagreement can be expected.

    Source: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; Content Analysis, chapter 12.
    Worked: his 4 observers x 12 units with missing data give nominal .743, ordinal .815, interval .849,
    ratio .797.
    """
    pairs = histogram.pairable()
    if pairs.n_items == 0:
        return Coefficient(value=None, reason=NO_PAIR)
    weights = pairs.items.astype(np.float64)
    margins = np.asarray(weights @ pairs.counts, dtype=np.float64)
    if np.count_nonzero(margins) < 2:
        return Coefficient(value=None, reason=ONE_CATEGORY)
    if distance is Level.ORDINAL:
        sizes = pairs.sizes.astype(np.float64)
        ranks = midranks(margins)
        observed = float(weights @ (spread(pairs.counts, ranks - ranks.mean(), sizes) / (sizes - 1)))
    else:
        observed = float(weights @ within(pairs.counts, distance, pairs))
    chance = float(expected(margins, distance, pairs)) / (margins.sum() - 1)
    if chance <= 0:
        return Coefficient(value=None, reason=ONE_CATEGORY)
    return Coefficient(value=float(1 - observed / chance))


def coincidence_matrix(histogram: PatternHistogram) -> NDArray[np.float64]:
    """(C, C) coincidences: o_ck = sum_u (ordered pairs c-k in u) / (m_u - 1); its sum is n.

    Matrices of disjoint sets of items with the same categories add up.
    """
    pairs = histogram.pairable()
    if len(pairs.categories) > MAX_MATRIX_CATEGORIES:
        raise ValueError(f"{len(pairs.categories)} different values are too many for a matrix")
    share = pairs.items / (pairs.sizes - 1)
    weighted = pairs.counts.multiply(share[:, None]).tocsr()
    return np.asarray((pairs.counts.T @ weighted).toarray() - np.diag(np.asarray(share @ pairs.counts)))


def percent_agreement(histogram: PatternHistogram) -> Coefficient:
    """Mean over items (m_u >= 2) of the share of agreeing pairs: sum_c n_uc (n_uc - 1) / (m_u (m_u - 1))."""
    pairs = histogram.pairable()
    if pairs.n_items == 0:
        return Coefficient(value=None, reason=NO_PAIR)
    sizes = pairs.sizes.astype(np.float64)
    squares = np.asarray(pairs.counts.multiply(pairs.counts).sum(axis=1), dtype=np.float64)
    agreeing = (squares - sizes) / (sizes * (sizes - 1))
    return Coefficient(value=float(pairs.items @ agreeing / pairs.n_items))


def fleiss_kappa(histogram: PatternHistogram) -> Coefficient:
    """Fleiss' kappa: (P - P_e) / (1 - P_e), P_e = sum_c p_c^2, over items with m_u >= 2.

    With unequal m_u (Fleiss fixed m), P is the mean of the items' agreement and p_c the share of all their
    judgements. Source: Fleiss (1971), doi:10.1037/h0031619; his 10 x 14 table gives .210.
    """
    pairs = histogram.pairable()
    agreed = percent_agreement(pairs)
    if agreed.value is None:
        return agreed
    margins = np.asarray(pairs.items @ pairs.counts, dtype=np.float64)
    chance = float(((margins / margins.sum()) ** 2).sum())
    if chance >= 1:
        return Coefficient(value=None, reason=ONE_CATEGORY)
    return Coefficient(value=(agreed.value - chance) / (1 - chance))


def ac1(histogram: PatternHistogram) -> Coefficient:
    """Gwet's AC1: (P - P_e) / (1 - P_e), P_e = sum_c pi_c (1 - pi_c) / (C - 1).

    pi_c is the mean over all items, single judgements included, of n_uc / m_u; P as in percent agreement.
    It does not collapse when one category is rare. Source: Gwet (2008), doi:10.1348/000711006X126600.
    """
    agreed = percent_agreement(histogram)
    if agreed.value is None:
        return agreed
    width = len(histogram.categories)
    if width < 2:
        return Coefficient(value=None, reason=ONE_CATEGORY)
    shares = np.asarray((histogram.items / histogram.sizes) @ histogram.counts, dtype=np.float64)
    pi = shares / histogram.n_items
    chance = float((pi * (1 - pi)).sum() / (width - 1))
    return Coefficient(value=(agreed.value - chance) / (1 - chance))
