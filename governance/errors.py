"""The errors of the platform, as one tree.

::

    BoundsError
    ├── InputError          what a person gave is wrong: file, line, field, value, what would be right (exit 2)
    │   ├── PolicyError     a policy document or stack that cannot be used
    │   └── RecordError     a row of data that cannot be used
    ├── RefusedError        a gate said no, with every reason (exit 1)
    └── OutsideError        a server, disk or network did not do its part (exit 3)
        └── DigestError     stored bytes are not the bytes their digest names

``diagnostics()`` is the text that the command line prints; nothing else is shown to a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "BoundsError",
    "DigestError",
    "InputError",
    "OutsideError",
    "PolicyError",
    "RecordError",
    "RefusedError",
    "in_words",
]

_SHOWN = 120


def in_words(error: BaseException) -> str:
    """What an error says, without the number and the path that Python puts around it (``[Errno 2] …: 'x'``)."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return f"not text in UTF-8 (byte {error.start + 1})"
    return str(error)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class BoundsError(Exception):
    """Base of every error the platform raises on purpose."""

    exit_code: ClassVar[int] = 3

    def diagnostics(self) -> str:
        """The sentence (or sentences) for the person at the terminal."""
        return str(self)


class InputError(BoundsError):
    """Something a person gave cannot be used.

    Args:
        message: What is wrong, as a sentence without the place.
        file: Name of the file, or of the argument.
        line: Line in it, from 1.
        column: Column in it, from 1.
        field: Dotted path of the field (``rules[2].id``).
        value: The offending value; shown shortened.
        expected: What would be right.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        field: str | None = None,
        value: Any = ...,
        expected: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.field = field
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return self.diagnostics()

    def diagnostics(self) -> str:
        """``file:line:column: field: message (got …; expected …)``."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        head = ": ".join(part for part in (place, self.field, self.message) if part)
        tail = []
        if self.value is not ...:
            tail.append(f"got {_short(self.value)}")
        if self.expected:
            tail.append(f"expected {self.expected}")
        return f"{head} ({'; '.join(tail)})" if tail else head


class PolicyError(InputError):
    """A policy document or stack that cannot be used."""


class RecordError(InputError):
    """A row of data that cannot be used."""


class RefusedError(BoundsError):
    """A gate refused. INVARIANT: it always carries at least one reason."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, reasons: Sequence[str]) -> None:
        if not reasons:
            raise ValueError("a refusal needs at least one reason")
        super().__init__(what)
        self.what = what
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        return self.diagnostics()

    def diagnostics(self) -> str:
        """What was refused, then one line per reason."""
        return "\n".join([f"refused: {self.what}", *(f"  - {reason}" for reason in self.reasons)])


class OutsideError(BoundsError):
    """A server, disk or network did not do its part; trying again later may help."""


class DigestError(OutsideError):
    """Stored bytes are not the bytes that their digest names."""

    def __init__(self, name: str, *, expected: str, actual: str) -> None:
        super().__init__(f"{name}: stored bytes have digest {actual}, expected {expected}")
        self.name = name
        self.expected = expected
        self.actual = actual
