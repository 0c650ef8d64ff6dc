"""The plain assigner: the item with the fewest judgements first, deterministic under the site's seed.

It knows no quotas of people; it holds the laws that every assigner holds (see ``annotation.ports.Assigner``).
Reserving is one transaction under one lock per site: presentation row and reservation appear together.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, case, delete, func, insert, select, update

from annotation.enrolment import ConsentState
from annotation.labelling import page_digest, require_showable
from annotation.presentations import FIRST_PORTAL_SLOT, least_used_order, presentation_id
from annotation.records import Source
from infra import catalogue
from infra.catalogue import Presentation
from infra.consents import state_of
from infra.database import Database
from infra.settings import SiteSettings
from infra.tables.items import ITEMS, PRESENTATIONS
from infra.tables.people import ANNOTATORS, CONSENT_EVENTS
from infra.tables.portal import PORTAL_DRAFTS, PORTAL_ITEMS, RESERVATIONS

__all__ = [
    "COLLECTION",
    "HOLD",
    "PlainAssigner",
    "add_portal_items",
    "extend",
    "is_serving",
    "mark_done",
    "portal_presentation",
    "serving_state",
]

COLLECTION: Final = "collection"
"""The consent purpose without which nobody is shown anything."""
HOLD: Final = timedelta(minutes=30)
"""How long an item stays held for a person who does nothing."""
_COUNTING: Final = ("held", "done")
# Statements that every page needs are built once: building one anew costs as much as running it.
_SITE: Final[BindParameter[str]] = bindparam("site")
_ANNOTATOR: Final[BindParameter[str]] = bindparam("annotator")
_OF_PERSON: Final = (RESERVATIONS.c.site == _SITE) & (RESERVATIONS.c.annotator == _ANNOTATOR)
_SERVING: Final = (
    select(
        ANNOTATORS.c.stopped_at,
        CONSENT_EVENTS.c.consent,
        CONSENT_EVENTS.c.version,
        CONSENT_EVENTS.c.purpose,
        CONSENT_EVENTS.c.kind,
        CONSENT_EVENTS.c.at,
    )
    .join(
        CONSENT_EVENTS,
        (CONSENT_EVENTS.c.site == ANNOTATORS.c.site) & (CONSENT_EVENTS.c.annotator == ANNOTATORS.c.annotator),
    )
    .where(ANNOTATORS.c.site == _SITE, ANNOTATORS.c.annotator == _ANNOTATOR)
    .order_by(CONSENT_EVENTS.c.number)
)
_DONE: Final = update(RESERVATIONS).where(RESERVATIONS.c.presentation == bindparam("of")).values(state="done")
_EXPIRE: Final = (
    update(RESERVATIONS)
    .where(
        RESERVATIONS.c.site == bindparam("of_site"),
        RESERVATIONS.c.state == "held",
        RESERVATIONS.c.expires_at <= bindparam("now"),
    )
    .values(state="expired")
)
_MINE: Final = (
    select(RESERVATIONS)
    .where(_OF_PERSON, RESERVATIONS.c.state.in_(("held", "expired")))
    .order_by(RESERVATIONS.c.state.desc(), RESERVATIONS.c.reserved_at)
)
_HOLD: Final = (
    update(RESERVATIONS)
    .where(RESERVATIONS.c.presentation == bindparam("of"))
    .values(state="held", expires_at=bindparam("until"))
)
_COUNTS: Final = (
    select(RESERVATIONS.c.item, func.count())
    .where(RESERVATIONS.c.site == _SITE, RESERVATIONS.c.state.in_(_COUNTING))
    .group_by(RESERVATIONS.c.item)
)
_NOT_MET: Final = select(PORTAL_ITEMS.c.item, PORTAL_ITEMS.c.kind).where(
    PORTAL_ITEMS.c.site == _SITE, PORTAL_ITEMS.c.item.not_in(select(RESERVATIONS.c.item).where(_OF_PERSON))
)
_RECORD: Final = select(ITEMS.c.record).where(ITEMS.c.item == bindparam("item"))
_ORDERS: Final = (
    select(
        PRESENTATIONS.c.shown,
        func.max(PRESENTATIONS.c.slot).label("last"),
        func.count(case((RESERVATIONS.c.state.in_(_COUNTING), 1))).label("counting"),
    )
    .join(RESERVATIONS, RESERVATIONS.c.presentation == PRESENTATIONS.c.presentation)
    .where(PRESENTATIONS.c.site == _SITE, PRESENTATIONS.c.item == bindparam("item"))
    .group_by(PRESENTATIONS.c.shown)
)


def add_portal_items(db: Database, site: str, items: Sequence[str], *, kind: str) -> int:
    """Put items before the people of a site's portal, to be judged in this form; how many were new.

    An item already there keeps its form.

    Raises:
        InputError: No such item.
        RecordError: The page cannot show an item in this form.
    """
    for row in catalogue.items(db, items):
        require_showable(row, kind)
    rows = [{"site": site, "item": item, "kind": kind} for item in sorted(set(items))]
    with db.write() as connection:
        count = select(func.count()).select_from(PORTAL_ITEMS).where(PORTAL_ITEMS.c.site == site)
        before = connection.execute(count).scalar_one()
        db.insert_new(connection, PORTAL_ITEMS, rows)
        return int(connection.execute(count).scalar_one() - before)


def serving_state(connection: Connection, site: str, annotator: str) -> ConsentState | None:
    """What the person agrees to if they may be shown an item now; None if they may not."""
    events = connection.execute(_SERVING, {"site": site, "annotator": annotator}).mappings().all()
    if not events or events[0]["stopped_at"] is not None:
        return None
    state = state_of(events)
    return state if state is not None and state.is_live(COLLECTION) else None


def is_serving(connection: Connection, site: str, annotator: str) -> str | None:
    """The consent under which the person may be shown an item now; None if they may not."""
    state = serving_state(connection, site, annotator)
    return None if state is None else state.consent


def mark_done(connection: Connection, presentation: str) -> None:
    """The presentation was answered."""
    connection.execute(_DONE, {"of": presentation})


def portal_presentation(
    site: str,
    item: Mapping[str, Any],
    slot: int,
    order: Sequence[str],
    *,
    kind: str,
    policy: str | None,
    consent: str,
    now: datetime,
) -> Presentation:
    """The row that says what a person at the portal is shown: an item, its slot, and the order of its answers."""
    return Presentation(
        presentation=presentation_id(site, item["item"], slot),
        site=site,
        item=item["item"],
        item_digest=item["digest"],
        slot=slot,
        shown=tuple(order),
        config_digest=page_digest(kind),
        policy_digest=policy,
        consent=consent,
        created_at=now,
        source=str(Source.PORTAL),
    )


def extend(connection: Connection, presentation: str, *, until: datetime) -> bool:
    """Hold on to a presentation that is still held; whether it was."""
    here = (RESERVATIONS.c.presentation == presentation) & (RESERVATIONS.c.state == "held")
    return connection.execute(update(RESERVATIONS).where(here).values(expires_at=until)).rowcount == 1


class PlainAssigner:
    """Implements ``annotation.ports.Assigner``.

    Args:
        db: The platform's database.
        site: The site; its ``portal_overlap`` is how many judgements each item gets.
        policy: The digest of the effective policy at an instant.
        hold: How long an item stays held.
    """

    def __init__(
        self,
        db: Database,
        site: SiteSettings,
        *,
        policy: Callable[[datetime], str | None],
        hold: timedelta = HOLD,
    ) -> None:
        self._db = db
        self._site = site
        self._policy = policy
        self._hold = hold
        # Whoever waits for their turn inside this process waits here, holding no connection meanwhile.
        self._turn = threading.Lock()

    def reserve(self, annotator: str, now: datetime) -> str | None:
        """The presentation held for the person, or a new one; None if nothing is left for them."""
        policy = self._policy(now)
        with self._turn, self._db.write() as connection:
            self._db.lock(connection, "assign", self._site.id)
            self._expire(connection, now)
            consent = is_serving(connection, self._site.id, annotator)
            if consent is None:
                return None
            return self._held(connection, annotator, now) or self._new(
                connection, annotator, consent, policy, now
            )

    def complete(self, presentation: str, now: datetime) -> None:
        """The presentation was answered; again is no error."""
        del now
        with self._db.write() as connection:
            mark_done(connection, presentation)

    def release(self, presentation: str, now: datetime) -> None:
        """The presentation will not be answered; its place is free."""
        del now
        with self._db.write() as connection:
            here = (RESERVATIONS.c.presentation == presentation) & RESERVATIONS.c.state.in_(
                ("held", "expired")
            )
            connection.execute(update(RESERVATIONS).where(here).values(state="released"))
            connection.execute(delete(PORTAL_DRAFTS).where(PORTAL_DRAFTS.c.presentation == presentation))

    def _expire(self, connection: Connection, now: datetime) -> None:
        connection.execute(_EXPIRE, {"of_site": self._site.id, "now": now})

    def _held(self, connection: Connection, annotator: str, now: datetime) -> str | None:
        counts: Counter[str] | None = None
        for row in connection.execute(_MINE, {"site": self._site.id, "annotator": annotator}).all():
            if row.state == "expired":
                # A person who comes back late goes on where they were, if the place was not given away.
                counts = self._counts(connection) if counts is None else counts
                if counts[row.item] >= self._site.portal_overlap:
                    continue
            self._hold_on(connection, row.presentation, now)
            return str(row.presentation)
        return None

    def _hold_on(self, connection: Connection, presentation: str, now: datetime) -> None:
        """Hold a presentation from now on, also one whose time had ended."""
        connection.execute(_HOLD, {"of": presentation, "until": now + self._hold})

    def _counts(self, connection: Connection) -> Counter[str]:
        found = connection.execute(_COUNTS, {"site": self._site.id})
        return Counter({row[0]: int(row[1]) for row in found})

    def _new(
        self, connection: Connection, annotator: str, consent: str, policy: str | None, now: datetime
    ) -> str | None:
        of = {"site": self._site.id, "annotator": annotator}
        kinds = {row.item: row.kind for row in connection.execute(_NOT_MET, of)}
        counts = self._counts(connection)
        left = [item for item in kinds if counts[item] < self._site.portal_overlap]
        if not left:
            return None
        least = min(counts[item] for item in left)
        item = min((one for one in left if counts[one] == least), key=lambda one: self._draw(one, annotator))
        found = self._record(connection, item)
        row = self._present(connection, found, kinds[item], consent, policy, now)
        self._hold_for(connection, annotator, row, now)
        return row.presentation

    def _record(self, connection: Connection, item: str) -> Mapping[str, Any]:
        """The item's ``ITEMS`` row."""
        record: Mapping[str, Any] = connection.execute(_RECORD, {"item": item}).scalar_one()
        return record

    def _hold_for(self, connection: Connection, annotator: str, row: Presentation, now: datetime) -> None:
        """Write the presentation and its reservation."""
        connection.execute(insert(PRESENTATIONS), {**asdict(row), "shown": list(row.shown)})
        reservation = {
            "presentation": row.presentation,
            "site": self._site.id,
            "item": row.item,
            "annotator": annotator,
            "state": "held",
            "reserved_at": now,
            "expires_at": now + self._hold,
        }
        connection.execute(insert(RESERVATIONS), reservation)

    def _present(
        self,
        connection: Connection,
        item: Mapping[str, Any],
        kind: str,
        consent: str,
        policy: str | None,
        now: datetime,
    ) -> Presentation:
        of = {"site": self._site.id, "item": item["item"]}
        before = connection.execute(_ORDERS, of).all()
        slot = max((row.last for row in before), default=FIRST_PORTAL_SLOT - 1) + 1
        order = least_used_order(
            [candidate["candidate"] for candidate in item["candidates"]],
            item=item["item"],
            used=[row.shown for row in before for _ in range(row.counting)],
            seed=self._site.seed,
        )
        return portal_presentation(
            self._site.id, item, slot, order, kind=kind, policy=policy, consent=consent, now=now
        )

    def _draw(self, item: str, annotator: str) -> bytes:
        return hashlib.sha256(f"assign:{self._site.seed}:{annotator}:{item}".encode()).digest()
