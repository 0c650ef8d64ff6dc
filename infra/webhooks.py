"""Registers in MLflow the webhook by which the platform learns of new versions.

    python -m infra.webhooks

Doing it again changes nothing but what differs; the secret is sent each time, because MLflow never shows it. MLflow keeps it
encrypted under ``MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY`` of its own environment. Behind the gate, the webhook can then only be
what the published terms say.
"""

from __future__ import annotations

import sys
from typing import Any, Final, Literal

import httpx

from governance.errors import BoundsError, InputError, OutsideError, RefusedError
from infra.settings import WEBHOOK_NAME, Settings, load_settings

__all__ = ["ensure_webhook"]

_ROUTE: Final = "/api/2.0/mlflow/webhooks"
_SECONDS: Final = 30.0
_DESCRIPTION: Final = "Starts the audit of a new version. Changing it is refused; see docs/gate.md of bounds."


def ensure_webhook(settings: Settings) -> Literal["made", "changed", "as it was"]:
    """Make the platform's webhook, or make it what it should be.

    Raises:
        InputError: The settings name no address or secret for it.
        RefusedError: MLflow, or the gate in it, refuses.
        OutsideError: MLflow does not answer.
    """
    ours = settings.gate_webhooks.get(WEBHOOK_NAME)
    if ours is None or settings.mlflow_url is None:
        raise InputError(
            "no webhook can be registered", field="web_url, webhook_secret, mlflow_url", expected="all three"
        )
    events = [_event(text) for text in ours["events"]]
    wanted: dict[str, Any] = {
        "name": WEBHOOK_NAME,
        "url": ours["url"],
        "events": events,
        "secret": settings.webhook_secret.get_secret_value(),
        "status": "ACTIVE",
    }
    with httpx.Client(base_url=settings.mlflow_url, timeout=_SECONDS, trust_env=False) as client:
        found = next((row for row in _all(client) if row.get("name") == WEBHOOK_NAME), None)
        if found is None:
            _ask(client, "POST", _ROUTE, {**wanted, "description": _DESCRIPTION})
            return "made"
        same = (
            found.get("url") == wanted["url"]
            and found.get("status", "ACTIVE") == "ACTIVE"
            and [(e["entity"], e["action"]) for e in found["events"]]
            == [(e["entity"], e["action"]) for e in events]
        )
        del wanted["name"]
        _ask(client, "PATCH", f"{_ROUTE}/{found['webhook_id']}", wanted)
        return "as it was" if same else "changed"


def _all(client: httpx.Client) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    token = ""
    while True:
        page = _ask(client, "GET", f"{_ROUTE}?max_results=100" + (f"&page_token={token}" if token else ""))
        rows += page.get("webhooks", [])
        token = page.get("next_page_token", "")
        if not token:
            return rows


def _ask(client: httpx.Client, method: str, route: str, body: Any = None) -> dict[str, Any]:
    try:
        answer = client.request(method, route, json=body)
        value: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise OutsideError(f"MLflow at {client.base_url}: {type(error).__name__}") from error
    if answer.is_server_error:
        raise OutsideError(f"MLflow at {client.base_url}: status {answer.status_code}")
    if answer.is_error:
        said = value.get("message", "") if isinstance(value, dict) else ""
        raise RefusedError(f"the webhook in MLflow at {client.base_url}", [f"{answer.status_code}: {said}"])
    return value


def _event(text: str) -> dict[str, str]:
    entity, _, action = text.partition(".")
    return {"entity": entity.upper(), "action": action.upper()}


def main() -> int:
    """Run the command; its exit code."""
    try:
        sys.stdout.write(f"{ensure_webhook(load_settings())}\n")
    except RefusedError as error:
        # Such as by a gate without terms. The servers are of use without it; the sweep finds new versions.
        sys.stderr.write(error.diagnostics() + "\n")
    except BoundsError as error:
        sys.stderr.write(error.diagnostics() + "\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
