"""One change between two policies, with its witness."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Change", "Direction"]


class Direction(StrEnum):
    """Which way a change goes."""

    TIGHTENED = "tightened"
    LOOSENED = "loosened"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change.

    Attributes:
        what: dimension, rule, promotion, data or document.
        id: Id of the thing that changed.
        detail: The change as a sentence.
        witness: An example on which old and new differ, as plain values.
        rule: The rule that makes the difference, where there is one.
    """

    direction: Direction
    what: str
    id: str
    detail: str
    witness: dict[str, Any] | None = None
    rule: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        shown: dict[str, Any] = {"what": self.what, "id": self.id, "detail": self.detail}
        if self.witness is not None:
            shown["witness"] = self.witness
        if self.rule is not None:
            shown["rule"] = self.rule
        return shown
