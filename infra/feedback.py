"""Feedback of applications: accepted once and durably, kept sealed, read by ``collect`` as a source.

An event is acknowledged when its row is committed. It is sealed under the key of its end user, whose pseudonym is
keyed with the site's secret: nobody can go from what is stored to the name that the application uses, and two
applications' users never become one person.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from annotation.events import EventKind, EventPage, RawEvent
from annotation.feedback import ORIGIN, FeedbackEvent, feedback_item, feedback_judgement
from annotation.ports import KnownEvents
from annotation.records import Source
from governance.digest import canonical, digest, digest_bytes
from infra import catalogue
from infra.database import Database
from infra.person_keys import PersonKeyDestroyedError, PersonKeys
from infra.table_source import TableSource
from infra.tables.collected import FEEDBACK_EVENTS, QUEUES
from infra.tables.items import ITEM_AUTHORS, ITEMS, PRESENTATIONS

__all__ = ["FeedbackSource", "Outcome", "accept", "erase_items", "user_pseudonym"]


class Outcome(StrEnum):
    """What became of an event."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    WITHDRAWN = "withdrawn"


def user_pseudonym(secret: bytes, application: str, user: str) -> str:
    """The pseudonym under which an application's end user is kept."""
    named = f"feedback\x1f{application}\x1f{user}".encode()
    return "u-" + hmac.new(secret, named, hashlib.sha256).hexdigest()[:20]


def accept(
    db: Database,
    keys: PersonKeys,
    *,
    site: str,
    application: str,
    secret: bytes,
    events: Sequence[FeedbackEvent],
    now: datetime,
) -> list[Outcome]:
    """Keep events; durable on return. One outcome each, in their order.

    Args:
        db: The platform's database.
        keys: The keys of the site's people.
        site: Place of collection.
        application: Name of the API key, part of the pseudonyms.
        secret: The site's secret.
        events: The events.
        now: When they were received.
    """
    outcomes = []
    with db.write() as connection:
        # Numbers are given under a lock, so that they become visible in their order and a cursor misses none.
        db.lock(connection, "feedback", site)
        last = connection.execute(
            select(func.max(FEEDBACK_EVENTS.c.number)).where(FEEDBACK_EVENTS.c.site == site)
        ).scalar_one()
        number = 0 if last is None else int(last)
        for event in events:
            annotator = user_pseudonym(secret, application, event.user)
            body = canonical(event.model_dump(mode="json") | {"user": annotator})
            # Keyed, because something as short as a thumb could be guessed from its digest.
            identity = hmac.new(secret, b"feedback/1\n" + body, hashlib.sha256).hexdigest()
            here = (FEEDBACK_EVENTS.c.site == site) & (FEEDBACK_EVENTS.c.event == event.event)
            kept = connection.execute(select(FEEDBACK_EVENTS.c.identity).where(here)).scalar_one_or_none()
            if kept is not None:
                outcomes.append(Outcome.DUPLICATE if kept == identity else Outcome.CONFLICT)
                continue
            try:
                sealed = keys.encrypt(annotator, body)
            except PersonKeyDestroyedError:
                outcomes.append(Outcome.WITHDRAWN)
                continue
            number += 1
            connection.execute(
                insert(FEEDBACK_EVENTS).values(
                    site=site,
                    event=event.event,
                    number=number,
                    annotator=annotator,
                    identity=identity,
                    sealed=sealed,
                    received_at=now,
                )
            )
            outcomes.append(Outcome.STORED)
    return outcomes


class FeedbackSource(TableSource):
    """The feedback of one site; implements ``annotation.ports.JudgementSource``.

    What a person spoke about comes with what they said, so each page first makes sure that its items are there.
    """

    source = Source.FEEDBACK

    def pages(self, cursor: str | None, known: KnownEvents) -> Iterator[EventPage]:
        """Pages of events after the number that the cursor says."""
        after = int(cursor or 0)
        held = known.versions()
        while True:
            query = (
                select(FEEDBACK_EVENTS)
                .where(FEEDBACK_EVENTS.c.site == self._site, FEEDBACK_EVENTS.c.number > after)
                .order_by(FEEDBACK_EVENTS.c.number)
                .limit(self._page)
            )
            with self._db.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            after = int(rows[-1].number)
            opened = [found for row in rows if row.event not in held and (found := self._opened(row))]
            self._keep_items(opened, rows[-1].received_at)
            yield EventPage(
                events=tuple(self._event(annotator, event, known) for annotator, event in opened),
                cursor=str(after),
            )

    def _opened(self, row: Any) -> tuple[str, FeedbackEvent] | None:
        try:
            body = json.loads(self._keys.decrypt(row.annotator, row.sealed))
        except PersonKeyDestroyedError:
            return None
        return row.annotator, FeedbackEvent.model_validate(body)

    def _keep_items(self, opened: Sequence[tuple[str, FeedbackEvent]], at: datetime) -> None:
        if not opened:
            return
        record = catalogue.ImportRecord(
            origin=ORIGIN,
            file_name=f"feedback of site {self._site}",
            file_digest=digest(["feedback", self._site]),
            read=0,
            imported=0,
            refused=0,
            # There is no file behind it, and no copy of the texts anywhere else than in the table of items.
            object=digest_bytes(b""),
            at=at,
        )
        items = [feedback_item(event) for _, event in opened]
        distinct = {item["item"]: item for item in items}
        catalogue.add_items(self._db, list(distinct.values()), record)
        authors = {
            (item["item"], annotator): {"site": self._site, "item": item["item"], "annotator": annotator}
            for item, (annotator, _) in zip(items, opened, strict=True)
        }
        with self._db.write() as connection:
            self._db.insert_new(connection, ITEM_AUTHORS, list(authors.values()))

    def _event(self, annotator: str, event: FeedbackEvent, known: KnownEvents) -> RawEvent:
        return RawEvent(
            site=self._site,
            source=self.name,
            ref=event.event,
            kind=EventKind.STATED,
            revision=known.next_revision(event.event),
            raw=event.model_dump(mode="json"),
            judgement=feedback_judgement(event, site=self._site, annotator=annotator),
            annotator=annotator,
        )


def erase_items(connection: Connection, site: str, annotator: str) -> int:
    """Delete the items that only this person brought, and that nobody else was asked about; how many.

    In a transaction that writes.
    """
    mine = select(ITEM_AUTHORS.c.item).where(
        ITEM_AUTHORS.c.site == site, ITEM_AUTHORS.c.annotator == annotator
    )
    theirs = select(ITEM_AUTHORS.c.item).where(ITEM_AUTHORS.c.annotator != annotator)
    gone = connection.execute(
        delete(ITEMS).where(
            ITEMS.c.item.in_(mine),
            ITEMS.c.item.not_in(theirs),
            ITEMS.c.item.not_in(select(PRESENTATIONS.c.item)),
            ITEMS.c.item.not_in(select(QUEUES.c.item)),
        )
    ).rowcount
    here = (ITEM_AUTHORS.c.site == site) & (ITEM_AUTHORS.c.annotator == annotator)
    connection.execute(delete(ITEM_AUTHORS).where(here))
    return gone
