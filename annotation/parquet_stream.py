"""A Parquet file written and read bit by bit, the same bytes whatever the bits.

Row groups have a fixed number of rows, filled across the tables that arrive, so that the file is a function
of its rows and their order alone. At most one row group is held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.staging import as_table

__all__ = ["PARQUET", "ContentHash", "ParquetStream", "RowGroups", "content_digest", "rows_of"]

PARQUET: Final[Mapping[str, Any]] = {"compression": "zstd", "version": "2.6"}
"""How the files of batches and releases are written; whoever writes them otherwise gives them other digests."""

_SLICE: Final = 50_000


class ContentHash:
    """``sha256:…`` of rows as JSON Lines in the order given, columns as named, times as microseconds.

    It says what a table holds, whatever the file format or its writer's version.
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, frame: pl.DataFrame) -> None:
        """The next rows."""
        plain = frame.with_columns(cs.datetime().dt.epoch("us"))
        for start in range(0, plain.height, _SLICE):
            self._sha256.update(plain.slice(start, _SLICE).write_ndjson().encode())

    @property
    def digest(self) -> str:
        """The digest of the rows so far."""
        return "sha256:" + self._sha256.hexdigest()


def content_digest(frame: pl.DataFrame) -> str:
    """The :class:`ContentHash` of one frame."""
    content = ContentHash()
    content.add(frame)
    return content.digest


class RowGroups:
    """Writes rows of one schema, some at a time, into row groups of a fixed number of rows.

    Args:
        sink: Where the bytes go; closed by its owner.
        schema: Schema of the file; rows are cast to it.
        rows: Rows of a row group.
    """

    def __init__(self, sink: BinaryIO, schema: pa.Schema, *, rows: int) -> None:
        self._schema = schema
        self._group = rows
        self._waiting: list[pa.Table] = []
        self._writer = pq.ParquetWriter(sink, schema, **PARQUET)
        self.rows = 0

    def add(self, frame: pl.DataFrame) -> None:
        """The next rows."""
        table = as_table(frame).select(self._schema.names).cast(self._schema)
        self.rows += table.num_rows
        self._waiting.append(table)
        held = sum(part.num_rows for part in self._waiting)
        if held < self._group:
            return
        whole = pa.concat_tables(self._waiting)
        full = held - held % self._group
        for start in range(0, full, self._group):
            self._write(whole.slice(start, self._group))
        self._waiting = [whole.slice(full)] if held > full else []

    def _write(self, table: pa.Table) -> None:
        # One chunk without an offset: pages then fall the same way, however the rows arrived.
        self._writer.write_table(table.combine_chunks(), row_group_size=self._group)

    def close(self) -> None:
        """Write what is left and the footer."""
        if self._waiting or not self.rows:
            self._write(pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table())
        self._waiting = []
        self._writer.close()


class ParquetStream:
    """:class:`RowGroups` that says what it wrote.

    Args:
        sink: Where the bytes go; closed by its owner.
        schema: Schema of the file; tables are cast to it.
        rows: Rows of a row group.
    """

    def __init__(self, sink: BinaryIO, schema: pa.Schema, *, rows: int) -> None:
        self._groups = RowGroups(sink, schema, rows=rows)
        self._content = ContentHash()

    @property
    def rows(self) -> int:
        """Rows so far."""
        return self._groups.rows

    def add(self, frame: pl.DataFrame) -> None:
        """The next rows."""
        self._content.add(frame)
        self._groups.add(frame)

    def close(self) -> str:
        """Write what is left and the footer; the digest of the content."""
        self._groups.close()
        return self._content.digest


def rows_of(
    file: pq.ParquetFile, rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of an open file, at most ``rows`` at a time, with memory that does not grow with the file.

    Arrow's own iteration keeps some of every row group that it has passed until its end (25 bytes a judgement,
    measured with Arrow 25); here each iteration ends with about ``rows`` rows.

    Raises:
        OSError: The file cannot be read any more, or ends early.
        pa.ArrowException: It is damaged.
    """
    groups: list[int] = []
    held = 0
    for number in range(file.num_row_groups):
        groups.append(number)
        held += file.metadata.row_group(number).num_rows
        if held >= rows or number == file.num_row_groups - 1:
            yield from file.iter_batches(
                batch_size=rows, row_groups=groups, columns=None if columns is None else list(columns)
            )
            groups, held = [], 0
