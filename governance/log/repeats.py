"""Acts that stand twice in a log, found in memory that does not grow with it.

Of each act its 16 bytes and its position are dealt into 256 parts by the first byte (an act's bytes are a digest, so
the parts are of one size), and each part is judged for itself: equal acts are in one part. Where the parts lie
meanwhile is the caller's affair: this package touches no disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

__all__ = ["Acts", "InMemory", "Parts"]

_PARTS: Final = 256
_ROW: Final = 24
_HELD: Final = 1 << 18  # rows, 6 MB, until they are handed on


class Parts(Protocol):
    """Where bytes lie until they are judged: as many parts as there are first bytes."""

    def add(self, part: int, data: bytes) -> None:
        """Lay these bytes behind what the part holds."""

    def read(self, part: int) -> bytes:
        """All that was laid in the part, in order."""


@dataclass(slots=True)
class InMemory:
    """Parts of a log that is small enough."""

    held: dict[int, bytearray] = field(default_factory=dict)

    def add(self, part: int, data: bytes) -> None:
        """See :class:`Parts`."""
        self.held.setdefault(part, bytearray()).extend(data)

    def read(self, part: int) -> bytes:
        """See :class:`Parts`."""
        return bytes(self.held.get(part, b""))


@dataclass(slots=True)
class Acts:
    """The acts of a log, noted in its order."""

    parts: Parts = field(default_factory=InMemory)
    _rows: list[bytearray] = field(default_factory=lambda: [bytearray() for _ in range(_PARTS)])
    _count: int = 0

    def note(self, name: bytes, position: int) -> None:
        """Note an act by its 16 bytes."""
        self._rows[name[0]] += name + position.to_bytes(8, "big")
        self._count += 1
        if self._count == _HELD:
            self._hand_on()

    def _hand_on(self) -> None:
        for part, rows in enumerate(self._rows):
            if rows:
                self.parts.add(part, bytes(rows))
                rows.clear()
        self._count = 0

    def repeated(self) -> Iterator[str]:
        """Entries that say what another one said before them, in the order of their acts' bytes."""
        self._hand_on()
        for part in range(_PARTS):
            yield from _repeated(self.parts.read(part))


def _repeated(data: bytes) -> Iterator[str]:
    rows = np.frombuffer(data, dtype=">u8").reshape(-1, _ROW // 8)
    order = np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))
    names, positions = rows[order, :2], rows[order, 2]
    same = np.flatnonzero((names[1:] == names[:-1]).all(axis=1)) + 1
    first, last = 0, -1
    for at in same.tolist():
        if at != last + 1:
            first = int(positions[at - 1])
        last = at
        yield f"entry {int(positions[at])}: repeats entry {first}"
