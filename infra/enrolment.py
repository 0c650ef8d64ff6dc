"""Invitations, sessions and the people behind them, by pseudonym.

A personal link holds 256 random bits; only its hash is kept, so that nobody who reads the database can follow
it. A session is the same. Whoever withdraws is stopped at once: every session ends, every held item is freed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from annotation.enrolment import Enrolled
from governance.errors import InputError
from infra.database import Database
from infra.tables.live import LIVE_CONVERSATIONS
from infra.tables.people import ANNOTATORS, CONSENT_EVENTS, INVITATIONS
from infra.tables.portal import PORTAL_DRAFTS, PORTAL_JUDGEMENTS, PORTAL_SESSIONS, RESERVATIONS
from infra.tables.withdrawals import WITHDRAWAL_REQUESTS

__all__ = [
    "Overview",
    "WithdrawalRequest",
    "enrol",
    "find_person",
    "invite",
    "note_practised",
    "open_session",
    "overview",
    "redeem",
    "request_withdrawal",
    "session",
    "set_locale",
    "sign_out",
    "withdrawal_requests",
]

SESSION_LIFE: Final = timedelta(hours=12)
SESSION_IDLE: Final = timedelta(hours=2)
_SEEN_EVERY: Final = timedelta(minutes=1)
# Every page asks this; built once, because building a statement anew costs as much as running it.
_SESSION: Final = (
    select(ANNOTATORS, PORTAL_SESSIONS.c.seen_at, PORTAL_SESSIONS.c.expires_at)
    .join(
        PORTAL_SESSIONS,
        (PORTAL_SESSIONS.c.site == ANNOTATORS.c.site)
        & (PORTAL_SESSIONS.c.annotator == ANNOTATORS.c.annotator),
    )
    .where(PORTAL_SESSIONS.c.token_hash == bindparam("of"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRequest:
    """Somebody wants out.

    Attributes:
        request: Its id.
        via: Where it was made (``portal``, ``command``).
        receipt: Id of the receipt once the withdrawal was carried out; None before.
    """

    request: str
    site: str
    annotator: str
    requested_at: datetime
    via: str
    receipt: str | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One person of a site, as staff may see them."""

    annotator: str
    simulated: bool
    locale: str
    invited_at: datetime
    used: bool
    consented: bool
    practised: bool
    judgements: int
    stopped: bool


def enrol(
    db: Database, site: str, annotator: str, *, locale: str, simulated: bool, now: datetime
) -> Enrolled:
    """Make the person known at the site; one who is known already stays as they are."""
    row = {
        "site": site,
        "annotator": annotator,
        "simulated": int(simulated),
        "locale": locale,
        "created_at": now,
        "practised_at": None,
        "stopped_at": None,
    }
    with db.write() as connection:
        db.insert_new(connection, ANNOTATORS, [row])
        return _person(connection, site, annotator)


def invite(db: Database, person: Enrolled, *, life: timedelta, now: datetime) -> str:
    """Make a personal link's token for the person and return it: the only time that it can be seen.

    Raises:
        InputError: The person has withdrawn.
    """
    token = secrets.token_urlsafe(32)
    with db.write() as connection:
        if _person(connection, person.site, person.annotator).stopped_at is not None:
            raise InputError(
                "this person has withdrawn and cannot be invited again",
                field="annotator",
                value=person.annotator,
            )
        row = {"token_hash": _hash(token), "site": person.site, "annotator": person.annotator}
        connection.execute(insert(INVITATIONS).values(created_at=now, expires_at=now + life, **row))
    return token


def find_person(db: Database, site: str, annotator: str) -> Enrolled:
    """The person of that pseudonym.

    Raises:
        InputError: Nobody at the site has it.
    """
    with db.read() as connection:
        return _person(connection, site, annotator)


def redeem(db: Database, token: str, *, now: datetime) -> Enrolled | None:
    """Whom a personal link's token is for; None if it is none, has expired, or the person has withdrawn."""
    with db.read() as connection:
        query = select(INVITATIONS).where(INVITATIONS.c.token_hash == _hash(token))
        row = connection.execute(query).one_or_none()
        if row is None or row.expires_at <= now:
            return None
        person = _person(connection, row.site, row.annotator)
        return person if person.stopped_at is None else None


