"""Decisions over columns: millions of profiles at once, with the same answers as one by one.

A column is a numpy array. Words and truth values come as codes into a list of values (Arrow's dictionary,
polars' categorical), so that each different value is judged once by the ordinary decision path and the
rest is a look-up. Numbers are compared as arrays, in exact millionths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from governance.policy.decide import Cell, Verdict
from governance.policy.domain import LARGEST, MICRO, Interval, grid_ends
from governance.policy.model import EffectivePolicy

__all__ = [
    "CLIPPED",
    "DENIED",
    "HONOURED",
    "NO_WISH",
    "Coded",
    "Decided",
    "decide_column",
    "encode",
    "settle_column",
]

NO_WISH: Final = 0
HONOURED: Final = 1
CLIPPED: Final = 2
DENIED: Final = 3
_BLOCK: Final = 65_536  # rows worked on at once, so that intermediate arrays stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of words or truth values: ``values[codes[i]]`` is row i; a code of -1 is no wish."""

    codes: npt.NDArray[np.integer[Any]]
    values: Sequence[str | bool]


@dataclass(frozen=True, slots=True)
class Decided:
    """One column decided.

    Attributes:
        allowed: Whether each value is allowed as it stands. No wish (or NaN) is False.
        verdicts: The different verdicts that occur.
        which: For coded columns, the index into ``verdicts`` of each code; see :meth:`verdict_of`.
    """

    allowed: npt.NDArray[np.bool_]
    verdicts: tuple[Verdict, ...]
    which: npt.NDArray[np.int32] | None


def encode(values: Sequence[Any]) -> Coded:
    """A plain column as codes; None is no wish."""
    seen: dict[tuple[type, Any], int] = {}
    codes = np.fromiter(
        (-1 if value is None else seen.setdefault((value.__class__, value), len(seen)) for value in values),
        dtype=np.int32,
        count=len(values),
    )
    return Coded(codes, [value for _, value in seen])


def decide_column(
    policy: EffectivePolicy,
    dimension: str,
    column: Coded | npt.NDArray[Any],
    context: Mapping[str, str] | None = None,
) -> Decided:
    """Decide every value of a column in one context.

    Args:
        policy: The composed policy.
        dimension: The dimension the values are for.
        column: Codes for choices, flags and texts; an array of numbers for ranges.
        context: The context all rows share; split the rows by context first where they differ.
    """
    known = context or {}
    if isinstance(column, Coded):
        return _coded(policy, dimension, column, known)
    cell = policy.decider.cell(dimension, known)
    if isinstance(cell, Verdict) or not isinstance(cell.left, Interval):
        # nothing is left, or numbers are the wrong type: one verdict holds for the whole column
        verdict = policy.decider.decide(dimension, 0, known)
        return Decided(np.zeros(len(column), np.bool_), (verdict,), None)
    return Decided(_inside(cell.left, column), (cell.permit,), None)


def _coded(policy: EffectivePolicy, dimension: str, column: Coded, context: Mapping[str, str]) -> Decided:
    verdicts = [policy.decider.decide(dimension, value, context) for value in column.values]
    # one entry more, so that the code -1 finds "not allowed" at the end
    table = np.array([*(verdict.allowed for verdict in verdicts), False], np.bool_)
    return Decided(table[column.codes], tuple(verdicts), np.arange(len(verdicts), dtype=np.int32))


def _inside(domain: Interval, column: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which numbers lie in ``domain``: between its ends, exact to six decimals, multiples of the step."""
    first, last = grid_ends(domain)
    if column.dtype.kind == "b":
        return np.zeros(len(column), np.bool_)
    if first > last:
        return np.zeros(len(column), np.bool_)
    if column.dtype.kind in "iu":
        return _inside_whole(domain, first, last, column)
    found = np.empty(len(column), np.bool_)
    for start in range(0, len(column), _BLOCK):
        block = column[start : start + _BLOCK].astype(np.float64, copy=False)
        low, high = first / MICRO, last / MICRO
        inside = (block >= low) & (block <= high)
        # |block| <= 10^9 where inside, so block * 10^6 < 2^53 and the rounding below is exact
        micro = np.rint(np.where(inside, block, 0.0) * MICRO)
        inside &= micro / MICRO == block
        if domain.step > 1:
            inside &= np.mod(micro, domain.step) == 0
        found[start : start + _BLOCK] = inside
    return found


def _inside_whole(domain: Interval, first: int, last: int, column: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    low, high = -(-first // MICRO), last // MICRO
    info = np.iinfo(column.dtype)
    low, high = max(low, int(info.min), -LARGEST), min(high, int(info.max), LARGEST)
    if low > high:
        return np.zeros(len(column), np.bool_)
    inside: npt.NDArray[np.bool_] = (column >= low) & (column <= high)
    if MICRO % domain.step:  # otherwise every whole number is a multiple of the step
        inside &= np.where(inside, column, 0).astype(np.int64) * MICRO % domain.step == 0
    return inside


def settle_column(
    policy: EffectivePolicy,
    dimension: str,
    column: npt.NDArray[Any],
    context: Mapping[str, str] | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Settings for a column of numbers, and what happened to each wish.

    Returns:
        The values in force (NaN where the wish is denied or absent), and ``NO_WISH``, ``HONOURED``,
        ``CLIPPED`` or ``DENIED`` for each row.
    """
    decided = decide_column(policy, dimension, column, context)
    values = column.astype(np.float64)
    absent = np.isnan(values)
    status = np.where(decided.allowed, np.uint8(HONOURED), np.uint8(DENIED))
    status[absent] = NO_WISH
    cell = policy.decider.cell(dimension, context or {})
    clips = (
        not isinstance(cell, Verdict) and cell.dimension.outside == "clip" and isinstance(cell.left, Interval)
    )
    if clips and column.dtype.kind != "b":
        assert isinstance(cell, Cell)  # noqa: S101 - said above
        _clip(cell, values, status)
    values[status == DENIED] = np.nan
    return values, status


def _clip(cell: Cell, values: npt.NDArray[np.float64], status: npt.NDArray[np.uint8]) -> None:
    """Bring the denied numbers to the nearest allowed one, as one decision at a time would."""
    if not isinstance(cell.left, Interval):
        return
    first, last = grid_ends(cell.left)
    # a number the engine cannot hold exactly stays denied, as it does in a single decision
    exact = np.abs(values) <= LARGEST
    exact &= np.rint(np.where(exact, values, 0.0) * MICRO) / MICRO == values
    rows = np.flatnonzero((status == DENIED) & exact)
    if first > last or not len(rows):
        return
    micro = np.rint(values[rows] * MICRO).astype(np.int64)
    below = micro // cell.left.step * cell.left.step
    chosen = np.where(micro - below <= below + cell.left.step - micro, below, below + cell.left.step)
    values[rows] = np.clip(chosen, first, last) / MICRO
    status[rows] = CLIPPED
