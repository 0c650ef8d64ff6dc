"""How many requests are in flight, and when: additive increase, halving when a server says it is too much.

The rule of TCP's congestion control (Chiu & Jain 1989, doi:10.1016/0169-7552(89)90019-6): it finds what a
server bears without being told, and shares it with others.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["Pace", "retry_after"]

_LONGEST_WAIT: Final = 120.0


def retry_after(header: str | None, *, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, at most two minutes; None where it says nothing usable."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            moment = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WAIT) if seconds == seconds else None  # noqa: PLR0124 - NaN


class Pace:
    """The places at which workers wait. Worker ``i`` works while ``i`` is below the limit."""

    def __init__(self, most: int, *, per_second: float | None = None) -> None:
        self.most = most
        self.limit = float(most)
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._quiet_until = 0.0
        self._halved_at = 0.0
        self._raised = asyncio.Event()

    async def turn(self, worker: int) -> None:
        """Wait until this worker may send."""
        clock = asyncio.get_running_loop().time
        while worker >= self.limit:
            self._raised.clear()
            await self._raised.wait()
        if self._quiet_until > (now := clock()):
            await asyncio.sleep(self._quiet_until - now)
        if self._interval:
            now = clock()
            self._next = max(self._next, now) + self._interval
            if self._next - self._interval > now:
                await asyncio.sleep(self._next - self._interval - now)

    def fine(self) -> None:
        """An answer came: one more place after as many answers as there are places."""
        if self.limit < self.most:
            before = int(self.limit)
            self.limit = min(self.limit + 1 / max(self.limit, 1.0), self.most)
            if int(self.limit) > before:
                self._raised.set()

    def too_much(self, wait: float | None) -> None:
        """The server is overloaded: half the places (once a second), and silence for as long as it asks."""
        now = asyncio.get_running_loop().time()
        if now - self._halved_at >= 1.0:
            self.limit = max(self.limit / 2, 1.0)
            self._halved_at = now
        if wait:
            self._quiet_until = max(self._quiet_until, now + wait)

    def release_all(self) -> None:
        """Let waiting workers see that there is nothing left to do."""
        self.limit = float(self.most)
        self._raised.set()
