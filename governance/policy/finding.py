"""One finding of a check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from governance.policy.origin import Spot

__all__ = ["Code", "Finding", "Severity"]


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Code(StrEnum):
    """The codes of findings, so that a program can wait for one."""

    CANNOT_COMPOSE = "cannot-compose"
    EMPTY = "empty-domain"
    CLOSED = "dimension-not-introduced"
    WRONG_KIND = "limit-of-another-kind"
    DEFAULT = "default-outside"
    UNDECLARED = "limit-on-undeclared-dimension"
    CONTRADICTION = "requirement-forbidden"
    DEAD = "rule-implied"
    NOT_TRIED = "rule-without-effect-or-audit"
    NO_LIMIT = "rule-without-promotion-limit"
    UNKNOWN_RULE = "promotion-limit-for-unknown-rule"
    NO_EVIDENCE = "no-evidence-accepted"
    PLAN = "plan-cannot-pass"
    NO_CONTEXT = "no-common-context"
    ENDS = "ends-soon"
    TOO_MANY = "too-many-contexts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong or weak, where, and an example that shows it."""

    severity: Severity
    code: Code
    where: str
    message: str
    example: dict[str, Any] | None = None
    by: str | None = None  # the rule or declaration to blame, where that is not what it is about
    spot: Spot | None = None  # where it was written, where that is known

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        shown: dict[str, Any] = {
            "severity": str(self.severity),
            "code": str(self.code),
            "where": self.where,
            "message": self.message,
        }
        if self.spot is not None:
            shown |= {"file": self.spot.file, "line": self.spot.line, "column": self.spot.column}
        return shown if self.example is None else shown | {"example": self.example}
