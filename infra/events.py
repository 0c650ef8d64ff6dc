"""Raw events at rest: sealed chunks in the object store, their index and the cursor in the database.

A chunk is JSON Lines, one event a line, under ``raw/<site>``. Each line is the event's canonical JSON sealed
under the key of the person whose answer it is (:mod:`infra.person_keys`); whose it is stands in the index
only. How events fall into chunks depends on pages and retries and means nothing: the identity of what was
collected is the digest of the set of events, and an event's digest is that of its plain canonical JSON, so it
does not depend on anybody's key. Written object first, index and cursor second: a kill between the two leaves
an object that nothing refers to, and the next run seals the same events to the same bytes.

INVARIANT: what is of a person whose key is destroyed is neither stored nor read again.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from annotation.events import EventPage, RawEvent
from annotation.ports import ObjectStore
from governance.digest import canonical, digest_bytes, digest_ordered
from governance.errors import DigestError, OutsideError
from infra import collected
from infra.database import Database
from infra.person_keys import PersonKeyDestroyedError, PersonKeys

__all__ = ["KeysOf", "events_digest", "prefix_of", "read_events", "write_events"]

KeysOf = Callable[[str], PersonKeys]
"""The keys of a site's people, by the site's id."""

FORMAT: Final = "bounds.raw-sealed/1"
# An answer of which the source no longer says whose it is belongs to nobody who could have it erased alone.
_NOBODY: Final = "unattributed"

_Line = tuple[RawEvent, bytes, str]


def prefix_of(site: str) -> str:
    """Prefix of a site's raw events in the object store."""
    return f"raw/{site}"


def write_events(
    store: ObjectStore,
    db: Database,
    page: EventPage,
    *,
    site: str,
    source: str,
    now: datetime,
    keys: KeysOf,
) -> int:
    """Store a page of events and move the cursor behind it; idempotent. Returns how many events were new.

    Events of people who were erased are left out: whatever source still holds them, they are not collected.
    """
    held = set(collected.stored(db, site, source, [event.ref for event in page.events]))
    lines = [canonical(event.as_json()) for event in page.events]
    new = [
        (event, line, digest)
        for event, line, digest in zip(page.events, lines, map(digest_bytes, lines), strict=True)
        if (event.ref, event.revision, digest) not in held
    ]
    kept, sealed = _sealed(new, keys(site)) if new else ([], [])
    chunk = store.put(prefix_of(site), b"".join(sealed)) if sealed else None
    collected.append_events(
        db,
        site,
        source,
        [event for event, _, _ in kept],
        chunk,
        page.cursor,
        now=now,
        digests=[digest for _, _, digest in kept],
    )
    return len(kept)


def _sealed(events: Sequence[_Line], keys: PersonKeys) -> tuple[list[_Line], list[bytes]]:
    """The events that may be kept, and their lines, in the same order."""
    by_person: dict[str, list[int]] = {}
    for position, (event, _, _) in enumerate(events):
        by_person.setdefault(event.person or _NOBODY, []).append(position)
    found: dict[int, bytes] = {}
    for person, positions in by_person.items():
        try:
            sealed = keys.seal_alike(person, [events[position][1] for position in positions])
        except PersonKeyDestroyedError:
            continue
        found.update(zip(positions, sealed, strict=True))
    order = sorted(found)
    return [events[n] for n in order], [
        canonical({"format": FORMAT, "sealed": b64encode(found[n]).decode()}) + b"\n" for n in order
    ]


def read_events(
    store: ObjectStore, db: Database, site: str | None = None, *, keys: KeysOf, newest: bool = False
) -> Iterator[RawEvent]:
    """Every event recorded, of one site or of all, each once and each verified.

    Events of people who were erased are left out. With ``newest``, only what stands now: the newest event of
    each reference, where that is no deletion; :func:`annotation.events.latest` without holding the history.

    Raises:
        OutsideError: A chunk is missing or damaged, or does not hold the event that the index says.
    """
    for chunk in collected.chunks(db, site):
        place = f"{prefix_of(chunk.site)}/{chunk.digest}"
        entries = collected.indexed(db, chunk, newest=newest)
        if not entries:
            continue
        try:
            lines = store.get(prefix_of(chunk.site), chunk.digest).splitlines()
        except KeyError as error:
            raise OutsideError(f"{place}: recorded, but not in the object store") from error
        yield from _opened(lines, entries, keys(chunk.site), place)


def _opened(
    lines: Sequence[bytes],
    entries: Sequence[tuple[int, str, str | None]],
    keys: PersonKeys,
    place: str,
) -> Iterator[RawEvent]:
    by_person: dict[str | None, list[int]] = {}
    for position, _, annotator in entries:
        if position >= len(lines):
            raise OutsideError(f"{place}: holds no line {position}")
        by_person.setdefault(annotator, []).append(position)
    plain: dict[int, bytes] = {}
    for annotator, positions in by_person.items():
        plain |= _plain(annotator, positions, lines, keys, place)
    for position, expected, annotator in entries:
        if position not in plain:
            continue
        if (actual := digest_bytes(plain[position])) != expected:
            raise DigestError(f"{place} line {position}", expected=expected, actual=actual)
        event = RawEvent.from_json(json.loads(plain[position]))
        yield event if annotator is None else replace(event, annotator=annotator)


def _plain(
    annotator: str | None, positions: Sequence[int], lines: Sequence[bytes], keys: PersonKeys, place: str
) -> dict[int, bytes]:
    """Position → canonical JSON of one person's events; empty where the person was erased."""
    sealed: dict[int, bytes] = {}
    plain: dict[int, bytes] = {}
    for position in positions:
        entry = _entry(lines[position], f"{place} line {position}")
        if entry["format"] == FORMAT:
            sealed[position] = b64decode(entry["sealed"])
        else:  # a line from before lines were sealed: the event itself
            plain[position] = lines[position]
    try:
        opened = keys.open_alike(annotator or _NOBODY, list(sealed.values())) if sealed else []
    except PersonKeyDestroyedError:
        return {}
    return plain | dict(zip(sealed, opened, strict=True))


def _entry(line: bytes, place: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
        entry["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise OutsideError(f"{place}: not a line of raw events") from error
    return entry


def events_digest(db: Database, site: str | None = None) -> str:
    """Order-free identity of what was collected, whatever the chunks."""
    return digest_ordered(collected.event_digests(db, site))
