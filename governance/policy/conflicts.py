"""What is wrong or weak in a stack, found before anybody uses it; each finding with an example that shows it.

An *error* makes the stack unusable or lets it answer what nobody meant. A *warning* is a weakness an owner
should know of. A *note* is said for completeness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from governance.errors import PolicyError
from governance.policy import conflicts_dimensions, conflicts_promotion, conflicts_rules
from governance.policy.compose import compose
from governance.policy.conflicts_spots import spot_of
from governance.policy.document import PolicyDocument
from governance.policy.finding import Code, Finding, Severity
from governance.policy.model import EffectivePolicy
from governance.policy.origin import Spot

__all__ = ["CheckReport", "Code", "Finding", "Severity", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The findings, worst first. True when there is no error."""

    findings: tuple[Finding, ...]
    policy: EffectivePolicy | None

    def __bool__(self) -> bool:
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that must be mended."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that an owner should know of."""
        return tuple(f for f in self.findings if f.severity is Severity.WARNING)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "passed": bool(self),
            "policy": self.policy.digest if self.policy else None,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "findings": [finding.as_json() for finding in self.findings],
        }


def check(
    documents: Iterable[PolicyDocument],
    *,
    at: datetime,
    jurisdictions: Sequence[str] | None = None,
    application: str | None = None,
) -> CheckReport:
    """Every conflict and weakness of a stack; never raises for what the documents say."""
    stack = list(documents)
    try:
        policy = compose(stack, at=at, jurisdictions=jurisdictions, application=application)
    except PolicyError as error:
        finding = Finding(
            severity=Severity.ERROR,
            code=Code.CANNOT_COMPOSE,
            where=error.file or "stack",
            message=_said(error),
            spot=Spot(error.file, error.line, error.column) if error.file and error.line else None,
        )
        return CheckReport(findings=(finding,), policy=None)
    placed = (replace(finding, spot=spot_of(finding, stack)) for finding in _findings(policy))
    found = sorted(placed, key=lambda f: (f.severity.rank, f.code, f.where, f.message))
    return CheckReport(findings=tuple(found), policy=policy)


def _said(error: PolicyError) -> str:
    """The error without its place, which the finding has."""
    return PolicyError(
        error.message, field=error.field, value=error.value, expected=error.expected
    ).diagnostics()


def _findings(policy: EffectivePolicy) -> Iterator[Finding]:
    try:
        yield from conflicts_dimensions.findings(policy)
        yield from conflicts_rules.findings(policy)
    except PolicyError as error:  # more contexts than can be looked at: said, never skipped in silence
        yield Finding(severity=Severity.ERROR, code=Code.TOO_MANY, where="stack", message=error.diagnostics())
    yield from conflicts_promotion.findings(policy)
    for attribute, values in policy.context.items():
        if not values:
            yield Finding(
                severity=Severity.ERROR,
                code=Code.NO_CONTEXT,
                where=attribute,
                message=f"the documents know no common value of {attribute}, so whatever depends on it is refused",
            )
    if policy.valid_until is not None:
        yield Finding(
            severity=Severity.NOTE,
            code=Code.ENDS,
            where="stack",
            message=f"something begins or ends on {policy.valid_until.isoformat()}; compose again then",
        )
