"""How Prefect's server, the deployments and the workers are started."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from infra.stack.blueprint import CHECKOUT, Blueprint
from infra.stack.part import Part
from infra.stack.ports import HOST
from infra.stack.probe import ask

__all__ = ["CENTRAL_POOL", "deployments", "prefect", "workers"]

CENTRAL_POOL = "central"


def prefect(plan: Blueprint) -> Part:
    """Prefect's server with its scheduler and page."""
    return plan.part(
        "prefect",
        [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            HOST,
            "--port",
            str(plan.ports["prefect"]),
        ],
        _environment(plan),
        ready=plan.answers("prefect", "/api/health"),
        rank=1,
    )


def deployments(plan: Blueprint) -> Part:
    """Applies the deployments and work pools, once, and ends."""
    named = ["--file", str(plan.deployments)] if plan.deployments else []
    return plan.part(
        "deployments",
        [sys.executable, "-m", "flows.deployments", "apply", *named],
        _environment(plan),
        ready=None,
        after=("prefect",),
    )


def workers(plan: Blueprint) -> list[Part]:
    """A worker per site, and one for what is done centrally."""
    return [_worker(plan, pool) for pool in [*(site.work_pool for site in plan.settings.sites), CENTRAL_POOL]]


def _worker(plan: Blueprint, pool: str) -> Part:
    name = f"worker-{pool}"

    def ready(started: datetime) -> bool:
        found = ask(
            f"{plan.url('prefect')}/api/work_pools/{pool}/workers/filter",
            method="POST",
            body={"limit": 10},
        )
        if found is None or found[0] != 200:
            return False
        beats = [w["last_heartbeat_time"] for w in json.loads(found[1]) if w["name"] == name]
        return any(datetime.fromisoformat(beat).astimezone(UTC) > started for beat in beats if beat)

    return plan.part(
        name,
        [
            sys.executable,
            "-m",
            "prefect",
            "worker",
            "start",
            "--pool",
            pool,
            "--type",
            "process",
            "--name",
            name,
            "--install-policy",
            "never",
            "--no-create-pool-if-not-found",
            # A site does one thing at a time: what is scheduled over a long run waits for it.
            "--limit",
            "2" if pool == CENTRAL_POOL else "1",
        ],
        _environment(plan),
        ready=ready,
        after=("deployments",),
    )


def _environment(plan: Blueprint) -> dict[str, str]:
    home = plan.settings.home
    return {
        "BOUNDS_HOME": str(home),
        "PYTHONPATH": str(CHECKOUT),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"{plan.url('prefect')}/api",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect' / 'prefect.db'}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        # A transaction that reads before it writes fails at once where another wrote meanwhile, whatever SQLite's timeouts
        # say. Late runs are marked all at once, each in its own: on a busy machine they block each other again and again.
        "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "60",
        # By default any page in the browser could call the server, and through it run code.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": plan.url("prefect"),
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
