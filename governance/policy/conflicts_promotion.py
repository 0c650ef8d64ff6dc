"""Conflicts of promotion requirements: limits nobody can meet, and rules nobody limits."""

from __future__ import annotations

from collections.abc import Iterator

from governance.policy.finding import Code, Finding, Severity
from governance.policy.model import EffectivePolicy
from governance.policy.needs import can_pass
from governance.tiers import BOUNDS_RULES

__all__ = ["findings"]


def findings(policy: EffectivePolicy) -> Iterator[Finding]:
    """Everything about what a promotion must show."""
    limits = policy.promotion.limits
    known = {rule.id for rule in (*policy.rules, *policy.pending)} | BOUNDS_RULES
    for limit in limits:
        owners = ", ".join(ref.id for ref in limit.documents)
        if limit.rule not in known:
            yield Finding(
                severity=Severity.ERROR,
                code=Code.UNKNOWN_RULE,
                where=owners,
                message=f"a promotion limit names {limit.rule}, which is not in force",
                example={"rule": limit.rule},
            )
        if not limit.evidence:
            yield Finding(
                severity=Severity.ERROR,
                code=Code.NO_EVIDENCE,
                where=limit.rule,
                message=f"{owners} accept no common grade of evidence for {limit.rule}",
                example={"rule": limit.rule},
            )
        if not can_pass(limit.families, limit.allow, limit.max_rate, limit.confidence):
            yield Finding(
                severity=Severity.ERROR,
                code=Code.PLAN,
                where=limit.rule,
                message=f"taken together, the documents ask {limit.rule} for a rate below {limit.max_rate} with confidence "
                f"{limit.confidence}, which {limit.families} families with {limit.allow} allowed can never show",
                example={"rule": limit.rule, "families": limit.families, "allow": limit.allow},
            )
    if limits:
        limited = {limit.rule for limit in limits}
        for rule in policy.rules:
            if rule.is_audited and rule.id not in limited:
                yield Finding(
                    severity=Severity.WARNING,
                    code=Code.NO_LIMIT,
                    where=rule.id,
                    message=f"{rule.id} is audited, but no document says which rate a promotion may show",
                    example={"rule": rule.id},
                )
