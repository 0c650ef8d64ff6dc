"""What deleting leaves behind in SQLite: pages that are free but still hold the bytes, and frames of the log.

``DELETE`` takes a row out of the tree, not off the disk. Rebuilding the file and cutting the log does.
PostgreSQL does the like by itself (vacuum), on its own schedule.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from governance.errors import OutsideError

__all__ = ["compact", "sqlite_files"]


def sqlite_files(folder: Path) -> list[Path]:
    """The SQLite databases below a data folder, by what they begin with."""
    found = []
    for pattern in ("*.db", "*.sqlite3", "*.sqlite"):
        for file in folder.rglob(pattern):
            if file.is_file() and not file.is_symlink():
                with file.open("rb") as stream:
                    if stream.read(16) == b"SQLite format 3\x00":
                        found.append(file)
    return sorted(found)


def compact(file: Path, *, patience: float = 60.0) -> None:
    """Rebuild a database without its free pages and cut its log; servers may go on using it.

    Raises:
        OutsideError: It is busy for longer than ``patience`` seconds, or no database.
    """
    try:
        with closing(sqlite3.connect(file, timeout=patience, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise OutsideError(f"{file}: cannot be compacted now: {error}") from error
