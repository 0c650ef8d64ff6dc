"""Wakes the flow runs that sleep until approvals come. Waking too often is harmless: they look, and sleep on."""

from __future__ import annotations

import httpx

from governance.errors import OutsideError

__all__ = ["wake"]

_SECONDS = 20.0
_MOST = 200


def wake(api: str | None, model: str | None = None, version: str | None = None) -> int:
    """Resume the runs of ``await-approvals`` that sleep, about one version or about any; how many.

    Args:
        api: Address of Prefect's API; None where there is no Prefect: nothing sleeps.
        model: Registered model; runs that name none are about the settings' model and are woken too.
        version: Its version.

    Raises:
        OutsideError: Prefect does not answer; the sweep wakes them later.
    """
    if not api:
        return 0
    asked = {
        "flows": {"name": {"any_": ["await-approvals"]}},
        "flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}},
        "limit": _MOST,
    }
    woken = 0
    try:
        with httpx.Client(base_url=api.rstrip("/"), timeout=_SECONDS, trust_env=False) as client:
            for run in client.post("/flow_runs/filter", json=asked).raise_for_status().json():
                about = run["parameters"]
                if version is not None and about.get("version") != version:
                    continue
                if model is not None and about.get("model") not in {None, model}:
                    continue
                client.post(f"/flow_runs/{run['id']}/resume", json={}).raise_for_status()
                woken += 1
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise OutsideError(f"Prefect at {api}: {type(error).__name__}") from error
    return woken