def open_session(db: Database, token: str, *, locale: str, now: datetime) -> str | None:
    """Open a session by a personal link; its secret, or None where :func:`redeem` gives None."""
    person = redeem(db, token, now=now)
    if person is None:
        return None
    secret = secrets.token_urlsafe(32)
    with db.write() as connection:
        here = INVITATIONS.c.token_hash == _hash(token)
        connection.execute(
            update(INVITATIONS).where(here, INVITATIONS.c.used_at.is_(None)).values(used_at=now)
        )
        connection.execute(delete(PORTAL_SESSIONS).where(PORTAL_SESSIONS.c.expires_at <= now))
        connection.execute(
            insert(PORTAL_SESSIONS).values(
                token_hash=_hash(secret),
                site=person.site,
                annotator=person.annotator,
                locale=locale,
                created_at=now,
                seen_at=now,
                expires_at=now + SESSION_LIFE,
            )
        )
        _set_locale(connection, person.site, person.annotator, locale)
    return secret


def session(db: Database, secret: str, *, now: datetime) -> Enrolled | None:
    """Whose session it is; None if it is none, has ended, or was left alone for too long."""
    secret_hash = _hash(secret)
    with db.read() as connection:
        row = connection.execute(_SESSION, {"of": secret_hash}).mappings().one_or_none()
    if row is None:
        return None
    of_person = _plain(row)
    seen_at, expires_at = of_person.pop("seen_at"), of_person.pop("expires_at")
    if expires_at <= now or seen_at + SESSION_IDLE <= now:
        return None
    if seen_at + _SEEN_EVERY <= now:
        here = PORTAL_SESSIONS.c.token_hash == secret_hash
        with db.write() as connection:
            connection.execute(update(PORTAL_SESSIONS).where(here).values(seen_at=now))
    return _enrolled(of_person)


def sign_out(db: Database, secret: str) -> None:
    """End a session; again is no error."""
    with db.write() as connection:
        connection.execute(delete(PORTAL_SESSIONS).where(PORTAL_SESSIONS.c.token_hash == _hash(secret)))


def set_locale(db: Database, person: Enrolled, locale: str) -> None:
    """The person reads another language from now on."""
    with db.write() as connection:
        _set_locale(connection, person.site, person.annotator, locale)


def note_practised(db: Database, person: Enrolled, *, now: datetime) -> None:
    """The practice item was done; the first time counts."""
    here = (ANNOTATORS.c.site == person.site) & (ANNOTATORS.c.annotator == person.annotator)
    with db.write() as connection:
        connection.execute(
            update(ANNOTATORS).where(here, ANNOTATORS.c.practised_at.is_(None)).values(practised_at=now)
        )


def request_withdrawal(
    db: Database, site: str, annotator: str, *, via: str, now: datetime
) -> WithdrawalRequest:
    """Record that somebody wants out, and stop at once: one transaction, and again gives the first request.

    Nothing is shown to the person any more, their sessions end, their drafts go, what they held is free, every
    purpose is withdrawn, and their links lead nowhere. Erasing what they gave is the withdrawal flow's work.

    Raises:
        InputError: Nobody at the site has this pseudonym.
    """
    with db.write() as connection:
        db.lock(connection, "consent", site, annotator)
        _person(connection, site, annotator)
        row = {
            "site": site,
            "annotator": annotator,
            "request": "w-" + secrets.token_hex(12),
            "requested_at": now,
            "via": via,
            "receipt": None,
            "done_at": None,
        }
        db.insert_new(connection, WITHDRAWAL_REQUESTS, [row])
        _stop(connection, site, annotator, now)
        query = select(WITHDRAWAL_REQUESTS).where(
            WITHDRAWAL_REQUESTS.c.site == site, WITHDRAWAL_REQUESTS.c.annotator == annotator
        )
        return WithdrawalRequest(**_plain(connection.execute(query).mappings().one()))


def withdrawal_requests(db: Database, *, open_only: bool = False) -> list[WithdrawalRequest]:
    """Every request, oldest first; with ``open_only`` those that no receipt answers yet."""
    query = select(WITHDRAWAL_REQUESTS).order_by(
        WITHDRAWAL_REQUESTS.c.requested_at, WITHDRAWAL_REQUESTS.c.request
    )
    if open_only:
        query = query.where(WITHDRAWAL_REQUESTS.c.receipt.is_(None))
    with db.read() as connection:
        return [WithdrawalRequest(**_plain(row)) for row in connection.execute(query).mappings()]


