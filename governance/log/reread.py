"""The entries of a judged log, read again from its files as often as somebody asks; none is kept.

INVARIANT: what is read later is what was judged: each bundle is held to the digest it had then, so that files that are
changed between two readings are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from governance.errors import InputError
from governance.log.entry import Entry, EntryError, Kind, read_entry
from governance.log.tiles import unbundle

__all__ = ["Entries"]


@dataclass(slots=True, kw_only=True)
class Entries:
    """Entries by position, None where the bytes are none.

    Attributes:
        read: Bytes of a file by its name.
        bundles: Name, digest and number of entries of each bundle, in order.
    """

    read: Callable[[str], bytes | None] = lambda _: None
    bundles: list[tuple[str, bytes, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(count for _, _, count in self.bundles)

    def __iter__(self) -> Iterator[Entry | None]:
        return (entry for _, entry in self._walk())

    def of(self, kinds: Collection[Kind] = ()) -> Iterator[tuple[int, Entry]]:
        """Position and entry of what could be read, in order; of these kinds, of all by default."""
        return ((at, entry) for at, entry in self._walk(kinds) if entry is not None)

    def _walk(self, kinds: Collection[Kind] = ()) -> Iterator[tuple[int, Entry | None]]:
        # The canonical form ends with the kind.
        ends = tuple(b'"kind":"%b"}' % kind.value.encode() for kind in kinds)
        first = 0
        for name, digest, count in self.bundles:
            data = self.read(name) or b""
            if hashlib.sha256(data).digest() != digest:
                raise InputError("the file was changed while it was judged", file=name)
            try:
                raw = unbundle(data)
            except ValueError:
                raw = []
            for at in range(count):
                entry = raw[at] if at < len(raw) else b""
                if not ends or entry.endswith(ends):
                    yield first + at, _entry(entry)
            first += count


def _entry(data: bytes) -> Entry | None:
    try:
        return read_entry(data)[0]
    except EntryError:
        return None
