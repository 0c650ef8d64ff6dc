"""The time of a site's people that counts, from what the portal kept; see :mod:`annotation.pay`."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from annotation.pay import Meter, Rate, counted
from infra.database import Database
from infra.settings import SiteSettings
from infra.tables import ITEM_REPORTS, LIVE_TURNS, PORTAL_JUDGEMENTS, RESERVATIONS

__all__ = ["meters"]


def meters(
    db: Database, site: SiteSettings, *, rate: Rate | None, annotator: str | None = None
) -> dict[str, Meter]:
    """Pseudonym → meter, of everybody of a site who did something, or of one person.

    Args:
        db: The platform's database.
        site: The site; its ``longest_minutes`` bounds the time of an item.
        rate: What an hour is worth; see :func:`infra.assignment_files.rate_of`.
        annotator: One person only, also one who did nothing yet.
    """
    spans: dict[str, list[float]] = {}
    writing: dict[str, float] = {}
    with db.read() as connection:
        for who, span in _spans(connection, site.id, annotator):
            spans.setdefault(who, []).append(span)
        table = LIVE_TURNS
        query = select(table.c.annotator, func.sum(table.c.writing_ms)).where(table.c.site == site.id)
        if annotator is not None:
            query = query.where(table.c.annotator == annotator)
        for who, spent in connection.execute(query.group_by(table.c.annotator)):
            writing[who] = int(spent) / 1000
    longest = 60.0 * site.longest_minutes
    names = {*spans, *writing} if annotator is None else {annotator}
    return {
        name: Meter(
            seconds=round(counted(spans.get(name, ()), longest=longest) + writing.get(name, 0.0), 3),
            rate=rate,
        )
        for name in sorted(names)
    }


def _spans(connection: Connection, site: str, annotator: str | None) -> Iterator[tuple[str, float]]:
    given = select(
        PORTAL_JUDGEMENTS.c.annotator, PORTAL_JUDGEMENTS.c.presented_at, PORTAL_JUDGEMENTS.c.submitted_at
    ).where(PORTAL_JUDGEMENTS.c.site == site)
    left = (
        select(ITEM_REPORTS.c.annotator, RESERVATIONS.c.presented_at, ITEM_REPORTS.c.at)
        .join(RESERVATIONS, RESERVATIONS.c.presentation == ITEM_REPORTS.c.presentation)
        .where(ITEM_REPORTS.c.site == site, RESERVATIONS.c.presented_at.is_not(None))
    )
    if annotator is not None:
        given = given.where(PORTAL_JUDGEMENTS.c.annotator == annotator)
        left = left.where(ITEM_REPORTS.c.annotator == annotator)
    for query in (given, left):
        for who, begun, ended in connection.execute(query):
            yield str(who), (ended - begun).total_seconds()
