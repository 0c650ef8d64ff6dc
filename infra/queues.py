"""Which items a site is to judge."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from infra.database import Database
from infra.tables.collected import QUEUES

__all__ = ["add_to_queue", "queue"]


def add_to_queue(db: Database, site: str, items: Iterable[str]) -> None:
    """Put items before the annotators of a site; an item already there stays.

    Raises:
        InputError: An item does not exist.
    """
    with db.write() as connection:
        db.insert_new(connection, QUEUES, [{"site": site, "item": item} for item in sorted(set(items))])


def queue(db: Database, site: str) -> list[str]:
    """The items of a site, in the order of their ids."""
    with db.read() as connection:
        rows = connection.execute(select(QUEUES.c.item).where(QUEUES.c.site == site).order_by(QUEUES.c.item))
        return [row.item for row in rows]
