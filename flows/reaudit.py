"""Re-audit: judge again what holds a protected alias, where its policy, its decision or its bytes have changed."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from flows.audit import audit_version
from flows.wiring import Platform, approvals, clock, newest_decision, open_platform
from governance.promotion import verify_decision
from infra.registry import VersionInfo

__all__ = ["reaudit"]


def standing(platform: Platform, info: VersionInfo, alias: str) -> tuple[str, ...]:
    """Why the version may not carry the alias any longer; empty where its decision still stands."""
    from infra.artifacts import artifact_digest

    now = clock()
    policy = platform.policy(now)
    row = newest_decision(platform, info.model, info.version)
    if row is None:
        return ("there is no signed decision about this version",)
    return verify_decision(
        platform.joined(row, now),
        trust=platform.trust(now),
        model=info.model,
        version=info.version,
        alias=alias,
        artifact=artifact_digest(info.uri),
        policies={document.digest for document in policy.documents},
        approvals=approvals(policy),
        accept_demonstration=policy.promotion.is_demonstration,
        now=now,
    ).reasons


@flow(name="reaudit", persist_result=False)
def reaudit(home: str | None = None) -> list[dict[str, Any]]:
    """Audit again every version that carries a protected alias and whose decision no longer stands.

    Returns:
        For each version that carries one: ``model``, ``version``, ``alias``, why it was ``due`` (empty if it
        was not), and the new ``verdict`` with its ``reasons`` if it was. No alias moves here.
    """
    found: list[dict[str, Any]] = []
    with open_platform(home) as platform:
        registry = platform.registry()
        aliases = platform.policy(clock()).promotion.aliases
        for model in registry.models():
            for alias in aliases:
                info = registry.holder(model, alias)
                if info is None:
                    continue
                due = standing(platform, info, alias)
                again = audit_version(platform, model, info.version) if due else None
                verdict = again["verdict"] if again else None
                get_run_logger().info("%s %s (%s): %s", model, info.version, alias, verdict or "stands")
                found.append(
                    {
                        "model": model,
                        "version": info.version,
                        "alias": alias,
                        "due": list(due),
                        "verdict": verdict,
                        "reasons": again["reasons"] if again else [],
                    }
                )
    return found
