"""What one MLflow host remembers about the terms and the log it has seen, and the lock under which it judges.

One small file; every worker of the host shares it. A file that cannot be read shuts the gate: a memory that
was lost without a trace would let older terms come back.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from governance.errors import OutsideError, in_words
from governance.gate import Seen
from governance.log.note import Checkpoint

__all__ = ["Memory"]


class Memory:
    """The memory in a folder.

    Args:
        folder: The host's own; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "seen.json"
        self._within = threading.RLock()
        self._depth = 0

    @contextmanager
    def judging(self) -> Iterator[None]:
        """One act at a time on this host, across its workers: what was judged is what is done.

        Raises:
            OutsideError: The memory cannot be locked.
        """
        with self._within:
            if self._depth:
                yield  # the lock is this thread's already
                return
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise OutsideError(f"{self._folder}: the gate's memory: {error.strerror}") from error
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._depth += 1
                yield
            finally:
                self._depth = 0
                os.close(lock)

    def read(self) -> Seen:
        """What is remembered; nothing yet on a new host.

        Raises:
            OutsideError: The file is there and cannot be read.
        """
        try:
            value = json.loads(self._file.read_text(encoding="utf-8"))
            return Seen(
                sequence=int(value["sequence"]),
                envelope=str(value["envelope"]),
                at=datetime.fromisoformat(value["at"]),
                log=Checkpoint.parse(value["log"]) if value.get("log") is not None else None,
            )
        except FileNotFoundError:
            return Seen()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutsideError(
                f"{self._file}: the gate's memory cannot be read: {in_words(error)}"
            ) from error

    def keep(self, seen: Seen) -> None:
        """Remember; called while judging.

        Raises:
            OutsideError: It cannot be written.
        """
        if seen.at is None:
            return
        text = json.dumps(
            {
                "sequence": seen.sequence,
                "envelope": seen.envelope,
                "at": seen.at.isoformat(),
                "log": seen.log.text() if seen.log else None,
            }
        )
        fresh = self._folder / f".seen.{os.getpid()}"
        try:
            with fresh.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self._file)
        except OSError as error:
            raise OutsideError(f"{self._file}: the gate's memory: {error.strerror}") from error
