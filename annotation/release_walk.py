"""Tables in the order of their items, walked together part by part, so that none has to be whole in memory.

A release's tables stand in the order of their items. A part is every row of every table of some
consecutive items: what belongs together is seen together, whatever the tables' sizes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.parquet_stream import rows_of
from annotation.sound_parquet import reading
from governance.errors import RecordError

__all__ = ["table_rows", "walk"]

_Name = TypeVar("_Name", bound=Hashable)
_ROWS: Final = 32_768
_READ_AHEAD: Final = 1 << 20


def table_rows(
    path: Path, *, columns: list[str] | None = None, rows: int | None = None
) -> Iterator[pl.DataFrame]:
    """A Parquet file's rows, some at a time; first an empty frame that says which columns there are.

    Args:
        path: The file.
        columns: Columns to read; all by default.
        rows: How many at a time.

    Raises:
        RecordError: The file is not a complete table, or lacks one of the columns.
    """
    with reading(path.name), pq.ParquetFile(path, buffer_size=_READ_AHEAD) as file:
        lost = sorted(set(columns or ()) - set(file.schema_arrow.names))
        if lost:
            raise RecordError("has no such column", file=path.name, field=lost[0])
        head = file.schema_arrow.empty_table()
        yield pl.DataFrame(head if columns is None else head.select(columns))
        for batch in rows_of(file, rows or _ROWS, columns):
            yield pl.DataFrame(pa.Table.from_batches([batch]))


class _Cursor:
    """One table: the rows that were read and not yet given out."""

    def __init__(self, name: str, frames: Iterator[pl.DataFrame]) -> None:
        self._name = name
        self._frames = frames
        self._held = next(frames)
        self.done = False

    @property
    def last(self) -> str:
        """The last item that was read; rows of it may follow."""
        item: str = self._held["item"][-1]
        return item

    def read(self) -> None:
        """Read on until there is a row more, or no more."""
        while not self.done:
            frame = next(self._frames, None)
            if frame is None:
                self.done = True
            elif frame.height:
                ahead = (
                    frame["item"]
                    if self._held.is_empty()
                    else pl.concat([self._held["item"].tail(1), frame["item"]])
                )
                if ahead.null_count() or not ahead.is_sorted():
                    raise RecordError("its rows are not in the order of their items", file=self._name)
                self._held = pl.concat([self._held, frame])
                return

    def ready(self) -> None:
        """Hold at least one row, if there is one."""
        if self._held.is_empty():
            self.read()

    def below(self, border: str | None) -> pl.DataFrame:
        """Give out the rows of items before ``border``; all where there is none."""
        many = self._held.height if border is None else self._held["item"].search_sorted(border, side="left")
        given, self._held = self._held.head(many), self._held.slice(many)
        return given


def walk(tables: Mapping[_Name, Iterator[pl.DataFrame]]) -> Iterator[dict[_Name, pl.DataFrame]]:
    """Parts of whole items: name → rows, in the order of the items.

    Args:
        tables: Name → frames with a column ``item``, sorted by it (:func:`table_rows`).

    Raises:
        RecordError: A table is not in the order of its items, or cannot be read.
    """
    cursors = {name: _Cursor(str(name), frames) for name, frames in tables.items()}
    while True:
        for cursor in cursors.values():
            cursor.ready()
        open_ones = [cursor for cursor in cursors.values() if not cursor.done]
        # Of an item that was read last, more rows may follow: it waits for the next part.
        border = min((cursor.last for cursor in open_ones), default=None)
        part = {name: cursor.below(border) for name, cursor in cursors.items()}
        if any(frame.height for frame in part.values()):
            yield part
        if border is None:
            return
        for cursor in open_ones:
            if cursor.last == border:
                cursor.read()
