"""From the shapes of a document to the frozen values of a composed policy."""

from __future__ import annotations

from governance.policy.document import PolicyDocument
from governance.policy.domain import Choices, Domain, Interval, Phrases
from governance.policy.model import DocumentRef, EffectiveRule
from governance.policy.shapes import Choice, Dimension, Flag, Limit, Range, Rule
from governance.tiers import Direction, RuleKind, Tier

__all__ = ["declared_domain", "effective_rule", "limit_domain", "reference"]

_BOTH = frozenset[str | bool]({True, False})


def _micro(value: float) -> int:
    return round(value * 1_000_000)


def reference(document: PolicyDocument, digest: str) -> DocumentRef:
    """Who speaks in a document."""
    return DocumentRef(
        id=document.id,
        version=document.version,
        digest=digest,
        tier=Tier(document.tier),
        level=document.level,
        owner=document.authority.name,
        owner_kind=str(document.authority.kind),
        contact=document.authority.contact,
        title=document.title,
    )


def limit_domain(limit: Limit) -> Domain:
    """The set of values a limit leaves."""
    match limit.kind:
        case "choice" if limit.allow is not None:
            return Choices("choice", frozenset(limit.allow))
        case "choice":
            return Choices("choice", frozenset(limit.forbid or ()), excluding=True)
        case "flag":
            return Choices("flag", frozenset({bool(limit.must_be)}))
        case "range":
            whole = Interval()
            return Interval(
                whole.low if limit.at_least is None else _micro(limit.at_least),
                whole.high if limit.at_most is None else _micro(limit.at_most),
                whole.step if limit.step is None else _micro(limit.step),
            )
        case _:
            length = Phrases().max_length if limit.max_length is None else limit.max_length
            return Phrases(length, frozenset(limit.forbid_phrases or ()))


def declared_domain(dimension: Dimension) -> Domain:
    """The set of values a declaration of a dimension leaves."""
    match dimension:
        case Choice():
            return Choices("choice", frozenset(dimension.values))
        case Flag():
            return Choices("flag", _BOTH)
        case Range():
            return Interval(_micro(dimension.low), _micro(dimension.high), _micro(dimension.step))
        case _:
            return Phrases(dimension.max_length, frozenset(dimension.forbid_phrases))


def effective_rule(rule: Rule, document: PolicyDocument, ref: DocumentRef) -> EffectiveRule:
    """A rule of a document as a value in force."""
    return EffectiveRule(
        id=rule.id,
        kind=RuleKind(rule.kind),  # type: ignore[attr-defined]  # both kinds of rule narrow this field
        statement=rule.statement,
        rationale=rule.rationale,
        sources=rule.sources,
        risks=rule.risks,
        output_property=rule.output_property,
        when={attribute: frozenset(values) for attribute, values in rule.when.items()},
        limits={dimension: limit_domain(limit) for dimension, limit in rule.limits.items()},
        probes=rule.audit.probes if rule.audit else (),
        judge=rule.audit.judge if rule.audit else None,
        direction=rule.audit.direction if rule.audit else Direction.VIOLATION,
        waivable=getattr(rule, "waivable", False),
        since=rule.effective.from_ or document.effective.from_,
        until=rule.effective.until or document.effective.until,
        document=ref,
    )
