"""The portal's table as a source: its judgements are the truth, ``collect`` reads each exactly once.

The table is asked whole, by its keys: on PostgreSQL a row can become visible after a later one, so a position
in it would lose rows. What collection holds is left out; what it holds and the table no longer does was
withdrawn, and is stated as deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from annotation.decode import Annotator
from annotation.events import EventKind, EventPage, RawEvent
from annotation.portal_decode import decode_portal
from annotation.ports import KnownEvents
from annotation.records import Source
from infra.person_keys import PersonKeyDestroyedError
from infra.table_source import TableSource
from infra.tables.items import ITEMS, PRESENTATIONS
from infra.tables.people import ANNOTATORS
from infra.tables.portal import PORTAL_JUDGEMENTS

__all__ = ["PortalSource"]


class PortalSource(TableSource):
    """The judgements of one site's portal; implements ``annotation.ports.JudgementSource``."""

    source = Source.PORTAL

    def pages(self, cursor: str | None, known: KnownEvents) -> Iterator[EventPage]:
        """Pages of what is not known yet, then of what is no longer there; the cursor says when it was read."""
        del cursor
        query = select(PORTAL_JUDGEMENTS.c.presentation).where(PORTAL_JUDGEMENTS.c.site == self._site)
        order = (PORTAL_JUDGEMENTS.c.submitted_at, PORTAL_JUDGEMENTS.c.presentation)
        with self._db.read() as connection:
            there = list(connection.execute(query.order_by(*order)).scalars())
        held = known.versions()
        new = [ref for ref in there if ref not in held]
        for start in range(0, len(new), self._page):
            events = tuple(self._stated(new[start : start + self._page], known))
            yield EventPage(events=events, cursor=f"portal/{len(there)}")
        present = set(there)
        gone = [self._deleted(ref, known) for ref in sorted(held) if ref not in present]
        for start in range(0, len(gone), self._page):
            yield EventPage(events=tuple(gone[start : start + self._page]), cursor=f"portal/{len(there)}")

    def _stated(self, refs: Sequence[str], known: KnownEvents) -> Iterator[RawEvent]:
        table, people = PORTAL_JUDGEMENTS, ANNOTATORS
        joined = table.join(
            people, (people.c.site == table.c.site) & (people.c.annotator == table.c.annotator)
        )
        query = select(table, people.c.simulated).select_from(joined).where(table.c.presentation.in_(refs))
        shown = select(PRESENTATIONS).where(PRESENTATIONS.c.presentation.in_(refs))
        with self._db.read() as connection:
            rows = {row["presentation"]: row for row in connection.execute(query).mappings()}
            presentations = {row["presentation"]: row for row in connection.execute(shown).mappings()}
            wanted = sorted({row["item"] for row in presentations.values()})
            records = select(ITEMS.c.item, ITEMS.c.record).where(ITEMS.c.item.in_(wanted))
            items = {row.item: row.record for row in connection.execute(records)}
        for ref in refs:
            if ref in rows:  # else withdrawn since the keys were listed
                presentation = presentations.get(ref)
                item = None if presentation is None else items.get(presentation["item"])
                event = self._event(rows[ref], presentation, item, known)
                if event is not None:
                    yield event

    def _event(
        self,
        row: Mapping[Any, Any],
        presentation: Mapping[Any, Any] | None,
        item: Mapping[str, Any] | None,
        known: KnownEvents,
    ) -> RawEvent | None:
        ref = str(row["presentation"])
        try:
            body = json.loads(self._keys.decrypt(row["annotator"], row["sealed"]))
        except PersonKeyDestroyedError:
            return None  # erased: there is nothing left to state
        raw = {
            "presentation": ref,
            "annotator": row["annotator"],
            "kind": row["kind"],
            "presented_at": _iso(row["presented_at"]),
            "submitted_at": _iso(row["submitted_at"]),
            **body,
        }
        found = decode_portal(
            raw,
            site=self._site,
            annotator=Annotator(annotator=row["annotator"], simulated=bool(row["simulated"])),
            presentation=None if presentation is None else {str(k): v for k, v in presentation.items()},
            item=item,
        )
        return RawEvent(
            site=self._site,
            source=self.name,
            ref=ref,
            kind=EventKind.STATED,
            revision=known.next_revision(ref),
            raw=raw,
            judgement=found.judgement,
            problem=found.problem,
        )

    def _deleted(self, ref: str, known: KnownEvents) -> RawEvent:
        return RawEvent(
            site=self._site,
            source=self.name,
            ref=ref,
            kind=EventKind.DELETED,
            revision=known.next_revision(ref),
            raw={"presentation": ref},
        )


def _iso(moment: datetime) -> str:
    return moment.isoformat()
