"""MLflow's app with a gate before what the registry's store does not see: files, LoggedModels, runs, workspaces.

Requests are told apart by the endpoint that MLflow's own router found for them and by its own reading of the
message, never by the text of a path; a writing route that nobody has judged is refused
(:mod:`infra.gate.routes`). Under uvicorn some routes are FastAPI's, the others Flask's; under gunicorn all are
Flask's.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from mlflow.environment_variables import _MLFLOW_SGI_NAME
from mlflow.server import app as mlflow_app
from starlette.middleware import Middleware

from infra.gate.asgi import NativeRoutes
from infra.gate.guard import Guard
from infra.gate.routes import GUARDED, HARMLESS
from infra.gate.store import EXTENSION, store_gate

__all__ = ["create_app", "create_app_with_basic_auth"]


def create_app(app: Flask = mlflow_app) -> Any:
    """MLflow behind the gate; the entry point ``bounds-gate``."""
    guard = _guarded(app, own=frozenset())
    if _MLFLOW_SGI_NAME.get() != "uvicorn":
        return app
    from mlflow.server.fastapi_app import create_fastapi_app

    return _native(create_fastapi_app(app), guard)


def create_app_with_basic_auth(app: Flask = mlflow_app) -> Any:
    """The same with MLflow's users and permissions before it; the entry point ``bounds-gate-basic-auth``.

    Who may not do something by MLflow's permissions is told so before the gate is asked.
    """
    from mlflow.server import auth

    before = {rule.endpoint for rule in app.url_map.iter_rules()}
    auth.bootstrap_admin_user()
    served = auth.create_app(app)
    guard = _guarded(app, own=frozenset({rule.endpoint for rule in app.url_map.iter_rules()} - before))
    return served if served is app else _native(served, guard)


def _guarded(app: Flask, *, own: frozenset[str]) -> Guard:
    from mlflow.server.handlers import _get_model_registry_store

    store_gate(_get_model_registry_store())
    guard = Guard(known=GUARDED | HARMLESS | own)
    app.before_request(guard.flask)
    app.extensions[EXTENSION] = guard
    return guard


def _native(app: Any, guard: Guard) -> Any:
    """Put the gate innermost: behind host checks, workspaces and permissions."""
    app.user_middleware.append(Middleware(NativeRoutes, guard=guard))
    return app
