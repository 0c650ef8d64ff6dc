"""Policy tests: cases that a policy owner keeps beside the policies, and what they cover.

A case is a small file in a folder ``allow`` or ``deny``; its name is the sentence it stands for
(``deny/a child wishes a romantic companion.yaml``)::

    wish: {companionship: romantic}
    context: {age_band: '13_17'}
    rule: T1.no-adult-content-for-children     # deny only: the rule that must determine the denial
    becomes: 7                                  # deny only: what the wish must be clipped to
    jurisdictions: [DE]                         # optional, as are application and at
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from governance.policy import faults
from governance.policy.document import as_tuples
from governance.policy.model import EffectivePolicy
from governance.policy.resolve import resolve
from governance.policy.shapes import Shape
from governance.policy.source import Source
from governance.policy.words import AttributeName, DimensionId, Instant, Slug, Word

__all__ = ["Case", "CaseResult", "parse_case", "rule_coverage", "run_case"]


class _CaseShape(Shape):
    wish: dict[DimensionId, bool | int | float | str] = Field(min_length=1)
    context: dict[AttributeName, Word] = Field(default_factory=dict)
    rule: str | None = None
    becomes: int | float | None = None
    jurisdictions: tuple[str, ...] | None = None
    application: Slug | None = None
    at: Instant | None = None

    @model_validator(mode="after")
    def _one_wish_for_a_rule(self) -> Self:
        if (self.rule is not None or self.becomes is not None) and len(self.wish) != 1:
            raise ValueError("a case that names a rule or a clipped value has exactly one wish")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: its sentence, the verdict expected of every wish in it, and the context."""

    sentence: str
    source: str
    verdict: Literal["allow", "deny"]
    wish: dict[str, Any]
    context: dict[str, str]
    rule: str | None
    becomes: float | None
    jurisdictions: tuple[str, ...] | None
    application: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """Whether a case came out as its sentence says, and the rules that determined its denials."""

    case: Case
    faults: tuple[str, ...]
    rules: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "sentence": self.case.sentence,
            "file": self.case.source,
            "verdict": self.case.verdict,
            "passed": bool(self),
            "faults": list(self.faults),
            "rules": list(self.rules),
        }


def parse_case(text: Source, *, sentence: str, verdict: Literal["allow", "deny"]) -> Case:
    """The case in a file.

    Raises:
        DocumentError: It is not a case, with the place of every fault.
    """
    try:
        shape = _CaseShape.model_validate(as_tuples(text.data))
    except ValidationError as error:
        raise faults.document_error(error, text, _CaseShape) from error
    return Case(
        sentence=sentence,
        source=text.name,
        verdict=verdict,
        wish=dict(shape.wish),
        context=dict(shape.context),
        rule=shape.rule,
        becomes=shape.becomes,
        jurisdictions=shape.jurisdictions,
        application=shape.application,
        at=shape.at,
    )


def run_case(case: Case, policy: EffectivePolicy) -> CaseResult:
    """Resolve the case's wishes and compare with what its folder and fields say."""
    answer = resolve(policy, {"wishes": case.wish, "context": case.context})
    unhonoured = {
        wish.dimension: wish for wish in (*answer.denied, *answer.clipped) if wish.source == "person"
    }
    found: list[str] = []
    for dimension in case.wish:
        wish = unhonoured.get(dimension)
        if case.verdict == "allow" and wish is not None:
            found.append(f"{dimension} is denied by {wish.rule}: {wish.reason}")
        elif case.verdict == "deny" and wish is None:
            found.append(f"{dimension} is allowed")
        elif wish is not None:
            if case.rule is not None and wish.rule != case.rule:
                found.append(f"{dimension} is denied by {wish.rule}, not by {case.rule}")
            if case.becomes is not None and wish.value != case.becomes:
                found.append(f"{dimension} becomes {wish.value}, not {case.becomes}")
    rules = tuple(sorted({wish.rule for name, wish in unhonoured.items() if name in case.wish}))
    return CaseResult(case=case, faults=tuple(found), rules=rules)


def rule_coverage(policy: EffectivePolicy, results: Iterable[CaseResult]) -> dict[str, Sequence[str]]:
    """For each rule that limits a declared dimension, the cases whose denial it determines; empty: not covered."""
    # no case can try a limit on what nobody may set
    sentences: dict[str, list[str]] = {
        rule.id: [] for rule in policy.rules if not policy.dimensions.keys().isdisjoint(rule.limits)
    }
    for result in results:
        for rule in result.rules if result else ():
            if rule in sentences:
                sentences[rule].append(result.case.sentence)
    return {rule: tuple(found) for rule, found in sentences.items()}