def overview(db: Database, site: str) -> list[Overview]:
    """Everybody of a site, by pseudonym."""
    with db.read() as connection:
        people = connection.execute(
            select(ANNOTATORS).where(ANNOTATORS.c.site == site).order_by(ANNOTATORS.c.annotator)
        ).all()
        used = set(
            connection.execute(
                select(INVITATIONS.c.annotator).where(
                    INVITATIONS.c.site == site, INVITATIONS.c.used_at.is_not(None)
                )
            ).scalars()
        )
        consented = {
            row.annotator: row.kind == "given"
            for row in connection.execute(
                select(CONSENT_EVENTS.c.annotator, CONSENT_EVENTS.c.kind)
                .where(CONSENT_EVENTS.c.site == site, CONSENT_EVENTS.c.purpose == "collection")
                .order_by(CONSENT_EVENTS.c.annotator, CONSENT_EVENTS.c.number)
            )
        }
        given: dict[str, int] = {}
        for name in connection.execute(
            select(PORTAL_JUDGEMENTS.c.annotator).where(PORTAL_JUDGEMENTS.c.site == site)
        ).scalars():
            given[name] = given.get(name, 0) + 1
    return [
        Overview(
            annotator=row.annotator,
            simulated=bool(row.simulated),
            locale=row.locale,
            invited_at=row.created_at,
            used=row.annotator in used,
            consented=consented.get(row.annotator, False),
            practised=row.practised_at is not None,
            judgements=given.get(row.annotator, 0),
            stopped=row.stopped_at is not None,
        )
        for row in people
    ]


def _stop(connection: Connection, site: str, annotator: str, now: datetime) -> None:
    def of(table: Any) -> Any:
        return (table.c.site == site) & (table.c.annotator == annotator)

    connection.execute(
        update(ANNOTATORS).where(of(ANNOTATORS), ANNOTATORS.c.stopped_at.is_(None)).values(stopped_at=now)
    )
    connection.execute(delete(PORTAL_SESSIONS).where(of(PORTAL_SESSIONS)))
    going = LIVE_CONVERSATIONS.c.ended_at.is_(None)
    connection.execute(update(LIVE_CONVERSATIONS).where(of(LIVE_CONVERSATIONS), going).values(ended_at=now))
    mine = select(RESERVATIONS.c.presentation).where(of(RESERVATIONS))
    connection.execute(delete(PORTAL_DRAFTS).where(PORTAL_DRAFTS.c.presentation.in_(mine)))
    connection.execute(
        update(RESERVATIONS)
        .where(of(RESERVATIONS), RESERVATIONS.c.state.in_(("held", "expired")))
        .values(state="released")
    )
    connection.execute(
        update(INVITATIONS).where(of(INVITATIONS), INVITATIONS.c.expires_at > now).values(expires_at=now)
    )
    events = connection.execute(
        select(CONSENT_EVENTS).where(of(CONSENT_EVENTS)).order_by(CONSENT_EVENTS.c.number)
    ).all()
    last = {(event.consent, event.version, event.purpose): event.kind for event in events}
    live = sorted(key for key, kind in last.items() if kind == "given")
    for number, (consent, version, purpose) in enumerate(live, start=len(events) + 1):
        connection.execute(
            insert(CONSENT_EVENTS).values(
                site=site,
                annotator=annotator,
                number=number,
                consent=consent,
                version=version,
                purpose=purpose,
                kind="withdrawn",
                at=now,
            )
        )


def _person(connection: Connection, site: str, annotator: str) -> Enrolled:
    query = select(ANNOTATORS).where(ANNOTATORS.c.site == site, ANNOTATORS.c.annotator == annotator)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise InputError("nobody at this site has this pseudonym", field="annotator", value=annotator)
    return _enrolled(_plain(row))


def _enrolled(row: Mapping[str, Any]) -> Enrolled:
    return Enrolled(**{**row, "simulated": bool(row["simulated"])})


def _set_locale(connection: Connection, site: str, annotator: str, locale: str) -> None:
    here = (ANNOTATORS.c.site == site) & (ANNOTATORS.c.annotator == annotator)
    connection.execute(update(ANNOTATORS).where(here).values(locale=locale))


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _hash(token: str) -> str:
    # 256 random bits need no slow hash: there is nothing to guess.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
