"""The append-only log in the platform's database: durable on return, in one order, whatever is killed.

:func:`append` is the one way in. An act is appended once: the same kind and body again gives the place where it
already stands. Inside a transaction of its own making a caller uses :func:`append_within`, so that a row and its
entry are there together or not at all; it comes LAST in the transaction, because the head of the log is locked until
the end (two transactions that locked it first could wait for each other).

Stored are the entries and the tiles of their tree: full tiles of leaf hashes, and the tiles above as far as they
go. What is derived from entries can be made again from them, and ``bounds verify log`` does.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, text, update

from governance.errors import InputError, OutsideError
from governance.log.entry import Entry, EntryError, Kind, identity
from governance.log.merkle import (
    EMPTY_ROOT,
    consistency_ranges,
    fold,
    inclusion_ranges,
    leaf_hash,
    range_hash,
)
from governance.log.tiles import WIDTH, hashes_of, node_reader
from infra.database import Database
from infra.tables.log import LOG_ENTRIES, LOG_HEAD, LOG_TILES

__all__ = [
    "Tree",
    "append",
    "append_all",
    "append_within",
    "entries",
    "find",
    "find_all",
    "raw_entries",
    "size",
]

_PAGE: Final = 5_000
_FIND_MANY: Final = 500
# One parameter instead of hundreds, which took a third of a batch.
_FIND_SQLITE: Final = text(
    "SELECT identity, position FROM log_entries WHERE identity IN (SELECT value FROM json_each(:names))"
)


def append(db: Database, kind: Kind, body: Mapping[str, Any], now: datetime) -> int:
    """Append an act; its position. Durable on return; appended before: the position it has.

    Raises:
        InputError: The body may not stand in the log.
    """
    return append_all(db, [(kind, body)], now)[0]


def append_all(db: Database, acts: Sequence[tuple[Kind, Mapping[str, Any]]], now: datetime) -> list[int]:
    """Append several acts in one transaction: all or none, one flush to the disk. Their positions."""
    with db.write() as connection:
        return append_within(connection, acts, now)


def append_within(
    connection: Connection, acts: Sequence[tuple[Kind, Mapping[str, Any]]], now: datetime
) -> list[int]:
    """:func:`append_all` as the last part of the caller's transaction.

    Raises:
        InputError: An act has no form that the log takes.
    """
    try:
        made = [(kind.value, *Entry(kind=kind, at=now, body=body).named()) for kind, body in acts]
    except EntryError as error:
        raise InputError(f"this may not stand in the log: {error}") from error
    if not made:
        return []
    names = [name for _, _, name in made]
    seen = connection.execute(select(LOG_HEAD.c.size)).scalar_one()
    places = _known(connection, names)
    if len(places) == len(set(names)):
        return [places[name] for name in names]
    head = connection.execute(select(LOG_HEAD.c.size).with_for_update()).scalar_one()
    if head != seen:
        places = _known(connection, names)  # somebody appended meanwhile; now nobody can
    rows: list[dict[str, Any]] = []
    for kind, data, name in made:
        if name not in places:
            places[name] = head + len(rows)
            rows.append({"position": places[name], "kind": kind, "identity": name, "entry": data.decode()})
    if rows:
        connection.execute(insert(LOG_ENTRIES), rows)
        _grow(connection, head, [leaf_hash(row["entry"].encode()) for row in rows])
        connection.execute(update(LOG_HEAD).values(size=head + len(rows)))
    return [places[name] for name in names]


def _known(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Positions of the acts that stand in the log already."""
    if connection.dialect.name == "sqlite":
        found = connection.execute(_FIND_SQLITE, {"names": json.dumps(names)})
        return {row.identity: row.position for row in found}
    table, places = LOG_ENTRIES.c, dict[str, int]()
    for at in range(0, len(names), _FIND_MANY):
        part = select(table.identity, table.position).where(table.identity.in_(names[at : at + _FIND_MANY]))
        places.update((row.identity, row.position) for row in connection.execute(part))
    return places


def _grow(connection: Connection, before: int, leaves: Sequence[bytes]) -> None:
    """Store the tiles that the new leaves fill, and what follows above them."""
    if before // WIDTH == (before + len(leaves)) // WIDTH:
        return
    filled: list[bytes] = list(leaves)
    if before % WIDTH:
        filled = [*_leaves(connection, before - before % WIDTH, before), *leaves]
    level, first = 0, before // WIDTH
    while filled:
        full = len(filled) // WIDTH
        whole = [filled[i * WIDTH : (i + 1) * WIDTH] for i in range(full)]
        rest = filled[full * WIDTH :] if level else []
        rows = [(first + i, part) for i, part in enumerate([*whole, *([rest] if rest else [])])]
        if level:  # the last tile of a level above grows in place
            table = LOG_TILES.c
            connection.execute(delete(LOG_TILES).where(table.level == level, table.position == first))
        if rows:
            connection.execute(
                insert(LOG_TILES),
                [{"level": level, "position": at, "hashes": _encode(part)} for at, part in rows],
            )
        above = [fold(part) for part in whole]
        if not above:
            return
        level, at = level + 1, first
        first = at // WIDTH
        filled = [*(_stored(connection, level, first) if at % WIDTH else []), *above]


