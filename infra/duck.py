"""DuckDB as a machine for tables larger than memory: what does not fit goes to files beside the data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from governance.errors import OutsideError

__all__ = ["MEMORY", "duck", "streamed"]

MEMORY: Final = "1GB"
"""What DuckDB may hold; beyond, it spills."""


@contextmanager
def duck(folder: Path, *, database: str = ":memory:") -> Iterator[duckdb.DuckDBPyConnection]:
    """An open connection that spills into ``folder``; ``database`` is the name of a file there.

    Raises:
        OutsideError: DuckDB failed: the disk is full, or a file it reads is gone or damaged.
    """
    place = database if database == ":memory:" else str(folder / database)
    try:
        connection = duckdb.connect(place)
        try:
            connection.execute("SET threads = 2; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            connection.execute("SET temp_directory = ?", [str(folder / "spilled")])
            yield connection
        finally:
            connection.close()
    except duckdb.Error as error:
        raise OutsideError(f"the batch cannot be gone through on disk: {error}") from error


def streamed(connection: duckdb.DuckDBPyConnection, query: str, rows: int) -> Iterator[pa.RecordBatch]:
    """The result of a query, about ``rows`` rows at a time."""
    relation = connection.sql(query)
    if relation is not None:
        yield from relation.to_arrow_reader(rows)
