"""Which of many intervals is the first to exclude a number, by bisection.

The narrowings of a range are in order of authority. The first one whose low end lies above a number is found
on the staircase of running maxima of the low ends, the first one whose high end lies below it on that of
running minima of the high ends, the first one whose steps miss it among the few different steps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from governance.policy.domain import Interval
from governance.policy.model import Narrowing

__all__ = ["Stairs", "make_stairs"]


@dataclass(frozen=True, slots=True)
class Stairs:
    """The staircases; numbers in millionths, positions into ``narrowings``."""

    narrowings: tuple[Narrowing, ...]
    lows: tuple[int, ...]
    low_positions: tuple[int, ...]
    highs: tuple[int, ...]  # negated, so that they rise too
    high_positions: tuple[int, ...]
    steps: tuple[tuple[int, int], ...]
    other: int  # the first narrowing that is no interval and so excludes every number

    def excluding(self, micro: int) -> int | None:
        """Position of the narrowing of highest authority that excludes ``micro`` by itself."""
        position = self.other
        above = bisect_right(self.lows, micro)
        if above < len(self.lows):
            position = min(position, self.low_positions[above])
        below = bisect_right(self.highs, -micro)
        if below < len(self.highs):
            position = min(position, self.high_positions[below])
        for step, first in self.steps:
            if micro % step:
                position = min(position, first)
        return position if position < len(self.narrowings) else None


def make_stairs(narrowings: Sequence[Narrowing]) -> Stairs:
    """The staircases of narrowings in order of authority."""
    lows: list[int] = []
    highs: list[int] = []
    low_positions: list[int] = []
    high_positions: list[int] = []
    steps: dict[int, int] = {}
    other = len(narrowings)
    for position, narrowing in enumerate(narrowings):
        domain = narrowing.domain
        if not isinstance(domain, Interval):
            other = min(other, position)
            continue
        if not lows or domain.low > lows[-1]:
            lows.append(domain.low)
            low_positions.append(position)
        if not highs or -domain.high > highs[-1]:
            highs.append(-domain.high)
            high_positions.append(position)
        steps.setdefault(domain.step, position)
    return Stairs(
        tuple(narrowings),
        tuple(lows),
        tuple(low_positions),
        tuple(highs),
        tuple(high_positions),
        tuple(steps.items()),
        other,
    )
