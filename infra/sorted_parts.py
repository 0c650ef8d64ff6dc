"""Tables in parts, each of them sorted, merged into one sorted Parquet file some rows of each at a time.

Sorting a whole table on disk writes it once more and costs more than its share as the table grows; parts that
are judged in the order of their ids only have to be merged. A part is an Arrow stream, scratch like those of
:mod:`infra.dealt`, and how many rows it must hold is known to the process that wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from annotation.parquet_stream import RowGroups
from annotation.staging import as_frame
from annotation.validated import ROWS_OF_A_GROUP
from governance.errors import OutsideError, in_words

__all__ = ["SortedParts", "write_groups"]

_ROWS_AT_ONCE: Final = 1 << 15
_LEAST: Final = 64


class SortedParts:
    """A table in sorted parts.

    Args:
        folder: An existing folder of scratch files.
        name: Name of the table there.
        by: Columns that the rows of a part are sorted by, ascending. The first is nowhere null, and rows that
            have it in common are few enough to be held; rows that have all of them in common are equal.
        parts: How many parts there will be at most: the more, the fewer rows of each are held.
    """

    def __init__(self, folder: Path, name: str, by: Sequence[str], parts: int) -> None:
        self._folder, self._name, self._by = folder, name, list(by)
        self._at_once = max(_LEAST, _ROWS_AT_ONCE // parts)
        self._rows: dict[Path, int] = {}

    def add(self, table: pa.Table) -> None:
        """The rows of one more part, sorted."""
        path = self._folder / f"{self._name}-{len(self._rows):05}.arrows"
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with path.open("wb") as file, pa.ipc.new_stream(file, table.schema, options=options) as stream:
            stream.write_table(table, max_chunksize=self._at_once)
        self._rows[path] = table.num_rows

    def merged(self) -> Iterator[pl.DataFrame]:
        """All rows in order, some at a time; the parts are gone afterwards.

        Raises:
            OutsideError: A file is gone, or does not hold the rows that were written to it.
        """
        cursors = [_Cursor(self._read(path), self._by[0], self._at_once // 2) for path in self._rows]
        while True:
            for cursor in cursors:
                cursor.fill()
            unread = [cursor for cursor in cursors if cursor.more]
            # What is read later stands at or behind the last row of its part.
            border = min((cursor.last for cursor in unread), default=None)
            rows = [found for cursor in cursors if (found := cursor.below(border)).height]
            if rows:
                yield pl.concat(rows).sort(self._by)
            if border is None:
                break
            for cursor in unread:
                if cursor.held and cursor.last == border:
                    cursor.read()
        for path in self._rows:
            path.unlink(missing_ok=True)

    def _read(self, path: Path) -> Iterator[pl.DataFrame]:
        rows = 0
        try:
            with path.open("rb") as file, pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    rows += batch.num_rows
                    yield as_frame(pa.Table.from_batches([batch]))
        except (OSError, pa.ArrowException, EOFError) as error:
            raise OutsideError(f"{path}: cannot be read any more, run again: {in_words(error)}") from error
        if rows != self._rows[path]:
            raise OutsideError(f"{path}: holds {rows} rows where {self._rows[path]} were written, run again")


class _Cursor:
    """One part: the rows that were read and not yet given out."""

    def __init__(self, frames: Iterator[pl.DataFrame], key: str, least: int) -> None:
        self._frames, self._key, self._least = frames, key, least
        self._rows: pl.DataFrame | None = None
        self.more = True

    @property
    def held(self) -> int:
        """Rows that are held."""
        return 0 if self._rows is None else self._rows.height

    @property
    def last(self) -> str:
        """The key of the last row that is held."""
        if self._rows is None:
            raise ValueError("nothing was read")
        key: str = self._rows[self._key][-1]
        return key

    def read(self) -> None:
        """Read some rows more, if there are."""
        frame = next(self._frames, None)
        if frame is None:
            self.more = False
        else:
            self._rows = pl.concat([self._rows, frame]) if self._rows is not None and self.held else frame

    def fill(self) -> None:
        """Hold enough rows to go on with, if there are."""
        while self.more and self.held <= self._least:
            self.read()

    def below(self, border: str | None) -> pl.DataFrame:
        """Give out the rows before ``border``; all where there is none."""
        if self._rows is None:
            return pl.DataFrame()
        many = self.held if border is None else self._rows[self._key].search_sorted(border, side="left")
        given, self._rows = self._rows.head(many), self._rows.slice(many)
        return given


def write_groups(frames: Iterable[pl.DataFrame], schema: pa.Schema, target: Path) -> None:
    """Write rows into one file as :func:`annotation.validated.parquet_bytes` would.

    Args:
        frames: The rows, some at a time.
        schema: Columns of the file.
        target: The file to write.
    """
    with target.open("wb") as sink, closing(RowGroups(sink, schema, rows=ROWS_OF_A_GROUP)) as groups:
        for frame in frames:
            groups.add(frame)
