"""The platform's database: cursors, indexes and the compare-and-set that an object store cannot give.

SQLite (embedded) and PostgreSQL (production) behind one class and one contract suite. What is written here
is small: digests, references and states; the bytes lie in the object store. Every write is one transaction;
on SQLite it takes the write lock at its beginning, so that two writers wait for each other instead of failing.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from governance.errors import InputError, OutsideError, in_words
from infra.migrations import Migration, migrate
from infra.settings import Settings

__all__ = ["Database", "open_database"]

_BUSY_SECONDS: Final = 30
_WRITE: Final = "bounds_write"
_KEPT: Final = 10
"""Connections to PostgreSQL that a process keeps; in a rush it opens as many again."""
_IDLE_SECONDS: Final = 1.0


class Database:
    """One database of the platform, migrated to what this program knows.

    Args:
        url: SQLAlchemy address (``sqlite:////folder/platform.db`` or ``postgresql+psycopg2://…``).
        now: Recorded with the migrations applied by this call.
        known: Its migrations; the platform's own by default.

    Raises:
        InputError: The address is no address, or the database is newer than the program.
        OutsideError: The database cannot be reached.
    """

    def __init__(self, url: str, *, now: datetime, known: list[Migration] | None = None) -> None:
        self._engine = _engine(url)
        try:
            with self.write() as connection:
                migrate(connection, now=now, known=known)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Database({self._engine.url.render_as_string(hide_password=True)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: all of it or nothing."""
        options = {_WRITE: True}
        with (
            self._reached(),
            self._engine.connect().execution_options(**options) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that reads: on SQLite one state of the database, on PostgreSQL what each query finds committed.

        PostgreSQL's transactions at their usual level see no more of one state than single queries do; without one,
        a query costs one round trip instead of three.
        """
        if self._engine.dialect.name == "postgresql":
            with self._reached(), self._engine.connect() as connection:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
            return
        with self.stream() as connection:
            yield connection

    @contextmanager
    def stream(self) -> Iterator[Connection]:
        """A connection that reads some rows at a time: one transaction, which a cursor on the server needs."""
        with self._reached(), self._engine.connect() as connection, connection.begin():
            yield connection

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows that break no uniqueness; the others are left out without an error."""
        if not rows:
            return
        build = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        # In one order for every writer: two that insert the same rows the other way round would deadlock.
        keys = [column.name for column in table.primary_key]
        ordered = sorted((dict(row) for row in rows), key=lambda row: [row[key] for key in keys])
        connection.execute(build(table).on_conflict_do_nothing(), ordered)

    def upsert(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
        """Insert a row, or give the row of the same primary key these values."""
        build = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        keys = [column.name for column in table.primary_key]
        rest = {name: value for name, value in row.items() if name not in keys}
        connection.execute(build(table).values(**row).on_conflict_do_update(index_elements=keys, set_=rest))

    def lock(self, connection: Connection, *names: str) -> None:
        """Wait until no other write transaction holds a lock of this name; it is held until this one ends.

        On SQLite every write transaction holds the one lock there is already.
        """
        if self._engine.dialect.name == "postgresql":
            number = int.from_bytes(
                hashlib.sha256("\n".join(names).encode()).digest()[:8], "big", signed=True
            )
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": number})

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            # What a caller wrote contradicts what is stored (an item that does not exist, counts that do not add up).
            raise InputError(f"the database refuses the row: {_reason(error)}") from error
        except DBAPIError as error:
            place = self._engine.url.render_as_string(hide_password=True)
            raise OutsideError(f"database {place}: {_reason(error)}") from error


def open_database(settings: Settings, *, now: datetime) -> Database:
    """The database that the settings name, migrated."""
    return Database(settings.database, now=now)


def _reason(error: DBAPIError) -> str:
    return next(iter(str(error.orig).strip().splitlines()), type(error).__name__)


def _engine(url: str) -> Engine:
    try:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            if not address.database or address.database == ":memory:":
                raise InputError(
                    "the database must be a file",
                    field="database_url",
                    value=url,
                    expected="sqlite:////path/to.db",
                )
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(address, poolclass=QueuePool, connect_args={"timeout": _BUSY_SECONDS})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        if address.get_backend_name() == "postgresql":
            # Beyond what a pool keeps, every transaction would open a connection of its own and close it again.
            engine = create_engine(
                address,
                pool_size=_KEPT,
                max_overflow=_KEPT,
                pool_use_lifo=True,
                connect_args={"connect_timeout": 10},
            )
            event.listen(engine, "checkin", _note_use)
            event.listen(engine, "checkout", partial(_require_alive, engine))
            return engine
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(
            "not a database address", field="database_url", expected="an SQLAlchemy URL"
        ) from error
    except OSError as error:
        raise OutsideError(f"database folder: {error.filename}: {in_words(error)}") from error
    raise InputError(
        "no such kind of database",
        field="database_url",
        value=address.get_backend_name(),
        expected="sqlite or postgresql",
    )


def _note_use(connection: object, record: ConnectionPoolEntry) -> None:
    del connection
    record.info["used"] = time.monotonic()


def _require_alive(engine: Engine, connection: Any, record: ConnectionPoolEntry, proxy: object) -> None:
    """Ask a connection that was idle whether the server is still there; one in constant use is not asked each time."""
    del proxy
    used = record.info.get("used")
    if used is None or time.monotonic() - used < _IDLE_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]
        raise DisconnectionError from error


def _prepare_sqlite(connection: Any, record: object) -> None:
    del record
    connection.isolation_level = None  # transactions are begun by _begin_sqlite alone
    cursor = connection.cursor()
    _use_wal(cursor)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Change to the write-ahead log, however many others do so now: SQLite answers here without its busy wait."""
    last = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A reader that later writes would fail at once with SQLITE_BUSY; a writer therefore locks first.
    writes = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
