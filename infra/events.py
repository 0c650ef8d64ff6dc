"""Raw events at rest: chunks in the object store, their index and the cursor in the database.

A chunk is canonical JSON Lines, one event a line, under ``raw/<site>``. How events fall into chunks depends
on pages and retries and means nothing: the identity of what was collected is the digest of the set of
events. Written object first, index and cursor second: a kill between the two leaves an object that nothing
refers to, and the next run stores the same events again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from annotation.events import EventPage, RawEvent
from annotation.ports import ObjectStore
from governance.digest import canonical, digest_bytes, digest_set
from governance.errors import DigestError, OutsideError
from infra import collected
from infra.database import Database

__all__ = ["events_digest", "prefix_of", "read_events", "write_events"]


def prefix_of(site: str) -> str:
    """Prefix of a site's raw events in the object store."""
    return f"raw/{site}"


def write_events(
    store: ObjectStore, db: Database, page: EventPage, *, site: str, source: str, now: datetime
) -> int:
    """Store a page of events and move the cursor behind it; idempotent. Returns how many events were new."""
    held = set(collected.stored(db, site, source, [event.ref for event in page.events]))
    # The stored line is the event's canonical JSON, so its digest is the event's.
    lines = [canonical(event.as_json()) for event in page.events]
    new = [
        (event, line, digest)
        for event, line, digest in zip(page.events, lines, map(digest_bytes, lines), strict=True)
        if (event.ref, event.revision, digest) not in held
    ]
    chunk = store.put(prefix_of(site), b"".join(line + b"\n" for _, line, _ in new)) if new else None
    collected.append_events(
        db,
        site,
        source,
        [event for event, _, _ in new],
        chunk,
        page.cursor,
        now=now,
        digests=[digest for _, _, digest in new],
    )
    return len(new)


def read_events(store: ObjectStore, db: Database, site: str | None = None) -> Iterator[RawEvent]:
    """Every event recorded, of one site or of all, each once and each verified.

    Raises:
        OutsideError: A chunk is missing or damaged, or does not hold the event that the index says.
    """
    for chunk in collected.chunks(db, site):
        place = f"{prefix_of(chunk.site)}/{chunk.digest}"
        entries = collected.indexed(db, chunk)
        if not entries:
            continue
        try:
            lines = store.get(prefix_of(chunk.site), chunk.digest).splitlines()
        except KeyError as error:
            raise OutsideError(f"{place}: recorded, but not in the object store") from error
        for position, expected in entries:
            if position >= len(lines):
                raise OutsideError(f"{place}: holds no line {position}")
            if (actual := digest_bytes(lines[position])) != expected:
                raise DigestError(f"{place} line {position}", expected=expected, actual=actual)
            yield RawEvent.from_json(json.loads(lines[position]))


def events_digest(db: Database, site: str | None = None) -> str:
    """Order-free identity of what was collected, whatever the chunks."""
    return digest_set(collected.event_digests(db, site))
