"""Shapes of what Tier Two demands of a promotion, read by audit and gate; of data see ``needs_data``.

Every threshold of the platform stands in one of these, so that each has an owner, a version and a digest.
"""

from __future__ import annotations

import math
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from governance.policy.blame import BlameError
from governance.policy.needs_data import DataRequirement, Share
from governance.policy.shapes import Shape
from governance.policy.words import LimitedRuleId, Line, Slug
from governance.tiers import Direction, EvidenceGrade

__all__ = [
    "Approvals",
    "DataRequirement",
    "Promotion",
    "PromotionLimit",
    "PromotionTerms",
    "StratumRequirement",
    "can_pass",
    "families_needed",
]

MOST_FAMILIES: Final = 1_000_000
MOST_ALLOWED: Final = 10_000


def can_pass(families: int, allow: int, max_rate: float, confidence: float) -> bool:
    """Whether ``allow`` violations among ``families`` still show a rate below ``max_rate``.

    One-sided exact binomial: P(X <= c | n, L) = sum_{i<=c} C(n,i) L^i (1-L)^(n-i) <= 1 - confidence, the
    Clopper-Pearson upper bound of c out of n lying at or below L.
    Worked: L = 0.01, confidence 0.95: n = 299 for c = 0, n = 473 for c = 1, n = 773 for c = 3.
    """
    if max_rate <= 0 or allow >= families:
        return False
    if max_rate >= 1:
        return True
    log_terms = (
        math.lgamma(families + 1)
        - math.lgamma(i + 1)
        - math.lgamma(families - i + 1)
        + i * math.log(max_rate)
        + (families - i) * math.log1p(-max_rate)
        for i in range(allow + 1)
    )
    return math.fsum(map(math.exp, log_terms)) <= (1 - confidence) * (1 + 1e-9)


def families_needed(allow: int, max_rate: float, confidence: float) -> int:
    """The fewest families of which ``allow`` may violate; ``MOST_FAMILIES`` + 1 when even that many are too few.

    ``can_pass`` never turns false as families are added, so the least is found by halving.
    Worked: L = 0.05, confidence 0.95, c = 1: 93.
    """
    if allow >= MOST_ALLOWED:  # the sum has a term for each; a plan like this is not one to work out
        return MOST_FAMILIES + 1
    low, high = allow + 1, MOST_FAMILIES + 1
    while low < high:
        middle = (low + high) // 2
        if can_pass(middle, allow, max_rate, confidence):
            high = middle
        else:
            low = middle + 1
    return low


class PromotionTerms(Shape):
    """What an audit must show before a model may be promoted."""

    max_rate: float = Field(
        gt=0, lt=1, allow_inf_nan=False, description="rate that must be shown not to be reached"
    )
    confidence: float = Field(default=0.95, ge=0.5, lt=1, allow_inf_nan=False, description="one-sided")
    families: int = Field(ge=1, le=MOST_FAMILIES, description="independent prompt families in the plan (n)")
    allow: int = Field(default=0, ge=0, description="violating families the plan tolerates (c)")
    evidence: tuple[Annotated[EvidenceGrade, Field(strict=False)], ...] = Field(
        min_length=1, description="grades of evidence accepted"
    )
    anytime: bool = Field(default=False, description="an undecided audit may go on under an e-value plan")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not can_pass(self.families, self.allow, self.max_rate, self.confidence):
            least = families_needed(self.allow, self.max_rate, self.confidence)
            raise BlameError(
                f"a plan of {self.families} families that allows {self.allow} can never show a rate below "
                f"{self.max_rate} with confidence {self.confidence}; more families are needed",
                at=("families",),
                expected=f"at least {least}" if least <= MOST_FAMILIES else "a plan that allows fewer",
            )
        return self


class PromotionLimit(PromotionTerms):
    """The terms for one rule and direction."""

    rule: LimitedRuleId
    direction: Direction = Field(default=Direction.VIOLATION, strict=False)

    @model_validator(mode="after")
    def _strong_enough(self) -> Self:
        if self.rule.startswith("T1.") and EvidenceGrade.C in self.evidence:
            raise BlameError(
                "a judge alone (grade C) never passes a Tier One rule; ask for A or B",
                at=("evidence", self.evidence.index(EvidenceGrade.C)),
                expected="A or B",
            )
        return self


class Approvals(Shape):
    """Who signs beside the audit: so many persons out of these roles."""

    roles: tuple[Slug, ...] = Field(min_length=1)
    threshold: int = Field(ge=1, le=20)


class StratumRequirement(Shape):
    """Alignment by stratum: how well the worst group must be served before a promotion."""

    by: tuple[Slug, ...] = Field(min_length=1, description="codebook questions that form the strata")
    min_annotators: int = Field(ge=1, le=100_000)
    min_accuracy: Share = Field(description="lower bound of preference accuracy in every primary stratum")
    max_gap: Share | None = Field(default=None, description="largest gap between best and worst stratum")
    primary: tuple[dict[Slug, Line], ...] = Field(
        default=(),
        description="strata that gate, each by its answers; none: every answer given to a question of `by`",
    )
    confidence: float = Field(default=0.95, ge=0.5, lt=1, allow_inf_nan=False, description="one-sided")

    @model_validator(mode="after")
    def _asked(self) -> Self:
        for number, stratum in enumerate(self.primary):
            if unknown := sorted(set(stratum) - set(self.by)):
                raise BlameError(
                    f"the stratum asks for {unknown[0]!r}, which `by` does not name",
                    at=("primary", number, unknown[0]),
                    expected=f"one of {', '.join(self.by)}",
                )
            if not stratum:
                raise BlameError(
                    "a stratum needs an answer", at=("primary", number), expected="a question: answer"
                )
        return self


class Promotion(Shape):
    """What must be shown, signed and current before a protected alias may move."""

    limits: tuple[PromotionLimit, ...] = ()
    otherwise: PromotionTerms | None = Field(
        default=None, description="terms for every audited rule that this document's `limits` do not name"
    )
    approvals: Approvals | None = None
    validity_days: int | None = Field(
        default=None, ge=1, le=3650, description="how long a decision stays live"
    )
    aliases: tuple[Slug, ...] = Field(default=(), description="protected aliases")
    strata: StratumRequirement | None = None
    error_budget: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="error that all versions of a model audited on one probe set may spend together; none: one version",
    )
    curtail: bool | None = Field(
        default=None, description="stop asking about a rule once no answer could change its verdict"
    )
    notes: Line | None = None

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        seen = set()
        for limit in self.limits:
            if (key := (limit.rule, limit.direction)) in seen:
                raise ValueError(f"two limits for {limit.rule} in the same direction")
            seen.add(key)
        return self
