"""Parquet files read some rows at a time, with errors that name the file: cut short, gone, of another shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.parquet_stream import rows_of
from annotation.sound_parquet import reading
from annotation.staging import stage_table
from governance.errors import RecordError

__all__ = ["staged_files", "tables_of"]

_ROWS_AT_ONCE: Final = 100_000


def staged_files(files: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """The rows of files of the record's columns, staged.

    Raises:
        RecordError: A file cannot be read, ends early, vanished meanwhile, or has another shape; what was
            yielded before it is nothing to go on with.
    """
    for file in files:
        for rows in tables_of([file]):
            try:
                yield stage_table(rows)
            except RecordError as error:
                raise RecordError(
                    error.message, file=str(file), field=error.field, expected=error.expected
                ) from error


def tables_of(files: Sequence[Path]) -> Iterator[pa.Table]:
    """The rows of files, some at a time.

    Raises:
        RecordError: A file cannot be read, ends early, or vanished meanwhile.
    """
    for file in files:
        with reading(str(file)), pq.ParquetFile(file) as opened:
            for rows in rows_of(opened, _ROWS_AT_ONCE):
                rows.validate(full=True)  # text that is not UTF-8 is read without a word otherwise
                yield pa.Table.from_batches([rows])
