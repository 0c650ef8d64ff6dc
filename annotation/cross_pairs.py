"""Sums of distances over pairs of judgements, without a matrix of distances where there is a shorter way.

With counts r and s over the same C categories, the sum over pairs (one judgement from each side) is

===========================  ==================================================================
nominal                      R S - sum_c r_c s_c
ordinal, interval (points)   S sum r p^2 + R sum s p^2 - 2 (sum r p)(sum s p)
any other distance           r' D s
===========================  ==================================================================

so that 1-100 scores, or seven thousand different readings, cost what two categories cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotation.agreement import Distance, Level, distance_matrix, midranks
from annotation.patterns import Counts, PatternHistogram

__all__ = ["Form", "cross_sum", "form_of", "own_sum"]

_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """How distances are computed: by ``points`` (C,), by a ``table`` (C, C), or nominally where both are None."""

    points: NDArray[np.float64] | None = None
    table: NDArray[np.float64] | None = None


def form_of(
    distance: Distance, plain: PatternHistogram, margins: NDArray[np.float64], *, unit: bool = False
) -> Form:
    """The form of a distance.

    Args:
        distance: Level of measurement or a squared distance.
        plain: Any histogram with the C categories.
        margins: (C,) judgements by category, which fix the ordinal ranks.
        unit: Scale the interval level's values to at most 1, where only ratios of distances count.
    """
    if distance is Level.NOMINAL:
        return Form()
    if distance in (Level.ORDINAL, Level.INTERVAL):
        points = midranks(margins) if distance is Level.ORDINAL else plain.values
        if len(points):
            points = points - points.mean()
        if unit and distance is Level.INTERVAL:
            points = points / (np.abs(points).max(initial=0.0) or 1.0)
        return Form(points=points)
    return Form(table=distance_matrix(plain, distance, margins))


def _rows(product: Any) -> NDArray[np.float64]:
    return np.asarray(product.sum(axis=1), dtype=np.float64).ravel()


def _times(left: Any, right: Any) -> Any:
    return left.multiply(right) if hasattr(left, "multiply") else left * right


def cross_sum(inside: Counts, outside: Counts, form: Form) -> NDArray[np.float64]:
    """(N,) sum over pairs of one judgement inside and one outside; counts (N, C), both sparse or both dense."""
    if form.table is not None:
        parts = [
            _rows(_times(inside[start : start + _ROWS], outside[start : start + _ROWS] @ form.table))
            for start in range(0, inside.shape[0], _ROWS)
        ]
        return np.concatenate(parts or [np.zeros(0)])
    r, s = _rows(inside), _rows(outside)
    if form.points is None:
        return np.asarray(r * s - _rows(_times(inside, outside)))
    p = form.points
    return np.asarray(s * (inside @ p**2) + r * (outside @ p**2) - 2 * (inside @ p) * (outside @ p))


def own_sum(counts: Counts, form: Form) -> NDArray[np.float64]:
    """(N,) sum over ordered pairs of judgements of one row: a judgement is at distance 0 from itself."""
    return cross_sum(counts, counts, form)
