"""One look at a document or a composed policy, so that two of either can be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from governance.policy import dimensions, needs_meet
from governance.policy.convert import effective_rule, reference
from governance.policy.document import (
    PolicyDocument,
    TierOneDocument,
    TierThreeDocument,
    TierTwoDocument,
    document_digest,
)
from governance.policy.domain import Domain, Nothing, everything, is_empty, meet
from governance.policy.model import (
    DataNeed,
    EffectiveDimension,
    EffectivePolicy,
    EffectivePromotion,
    EffectiveRule,
    Narrowing,
    holds,
)
from governance.tiers import Level

__all__ = ["View", "limits_of", "view_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is compared.

    Attributes:
        is_open: Whether a dimension that is not declared is left whole (a document that others complete)
            or not personalisable at all (a composed policy, a model provider's document).
        limits: Narrowings of dimensions that are not declared here.
        facts: What has no place elsewhere: jurisdictions, applications, owner, wishes.
    """

    digest: str
    tier: int | None
    is_open: bool
    rules: Mapping[str, EffectiveRule]
    dimensions: Mapping[str, EffectiveDimension]
    limits: Mapping[str, tuple[Narrowing, ...]]
    known: Mapping[str, frozenset[str]]
    data: Mapping[str, DataNeed]
    promotion: EffectivePromotion
    facts: Mapping[str, Any]

    def narrowings(self, dimension: str) -> tuple[Narrowing, ...]:
        """Everything here that narrows a dimension, declared or not."""
        found = self.dimensions.get(dimension)
        return found.narrowings if found else self.limits.get(dimension, ())

    def left(self, dimension: str, kind: str, context: Mapping[str, str]) -> Domain:
        """What is left of a dimension in a context."""
        found = self.dimensions.get(dimension)
        if found is not None:
            return found.allowed(context, self.known)
        if not self.is_open:
            return Nothing()
        left = everything(kind)
        for narrowing in self.limits.get(dimension, ()):
            if any(context.get(name) not in self.known.get(name, ()) for name in narrowing.when):
                return Nothing()
            if holds(narrowing.when, context):
                left = meet(left, narrowing.domain)
        return Nothing() if is_empty(left) else left


def limits_of(rules: Mapping[str, EffectiveRule]) -> dict[str, tuple[Narrowing, ...]]:
    """For each dimension the narrowings that rules bring, highest authority first."""
    found: dict[str, list[Narrowing]] = defaultdict(list)
    for rule in rules.values():
        for name, domain in rule.limits.items():
            found[name].append(Narrowing(rule=rule.id, domain=domain, when=rule.when, document=rule.document))
    return {name: tuple(sorted(narrowings, key=lambda n: n.rank)) for name, narrowings in found.items()}


def view_of(policy: PolicyDocument | EffectivePolicy) -> View:
    """The view of a document or of a composed policy."""
    return _of_policy(policy) if isinstance(policy, EffectivePolicy) else _of_document(policy)


def _of_policy(policy: EffectivePolicy) -> View:
    rules = {rule.id: rule for rule in (*policy.rules, *policy.pending)}
    return View(
        digest=policy.digest,
        tier=None,
        is_open=False,
        rules=rules,
        dimensions=policy.dimensions,
        limits=limits_of({rule.id: rule for rule in policy.rules}),
        known=policy.context,
        data={need.id: need for need in policy.data_requirements},
        promotion=policy.promotion,
        facts={"wishes": {w.document.id: dict(w.values) for w in policy.wishes}},
    )


def _of_document(document: PolicyDocument) -> View:
    ref = reference(document, document_digest(document))
    placed = [(ref, document)]
    binding = document if isinstance(document, TierOneDocument | TierTwoDocument) else None
    rules = {rule.id: effective_rule(rule, document, ref) for rule in (binding.rules if binding else ())}
    facts: dict[str, Any] = {
        "owner": document.authority.model_dump(mode="json"),
        "title": document.title,
        "notice": document.notice,
        "effective": document.effective,
    }
    if binding is not None:
        facts |= {
            "jurisdictions": frozenset(binding.jurisdictions),
            "extends": sorted((pin.id, pin.digest) for pin in binding.extends),
        }
    if isinstance(document, TierTwoDocument):
        facts |= {
            "applications": frozenset(document.applications),
            "purpose": document.purpose,
            "further_dimensions": document.further_dimensions,
        }
    if isinstance(document, TierThreeDocument):
        facts |= {"wishes": dict(document.wishes), "circumstances": dict(document.context)}
    return View(
        digest=ref.digest,
        tier=document.tier,
        is_open=ref.level is not Level.MODEL_PROVIDER,
        rules=rules,
        dimensions=dimensions.effective_dimensions(placed, tuple(rules.values())),
        limits=limits_of(rules),
        known={name: frozenset(values) for name, values in binding.context.items()} if binding else {},
        data={need.id: need for need in needs_meet.data_requirements(placed)},
        promotion=needs_meet.promotion(placed),
        facts=facts,
    )
