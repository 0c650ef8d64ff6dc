"""One finding of a check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Finding", "Severity"]


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong or weak, where, and an example that shows it."""

    severity: Severity
    code: str
    where: str
    message: str
    example: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        shown: dict[str, Any] = {
            "severity": str(self.severity),
            "code": str(self.code),
            "where": self.where,
            "message": self.message,
        }
        return shown if self.example is None else shown | {"example": self.example}
