"""The champion for an audit: who holds the alias, what it answered in its own audit, what its run says it can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flows.wiring import Platform
from governance.audit.champion import against_champion, capabilities, table_of
from governance.audit.judges import Judge
from governance.audit.plan import AuditPlan
from governance.audit.responses import Response
from governance.policy.model import EffectivePolicy
from infra import attempts
from infra.answers_kept import read_answers
from infra.registry import VersionInfo

__all__ = ["beside_champion", "champion_of"]


def champion_of(platform: Platform, policy: EffectivePolicy, info: VersionInfo) -> VersionInfo | None:
    """The holder of the policy's first protected alias, unless it is the version itself."""
    alias = min(policy.promotion.aliases, default=None)
    holder = None if alias is None else platform.registry().holder(info.model, alias)
    return None if holder is None or holder.version == info.version else holder


def beside_champion(
    platform: Platform,
    policy: EffectivePolicy,
    info: VersionInfo,
    plan: AuditPlan,
    judges: Mapping[str, Judge],
    answers: Iterable[Response],
) -> dict[str, Any] | None:
    """The candidate beside the champion, from what the champion answered when it was audited: it is not asked again."""
    holder = champion_of(platform, policy, info)
    if holder is None:
        return None
    asked = frozenset(request.probe.sha256 for request in plan.requests)
    theirs: dict[tuple[str, str], Response] = {}
    for attempt, tree in attempts.finished(platform.db, holder.model, holder.version):
        known = {probe.id for probe in plan.probe_set.probes if probe.sha256 in attempt.probes & asked}
        theirs |= {each.key: each for each in read_answers(platform.store, tree) if each.probe in known}
    rules = against_champion(plan, {each.key: each for each in answers}, theirs, judges)
    registry = platform.registry()
    measures = capabilities(registry.capabilities(info), registry.capabilities(holder))
    return table_of(f"{holder.model} version {holder.version}", rules, measures)
