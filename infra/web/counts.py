"""The figures under the steps of the start page, read from the platform's database.

The database is opened for reading only and never made here: a page that is looked at must not migrate it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, ScalarSelect, Select, Table, create_engine, func, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from infra.settings import Settings
from infra.tables.collected import RAW_EVENTS
from infra.tables.decisions import AUDITS, PROMOTIONS
from infra.tables.items import ITEMS
from infra.tables.releases import BATCHES, RELEASES

__all__ = ["read_counts"]


def _newest() -> ScalarSelect[Any]:
    """Time of the newest batch of the same site: a batch holds all of its site, so older ones are not added."""
    other = BATCHES.alias()
    same = other.c.site.is_not_distinct_from(BATCHES.c.site)
    return select(func.max(other.c.created_at)).where(same).correlate(BATCHES).scalar_subquery()


def _rows(table: Table) -> Select[Any]:
    return select(func.count()).select_from(table)


_QUESTIONS: Final[Mapping[str, Select[Any]]] = {
    "raw_events": _rows(RAW_EVENTS),
    "items": _rows(ITEMS),
    "accepted": select(func.coalesce(func.sum(BATCHES.c.accepted), 0)).where(
        BATCHES.c.created_at == _newest()
    ),
    "quarantined": select(func.coalesce(func.sum(BATCHES.c.quarantined), 0)).where(
        BATCHES.c.created_at == _newest()
    ),
    "releases": _rows(RELEASES),
    "audits": _rows(AUDITS),
    "promotions": _rows(PROMOTIONS).where(PROMOTIONS.c.outcome == "promoted"),
    "refusals": _rows(PROMOTIONS).where(PROMOTIONS.c.outcome != "promoted"),
}


def read_counts(settings: Settings) -> dict[str, int]:
    """The figures by the keys of ``start.STEPS``; a figure that cannot be read is left out."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        if not url.database or not Path(url.database).is_file():
            return {}
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return {key: value for key in _QUESTIONS if (value := _ask(connection, key)) is not None}
    except SQLAlchemyError:
        return {}
    finally:
        engine.dispose()


def _ask(connection: Connection, key: str) -> int | None:
    try:
        with connection.begin():
            return int(connection.execute(_QUESTIONS[key]).scalar_one())
    except SQLAlchemyError:  # a table of a later version of the program
        return None
