"""Who set a rule, why, since when, what it overrides or is implied by, how it is audited, whom it touches."""

from __future__ import annotations

from typing import Any

from governance import taxonomy
from governance.errors import PolicyError
from governance.policy.conflicts_rules import implied_by
from governance.policy.model import EffectivePolicy, EffectiveRule, values_of
from governance.policy.resolve import resolve

__all__ = ["explain"]


def explain(policy: EffectivePolicy, name: str, *, profile: object = None) -> dict[str, Any]:
    """Everything about a rule, as plain values.

    Args:
        policy: The composed policy.
        name: Id of a rule in force or pending, or ``dimension.NAME``.
        profile: Whose wishes it is looked at for; see :func:`governance.policy.resolve.profile_from`.

    Raises:
        PolicyError: No such rule; with the ids there are.
    """
    if name.startswith("dimension.") and name.removeprefix("dimension.") in policy.dimensions:
        return _dimension(policy, name.removeprefix("dimension."))
    rule = next((r for r in (*policy.rules, *policy.pending) if r.id == name), None)
    if rule is None:
        known = ", ".join(r.id for r in (*policy.rules, *policy.pending))
        raise PolicyError(
            "no rule of this id in the stack", field="rule", value=name, expected=f"one of {known}"
        )
    shown = _rule(rule, policy)
    if profile is not None:
        answer = resolve(policy, profile)
        shown["for_profile"] = {
            "holds": rule.holds_in(answer.context),
            "denies": [w.as_json() for w in answer.denied if w.rule == rule.id],
            "clips": [w.as_json() for w in answer.clipped if w.rule == rule.id],
        }
    return shown


def _rule(rule: EffectiveRule, policy: EffectivePolicy) -> dict[str, Any]:
    in_force = rule in policy.rules
    codes = taxonomy.entries()
    need = policy.promotion.for_rule(rule.id, rule.direction)
    return {
        "id": rule.id,
        "kind": str(rule.kind),
        "statement": rule.statement,
        "why": rule.rationale,
        "sources": list(rule.sources),
        "tier": int(rule.tier),
        "tier_name": rule.tier.title,
        "owner": rule.owner,
        "owner_kind": rule.document.owner_kind,
        "contact": rule.document.contact,
        "document": f"{rule.document.id}@{rule.document.version}",
        "document_digest": rule.document.digest,
        "in_force": in_force,
        "since": rule.since.isoformat() if rule.since else None,
        "until": rule.until.isoformat() if rule.until else None,
        "when": {attribute: sorted(values) for attribute, values in rule.when.items()},
        "limits": {dimension: values_of(domain) for dimension, domain in rule.limits.items()},
        "waivable": rule.waivable,
        "risks": {code: codes[code].name for code in rule.risks},
        "implied_by": list(implied_by(rule, policy)) if in_force else [],
        "overrides": _overrides(rule, policy) if in_force else [],
        "audit": {"probes": list(rule.probes), "judge": rule.judge, "direction": str(rule.direction)}
        if rule.is_audited
        else None,
        "promotion": need.as_json() if need else None,
    }


def _overrides(rule: EffectiveRule, policy: EffectivePolicy) -> list[str]:
    """Rules of lower authority that this one already implies."""
    return [
        other.id
        for other in policy.rules
        if other.document.level > rule.document.level and rule.id in implied_by(other, policy)
    ]


def _dimension(policy: EffectivePolicy, name: str) -> dict[str, Any]:
    dimension = policy.dimensions[name]
    return {
        "id": f"dimension.{name}",
        "kind": dimension.kind,
        "statement": dimension.statement,
        "why": dimension.rationale,
        "unit": dimension.unit,
        "settable_by": sorted(dimension.settable_by),
        "outside": dimension.outside,
        "depends_on": list(dimension.attributes),
        "declared_by": [ref.as_json() for ref in dimension.declared],
        "defaults": [{"value": d.value, "owner": d.document.owner} for d in dimension.defaults],
        "narrowed_by": [n.as_json() for n in dimension.narrowings],
    }
