"""Great Expectations on an open DuckDB connection.

GX has no datasource for DuckDB, so its own extension mechanism is used: a subclass of its SQL datasource and one of its
SQL execution engine. They mend three things: one connection is kept (GX reads results after it has returned a
connection, and DuckDB drops them then); columns are read with ``DESCRIBE`` (reflection asks for a PostgreSQL
catalogue); patterns become ``REGEXP_MATCHES``.
"""

from __future__ import annotations

import builtins
import logging
import types
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, cast

import duckdb
import sqlalchemy as sa

with warnings.catch_warnings():
    # GX 1.24 imports sre_constants, deprecated in Python 3.11.
    warnings.simplefilter("ignore", DeprecationWarning)
    import duckdb_engine
    import great_expectations as gx
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context.data_context.context_factory import project_manager
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine

from governance.errors import OutsideError

__all__ = ["connected", "on_duckdb", "silent_context"]

_CONNECTIONS: Final[dict[str, duckdb.DuckDBPyConnection]] = {}
_SCHEME: Final = "boundsduckdb"
_MORE_ROOM: Final = ("2GB", "3GB", "4GB")
sa.dialects.registry.register(_SCHEME, __name__, "DuckDBDialect")


class DuckDBDialect(duckdb_engine.Dialect):
    """DuckDB for SQLAlchemy, with the reflection that GX asks for."""

    supports_statement_cache = False

    def get_columns(
        self, connection: sa.Connection, table_name: str, schema: str | None = None, **_: Any
    ) -> list[Any]:
        """Columns as ``DESCRIBE`` names them."""
        del schema
        described = connection.exec_driver_sql(f'DESCRIBE "{table_name}"').fetchall()
        return [
            {"name": row[0], "type": sa.types.NullType(), "nullable": True, "default": None}
            for row in described
        ]

    def get_pk_constraint(
        self, connection: sa.Connection, table_name: str, schema: str | None = None, **_: Any
    ) -> Any:
        """No table of a batch has a key."""
        del connection, table_name, schema
        return {"constrained_columns": [], "name": None}


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Runs GX's SQL on one open DuckDB connection."""

    def __init__(self, *, connection_string: str, **kwargs: Any) -> None:
        raw = self._raw = _CONNECTIONS[connection_string]
        engine = sa.create_engine(
            f"{_SCHEME}:///:memory:",
            creator=lambda: duckdb_engine.ConnectionWrapper(raw),
            poolclass=sa.StaticPool,
        )
        kwargs.pop("create_temp_table", None)
        super().__init__(engine=engine, create_temp_table=False, **kwargs)
        self._room = iter(_MORE_ROOM)
        # GX tells dialects apart by the attributes of a module; this one leads it to REGEXP_MATCHES.
        self.dialect_module = cast("Any", types.SimpleNamespace(DremioDialect=DuckDBDialect))

    @contextmanager
    def get_connection(self) -> Iterator[sa.Connection]:
        """The one connection, kept open while GX reads.

        DuckDB spills, but where a statement joins and groups at once it now and then finds no block to put aside.
        GX asks again for what failed, up to three times; it then has more room.
        """
        if self._connection is None:
            self._connection = self.engine.connect()
        try:
            yield self._connection
        except sa.exc.DBAPIError as error:
            if isinstance(error.orig, duckdb.OutOfMemoryException) and (room := next(self._room, None)):
                # Apart from the transaction that failed; the limit is that of the whole database.
                self._raw.cursor().execute(f"SET memory_limit = '{room}'")
            raise


class DuckDBDatasource(SQLDatasource):
    """GX datasource over an open DuckDB connection, registered by its class definition."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]

    @property
    def execution_engine_type(self) -> builtins.type[DuckDBExecutionEngine]:
        """The engine that runs the metrics."""
        return DuckDBExecutionEngine

    def get_engine(self) -> sa.Engine:
        """The engine of the one connection."""
        return self.get_execution_engine().engine

    def test_connection(self, test_assets: bool = True) -> None:
        """Nothing to test: the connection is open."""
        del test_assets


@contextmanager
def connected(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for as long as GX works on it; its faults become ours.

    Raises:
        OutsideError: DuckDB or GX failed.
    """
    try:
        yield connection
    except (duckdb.Error, sa.exc.SQLAlchemyError, GreatExpectationsError) as error:
        raise OutsideError(f"Great Expectations could not judge the batch: {error}") from error
    finally:
        connection.close()
        _CONNECTIONS.pop(_address(connection), None)
        # GX keeps the last context for the process, and with it the connection beyond the interpreter's end.
        project_manager.set_project(None)


def silent_context() -> Any:
    """A context of GX in memory, without progress bars and analytics; project folders and files are not made."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx.get_context(
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        )
    )


def on_duckdb(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, str]
) -> tuple[Any, dict[str, BatchDefinition[Any]]]:
    """A context, and the batch of each of these tables that the connection holds.

    Args:
        connection: The open connection, inside :func:`connected`.
        tables: Name of the table by what its rows are.
    """
    context = silent_context()
    address = _address(connection)
    _CONNECTIONS[address] = connection
    source = context.data_sources.add_duckdb(name="bounds", connection_string=address)
    present = {
        name for (name,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
    }
    return context, {
        table: source.add_table_asset(table, table_name=name).add_batch_definition_whole_table("all")
        for table, name in tables.items()
        if name in present
    }


def _address(connection: duckdb.DuckDBPyConnection) -> str:
    """The connection string under which GX finds an open connection again."""
    return f"{_SCHEME}:///{id(connection)}"
