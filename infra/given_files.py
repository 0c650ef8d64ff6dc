"""Files that a person names, read and written: what is wrong with one is said in words, by the place that was given."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from governance.errors import BoundsError, InputError, OutsideError, in_words

__all__ = ["cannot_be_written", "is_special", "read_bytes", "read_checked", "read_text", "write_whole"]

LARGEST_FILE: Final = 512 * 2**20
_GIVEN_WRONG: Final = frozenset(
    {
        errno.EACCES,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENOTEMPTY,
        errno.EPERM,
        errno.EROFS,
    }
)
"""Errors of a place that another name would mend; a full or broken disk is the world's."""


def read_bytes(path: Path | str, *, expected: str | None = None) -> bytes:
    """The bytes of a file.

    Args:
        path: The file.
        expected: What kind of file would be right, for the error.

    Raises:
        InputError: Absent, no file, not readable, or larger than 512 MiB.
    """
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise InputError(
                "the file is too large", file=str(file), expected=f"at most {LARGEST_FILE} bytes"
            )
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise InputError(f"cannot be read: {in_words(error)}", file=str(file), expected=expected) from error


def read_checked(
    path: Path | str, check: Callable[[bytes], object], *, fault: type[Exception], kind: str, written_by: str
) -> bytes:
    """The bytes of a file of one kind.

    Args:
        path: The file.
        check: Raises ``fault`` where the bytes are of another kind.
        fault: What ``check`` raises.
        kind: What the file should be, such as ``a waiver``.
        written_by: What makes such files, for the error.

    Raises:
        InputError: As :func:`read_bytes`, or of another kind.
    """
    data = read_bytes(path, expected=kind)
    try:
        check(data)
    except fault as error:
        raise InputError(f"not {kind}: {error}", file=str(path), expected=written_by) from error
    return data


def read_text(path: Path | str, *, encoding: str = "utf-8", expected: str | None = None) -> str:
    """The text of a file.

    Args:
        path: The file.
        encoding: ``utf-8``, or ``utf-8-sig`` where spreadsheets write a mark before the text.
        expected: What kind of file would be right, for the error.

    Raises:
        InputError: See :func:`read_bytes`; not UTF-8, with the line where that breaks.
    """
    data = read_bytes(path, expected=expected)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("not UTF-8", file=str(path), line=line, expected=expected or "UTF-8 text") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; what a link names, and a device or pipe (``/dev/stdout``) as it is.

    Raises:
        InputError: The place cannot be written to; another would do.
        OutsideError: The disk did not take it.
    """
    place = Path(os.path.realpath(path))
    part = place.with_name(f"{place.name}.part")
    try:
        if is_special(path):
            path.write_bytes(data)
            return
        part.write_bytes(data)
        part.replace(place)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            part.unlink()
        raise cannot_be_written(path, error) from error


def is_special(path: Path) -> bool:
    """Whether something is there that is no file and no folder, and that nothing may replace: a device, a pipe."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def cannot_be_written(path: Path, error: OSError | ValueError) -> BoundsError:
    """What to say of a place that could not be written: a fault of what was given, or of the world."""
    said = f"cannot be written: {in_words(error)}"
    if isinstance(error, OSError) and error.errno not in _GIVEN_WRONG:
        return OutsideError(f"{path}: {said}")
    return InputError(said, file=str(path))
