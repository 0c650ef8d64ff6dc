"""Conflicts between rules: a requirement that a restriction forbids, and rules that change nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from governance.policy.cells import contexts
from governance.policy.domain import difference, everything, meet
from governance.policy.finding import Code, Finding, Severity
from governance.policy.model import EffectivePolicy, EffectiveRule, When, holds
from governance.tiers import Level, RuleKind

__all__ = ["findings", "implied_by", "overlap"]


def findings(policy: EffectivePolicy) -> Iterator[Finding]:
    """Everything about the rules of a policy."""
    by_property: dict[str, list[EffectiveRule]] = defaultdict(list)
    for rule in policy.rules:
        if rule.output_property is not None:
            by_property[rule.output_property].append(rule)
    for rules in by_property.values():
        yield from _contradictions(rules)
    for rule in policy.rules:
        above = implied_by(rule, policy)
        if above:
            yield Finding(
                severity=Severity.WARNING,
                code=Code.DEAD,
                where=rule.id,
                message=f"{rule.id} changes nothing: {', '.join(above)} of higher authority already says it",
                example={"rule": rule.id, "implied_by": list(above)},
            )
        if not rule.limits and not rule.is_audited:
            yield Finding(
                severity=Severity.WARNING,
                code=Code.NOT_TRIED,
                where=rule.id,
                message=f"{rule.id} neither limits a dimension nor says how it is audited: nobody would notice a breach",
            )


def _contradictions(rules: Sequence[EffectiveRule]) -> Iterator[Finding]:
    demands = [rule for rule in rules if rule.kind is RuleKind.REQUIREMENT]
    bans = [rule for rule in rules if rule.kind is RuleKind.RESTRICTION]
    for demand in demands:
        for ban in bans:
            context = overlap(demand.when, ban.when)
            if context is not None:
                yield Finding(
                    severity=Severity.ERROR,
                    code=Code.CONTRADICTION,
                    where=demand.id,
                    message=f"{demand.id} of {demand.owner} demands what {ban.id} of {ban.owner} forbids: "
                    f"{demand.output_property}",
                    example={
                        "property": demand.output_property,
                        "context": context,
                        "rules": [demand.id, ban.id],
                    },
                )


def overlap(one: When, other: When) -> dict[str, str] | None:
    """A context in which both conditions hold; None when there is none."""
    context: dict[str, str] = {}
    for attribute in sorted({*one, *other}):
        sides = [when[attribute] for when in (one, other) if attribute in when]
        common = frozenset.intersection(*sides)
        if not common:
            return None
        context[attribute] = min(common)
    return context


def implied_by(rule: EffectiveRule, policy: EffectivePolicy) -> tuple[str, ...]:
    """Rules of higher authority that already say everything ``rule`` says; empty when it adds something.

    A property is implied by a rule of the same kind and property that holds wherever this one does; a limit
    by what the higher documents leave of the dimension in every context.
    """
    nothing_said = rule.output_property is None and not rule.limits
    if nothing_said or rule.document.level is Level.LAW:
        return ()
    found: list[str] = []
    if rule.output_property is not None:
        same = _same_property(rule, policy)
        if same is None:
            return ()
        found.append(same)
    for name in rule.limits:
        above = _same_limit(rule, name, policy)
        if not above:
            return ()
        found.extend(above)
    return tuple(dict.fromkeys(found))


def _same_property(rule: EffectiveRule, policy: EffectivePolicy) -> str | None:
    for other in policy.rules:
        if (
            other.document.level < rule.document.level
            and other.kind is rule.kind
            and other.output_property == rule.output_property
            and all(
                rule.when.get(name, frozenset(policy.context[name])) <= values
                for name, values in other.when.items()
            )
        ):
            return other.id
    return None


def _same_limit(rule: EffectiveRule, name: str, policy: EffectivePolicy) -> list[str]:
    dimension = policy.dimensions.get(name)
    if dimension is None:
        return []
    higher = [n for n in dimension.narrowings if n.document.level < rule.document.level]
    for context in contexts([n.when for n in dimension.narrowings], (policy.context,)):
        if not holds(rule.when, context):
            continue
        left = everything(dimension.kind)
        for narrowing in higher:
            if holds(narrowing.when, context):
                left = meet(left, narrowing.domain)
        if difference(left, rule.limits[name]) is not None:
            return []
    return [n.rule for n in higher]
