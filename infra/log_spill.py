"""What the judge of a log sets aside on the disk, in one file without a name: gone with the process, however it ends."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from governance.errors import OutsideError

__all__ = ["Spill", "spilled"]


class Spill:
    """:class:`governance.log.repeats.Parts` in a file: 24 bytes for each entry of the log, at their first asking."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._pieces: dict[int, list[tuple[int, int]]] = {}
        self._end = 0

    def add(self, part: int, data: bytes) -> None:
        """Lay these bytes behind what the part holds.

        Raises:
            OutsideError: The disk takes them not.
        """
        try:
            self._file.seek(self._end)
            if self._file.write(data) != len(data):
                raise OutsideError("no room to judge the log in (TMPDIR): the disk is full")
        except OSError as error:
            raise _no_room(error) from error
        self._pieces.setdefault(part, []).append((self._end, len(data)))
        self._end += len(data)

    def read(self, part: int) -> bytes:
        """All that was laid in the part, in order.

        Raises:
            OutsideError: The disk does not give back what was written.
        """
        found = []
        try:
            for at, length in self._pieces.get(part, ()):
                self._file.seek(at)
                found.append(self._file.read(length))
                if len(found[-1]) != length:
                    raise OutsideError("the temporary file (TMPDIR) ends too early")
        except OSError as error:
            raise _no_room(error) from error
        return b"".join(found)


@contextmanager
def spilled() -> Iterator[Spill]:
    """A place on the disk (``TMPDIR``) for as long as a log is judged.

    Raises:
        OutsideError: There is none.
    """
    try:
        file = tempfile.TemporaryFile(buffering=0, prefix="bounds-log-")  # noqa: SIM115 - closed below; errors of opening only
    except OSError as error:
        raise _no_room(error) from error
    with file:
        yield Spill(file)


def _no_room(error: OSError) -> OutsideError:
    return OutsideError(f"no room to judge the log in (TMPDIR): {error.strerror}")
