"""Rates as people read them: never rounded to zero, nor onto or across the limit beside which they stand."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["exact_percent", "percent"]

_FEWEST: Final = 2
_MOST: Final = 12


def percent(rate: float, *, limit: float | None = None) -> str:
    """``rate`` in per cent with two decimals, with more where two would show another side of ``limit``.

    Example:
        0.0235 beside 0.05: ``2.35``. 0.049996 beside 0.05: ``4.9996``, because 5.00 would seem to reach it.
    """
    for digits in range(_FEWEST, _MOST + 1):
        text = f"{100 * rate:.{digits}f}"
        shown = float(text) / 100
        if (shown > 0) == (rate > 0) and (limit is None or _side(shown, limit) == _side(rate, limit)):
            break
    return text


def exact_percent(value: float) -> str:
    """A declared rate or confidence in per cent, as it was declared.

    Example:
        0.05: ``5``. 0.9999999: ``99.99999``.
    """
    return f"{100 * value:.12g}"


def _side(rate: float, limit: float) -> int:
    return 0 if math.isclose(rate, limit, rel_tol=1e-9) else 1 if rate > limit else -1
