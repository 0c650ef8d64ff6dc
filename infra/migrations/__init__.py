"""Versioned migrations of the platform's database: numbered SQL files, applied in order, once, under a lock.

A file that was applied is never edited: its digest is recorded, and a database whose record differs, or
that is newer than the program, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Final

from sqlalchemy import Connection, inspect, text

from governance.digest import digest_bytes
from governance.errors import InputError

__all__ = ["Migration", "migrate", "migrations"]

_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# Any fixed number: PostgreSQL's advisory locks are named by integers.
_LOCK: Final = 0x626F756E6473


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One numbered step.

    Attributes:
        version: Its number, from 1 without gaps.
        name: Its name.
        sql: Its statements.
    """

    version: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """Identity of the statements."""
        return digest_bytes(self.sql.encode())

    def statements(self) -> list[str]:
        """The statements one by one, without comments."""
        bare = "\n".join(line for line in self.sql.splitlines() if not line.lstrip().startswith("--"))
        return [part.strip() for part in bare.split(";") if part.strip()]


def migrations(package: str = __name__) -> list[Migration]:
    """The migrations that this program knows, in order; of the platform's database, or of another package's."""
    files = {file.name: file for file in resources.files(package).iterdir()}
    found = [
        Migration(version=int(match[1]), name=match[2], sql=files[match[0]].read_text(encoding="utf-8"))
        for match in map(_NAME.fullmatch, files)
        if match
    ]
    return sorted(found, key=lambda migration: migration.version)


def migrate(connection: Connection, *, now: datetime, known: list[Migration] | None = None) -> list[int]:
    """Bring a database up to date inside the caller's transaction; returns the versions applied now.

    Args:
        connection: A connection in a write transaction.
        now: Recorded as the time of application.
        known: The migrations to apply; the program's own by default.

    Raises:
        InputError: The database is newer than the program, or an applied migration differs from its file.
    """
    known = migrations() if known is None else known
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if not inspect(connection).has_table("schema_migrations"):
        connection.execute(
            text(
                "CREATE TABLE schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
                " digest TEXT NOT NULL, applied_at TEXT NOT NULL)"
            )
        )
    rows = connection.execute(text("SELECT version, digest FROM schema_migrations ORDER BY version"))
    applied: dict[int, str] = {row.version: row.digest for row in rows}
    _refuse_strangers(applied, known)
    done = []
    for migration in known:
        if migration.version in applied:
            continue
        for statement in migration.statements():
            connection.exec_driver_sql(statement)
        connection.execute(
            text("INSERT INTO schema_migrations VALUES (:version, :name, :digest, :at)"),
            {
                "version": migration.version,
                "name": migration.name,
                "digest": migration.digest,
                "at": now.isoformat(),
            },
        )
        done.append(migration.version)
    return done


def _refuse_strangers(applied: dict[int, str], known: list[Migration]) -> None:
    newest = max((migration.version for migration in known), default=0)
    if applied and max(applied) > newest:
        raise InputError(
            "the database was written by a newer version of bounds",
            field="schema_migrations",
            value=max(applied),
            expected=f"at most {newest}; install the newer version",
        )
    for migration in known:
        if applied.get(migration.version, migration.digest) != migration.digest:
            raise InputError(
                f"migration {migration.version} ({migration.name}) is not the one that this database was built with",
                field="schema_migrations",
                value=applied[migration.version],
                expected=migration.digest,
            )
