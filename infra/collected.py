"""What was collected, as the database knows it: chunks of raw events, their index, and the cursors.

INVARIANT: the rows of a chunk and the cursor behind it are written in one transaction; this, with the
uniqueness of ``(site, source, ref, revision)``, is what makes collection exactly-once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, select, tuple_

from annotation.events import EventKind, RawEvent
from governance.errors import OutsideError
from infra.database import Database
from infra.tables.collected import CURSORS, RAW_CHUNKS, RAW_EVENTS, RESUBMISSIONS

__all__ = [
    "Chunk",
    "StoredEvents",
    "annotator_events",
    "append_events",
    "chunks",
    "count_events",
    "cursor",
    "event_digests",
    "forget_events",
    "indexed",
    "known",
    "stored",
]

_PARAMETERS = 5_000  # well below the 32,766 that SQLite allows in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One stored object of raw events.

    Attributes:
        site: Place of collection.
        digest: Its digest in the object store.
        events: How many events it holds.
        recorded_at: When it was recorded.
    """

    site: str
    digest: str
    events: int
    recorded_at: datetime


class StoredEvents:
    """What collection holds of one source at one moment; implements ``annotation.ports.KnownEvents``."""

    def __init__(self, newest: Mapping[str, tuple[int, str, str]]) -> None:
        self._newest = newest

    def versions(self) -> dict[str, tuple[int, str]]:
        """``ref`` → (revision, version) of the newest event, where that is no deletion."""
        return {
            ref: (revision, version)
            for ref, (revision, version, kind) in self._newest.items()
            if kind != EventKind.DELETED
        }

    def next_revision(self, ref: str) -> int:
        """The revision that the next event of ``ref`` carries, from 1."""
        return self._newest[ref][0] + 1 if ref in self._newest else 1


def known(db: Database, site: str, source: str) -> StoredEvents:
    """The newest stored event of every reference of a source, as of now."""
    here = (RAW_EVENTS.c.site == site) & (RAW_EVENTS.c.source == source)
    newest = (
        select(RAW_EVENTS.c.ref, func.max(RAW_EVENTS.c.revision).label("revision"))
        .where(here)
        .group_by(RAW_EVENTS.c.ref)
        .subquery()
    )
    query = (
        select(RAW_EVENTS.c.ref, RAW_EVENTS.c.revision, RAW_EVENTS.c.version, RAW_EVENTS.c.kind)
        .join(newest, (RAW_EVENTS.c.ref == newest.c.ref) & (RAW_EVENTS.c.revision == newest.c.revision))
        .where(here)
    )
    # A correction stands beside its source: the source is held against what it said itself, so that an
    # unchanged source does not undo the correction, and a changed one replaces it.
    own = select(RESUBMISSIONS.c.ref, RESUBMISSIONS.c.revision, RAW_EVENTS.c.version).join(
        RAW_EVENTS,
        (RAW_EVENTS.c.site == RESUBMISSIONS.c.site)
        & (RAW_EVENTS.c.source == RESUBMISSIONS.c.source)
        & (RAW_EVENTS.c.ref == RESUBMISSIONS.c.ref)
        & (RAW_EVENTS.c.revision == RESUBMISSIONS.c.first_revision),
    )
    own = own.where((RESUBMISSIONS.c.site == site) & (RESUBMISSIONS.c.source == source))
    with db.read() as connection:
        said = {(row.ref, row.revision): row.version for row in connection.execute(own)}
        return StoredEvents(
            {
                row.ref: (row.revision, said.get((row.ref, row.revision), row.version), row.kind)
                for row in connection.execute(query)
            }
        )


def cursor(db: Database, site: str, source: str) -> str | None:
    """Where the next read of a source begins; None before the first."""
    query = select(CURSORS.c.cursor).where(CURSORS.c.site == site, CURSORS.c.source == source)
    with db.read() as connection:
        return connection.execute(query).scalar_one_or_none()


