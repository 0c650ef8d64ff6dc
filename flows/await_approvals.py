"""Await approvals: sleep until the signatures that a decision lacks are there, then promote, which judges them.

INVARIANT: this flow decides nothing. It is suspended (no process waits) and woken by whoever takes an approval, by the sweep, or by
anybody who presses "resume"; each time it looks at the signatures again, and sleeps on while they are missing. Under
whatever name somebody resumes it: a resumption is no approval.
"""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger
from prefect.flow_runs import suspend_flow_run

from flows.demotion import WAITING, standing
from flows.promote import promote
from flows.wiring import clock, open_platform

__all__ = ["await_approvals"]

_DAY_SECONDS = 86_400
_LONGEST_DAYS = 30


@flow(name="await-approvals", flow_run_name="await-approvals-{version}-as-{alias}", persist_result=False)
def await_approvals(
    version: str, alias: str = "champion", model: str | None = None, home: str | None = None
) -> dict[str, Any]:
    """Wait until nothing but approvals is missing and they come, then move the alias or say why not.

    Args:
        version: The version.
        alias: The alias.
        model: Registered model; that of the settings by default.
        home: Data folder.

    Returns:
        What promote says.
    """
    while True:
        with open_platform(home) as platform:
            name = model or platform.settings.registered_model
            reasons = standing(platform, platform.registry().version(name, version), alias)
        if not reasons or any(WAITING not in reason for reason in reasons):
            return promote(version, alias, name, home)
        get_run_logger().info("%s at %s: waiting for %s", name, clock().isoformat(), "; ".join(reasons))
        # Run again from the top when it is resumed: each call sleeps once.
        suspend_flow_run(timeout=_LONGEST_DAYS * _DAY_SECONDS)
