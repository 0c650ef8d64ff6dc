"""A fault that a validator of a whole shape finds, with the part of the shape that is to blame."""

from __future__ import annotations

from typing import Any

__all__ = ["BlameError"]


class BlameError(ValueError):
    """What is wrong, and where below the shape or field that is being validated.

    Args:
        message: What is wrong, as a sentence.
        at: Path of the offending part, relative to what is validated.
        value: The offending value; what stands at the path when left out.
        expected: What would be right.
    """

    def __init__(
        self, message: str, *, at: tuple[str | int, ...] = (), value: Any = ..., expected: str | None = None
    ) -> None:
        super().__init__(message)
        self.at = at
        self.value = value
        self.expected = expected
