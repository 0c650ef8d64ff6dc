"""The routes of MLflow that are FastAPI's own under uvicorn: uploads, and the assistant, which runs programs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.server.artifact_router import artifact_router, upload_artifact
from mlflow.server.assistant.api import assistant_router
from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from infra.gate.guard import Guard

__all__ = ["NativeRoutes"]


class NativeRoutes:
    """ASGI middleware before MLflow's native routes.

    Args:
        app: What it stands before.
        guard: Judges.
    """

    def __init__(self, app: ASGIApp, *, guard: Guard) -> None:
        self._app = app
        self._guard = guard
        self._prefix = os.environ.get(STATIC_PREFIX_ENV_VAR, "").rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge before the body is read, and again when its last piece has come."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if _found(assistant_router.routes, self._unprefixed(scope)) is not None:
                raise MlflowException(
                    "MLflow's assistant runs programs on this host, beside the gate; it is switched off here.",
                    error_code=PERMISSION_DENIED,
                )
            uploaded = _found(artifact_router.routes, scope)
            if uploaded is None or uploaded["endpoint"] is not upload_artifact:
                await self._app(scope, receive, send)
                return
            path = str(uploaded["path_params"]["artifact_path"])
            await anyio.to_thread.run_sync(self._guard.served_write, path)
        except MlflowException as error:
            await _answer(error)(scope, receive, send)
            return

        async def judged_again() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                # A slow upload may have begun before the version was registered.
                await anyio.to_thread.run_sync(self._guard.served_write, path)
            return message

        await self._app(scope, judged_again, send)

    def _unprefixed(self, scope: Scope) -> Scope:
        path = str(scope["path"])
        if self._prefix and path.startswith(self._prefix + "/"):
            return {**scope, "path": path.removeprefix(self._prefix)}
        return scope


def _found(routes: Sequence[Any], scope: Scope) -> dict[str, Any] | None:
    """What the router finds for this request: its endpoint and path parameters."""
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.FULL:
            return dict(child)
    return None


def _answer(error: MlflowException) -> JSONResponse:
    return JSONResponse(json.loads(error.serialize_as_json()), status_code=error.get_http_status_code())
