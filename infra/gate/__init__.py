"""The gate inside MLflow: a store plugin that moves protected aliases only with a signed decision, and an app.

The app plugin keeps files, LoggedModels and runs behind governed versions as they are.

``mlflow server --registry-store-uri governed:<database> --app-name bounds-gate``, with ``BOUNDS_GATE`` naming
the pin (:mod:`infra.gate.pin`). What is loaded into every MLflow client is this module alone.
"""

from __future__ import annotations

from typing import Any

__all__ = ["SCHEME", "open_governed"]

SCHEME = "governed:"


def open_governed(store_uri: str, tracking_uri: str | None = None) -> Any:
    """The registry store that ``governed:<database>`` names; the entry point of the plugin."""
    del tracking_uri
    from infra.gate.store import governed_store

    return governed_store(store_uri.removeprefix(SCHEME))
