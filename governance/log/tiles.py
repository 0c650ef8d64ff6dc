"""The tree cut into tiles of 256 hashes, as files with fixed names (C2SP tlog-tiles).

A tile of level L holds the roots of up to 256 neighbouring complete subtrees of 256^L entries; level 0 holds
leaf hashes. A full tile never changes. Entries lie beside them in bundles of 256, each with its length before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from governance.log.merkle import HASH_BYTES, fold

__all__ = [
    "LARGEST_ENTRY",
    "WIDTH",
    "Tile",
    "bundle",
    "hashes_of",
    "node_reader",
    "tiles_of",
    "unbundle",
]

WIDTH: Final = 256
_HEIGHT: Final = 8
LARGEST_ENTRY: Final = 2**16 - 1


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The place of a tile: its level, its position in it, and how many hashes (or entries) it holds."""

    level: int
    index: int
    width: int

    def path(self) -> str:
        """``tile/0/x001/234.p/5``: position in groups of three digits, width only where it is not full."""
        return f"tile/{self.level}/{self._tail()}"

    def entries_path(self) -> str:
        """Where the bundle of the entries behind a tile of level 0 lies."""
        return f"tile/entries/{self._tail()}"

    def _tail(self) -> str:
        groups, rest = [f"{self.index % 1000:03d}"], self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03d}")
            rest //= 1000
        return "/".join(reversed(groups)) + (f".p/{self.width}" if self.width < WIDTH else "")


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of ``size`` entries, lowest level first."""
    level, count = 0, size
    while count:
        full, rest = divmod(count, WIDTH)
        yield from (Tile(level, index, WIDTH) for index in range(full))
        if rest:
            yield Tile(level, full, rest)
        level, count = level + 1, full


def hashes_of(data: bytes) -> list[bytes]:
    """The hashes in a tile's bytes.

    Raises:
        ValueError: The bytes are not 1 to 256 hashes.
    """
    count, rest = divmod(len(data), HASH_BYTES)
    if rest or not 0 < count <= WIDTH:
        raise ValueError(f"{len(data)} bytes are no tile")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def node_reader(read: Callable[[int, int], Sequence[bytes]]) -> Callable[[int, int], bytes]:
    """``node(level, index)`` for :func:`governance.log.merkle.range_hash`, out of tiles.

    Args:
        read: ``read(level, index)`` gives the hashes of a tile, as far as they are there.
    """
    kept: dict[tuple[int, int], Sequence[bytes]] = {}

    def node(level: int, index: int) -> bytes:
        height, above = divmod(level, _HEIGHT)
        first = index << above
        place = (height, first // WIDTH)
        if place not in kept:
            kept[place] = read(*place)
        at = first % WIDTH
        part = kept[place][at : at + (1 << above)]
        if len(part) != 1 << above:
            raise ValueError(f"tile {place[0]}/{place[1]} is too short")
        return fold(part)

    return node


def bundle(entries: Iterable[bytes]) -> bytes:
    """Entries one behind the other, each after its length in two bytes, big-endian.

    Raises:
        ValueError: An entry is longer than 65,535 bytes.
    """
    parts = []
    for entry in entries:
        if len(entry) > LARGEST_ENTRY:
            raise ValueError(f"an entry of {len(entry)} bytes; {LARGEST_ENTRY} is the most")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def unbundle(data: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        ValueError: The bytes end within an entry.
    """
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise ValueError("the bundle ends within an entry")
        found.append(entry)
        at += 2 + length
    return found