def append_events(
    db: Database,
    site: str,
    source: str,
    events: Sequence[RawEvent],
    chunk: str | None,
    cursor: str,
    *,
    now: datetime,
    digests: Sequence[str] | None = None,
) -> None:
    """Record the events of a stored chunk and move the cursor, in one transaction; idempotent.

    Args:
        db: The database.
        site: Place of collection.
        source: Kind of source.
        events: The events of the chunk, in its order.
        chunk: Digest of the chunk; None where there are no events and only the cursor moves.
        cursor: Where the next read begins.
        now: Recorded with the chunk.
        digests: The digests of the events, where the caller has them already.

    Raises:
        ValueError: An event is of another site or source, or events come without a chunk.
        OutsideError: Another collection stored another event under the same revision meanwhile; nothing
            is written, and running again reads what it stored.
    """
    if bool(events) != (chunk is not None):
        raise ValueError("events and their chunk go together")
    for event in events:
        if (event.site, event.source) != (site, source):
            raise ValueError(f"{event.ref} is of {event.site}/{event.source}, not of {site}/{source}")
    named = [event.digest for event in events] if digests is None else digests
    rows = [
        {
            "site": site,
            "source": source,
            "ref": event.ref,
            "revision": event.revision,
            "version": event.version,
            "kind": str(event.kind),
            "digest": digest,
            "chunk": chunk,
            "position": position,
            "annotator": event.person,
        }
        for position, (event, digest) in enumerate(zip(events, named, strict=True))
    ]
    with db.write() as connection:
        if rows:
            header = {"site": site, "digest": chunk, "events": len(rows), "recorded_at": now}
            db.insert_new(connection, RAW_CHUNKS, [header])
            db.insert_new(connection, RAW_EVENTS, rows)
        for start in range(0, len(rows), _PARAMETERS):
            part = {(row["ref"], row["revision"]): row["digest"] for row in rows[start : start + _PARAMETERS]}
            stored = connection.execute(
                select(RAW_EVENTS.c.ref, RAW_EVENTS.c.revision, RAW_EVENTS.c.digest).where(
                    RAW_EVENTS.c.site == site,
                    RAW_EVENTS.c.source == source,
                    tuple_(RAW_EVENTS.c.ref, RAW_EVENTS.c.revision).in_(list(part)),
                )
            )
            for row in stored:
                if part[row.ref, row.revision] != row.digest:
                    raise OutsideError(
                        f"{site}/{source}/{row.ref}: revision {row.revision} was stored by another"
                        " collection meanwhile; run again"
                    )
        db.upsert(connection, CURSORS, {"site": site, "source": source, "cursor": cursor})


def stored(db: Database, site: str, source: str, refs: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """``(ref, revision, digest)`` of every recorded event of these references."""
    wanted = sorted(set(refs))
    with db.read() as connection:
        for start in range(0, len(wanted), _PARAMETERS):
            query = select(RAW_EVENTS.c.ref, RAW_EVENTS.c.revision, RAW_EVENTS.c.digest).where(
                RAW_EVENTS.c.site == site,
                RAW_EVENTS.c.source == source,
                RAW_EVENTS.c.ref.in_(wanted[start : start + _PARAMETERS]),
            )
            yield from ((row.ref, row.revision, row.digest) for row in connection.execute(query))


def chunks(db: Database, site: str | None = None) -> list[Chunk]:
    """Every chunk recorded, of one site or of all, in the order of site and digest."""
    query = select(RAW_CHUNKS).order_by(RAW_CHUNKS.c.site, RAW_CHUNKS.c.digest)
    if site is not None:
        query = query.where(RAW_CHUNKS.c.site == site)
    with db.read() as connection:
        return [Chunk(**row) for row in connection.execute(query).mappings()]


def indexed(db: Database, chunk: Chunk, *, newest: bool = False) -> list[tuple[int, str, str | None]]:
    """``(position, digest, annotator)`` of the events that count of a chunk, in its order.

    An event that an earlier chunk brought already is not among them; with ``newest``, neither is one that a
    later revision replaced, nor a deletion.
    """
    query = (
        select(RAW_EVENTS.c.position, RAW_EVENTS.c.digest, RAW_EVENTS.c.annotator)
        .where(RAW_EVENTS.c.site == chunk.site, RAW_EVENTS.c.chunk == chunk.digest)
        .order_by(RAW_EVENTS.c.position)
    )
    if newest:
        later = RAW_EVENTS.alias()
        same = [later.c[name] == RAW_EVENTS.c[name] for name in ("site", "source", "ref")]
        replaced = exists().where(*same, later.c.revision > RAW_EVENTS.c.revision)
        query = query.where(RAW_EVENTS.c.kind != str(EventKind.DELETED), ~replaced)
    with db.read() as connection:
        return [(row.position, row.digest, row.annotator) for row in connection.execute(query)]


def event_digests(db: Database, site: str | None = None) -> Iterator[str]:
    """The digest of every event recorded, each once, sorted."""
    query = select(RAW_EVENTS.c.digest).distinct().order_by(RAW_EVENTS.c.digest)
    if site is not None:
        query = query.where(RAW_EVENTS.c.site == site)
    with db.stream() as connection:
        yield from connection.execute(query.execution_options(yield_per=_PARAMETERS)).scalars()


def count_events(db: Database, site: str) -> int:
    """How many events of a site are recorded."""
    query = select(func.count()).where(RAW_EVENTS.c.site == site)
    with db.read() as connection:
        return int(connection.execute(query).scalar_one())


def annotator_events(db: Database, site: str, annotator: str) -> int:
    """How many recorded events are of one person."""
    query = select(func.count()).where(RAW_EVENTS.c.site == site, RAW_EVENTS.c.annotator == annotator)
    with db.read() as connection:
        return int(connection.execute(query).scalar_one())


def forget_events(connection: Connection, site: str, annotator: str) -> int:
    """Take a person's events out of the index, in a transaction that writes; how many. Their lines stay, sealed for good.

    INVARIANT: the person's key is destroyed before, so that no collection can record them again.
    """
    here = (RAW_EVENTS.c.site == site) & (RAW_EVENTS.c.annotator == annotator)
    return connection.execute(delete(RAW_EVENTS).where(here)).rowcount
