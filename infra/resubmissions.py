"""Rows of a quarantine submitted again, corrected, each linked to its first attempt.

A correction is one more event of the same reference: the first attempt stays as it was said, the corrected
row stands in its place from the next validation on, and is judged by every rule like any other. Who corrected
it, why, and which rules the first attempt had failed in which batch is on record beside it. The source is
still held against what it said itself: unchanged it does not undo a correction, changed it replaces it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from annotation.events import EventKind, EventPage, RawEvent
from annotation.ports import ObjectStore
from annotation.records import JUDGEMENTS
from annotation.staging import stage_rows
from governance.digest import digest
from governance.errors import InputError
from infra import collected
from infra.database import Database
from infra.events import KeysOf, read_events, write_events
from infra.tables.collected import RESUBMISSIONS

__all__ = ["Resubmission", "resubmissions", "resubmit"]

_FIXED: Final = ("judgement", "annotator", "site", "source", "source_ref")
"""Whose answer to which question it is cannot be corrected: that would be another row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubmission:
    """One corrected row and the attempt it stands for.

    Attributes:
        site: Place of collection.
        source: Kind of source.
        ref: Reference in the source.
        revision: Revision of the corrected row.
        first_revision: Revision of what the source itself said last.
        first_digest: Digest of that event.
        batch: The batch in whose quarantine it lies.
        rules: The rules that it failed there.
        reason: Why it was corrected, in words.
        corrected_by: Who corrected it.
        at: When.
    """

    site: str
    source: str
    ref: str
    revision: int
    first_revision: int
    first_digest: str
    batch: str
    rules: tuple[str, ...]
    reason: str
    corrected_by: str
    at: datetime


def resubmissions(db: Database, site: str | None = None) -> list[Resubmission]:
    """Every correction, oldest first."""
    query = select(RESUBMISSIONS).order_by(
        RESUBMISSIONS.c.at, RESUBMISSIONS.c.source, RESUBMISSIONS.c.ref, RESUBMISSIONS.c.revision
    )
    if site is not None:
        query = query.where(RESUBMISSIONS.c.site == site)
    with db.read() as connection:
        rows = connection.execute(query).mappings()
        return [Resubmission(**{**row, "rules": tuple(row["rules"])}) for row in rows]


def resubmit(
    store: ObjectStore,
    db: Database,
    rows: Sequence[Mapping[str, Any]],
    quarantined: Mapping[tuple[str, str], Sequence[str]],
    *,
    site: str,
    batch: str,
    reason: str,
    corrected_by: str,
    now: datetime,
    keys: KeysOf,
) -> list[Resubmission]:
    """Take in corrected rows; all of them or none. The same rows again change nothing.

    Args:
        store: Object store.
        db: The database.
        rows: Corrected rows with the record's columns; a column that is left out keeps its first value.
        quarantined: (source, reference) → the rules that the row failed in ``batch``.
        site: Their site.
        batch: The batch in whose quarantine they lie.
        reason: Why they were corrected.
        corrected_by: Who corrected them.
        now: Recorded with each.
        keys: Keys of the people.

    Raises:
        InputError: A row is not in the quarantine, changes whose answer it is, or changes nothing; the error
            says which.
    """
    if not reason.strip() or not corrected_by.strip():
        raise InputError("a correction needs a reason and a name", field="reason, by", value=reason or None)
    wanted = {_key(row, number): row for number, row in enumerate(rows)}
    if len(wanted) != len(rows):
        raise InputError("a row stands twice in the corrections", field="source_ref")
    for source, ref in wanted:
        if (source, ref) not in quarantined:
            raise InputError(
                "not in the quarantine of the newest batch", field="source_ref", value=f"{source}:{ref}"
            )
    earlier = {(each.source, each.ref, each.revision): each for each in resubmissions(db, site)}
    newest = {(e.source, e.ref): e for e in read_events(store, db, site, keys=keys, newest=True)}
    made, pages = [], dict[str, list[RawEvent]]()
    for (source, ref), row in sorted(wanted.items()):
        before = newest.get((source, ref))
        if before is None:
            raise InputError(
                "its first attempt is no longer held", field="source_ref", value=f"{source}:{ref}"
            )
        event = _corrected(before, row)
        if event is None:
            continue  # it already stands as it is asked for
        chained = earlier.get((source, ref, before.revision))
        pages.setdefault(source, []).append(event)
        made.append(
            Resubmission(
                site=site,
                source=source,
                ref=ref,
                revision=event.revision,
                first_revision=chained.first_revision if chained else before.revision,
                first_digest=chained.first_digest if chained else before.digest,
                batch=batch,
                rules=tuple(quarantined[source, ref]),
                reason=reason,
                corrected_by=corrected_by,
                at=now,
            )
        )
    # The link first: a kill between the two leaves a link without its event, which nothing reads.
    with db.write() as connection:
        db.insert_new(
            connection, RESUBMISSIONS, [{**asdict(each), "rules": list(each.rules)} for each in made]
        )
    for source, events in sorted(pages.items()):
        cursor = collected.cursor(db, site, source) or ""
        page = EventPage(events=tuple(events), cursor=cursor)
        write_events(store, db, page, site=site, source=source, now=now, keys=keys)
    return made


def _key(row: Mapping[str, Any], number: int) -> tuple[str, str]:
    for name in sorted(set(row) - set(JUDGEMENTS.names)):
        raise InputError(
            "unknown column", field=f"row {number}: {name}", expected=", ".join(JUDGEMENTS.names)
        )
    source, ref = row.get("source"), row.get("source_ref")
    if not isinstance(source, str) or not isinstance(ref, str):
        raise InputError("a row needs its source and source_ref", field=f"row {number}")
    return source, ref


def _corrected(before: RawEvent, row: Mapping[str, Any]) -> RawEvent | None:
    """The event of the corrected row; None where nothing changes."""
    said = dict(before.judgement or {})
    after = {**said, **{name: value for name, value in row.items() if name != "source_digest"}}
    for name in _FIXED:
        if said and after.get(name) != said.get(name):
            raise InputError(
                "a correction cannot change whose answer it is",
                field=name,
                value=after.get(name),
                expected=str(said.get(name)),
            )
    if after == said:
        return None
    misfits = stage_rows([after])["misfits"][0]
    if misfits is not None:
        raise InputError("values of another type", field=before.ref, value=json.loads(misfits))
    return RawEvent(
        site=before.site,
        source=before.source,
        ref=before.ref,
        kind=EventKind.STATED,
        revision=before.revision + 1,
        raw={"corrects": before.digest, "row": digest(after)},
        judgement=after,
    )
