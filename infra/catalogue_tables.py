"""Items and presentations of the database as Arrow tables, some rows at a time: they may be more than memory holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
from sqlalchemy import select

from annotation import records, surroundings
from annotation.records import table
from infra.database import Database
from infra.tables.items import ITEMS, PRESENTATIONS

__all__ = ["item_tables", "presentation_tables"]

_ROWS: Final = 10_000


def item_tables(db: Database) -> Iterator[pa.Table]:
    """``ITEMS`` rows of every item, in the order of their ids."""
    query = select(ITEMS.c.record).order_by(ITEMS.c.item).execution_options(yield_per=_ROWS)
    with db.stream() as connection:
        for some in connection.execute(query).scalars().partitions():
            yield table(some, records.ITEMS)


def presentation_tables(db: Database, site: str) -> Iterator[pa.Table]:
    """What validation reads of the presentations of a site."""
    columns = [PRESENTATIONS.c[name] for name in surroundings.PRESENTATIONS.names]
    query = select(*columns).where(PRESENTATIONS.c.site == site).execution_options(yield_per=_ROWS)
    with db.stream() as connection:
        for some in connection.execute(query).mappings().partitions():
            yield table([dict(row) for row in some], surroundings.PRESENTATIONS)
