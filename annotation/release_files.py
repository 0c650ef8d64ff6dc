"""The files of a release while they are written: in memory, or in a folder that may be larger than memory.

Digest and size of a file are taken as its bytes go by, so that nothing is read again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, cast

import polars as pl
import pyarrow as pa

from annotation.parquet_stream import ParquetStream

__all__ = ["ReleaseFiles"]

_GROUP: Final[Mapping[str, int]] = {"items.parquet": 1 << 15, "pairs.parquet": 1 << 15}
"""Rows of a row group where a row holds whole conversations."""
_NARROW: Final = 1 << 17


class _Hashed(io.RawIOBase):
    """Passes bytes on and digests them."""

    def __init__(self, sink: BinaryIO) -> None:
        super().__init__()
        self._sink = sink
        self._sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        self._sha256.update(data)
        self.size += len(data)
        self._sink.write(data)
        return len(data)

    @property
    def digest(self) -> str:
        return "sha256:" + self._sha256.hexdigest()


class ReleaseFiles:
    """Collects tables and other files; a context manager that closes what is open.

    Args:
        folder: Where the files go; None keeps them in memory.
        schemas: Name → schema of each table.
    """

    def __init__(self, folder: Path | None, schemas: Mapping[str, pa.Schema]) -> None:
        self._folder = folder
        self._sinks: dict[str, BinaryIO] = {}
        self._hashed: dict[str, _Hashed] = {}
        self._streams: dict[str, ParquetStream] = {}
        self._content: dict[str, str] = {}
        for name, schema in schemas.items():
            sink = self._open(name)
            self._streams[name] = ParquetStream(
                cast("BinaryIO", sink), schema, rows=_GROUP.get(name, _NARROW)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            for sink in self._sinks.values():
                sink.close()

    def _open(self, name: str) -> _Hashed:
        self._sinks[name] = (
            cast("BinaryIO", io.BytesIO()) if self._folder is None else (self._folder / name).open("xb")
        )
        self._hashed[name] = _Hashed(self._sinks[name])
        return self._hashed[name]

    def add(self, name: str, frame: pl.DataFrame) -> None:
        """The next rows of a table."""
        self._streams[name].add(frame)

    def rows(self, name: str) -> int:
        """Rows of a table so far."""
        return self._streams[name].rows

    def put(self, name: str, data: bytes) -> None:
        """Write another file whole."""
        self._open(name).write(data)
        self._sinks[name].flush()

    def close_tables(self) -> None:
        """Write what is left of every table."""
        for name, stream in self._streams.items():
            self._content[name] = stream.close()
            self._sinks[name].flush()

    def entries(self) -> dict[str, dict[str, Any]]:
        """Name → digest, size, rows and content of every file that is complete, as the manifest states them."""
        return {
            name: {
                "sha256": hashed.digest,
                "bytes": hashed.size,
                "rows": self._streams[name].rows if name in self._streams else None,
                "content": self._content.get(name),
            }
            for name, hashed in sorted(self._hashed.items())
        }

    def contents(self) -> dict[str, bytes | Path]:
        """Name → bytes, or the path in the folder."""
        if self._folder is not None:
            return {name: self._folder / name for name in sorted(self._sinks)}
        return {name: cast("io.BytesIO", sink).getvalue() for name, sink in sorted(self._sinks.items())}
