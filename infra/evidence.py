"""Answers of endpoints, kept as they come: durable, resumable, each request asked once.

One SQLite file in WAL mode. A row is committed before the audit counts on it; a process killed at any point
leaves whole rows only, and the next run asks what is not there. Totals are always counted from rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from governance.errors import InputError, OutsideError

__all__ = ["Evidence", "EvidenceRow"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    request TEXT PRIMARY KEY,
    text TEXT,
    error TEXT,
    attempts INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    finish TEXT NOT NULL,
    served TEXT NOT NULL,
    CHECK ((text IS NULL) <> (error IS NULL))
) WITHOUT ROWID
"""
_FIND_MANY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """What came back for one request: a text, or the reason why there is none.

    ``request`` is the digest of the subject and of everything sent to it; ``seconds`` how long it took,
    ``finish`` why the model stopped and ``served`` what answered, as the server states them.
    """

    request: str
    text: str | None
    error: str | None
    attempts: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    finish: str = ""
    served: str = ""


_COLUMNS: Final = tuple(EvidenceRow.__dataclass_fields__)
_INSERT: Final = "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Evidence:
    """The store; use as a context manager. One writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise InputError(f"not an evidence file: {error}", file=str(path)) from error
        except OSError as error:
            raise OutsideError(f"{path}: cannot be opened: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, rows: Iterable[EvidenceRow]) -> None:
        """Keep rows, durable against a kill on return. A request that is there stays as it is.

        Raises:
            OutsideError: They cannot be written.
        """
        values = [tuple(getattr(row, name) for name in _COLUMNS) for row in rows]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_INSERT, values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutsideError(f"{self.path}: answers cannot be kept: {error}") from error

    def find(self, requests: Iterable[str]) -> Mapping[str, EvidenceRow]:
        """The rows of these requests that are there."""
        wanted = list(requests)
        found: dict[str, EvidenceRow] = {}
        for start in range(0, len(wanted), _FIND_MANY):
            part = wanted[start : start + _FIND_MANY]
            marks = ",".join("?" * len(part))
            for values in self._db.execute(f"SELECT * FROM replies WHERE request IN ({marks})", part):  # noqa: S608 - marks are question marks
                row = EvidenceRow(**dict(zip(_COLUMNS, values, strict=True)))
                found[row.request] = row
        return found

    def forget_errors(self) -> int:
        """Drop rows without a text, so that they are asked again. Returns how many."""
        return self._db.execute("DELETE FROM replies WHERE text IS NULL").rowcount
