"""Promote: move a protected alias to a model version, if a signed decision allows it now; else say why not."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.running import OUTSIDE
from flows.wiring import Platform, approvals, clock, newest_decision, open_platform
from governance.errors import RefusedError
from governance.promotion import require_decision
from infra import ledger

__all__ = ["promote"]


@task(name="move", cache_policy=NO_CACHE, **OUTSIDE)
def move(platform: Platform, model: str, version: str, alias: str) -> tuple[bool, list[str], str | None]:
    """Verify and move; whether it moved, the reasons if not, and the decision.

    INVARIANT: the artifact is hashed here and now, from the files that the registry would serve; the gate in
    the registry judges once more, by the terms that are published before.
    """
    from infra.artifacts import artifact_digest

    now = clock()
    policy = platform.policy(now)
    registry = platform.registry()
    info = registry.version(model, version)
    row = newest_decision(platform, model, version)
    try:
        require_decision(
            platform.joined(row, now) if row else None,
            trust=platform.trust(now),
            model=model,
            version=version,
            alias=alias,
            artifact=artifact_digest(info.uri),
            policies={document.digest for document in policy.documents},
            approvals=approvals(policy),
            accept_demonstration=policy.promotion.is_demonstration,
            now=now,
        )
        platform.publish(now)
        registry.set_alias(model, alias, version)
    except RefusedError as error:
        reasons, outcome = error.reasons, "refused"
    else:
        reasons, outcome = (), "promoted"
    ledger.record_promotion(
        platform.db,
        ledger.Promotion(
            model=model,
            alias=alias,
            version=version,
            outcome=outcome,
            at=now,
            decision=row.digest if row else None,
            reasons=reasons,
        ),
    )
    return outcome == "promoted", list(reasons), row.digest if row else None


@flow(name="promote", flow_run_name="promote-{version}-to-{alias}", persist_result=False)
def promote(
    version: str, alias: str = "champion", model: str | None = None, home: str | None = None
) -> dict[str, Any]:
    """Move an alias to a version, or refuse with every reason.

    Args:
        version: The version.
        alias: The alias.
        model: Registered model; that of the settings by default.
        home: Data folder.

    Returns:
        ``promoted`` or not, the ``reasons`` if not, and the ``decision`` it was judged by.
    """
    with open_platform(home) as platform:
        name = model or platform.settings.registered_model
        promoted, reasons, decision = move(platform, name, version, alias)
    get_run_logger().info(
        "%s version %s as %s: %s", name, version, alias, "promoted" if promoted else "refused"
    )
    text = "\n".join(
        [
            f"**{'Promoted' if promoted else 'Refused'}**: {name} {version} as `{alias}`",
            "",
            *(f"- {r}" for r in reasons),
        ]
    )
    create_markdown_artifact(
        key=f"promotion-{name}-{version}".lower(), markdown=text, description=f"Alias {alias}"
    )
    return {
        "model": name,
        "version": version,
        "alias": alias,
        "promoted": promoted,
        "reasons": reasons,
        "decision": decision,
    }
