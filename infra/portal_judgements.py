"""The portal's judgements: what is held for a person, its draft, its submission, and the way out of an item.

A submission is one transaction: the judgement's row and the end of its reservation appear together or not at
all. The row is keyed by its presentation, so that a form sent twice is one judgement, and it is written only
while the person's consent is live, looked up in that same transaction. The text is sealed under the person's
key. Rows are appended and never changed; erasing a person deletes theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, select, update

from annotation.enrolment import Enrolled, Shown, Submitted
from annotation.labelling import check_answer
from infra.database import Database
from infra.person_keys import PersonKeys
from infra.reservations import HOLD, extend, is_serving, mark_done
from infra.tables.items import ITEMS, PRESENTATIONS
from infra.tables.portal import ITEM_REPORTS, PORTAL_DRAFTS, PORTAL_ITEMS, PORTAL_JUDGEMENTS, RESERVATIONS

__all__ = [
    "Submitted",
    "given_judgements",
    "held",
    "leave",
    "save_draft",
    "show",
    "submit",
]

# Built once: building a statement anew costs as much as running it.
_OF: Final[BindParameter[str]] = bindparam("of")
_MINE: Final = (
    select(
        RESERVATIONS.c.item,
        RESERVATIONS.c.state,
        RESERVATIONS.c.presented_at,
        PORTAL_ITEMS.c.kind,
        PRESENTATIONS.c.consent,
        PRESENTATIONS.c.shown,
    )
    .join(PRESENTATIONS, PRESENTATIONS.c.presentation == RESERVATIONS.c.presentation)
    .join(
        PORTAL_ITEMS,
        (PORTAL_ITEMS.c.site == RESERVATIONS.c.site) & (PORTAL_ITEMS.c.item == RESERVATIONS.c.item),
    )
    .where(
        RESERVATIONS.c.presentation == _OF,
        RESERVATIONS.c.site == bindparam("site"),
        RESERVATIONS.c.annotator == bindparam("annotator"),
    )
)
_MINE_LOCKED: Final = _MINE.with_for_update(of=RESERVATIONS)
_HELD: Final = (
    _MINE.add_columns(ITEMS.c.record, PORTAL_DRAFTS.c.sealed.label("draft"))
    .join(ITEMS, ITEMS.c.item == RESERVATIONS.c.item)
    .outerjoin(PORTAL_DRAFTS, PORTAL_DRAFTS.c.presentation == RESERVATIONS.c.presentation)
    .where(RESERVATIONS.c.state == "held")
)
_SHOW: Final = (
    update(RESERVATIONS)
    .where(
        RESERVATIONS.c.presentation == _OF,
        RESERVATIONS.c.annotator == bindparam("who"),
        RESERVATIONS.c.presented_at.is_(None),
    )
    .values(presented_at=bindparam("now"))
)
_STORED: Final = select(PORTAL_JUDGEMENTS.c.sealed).where(PORTAL_JUDGEMENTS.c.presentation == _OF)
_DROP_DRAFT: Final = delete(PORTAL_DRAFTS).where(PORTAL_DRAFTS.c.presentation == _OF)


def held(db: Database, keys: PersonKeys, person: Enrolled, presentation: str) -> Shown | None:
    """The item of a presentation that is held for this person now; None if it is none of theirs."""
    with db.read() as connection:
        row = connection.execute(_HELD, _of(person, presentation)).one_or_none()
    if row is None:
        return None
    return Shown(
        presentation=presentation,
        kind=row.kind,
        item=row.record,
        order=tuple(row.shown),
        presented_at=row.presented_at,
        draft=None if row.draft is None else json.loads(keys.decrypt(person.annotator, row.draft)),
    )


def show(db: Database, person: Enrolled, presentation: str, *, now: datetime) -> None:
    """The person sees the item now; the first time counts."""
    with db.write() as connection:
        connection.execute(_SHOW, {"of": presentation, "who": person.annotator, "now": now})


def save_draft(
    db: Database,
    keys: PersonKeys,
    person: Enrolled,
    presentation: str,
    draft: Mapping[str, Any],
    *,
    now: datetime,
) -> bool:
    """Keep what the person has so far and hold the item on; whether it was still held for them."""
    sealed = keys.encrypt(person.annotator, json.dumps(draft).encode())
    with db.write() as connection:
        row = _mine(connection, person, presentation)
        if (
            row is None
            or row.state != "held"
            or is_serving(connection, person.site, person.annotator) is None
        ):
            return False
        extend(connection, presentation, until=now + HOLD)
        db.upsert(
            connection,
            PORTAL_DRAFTS,
            {
                "presentation": presentation,
                "annotator": person.annotator,
                "sealed": sealed,
                "updated_at": now,
            },
        )
    return True


def submit(
    db: Database,
    keys: PersonKeys,
    person: Enrolled,
    presentation: str,
    answer: Mapping[str, Any],
    *,
    seconds: float | None,
    now: datetime,
) -> Submitted:
    """Store a judgement, once.

    Args:
        db: The database.
        keys: The keys of the site's people.
        person: Who answers.
        presentation: What was answered.
        answer: See :func:`annotation.labelling.check_answer`.
        seconds: Time spent, as the page measured it; the time since showing bounds it.
        now: When.

    Raises:
        RecordError: The answer is incomplete; nothing is stored.
        PersonKeyDestroyedError: The person was erased.
    """
    with db.write() as connection:
        row = _mine(connection, person, presentation, lock=True)
        if row is None:
            return Submitted.UNKNOWN
        # INVARIANT: asked after the lock was taken; joined to it, it would be what stood before the wait.
        stored = connection.execute(_STORED, {"of": presentation}).scalar_one_or_none()
        if stored is not None:
            before = json.loads(keys.decrypt(person.annotator, stored))["answer"]
            return Submitted.SAME if before == dict(answer) else Submitted.ANSWERED_BEFORE
        consent = is_serving(connection, person.site, person.annotator)
        if consent is None or consent != row.consent:
            return Submitted.NO_CONSENT
        if row.state != "held" or row.presented_at is None:
            return Submitted.GIVEN_AWAY
        check_answer(row.kind, answer, places=len(row.shown))
        elapsed = max((now - row.presented_at).total_seconds(), 0.0)
        spent = elapsed if seconds is None else min(max(seconds, 0.0), elapsed)
        body = {"answer": dict(answer), "seconds": round(spent, 3)}
        db.insert_new(
            connection,
            PORTAL_JUDGEMENTS,
            [
                {
                    "presentation": presentation,
                    "site": person.site,
                    "annotator": person.annotator,
                    "kind": row.kind,
                    "sealed": keys.encrypt(person.annotator, json.dumps(body).encode()),
                    "presented_at": row.presented_at,
                    "submitted_at": now,
                }
            ],
        )
        mark_done(connection, presentation)
        connection.execute(_DROP_DRAFT, {"of": presentation})
    return Submitted.STORED


def leave(
    db: Database,
    keys: PersonKeys,
    person: Enrolled,
    presentation: str,
    *,
    kind: str,
    reason: str | None,
    now: datetime,
) -> bool:
    """Leave an item out (``skipped``) or report it (``reported``): its place is free; whether it was held."""
    with db.write() as connection:
        row = _mine(connection, person, presentation, lock=True)
        if row is None or row.state != "held":
            return False
        db.insert_new(
            connection,
            ITEM_REPORTS,
            [
                {
                    "site": person.site,
                    "presentation": presentation,
                    "annotator": person.annotator,
                    "kind": kind,
                    "sealed": keys.encrypt(person.annotator, reason.encode()) if reason else None,
                    "at": now,
                }
            ],
        )
        connection.execute(_DROP_DRAFT, {"of": presentation})
        here = RESERVATIONS.c.presentation == presentation
        connection.execute(update(RESERVATIONS).where(here).values(state="released"))
    return True


def given_judgements(db: Database, keys: PersonKeys, person: Enrolled) -> list[dict[str, Any]]:
    """Everything the person judged, oldest first: presentation, kind, answer, times, seconds."""
    here = (PORTAL_JUDGEMENTS.c.site == person.site) & (PORTAL_JUDGEMENTS.c.annotator == person.annotator)
    order = (PORTAL_JUDGEMENTS.c.submitted_at, PORTAL_JUDGEMENTS.c.presentation)
    with db.read() as connection:
        rows = connection.execute(select(PORTAL_JUDGEMENTS).where(here).order_by(*order)).all()
    return [
        {
            "presentation": row.presentation,
            "kind": row.kind,
            "presented_at": row.presented_at,
            "submitted_at": row.submitted_at,
            **json.loads(keys.decrypt(person.annotator, row.sealed)),
        }
        for row in rows
    ]


def _mine(
    connection: Connection, person: Enrolled, presentation: str, *, lock: bool = False
) -> Row[Any] | None:
    return connection.execute(_MINE_LOCKED if lock else _MINE, _of(person, presentation)).one_or_none()


def _of(person: Enrolled, presentation: str) -> dict[str, str]:
    return {"of": presentation, "site": person.site, "annotator": person.annotator}
