"""The known answers of a site: kept with who declared them and when, read by the assigner and by validation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from annotation.assignment import Role
from annotation.gold import GoldItem, KnownAnswer, require_sayable
from annotation.records import Outcome
from governance.errors import InputError
from infra.database import Database
from infra.tables.items import GOLD_ITEMS
from infra.tables.portal import PORTAL_ITEMS

__all__ = ["add_gold", "asked_as", "gold_items", "gold_rows", "remove_gold"]


def add_gold(
    db: Database, site: str, known: Sequence[KnownAnswer], *, by: str, now: datetime, replace: bool = False
) -> int:
    """Declare known answers; how many changed anything. What is there alike keeps who declared it.

    Args:
        db: The platform's database.
        site: The site.
        known: The answers, each item once.
        by: Who declares them.
        now: When.
        replace: Whether another answer or kind that is there may be replaced.

    Raises:
        InputError: Nobody is named, the portal's page cannot say an answer, or another answer is there already.
            Nothing is then written.
    """
    if not by.strip():
        raise InputError("somebody must stand behind a known answer", field="by", expected="a name")
    forms = asked_as(db, site)
    for each in known:
        require_sayable(each, forms.get(each.item))
    before = {each.known.item: each.known for each in gold_items(db, site)}
    fresh = [each for each in known if before.get(each.item) != each]
    for each in fresh:
        there = before.get(each.item)
        if there is not None and not replace:
            raise InputError(
                f"there is another known answer ({there.role}, {there.preferred or there.outcome})",
                field="item",
                value=each.item,
                expected="the same answer, or --replace",
            )
    with db.write() as connection:
        for each in fresh:
            row = {
                "site": site,
                "item": each.item,
                "role": str(each.role),
                "outcome": str(each.outcome),
                "preferred": each.preferred,
                "added_by": by.strip(),
                "added_at": now,
            }
            db.upsert(connection, GOLD_ITEMS, row)
    return len(fresh)


def remove_gold(db: Database, site: str, items: Iterable[str]) -> int:
    """Take items out of the known answers; how many. They go on as ordinary ones.

    Raises:
        InputError: One is not among them; none is then taken out.
    """
    wanted = sorted(set(items))
    there = {each.known.item for each in gold_items(db, site)}
    for item in wanted:
        if item not in there:
            raise InputError(
                "no known answer is declared for this item",
                field="item",
                value=item,
                expected="`bounds gold list`",
            )
    with db.write() as connection:
        for item in wanted:
            here = (GOLD_ITEMS.c.site == site) & (GOLD_ITEMS.c.item == item)
            connection.execute(delete(GOLD_ITEMS).where(here))
    return len(wanted)


def gold_items(db: Database, site: str) -> list[GoldItem]:
    """The known answers of a site, by item."""
    query = select(GOLD_ITEMS).where(GOLD_ITEMS.c.site == site).order_by(GOLD_ITEMS.c.item)
    with db.read() as connection:
        return [
            GoldItem(
                known=KnownAnswer(
                    item=row.item, role=Role(row.role), outcome=Outcome(row.outcome), preferred=row.preferred
                ),
                added_by=row.added_by,
                added_at=row.added_at,
            )
            for row in connection.execute(query)
        ]


def gold_rows(db: Database, site: str) -> list[dict[str, Any]]:
    """What validation needs of them: rows of ``annotation.surroundings.GOLD``."""
    return [
        {"item": each.known.item, "outcome": str(each.known.outcome), "preferred": each.known.preferred}
        for each in gold_items(db, site)
    ]


def asked_as(db: Database, site: str) -> dict[str, str]:
    """Item → the form in which the site's portal asks it."""
    query = select(PORTAL_ITEMS.c.item, PORTAL_ITEMS.c.kind).where(PORTAL_ITEMS.c.site == site)
    with db.read() as connection:
        return {row.item: row.kind for row in connection.execute(query)}
