"""Consent as it is kept: versioned texts, and events that are appended to and never changed.

A consent record (``k-…``) is one person's dealings with one version of the text. Its purposes are given and
withdrawn one by one; the last event of a purpose counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, func, insert, select, true

from annotation.enrolment import ConsentState
from governance.digest import digest
from governance.errors import InputError
from infra.database import Database
from infra.tables.people import CONSENT_EVENTS, CONSENT_VERSIONS

__all__ = [
    "consent_state",
    "decide",
    "ended_since",
    "history",
    "live_consents",
    "record_version",
    "state_in",
    "state_of",
]

_GIVEN, _WITHDRAWN = "given", "withdrawn"
# Built once: building a statement anew costs as much as running it.
_EVENTS: Final = (
    select(CONSENT_EVENTS)
    .where(CONSENT_EVENTS.c.site == bindparam("site"), CONSENT_EVENTS.c.annotator == bindparam("annotator"))
    .order_by(CONSENT_EVENTS.c.number)
)


def record_version(
    db: Database, document: Mapping[str, Any], *, now: datetime, table: Table = CONSENT_VERSIONS
) -> str:
    """Keep a version of a text (or, in another table, of a codebook); returns its digest.

    Raises:
        InputError: This version was kept before with another content: a version that people have answered to
            is never edited.
    """
    identity = digest(document)
    with db.write() as connection:
        row = {
            "digest": identity,
            "id": document["id"],
            "version": str(document["version"]),
            "document": dict(document),
            "first_seen": now,
        }
        db.insert_new(connection, table, [row])
        held = select(table.c.digest).where(
            table.c.id == document["id"], table.c.version == str(document["version"])
        )
        if connection.execute(held).scalar_one() != identity:
            raise InputError(
                f"{document['id']}@{document['version']} was used before with another content",
                field="version",
                value=document["version"],
                expected="a new version number",
            )
    return identity


def state_in(connection: Connection, site: str, annotator: str) -> ConsentState | None:
    """What the person agrees to now, inside a transaction; None before the first decision."""
    return state_of(_events(connection, site, annotator))


def state_of(events: Sequence[Mapping[Any, Any]]) -> ConsentState | None:
    """What a person agrees to after all their consent events, oldest first; None if there are none."""
    if not events:
        return None
    last = events[-1]
    purposes = {e["purpose"]: e["kind"] == _GIVEN for e in events if e["consent"] == last["consent"]}
    return ConsentState(consent=last["consent"], version=last["version"], purposes=purposes, since=last["at"])


def consent_state(db: Database, site: str, annotator: str) -> ConsentState | None:
    """What the person agrees to now; None before the first decision."""
    with db.read() as connection:
        return state_in(connection, site, annotator)


def decide(
    db: Database, site: str, annotator: str, version: str, purposes: Mapping[str, bool], *, now: datetime
) -> ConsentState:
    """Record what the person decided about each purpose; what stands already is not written again.

    Args:
        db: The database.
        site: Place of collection.
        annotator: Who decides.
        version: Digest of the text before the person.
        purposes: Purpose to agreed or not.
        now: When.

    Raises:
        InputError: No such text, or nothing decided.
    """
    if not purposes:
        raise InputError("nothing was decided", field="purposes", expected="a choice for every purpose")
    consent = "k-" + digest(["consent", site, annotator, version]).removeprefix("sha256:")[:24]
    with db.write() as connection:
        db.lock(connection, "consent", site, annotator)
        events = _events(connection, site, annotator)
        stands = {e["purpose"]: e["kind"] for e in events if e["consent"] == consent}
        kinds = {purpose: _GIVEN if agreed else _WITHDRAWN for purpose, agreed in sorted(purposes.items())}
        # A person who went back to an earlier text decides anew: every purpose is written.
        same_text = bool(events) and events[-1]["consent"] == consent
        rows = [
            {"purpose": purpose, "kind": kind}
            for purpose, kind in kinds.items()
            if not (same_text and stands.get(purpose) == kind)
        ]
        for number, row in enumerate(rows, start=len(events) + 1):
            shared = {"site": site, "annotator": annotator, "consent": consent, "version": version}
            connection.execute(insert(CONSENT_EVENTS).values(number=number, at=now, **shared, **row))
        state = state_in(connection, site, annotator)
    if state is None:  # pragma: no cover - an event was there or was written above
        raise InputError("nothing was decided", field="purposes")
    return state


def history(db: Database, site: str, annotator: str) -> list[dict[str, Any]]:
    """Every consent event of a person, oldest first."""
    with db.read() as connection:
        return _events(connection, site, annotator)


def ended_since(db: Database, purpose: str, at: datetime) -> frozenset[str]:
    """The consents to a purpose that are not live now and were withdrawn at or after an instant."""
    query = select(CONSENT_EVENTS.c.consent).where(
        CONSENT_EVENTS.c.purpose == purpose, CONSENT_EVENTS.c.kind == _WITHDRAWN, CONSENT_EVENTS.c.at >= at
    )
    with db.read() as connection:
        ended = set(connection.execute(query).scalars())
    return frozenset(ended - {row["consent"] for row in live_consents(db) if row["purpose"] == purpose})


def live_consents(
    db: Database, site: str | None = None, *, at: datetime | None = None
) -> list[dict[str, str]]:
    """``consent, annotator, purpose`` of every purpose agreed to now, as validation and releases ask for it.

    Args:
        db: The database.
        site: Only of this site.
        at: As it stood at this instant; now by default.
    """
    newest = (
        select(
            CONSENT_EVENTS.c.consent,
            CONSENT_EVENTS.c.purpose,
            func.max(CONSENT_EVENTS.c.number).label("number"),
        )
        .where(true() if at is None else CONSENT_EVENTS.c.at <= at)
        .group_by(CONSENT_EVENTS.c.consent, CONSENT_EVENTS.c.purpose)
        .subquery()
    )
    query = (
        select(CONSENT_EVENTS.c.consent, CONSENT_EVENTS.c.annotator, CONSENT_EVENTS.c.purpose)
        .join(
            newest,
            (CONSENT_EVENTS.c.consent == newest.c.consent)
            & (CONSENT_EVENTS.c.purpose == newest.c.purpose)
            & (CONSENT_EVENTS.c.number == newest.c.number),
        )
        .where(CONSENT_EVENTS.c.kind == _GIVEN)
        .order_by(CONSENT_EVENTS.c.annotator, CONSENT_EVENTS.c.consent, CONSENT_EVENTS.c.purpose)
    )
    if site is not None:
        query = query.where(CONSENT_EVENTS.c.site == site)
    with db.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _events(connection: Connection, site: str, annotator: str) -> list[dict[str, Any]]:
    of = {"site": site, "annotator": annotator}
    rows: Iterable[Mapping[Any, Any]] = connection.execute(_EVENTS, of).mappings()
    return [{str(name): value for name, value in row.items()} for row in rows]
