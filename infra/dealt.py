"""Rows dealt into parts on disk, so that what belongs together can be read together, one part at a time.

A part is a file of Arrow streams, one after the other; nothing is held open between two deals. Parts are
scratch: they are read by the process that wrote them, and how many rows each must hold is known to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa

from annotation.staging import as_frame, as_table
from governance.errors import OutsideError, in_words

__all__ = ["Dealt", "by_hash"]

_PART: Final = "_part"
_SEED: Final = 20_231


def by_hash(*columns: str | pl.Expr, parts: int) -> pl.Expr:
    """The part of a row by the values of ``columns``; the same values, nulls too, always fall into one part."""
    return (pl.struct(*columns).hash(seed=_SEED) % parts).cast(pl.UInt32)


class Dealt:
    """A table in parts.

    Args:
        folder: An existing folder of scratch files.
        name: Name of the table there.
        schema: Its columns.
    """

    def __init__(self, folder: Path, name: str, schema: pl.Schema) -> None:
        self._folder, self._name, self._schema = folder, name, schema
        self._rows: Counter[int] = Counter()

    def deal(self, frame: pl.DataFrame, part: pl.Expr) -> None:
        """Append each row to its part."""
        chosen = frame.select(*self._schema.names(), part.alias(_PART))
        for (number,), rows in chosen.partition_by(_PART, as_dict=True, include_key=False).items():
            table = as_table(rows)
            with (
                self._path(int(number)).open("ab") as file,
                pa.ipc.new_stream(
                    file, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")
                ) as stream,
            ):
                stream.write_table(table)
            self._rows[int(number)] += rows.height

    def rows(self, number: int) -> int:
        """How many rows a part has."""
        return self._rows[number]

    def read(self, number: int) -> pl.DataFrame:
        """The rows of a part, in the order they were dealt.

        Raises:
            OutsideError: The file is gone, or does not hold the rows that were written to it.
        """
        return pl.concat([self._schema.to_frame(), *self._dealt(number)])

    def take(self, number: int) -> pl.DataFrame:
        """:meth:`read`, and remove the part: it is needed no more."""
        frame = self.read(number)
        self._path(number).unlink(missing_ok=True)
        return frame

    def take_in(self, pieces: int, number: int, piece: pl.Expr) -> Iterator[pl.DataFrame]:
        """:meth:`take`, but no more than a piece of the part is held.

        Args:
            pieces: How many there are.
            number: The part.
            piece: The number of a row's piece.
        """
        if pieces == 1:
            yield self.take(number)
            return
        again = Dealt(self._folder, f"{self._name}-{number:05}", self._schema)
        for frame in self._dealt(number):
            again.deal(frame, piece)
        self._path(number).unlink(missing_ok=True)
        for at in range(pieces):
            yield again.take(at)

    def _dealt(self, number: int) -> Iterator[pl.DataFrame]:
        """The rows of a part, as many at a time as were dealt."""
        if not self._rows[number]:
            return
        path = self._path(number)
        rows = 0
        try:
            with path.open("rb") as file:
                while file.peek(1):
                    table = pa.ipc.open_stream(file).read_all()
                    rows += table.num_rows
                    yield as_frame(table)
        except (OSError, pa.ArrowException, EOFError) as error:
            raise OutsideError(f"{path}: cannot be read any more, run again: {in_words(error)}") from error
        if rows != self._rows[number]:
            raise OutsideError(
                f"{path}: holds {rows} rows where {self._rows[number]} were written, run again"
            )

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:05}.arrows"
