"""The composed policy as frozen values: what is in force for a context at an instant, and who said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from governance.policy.domain import (
    LARGEST,
    MICRO,
    Choices,
    Domain,
    Interval,
    Nothing,
    Phrases,
    contains,
    from_micro,
    is_empty,
    meet,
)
from governance.tiers import Direction, EvidenceGrade, Level, RuleKind, Tier

if TYPE_CHECKING:
    from governance.policy.decide import Decider

__all__ = [
    "ApprovalNeed",
    "DataNeed",
    "Default",
    "DocumentRef",
    "EffectiveDimension",
    "EffectivePolicy",
    "EffectivePromotion",
    "EffectiveRule",
    "Narrowing",
    "PromotionNeed",
    "When",
    "Wishes",
    "values_of",
]

When = Mapping[str, frozenset[str]]
NEVER_SET: Final = frozenset[str]()


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRef:
    """Which document said something, and who answers for it."""

    id: str
    version: str
    digest: str
    tier: Tier
    level: Level
    owner: str
    owner_kind: str
    contact: str
    title: str

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "version": self.version,
            "digest": self.digest,
            "tier": int(self.tier),
            "owner": self.owner,
            "owner_kind": self.owner_kind,
            "contact": self.contact,
            "title": self.title,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveRule:
    """A rule in force, with the document that set it."""

    id: str
    kind: RuleKind
    statement: str
    rationale: str
    sources: tuple[str, ...]
    risks: tuple[str, ...]
    output_property: str | None
    when: When
    limits: Mapping[str, Domain]
    probes: tuple[str, ...]
    judge: str | None
    direction: Direction
    waivable: bool
    since: datetime | None
    until: datetime | None
    document: DocumentRef

    @property
    def tier(self) -> Tier:
        """The tier of the document that set it."""
        return self.document.tier

    @property
    def owner(self) -> str:
        """Whom to ask about it."""
        return self.document.owner

    @property
    def is_audited(self) -> bool:
        """Whether the rule says how it is tried."""
        return bool(self.probes)

    def holds_in(self, context: Mapping[str, str]) -> bool:
        """Whether the rule holds in a context; an attribute that is not known counts as matching."""
        return all(
            attribute not in context or context[attribute] in values
            for attribute, values in self.when.items()
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "kind": str(self.kind),
            "statement": self.statement,
            "rationale": self.rationale,
            "risks": list(self.risks),
            "when": {name: sorted(values) for name, values in self.when.items()},
            "tier": int(self.tier),
            "owner": self.owner,
            "document": f"{self.document.id}@{self.document.version}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """One thing that narrows a dimension: a rule's limit, or a document's declaration of the dimension."""

    rule: str
    domain: Domain
    when: When
    document: DocumentRef

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rule": self.rule,
            "tier": int(self.document.tier),
            "owner": self.document.owner,
            "document": f"{self.document.id}@{self.document.version}",
            "when": {attribute: sorted(values) for attribute, values in self.when.items()},
            "leaves": values_of(self.domain),
        }

    @property
    def rank(self) -> tuple[int, str, str]:
        """Order of authority: the smallest rank that excludes a value determines the denial."""
        return (int(self.document.level), self.document.id, self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """A value a document or group supplies where the person wishes nothing."""

    value: str | bool | int | float
    document: DocumentRef


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveDimension:
    """An aspect of behaviour that may be personalised, with everything that narrows it."""

    id: str
    kind: str
    statement: str
    rationale: str | None
    unit: str | None
    values: tuple[str, ...]
    prompt: str | Mapping[str, str] | None
    outside: str
    settable_by: frozenset[str]
    declared: tuple[DocumentRef, ...]
    defaults: tuple[Default, ...]
    narrowings: tuple[Narrowing, ...]
    attributes: tuple[str, ...]

    def allowed(self, context: Mapping[str, str], known: Mapping[str, frozenset[str]]) -> Domain:
        """What is left in a context; nothing where an attribute that matters is absent or unknown.

        INVARIANT: more narrowings never allow more. That is why a missing attribute leaves nothing: a
        rule that asks for it might hold.
        """
        for attribute in self.attributes:
            if context.get(attribute) not in known.get(attribute, NEVER_SET):
                return Nothing()
        left: Domain | None = None
        for narrowing in self.narrowings:
            if holds(narrowing.when, context):
                left = narrowing.domain if left is None else meet(left, narrowing.domain)
        return Nothing() if left is None or is_empty(left) else left

    def determining(self, value: object, context: Mapping[str, str]) -> Narrowing | None:
        """The highest narrowing that excludes ``value`` by itself; None when only their meet does."""
        return next(
            (n for n in self.narrowings if holds(n.when, context) and not contains(n.domain, value)), None
        )


def holds(when: When, context: Mapping[str, str]) -> bool:
    """Whether every attribute of ``when`` has one of its values."""
    return all(context.get(attribute) in values for attribute, values in when.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class DataNeed:
    """A requirement on data, with the document that set it. ``terms`` holds its thresholds."""

    id: str
    check: str
    terms: Mapping[str, Any]
    statement: str | None
    document: DocumentRef

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "check": self.check,
            "terms": dict(self.terms),
            "statement": self.statement,
            "owner": self.document.owner,
            "document": f"{self.document.id}@{self.document.version}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionNeed:
    """What an audit must show about one rule: the strictest of every document that speaks about it."""

    rule: str
    direction: Direction
    max_rate: float
    confidence: float
    families: int
    allow: int
    evidence: frozenset[EvidenceGrade]
    anytime: bool
    documents: tuple[DocumentRef, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "rule": self.rule,
            "direction": str(self.direction),
            "max_rate": self.max_rate,
            "confidence": self.confidence,
            "families": self.families,
            "allow": self.allow,
            "evidence": sorted(self.evidence),
            "anytime": self.anytime,
            "documents": [f"{ref.id}@{ref.version}" for ref in self.documents],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNeed:
    """So many different persons out of these roles sign."""

    roles: frozenset[str]
    threshold: int
    document: DocumentRef


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectivePromotion:
    """What must be shown, signed and current before a protected alias may move.

    ``approvals`` holds the demand of each document: every one of them has to be met.
    """

    limits: tuple[PromotionNeed, ...] = ()
    approvals: tuple[ApprovalNeed, ...] = ()
    validity_days: int | None = None
    aliases: frozenset[str] = frozenset()
    strata: tuple[Mapping[str, Any], ...] = ()
    otherwise: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_demonstration: bool = False
    error_budget: float | None = None
    curtail: bool = False

    def for_rule(self, rule: str, direction: Direction = Direction.VIOLATION) -> PromotionNeed | None:
        """The limit for one rule and direction."""
        return next((n for n in self.limits if n.rule == rule and n.direction is direction), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "limits": [limit.as_json() for limit in self.limits],
            "approvals": [
                {"roles": sorted(need.roles), "threshold": need.threshold, "owner": need.document.owner}
                for need in self.approvals
            ],
            "validity_days": self.validity_days,
            "aliases": sorted(self.aliases),
            "strata": [dict(stratum) for stratum in self.strata],
            **({} if self.error_budget is None else {"error_budget": self.error_budget}),
            **({"curtail": True} if self.curtail else {}),
            "is_demonstration": self.is_demonstration,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a Tier Three document wishes, and what it knows of the circumstances."""

    level: Level
    values: Mapping[str, Any]
    context: Mapping[str, str]
    document: DocumentRef


