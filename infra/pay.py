"""The time of a site's people that counts, from what the portal kept; see :mod:`annotation.pay`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, literal, null, select, union_all

from annotation.pay import Meter, Progress, Rate, counted
from infra.database import Database
from infra.settings import SiteSettings
from infra.tables.live import LIVE_TURNS
from infra.tables.portal import ITEM_REPORTS, PORTAL_JUDGEMENTS, RESERVATIONS

__all__ = ["meters", "progress_of"]

_JUDGED, _LEFT, _WROTE = "judged", "left", "wrote"


@dataclass(slots=True)
class _Done:
    """What one person did: spans of items judged, spans of all items, and milliseconds of writing."""

    judged: list[tuple[datetime, float]] = field(default_factory=list)
    spans: list[float] = field(default_factory=list)
    wrote: list[tuple[datetime, int]] = field(default_factory=list)

    def take(self, row: Any) -> None:
        """Take in a row of :func:`_acts`."""
        if row.act == _WROTE:
            self.wrote.append((row.ended, int(row.writing)))
            return
        span = (row.ended - row.begun).total_seconds()
        self.spans.append(span)
        if row.act == _JUDGED:
            self.judged.append((row.ended, span))

    def meter(self, site: SiteSettings, rate: Rate | None) -> Meter:
        """The time that counts."""
        writing = sum(spent for _, spent in self.wrote) / 1000
        items = counted(self.spans, longest=60.0 * site.longest_minutes)
        return Meter(seconds=round(items + writing, 3), rate=rate)


def meters(db: Database, site: SiteSettings, *, rate: Rate | None) -> dict[str, Meter]:
    """Pseudonym → meter, of everybody of a site who did something.

    Args:
        db: The platform's database.
        site: The site; its ``longest_minutes`` bounds the time of an item.
        rate: What an hour is worth; see :func:`infra.assignment_files.rate_of`.
    """
    with db.read() as connection:
        done = _by_person(connection.execute(_OF_SITE, {"site": site.id}))
    return {name: done[name].meter(site, rate) for name in sorted(done)}


def progress_of(
    db: Database, site: SiteSettings, annotator: str, *, rate: Rate | None, since: datetime
) -> Progress:
    """How much one person has done, and how much of it since an instant."""
    with db.read() as connection:
        done = _by_person(connection.execute(_OF_PERSON, {"site": site.id, "annotator": annotator}))[
            annotator
        ]
    return Progress(
        done=len(done.judged),
        lately=sum(span for at, span in done.judged if at >= since)
        + sum(spent for at, spent in done.wrote if at >= since) / 1000,
        meter=done.meter(site, rate),
    )


def _by_person(rows: Iterable[Any]) -> defaultdict[str, _Done]:
    done: defaultdict[str, _Done] = defaultdict(_Done)
    for row in rows:
        done[row.annotator].take(row)
    return done


def _acts(*, of_one: bool) -> Any:
    """``annotator, act, begun, ended, writing`` of everything that a site's people, or one of them, did."""

    def here(table: Any) -> Any:
        at = table.c.site == bindparam("site")
        return at & (table.c.annotator == bindparam("annotator")) if of_one else at

    judged, left, wrote = PORTAL_JUDGEMENTS, ITEM_REPORTS, LIVE_TURNS
    return union_all(
        select(
            judged.c.annotator,
            literal(_JUDGED).label("act"),
            judged.c.presented_at.label("begun"),
            judged.c.submitted_at.label("ended"),
            literal(0).label("writing"),
        ).where(here(judged)),
        select(left.c.annotator, literal(_LEFT), RESERVATIONS.c.presented_at, left.c.at, literal(0))
        .join(RESERVATIONS, RESERVATIONS.c.presentation == left.c.presentation)
        .where(here(left), RESERVATIONS.c.presented_at.is_not(None)),
        select(wrote.c.annotator, literal(_WROTE), null(), wrote.c.said_at, wrote.c.writing_ms).where(
            here(wrote)
        ),
    )


_OF_SITE: Final = _acts(of_one=False)
_OF_PERSON: Final = _acts(of_one=True)
