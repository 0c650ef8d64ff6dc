"""What a data folder says about its stack: the lock that makes it the only one, and ``stack.json``.

The lock is held by the supervisor and, through the guards, by everything it started: while a process of the
stack is left, the folder counts as in use. ``stack.json`` outlives the stack, so that what was chosen (the
kind of store, the sites) and the last addresses are known to the next start; ``state`` says whether it runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from governance.errors import InputError, RefusedError, in_words
from infra.stack.secrets import write_private

__all__ = ["FolderLock", "is_running", "make_folder", "read_record", "write_record"]


def make_folder(home: Path) -> None:
    """Make a data folder, mode 700, where there is none.

    Raises:
        InputError: There is something else, or it cannot be made there.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"no data folder can be made there: {error.strerror}",
            field="--home",
            value=str(home),
            expected="a folder, or a place for a new one",
        ) from error


class FolderLock:
    """The lock of a data folder.

    Raises:
        RefusedError: A stack runs there already.
    """

    def __init__(self, home: Path) -> None:
        self.descriptor = os.open(home / "stack.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise RefusedError(f"a second stack on {home}", _why_taken(home)) from None

    def close(self) -> None:
        """Let go of it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _why_taken(home: Path) -> list[str]:
    record = read_record(home)
    pid = record.get("pid")
    if not (isinstance(pid, int) and _is_alive(pid)):
        return [
            "the last one is still being stopped; its processes hold stack.lock, try again in some seconds"
        ]
    parts: Mapping[str, Any] = record.get("parts", {})
    reasons = [f"process {pid} runs one since {record.get('started')}; `bounds down` stops it"]
    reasons += [f"{name}: {part['url']}" for name, part in parts.items() if part.get("url")]
    return reasons


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_running(home: Path) -> bool:
    """Whether a process of a stack holds the lock of the folder."""
    try:
        descriptor = os.open(home / "stack.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    return False


def read_record(home: Path) -> dict[str, Any]:
    """``stack.json`` of the folder; empty when there is none.

    Raises:
        InputError: It cannot be read.
    """
    path = home / "stack.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read: {in_words(error)}", file=str(path), expected="JSON, or no file at all"
        ) from error
    return data if isinstance(data, dict) else {}


def write_record(home: Path, record: Mapping[str, Any]) -> None:
    """Replace ``stack.json`` in one step."""
    write_private(home / "stack.json", json.dumps(record, indent=2) + "\n")
