"""Folders for what is too large for memory: held by one process, and gone with it.

They lie in the data folder, readable by its owner only. What a killed process left is removed by the next one
that opens such a folder, or that sweeps; a folder in use is locked and stays.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from governance.errors import OutsideError

__all__ = ["abandoned", "scratch_folder", "sweep"]

_LOCK: Final = ".lock"


@contextmanager
def scratch_folder(home: Path, name: str) -> Iterator[Path]:
    """An empty folder below ``home/scratch``, removed at the end.

    Args:
        home: The data folder.
        name: Begins the folder's name; folders of that name that nobody holds any more are removed first.

    Raises:
        OutsideError: The folder cannot be made.
    """
    root = home / "scratch"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(home, name)
        folder, lock = _held(root, name)
    except OSError as error:
        raise OutsideError(f"{root}: no room to work in: {error.strerror}") from error
    try:
        work = folder / "work"
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _held(root: Path, name: str) -> tuple[Path, int]:
    """A new folder and its lock, held by this process."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)  # swept before it was locked


def abandoned(home: Path, *names: str) -> list[str]:
    """The folders of these names that no living process holds."""
    found = []
    for left in _left(home, names):
        if (lock := _taken(left)) is not None:
            os.close(lock)
            found.append(left.name)
    return found


def sweep(home: Path, *names: str) -> int:
    """Remove the folders of these names that no living process holds; how many there were."""
    removed = 0
    for left in _left(home, names):
        if (lock := _taken(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
            removed += 1
    return removed


def _left(home: Path, names: Iterable[str]) -> list[Path]:
    return sorted({left for name in names for left in (home / "scratch").glob(f"{name}-*")})


def _taken(folder: Path) -> int | None:
    """The folder's lock, held by this process now; None where another one holds it, or there is none yet."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:
        return None  # just being made, or not ours
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