def _leaves(connection: Connection, begin: int, end: int) -> list[bytes]:
    table = LOG_ENTRIES.c
    rows = connection.execute(
        select(table.entry).where(table.position >= begin, table.position < end).order_by(table.position)
    )
    return [leaf_hash(entry.encode()) for entry in rows.scalars()]


def _stored(connection: Connection, level: int, position: int) -> list[bytes]:
    table = LOG_TILES.c
    stored = connection.execute(
        select(table.hashes).where(table.level == level, table.position == position)
    ).scalar()
    return [] if stored is None else hashes_of(base64.b64decode(stored))


def _encode(hashes: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(hashes)).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The tree of one moment, read in one transaction; proofs and roots of any size up to ``size``."""

    connection: Connection
    size: int

    @classmethod
    def at(cls, connection: Connection) -> Tree:
        """The tree as the transaction sees it."""
        return cls(connection=connection, size=connection.execute(select(LOG_HEAD.c.size)).scalar_one())

    def tile(self, level: int, position: int) -> list[bytes]:
        """Hashes of a tile, as many as there are now."""
        found = _stored(self.connection, level, position)
        if found or level:
            return found
        return _leaves(self.connection, position * WIDTH, min((position + 1) * WIDTH, self.size))

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` entries; of all by default."""
        size = self.size if size is None else size
        return self._hashes([(0, size)])[0] if size else EMPTY_ROOT

    def inclusion(self, position: int, size: int | None = None) -> list[bytes]:
        """Proof that the entry at ``position`` is among the first ``size``."""
        return self._hashes(self._ranges(inclusion_ranges, position, self.size if size is None else size))

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the first ``old`` entries are the beginning of the first ``new``."""
        return self._hashes(self._ranges(consistency_ranges, old, self.size if new is None else new))

    def _ranges(self, which: Any, first: int, size: int) -> list[tuple[int, int]]:
        if size > self.size:
            raise InputError(
                "the log is not that long", field="size", value=size, expected=f"at most {self.size}"
            )
        try:
            found: list[tuple[int, int]] = which(first, size)
        except ValueError as error:
            raise InputError(str(error)) from error
        return found

    def _hashes(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        node = node_reader(self.tile)
        try:
            return [range_hash(begin, end, node) for begin, end in ranges]
        except ValueError as error:
            raise OutsideError(f"the log's tiles are damaged: {error}") from error


def size(db: Database) -> int:
    """Number of entries."""
    with db.read() as connection:
        return int(connection.execute(select(LOG_HEAD.c.size)).scalar_one())


def find(db: Database, kind: Kind, body: Mapping[str, Any]) -> int | None:
    """Position of an act, None where it is not in the log."""
    with db.read() as connection:
        return find_all(connection, [(kind, body)])[0]


def find_all(connection: Connection, acts: Sequence[tuple[Kind, Mapping[str, Any]]]) -> list[int | None]:
    """Positions of acts, None for each that is not in the log."""
    names = [identity(kind, body) for kind, body in acts]
    places = _known(connection, names)
    return [places.get(name) for name in names]


def raw_entries(
    connection: Connection, begin: int = 0, end: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """Position and bytes of the entries from ``begin`` to before ``end``, in order, a page at a time."""
    table = LOG_ENTRIES.c
    last = connection.execute(select(func.max(table.position))).scalar() if end is None else end - 1
    at = begin
    while last is not None and at <= last:
        until = min(at + _PAGE, last + 1)
        rows = connection.execute(
            select(table.position, table.entry)
            .where(table.position >= at, table.position < until)
            .order_by(table.position)
        ).all()
        yield from ((row.position, row.entry.encode()) for row in rows)
        at = until


def entries(
    db: Database, *, kinds: Iterable[Kind] = (), begin: int = 0, end: int | None = None
) -> list[tuple[int, Entry]]:
    """Entries with their positions, in order; of these kinds, of all by default.

    Raises:
        OutsideError: A stored entry is none.
    """
    table = LOG_ENTRIES.c
    query = select(table.position, table.entry).where(table.position >= begin).order_by(table.position)
    if end is not None:
        query = query.where(table.position < end)
    if wanted := [kind.value for kind in kinds]:
        query = query.where(table.kind.in_(wanted))
    with db.read() as connection:
        rows = connection.execute(query).all()
    try:
        return [(row.position, Entry.parse(row.entry.encode())) for row in rows]
    except EntryError as error:
        raise OutsideError(f"the log is damaged: {error}; see `bounds verify log`") from error
