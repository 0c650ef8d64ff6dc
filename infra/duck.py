"""DuckDB as a machine for tables larger than memory: what does not fit goes to files beside the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.validated import PARQUET, ROWS_OF_A_GROUP
from governance.errors import OutsideError

__all__ = ["MEMORY", "duck", "sort_into", "streamed"]

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


def sort_into(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    by: Sequence[str],
    schema: pa.Schema,
    target: Path,
) -> None:
    """Write the rows of Parquet files into one, sorted, as :func:`annotation.validated.parquet_bytes` would.

    Args:
        connection: See :func:`duck`.
        files: At least one.
        by: Columns to sort by, ascending, nulls last.
        schema: Columns of the result.
        target: The file to write.
    """
    names = ", ".join(f'"{name}"' for name in schema.names)
    order = ", ".join(f'"{name}" NULLS LAST' for name in by)
    connection.read_parquet([str(file) for file in files]).create_view("unsorted")
    query = f"SELECT {names} FROM unsorted ORDER BY {order}"  # noqa: S608 - names of a schema
    with pq.ParquetWriter(target, schema, **PARQUET) as writer:
        waiting: list[pa.Table] = []
        held = written = 0
        for batch in streamed(connection, query, ROWS_OF_A_GROUP):
            # Cast at once: what is left over from one group meets further batches as DuckDB types them.
            waiting.append(pa.Table.from_batches([batch]).cast(schema))
            held += batch.num_rows
            while held >= ROWS_OF_A_GROUP:
                waiting = _write(writer, waiting, schema)
                held = sum(left.num_rows for left in waiting)
                written += 1
        if held or not written:
            _write(writer, waiting, schema)


def _write(writer: pq.ParquetWriter, waiting: Sequence[pa.Table], schema: pa.Schema) -> list[pa.Table]:
    """Write one group of rows; what is left over."""
    table = pa.concat_tables(waiting) if waiting else schema.empty_table()
    writer.write_table(table.slice(0, ROWS_OF_A_GROUP).combine_chunks())
    left = table.slice(ROWS_OF_A_GROUP)
    return [left] if left.num_rows else []
