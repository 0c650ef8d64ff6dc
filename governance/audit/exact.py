"""The incomplete beta function and its inverse for one cell, without scipy: what exact bounds of a few cells need.

An audit takes exact bounds of some ten cells. ``scipy.special`` costs it more than the rest of its start-up together
(docs/adr/0010), so single cells are taken here and arrays there; a test holds both against each other. The shapes are
whole numbers, because they count families: the normalising constant is then an exact integer.

Sources: continued fraction DLMF 8.17.22, https://dlmf.nist.gov/8.17.E22; its evaluation: Thompson & Barnett 1986,
doi:10.1016/0021-9991(86)90046-X.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

__all__ = ["LARGEST", "beta_above", "beta_below", "beta_quantile"]

LARGEST: Final = 10_000
"""Largest sum of both shapes: beyond it the constant's logarithm loses digits that scipy keeps."""

_LEAST: Final = 1e-300
_SMALL: Final = 2.0**-53
_MOST_TERMS: Final = 10_000
_MOST_STEPS: Final = 200


def beta_below(a: int, b: int, x: float) -> float:
    """P(B <= x) for B ~ Beta(a, b), which is P(X >= a) for X ~ Binomial(a + b - 1, x).

    Args:
        a: First shape, a whole number of at least 1.
        b: Second shape, likewise; ``a + b`` is at most :data:`LARGEST`.
        x: A rate in [0, 1].

    Example:
        Beta(2, 3) at 0.5: P(X >= 2), X ~ Binomial(4, 0.5) = 11/16.
    """
    return _tails(a, b, x)[0]


def beta_above(a: int, b: int, x: float) -> float:
    """P(B > x) for B ~ Beta(a, b), which is P(X < a) for X ~ Binomial(a + b - 1, x); see :func:`beta_below`."""
    return _tails(a, b, x)[1]


def beta_quantile(a: int, b: int, p: float) -> float:
    """The x with P(B <= x) = p for B ~ Beta(a, b); p in (0, 1).

    Newton's steps on the smaller of both tails, inside a bracket that every step narrows.

    Example:
        Beta(2, 199) at 0.95 is the upper bound of 1 violation in 200 families: 0.0235.
    """
    if not 0 < p < 1:
        raise ValueError(f"a probability lies strictly between 0 and 1, got {p}")
    _shapes(a, b)
    if a == 1:
        return -math.expm1(math.log1p(-p) / b)
    if b == 1:
        return math.exp(math.log(p) / a)
    low, high, x = 0.0, 1.0, a / (a + b)
    for _ in range(_MOST_STEPS):
        below, above = _tails(a, b, x)
        over = below - p if p < 0.5 else (1 - p) - above
        low, high = (low, x) if over > 0 else (x, high)
        slope = math.exp(_log_constant(a, b) + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))
        after = x - over / slope if slope > 0 else math.inf
        if not low < after < high:
            after = (low + high) / 2
        if abs(after - x) <= 2 * _SMALL * x:
            return after
        x = after
    return x


def _shapes(a: int, b: int) -> None:
    if min(a, b) < 1 or a + b > LARGEST:
        raise ValueError(
            f"shapes are whole numbers of at least 1 and at most {LARGEST} in all, got {a} and {b}"
        )


@lru_cache(maxsize=256)
def _log_constant(a: int, b: int) -> float:
    """Log of 1/B(a, b): B(a, b) = (a - 1)! (b - 1)! / (a + b - 1)!, exact before the logarithm."""
    return math.log(a * math.comb(a + b - 1, a))


def _tails(a: int, b: int, x: float) -> tuple[float, float]:
    """Both tails; the smaller one has the precision."""
    _shapes(a, b)
    if not 0 < x < 1:
        if x in {0, 1}:
            return float(x), 1.0 - x
        raise ValueError(f"a rate lies between 0 and 1, got {x}")
    front = math.exp(_log_constant(a, b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        below = front * _fraction(a, b, x) / a
        return below, 1 - below
    above = front * _fraction(b, a, 1 - x) / b
    return 1 - above, above


def _fraction(a: int, b: int, x: float) -> float:
    """The continued fraction of DLMF 8.17.22 by Lentz's method; it settles in about sqrt(a + b) terms."""
    c, d = 1.0, _inverse(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = _inverse(1 + even * d), 1 + even / c or _LEAST
        found *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = _inverse(1 + odd * d), 1 + odd / c or _LEAST
        found *= d * c
        if abs(d * c - 1) < 2 * _SMALL:
            return found
    raise ArithmeticError(f"the continued fraction of Beta({a}, {b}) at {x} does not settle")


def _inverse(value: float) -> float:
    return 1 / (value or _LEAST)