@dataclass(frozen=True, kw_only=True)
class EffectivePolicy:
    """The policy in force: the meet of every document that applies.

    Attributes:
        at: The instant it was composed for.
        valid_until: The next instant at which composing would give something else, if any is known.
        digest: Identity of what is in force; the same for every order and formatting of the documents.
        documents: Every document that applies, highest authority first.
        rules: Rules in force. ``pending`` are those whose effective date has not come.
        dimensions: By id.
        context: Every known attribute of the context with the values all documents know.
        wishes: Tier Three documents of the stack, groups first.
    """

    at: datetime
    valid_until: datetime | None
    jurisdictions: tuple[str, ...]
    application: str | None
    digest: str
    documents: tuple[DocumentRef, ...]
    rules: tuple[EffectiveRule, ...]
    pending: tuple[EffectiveRule, ...]
    dimensions: Mapping[str, EffectiveDimension]
    context: Mapping[str, frozenset[str]]
    data_requirements: tuple[DataNeed, ...]
    promotion: EffectivePromotion
    wishes: tuple[Wishes, ...] = ()
    not_applicable: tuple[tuple[DocumentRef, str], ...] = field(default=(), compare=False)

    @cached_property
    def decider(self) -> Decider:
        """The compiled decision path, built once."""
        from governance.policy.decide import Decider  # decide builds on this module

        return Decider(self)

    def rule(self, rule: str) -> EffectiveRule | None:
        """The rule in force of that id."""
        return next((found for found in self.rules if found.id == rule), None)

    def allowed(self, dimension: str, context: Mapping[str, str] | None = None) -> Domain:
        """What is left of a dimension in a context; nothing for an unknown dimension."""
        found = self.dimensions.get(dimension)
        return found.allowed(context or {}, self.context) if found else Nothing()

    def rules_in(self, context: Mapping[str, str]) -> tuple[EffectiveRule, ...]:
        """The rules that hold in a context; one whose attribute is not known holds."""
        return tuple(rule for rule in self.rules if rule.holds_in(context))

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "digest": self.digest,
            "at": self.at.isoformat(),
            "valid_until": self.valid_until.isoformat() if self.valid_until else None,
            "jurisdictions": list(self.jurisdictions),
            "application": self.application,
            "documents": [ref.as_json() for ref in self.documents],
            "rules": [rule.as_json() for rule in self.rules],
            "pending": [
                rule.as_json() | {"from": rule.since.isoformat() if rule.since else None}
                for rule in self.pending
            ],
            "context": {name: sorted(values) for name, values in self.context.items()},
            "dimensions": {
                name: {
                    "kind": dimension.kind,
                    "statement": dimension.statement,
                    "rationale": dimension.rationale,
                    "unit": dimension.unit,
                    "values": list(dimension.values),
                    "outside": dimension.outside,
                    "defaults": [
                        {"value": d.value, "from": d.document.level.source} for d in dimension.defaults
                    ],
                    "attributes": list(dimension.attributes),
                    "settable_by": sorted(dimension.settable_by),
                    "narrowed_by": [n.as_json() for n in dimension.narrowings],
                }
                for name, dimension in self.dimensions.items()
            },
            "data": [need.as_json() for need in self.data_requirements],
            "promotion": self.promotion.as_json(),
        }


def values_of(domain: Domain) -> dict[str, Any]:
    """What a domain allows, as plain values for JSON and for people."""
    match domain:
        case Choices():
            return {"all_but" if domain.excluding else "one_of": sorted(domain.values)}
        case Interval():
            ends = {"at_least": domain.low, "at_most": domain.high}
            shown = {name: from_micro(end) for name, end in ends.items() if abs(end) < LARGEST * MICRO}
            return shown | ({"step": from_micro(domain.step)} if domain.step > 1 else {})
        case Phrases():
            length = {"max_length": domain.max_length} if domain.max_length < LARGEST else {}
            return length | ({"without": sorted(domain.forbidden)} if domain.forbidden else {})
        case _:
            return {"one_of": []}
