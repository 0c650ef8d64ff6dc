"""Annotators as the platform knows them: random ids, codebook answers, accounts in a tool. No identity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from annotation.records import PROFILES as PROFILE_SCHEMA
from annotation.records import table
from infra.database import Database
from infra.tables.people import PANEL, PROFILES

__all__ = ["accounts", "add_accounts", "add_profiles", "profiles"]


def add_profiles(db: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write codebook answers (``PROFILES`` rows); a later answer to the same question replaces the earlier.

    Raises:
        RecordError: A row is not of the declared shape.
    """
    table(rows, PROFILE_SCHEMA)
    with db.write() as connection:
        for row in rows:
            db.upsert(
                connection,
                PROFILES,
                {**row, "status": str(row["status"]), "simulated": int(row["simulated"])},
            )


def profiles(db: Database, site: str | None = None) -> list[dict[str, Any]]:
    """``PROFILES`` rows, in the order of annotator and field."""
    query = select(PROFILES).order_by(PROFILES.c.annotator, PROFILES.c.codebook, PROFILES.c.field)
    if site is not None:
        query = query.where(PROFILES.c.site == site)
    with db.read() as connection:
        return [{**row, "simulated": bool(row["simulated"])} for row in connection.execute(query).mappings()]


def add_accounts(db: Database, site: str, source: str, annotators: Mapping[str, str]) -> None:
    """Record which account of a tool is which annotator."""
    rows: Iterable[dict[str, str]] = (
        {"site": site, "source": source, "account": account, "annotator": annotator}
        for account, annotator in sorted(annotators.items())
    )
    with db.write() as connection:
        db.insert_new(connection, PANEL, list(rows))


def accounts(db: Database, site: str, source: str) -> dict[str, str]:
    """Account of the tool → annotator."""
    query = select(PANEL.c.account, PANEL.c.annotator).where(PANEL.c.site == site, PANEL.c.source == source)
    with db.read() as connection:
        return {row.account: row.annotator for row in connection.execute(query)}
