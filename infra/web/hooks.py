"""Receives MLflow's webhook: a version was made, so its audit starts.

A trigger, never a gate: what a lost delivery misses, the scheduled sweep finds. A delivery counts once, by its id,
which becomes the idempotency key of the flow run; MLflow repeats a delivery under the same id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import httpx
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from governance.errors import OutsideError
from infra.settings import WEBHOOK_PATH, Settings
from infra.web.guarded import strict_json
from infra.web.problem import problem

__all__ = ["AuditStarter", "PrefectAudits", "is_signed", "router"]

_TOLERANCE: Final = timedelta(minutes=5)
_DELIVERY: Final = re.compile(r"[A-Za-z0-9_-]{8,100}")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")


class AuditStarter(Protocol):
    """Starts the audit of a version, once for each key."""

    def __call__(self, model: str, version: str, *, key: str) -> str:
        """The id of the run.

        Raises:
            OutsideError: It cannot be started now.
        """
        ...


class PrefectAudits:
    """Starts runs of the deployment ``audit/audit`` through Prefect's API.

    Args:
        api: Address of the API; None where there is no Prefect.
    """

    def __init__(self, api: str | None) -> None:
        self._api = (api or "").rstrip("/")

    def __call__(self, model: str, version: str, *, key: str) -> str:
        """The id of the run; asked again with the same key, of the same run."""
        if not self._api:
            raise OutsideError("there is no Prefect server to run the audit")
        try:
            with httpx.Client(timeout=20, trust_env=False) as client:
                found = client.get(f"{self._api}/deployments/name/audit/audit").raise_for_status().json()
                made = client.post(
                    f"{self._api}/deployments/{found['id']}/create_flow_run",
                    json={
                        "parameters": {"model": model, "version": version},
                        "idempotency_key": key,
                        "tags": ["bounds", "webhook"],
                    },
                )
                return str(made.raise_for_status().json()["id"])
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise OutsideError(f"Prefect at {self._api}: {error}") from error


def is_signed(body: bytes, *, signature: str, delivery: str, timestamp: str, secret: str) -> bool:
    """Whether the signature is that of these bytes: HMAC-SHA256 over ``delivery.timestamp.body``, as ``v1,<base64>``."""
    message = f"{delivery}.{timestamp}.".encode() + body
    right = base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest())
    return bool(secret) and hmac.compare_digest(b"v1," + right, signature.encode("utf-8", "replace"))


def router(
    settings: Settings,
    start: AuditStarter | None = None,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> APIRouter:
    """The route that MLflow calls."""
    routes = APIRouter()
    starts = start or PrefectAudits(settings.prefect_api_url)
    secret = settings.webhook_secret.get_secret_value()

    @routes.post(WEBHOOK_PATH, include_in_schema=False)
    async def received(request: Request) -> Response:
        body = await request.body()
        given = request.headers
        delivery, timestamp = given.get("x-mlflow-delivery-id", ""), given.get("x-mlflow-timestamp", "")
        if not is_signed(
            body,
            signature=given.get("x-mlflow-signature", ""),
            delivery=delivery,
            timestamp=timestamp,
            secret=secret,
        ):
            return problem(401, "the signature is not that of this platform's webhook")
        if not _is_current(timestamp, clock()) or not _DELIVERY.fullmatch(delivery):
            return problem(401, "the delivery is too old, or from the future, or has no id")
        try:
            wanted = _version(strict_json(body))
        except HTTPException as error:
            return problem(error.status_code, error.detail)
        if wanted is None:
            return JSONResponse({"started": None})
        model, version = wanted
        try:
            run = await run_in_threadpool(starts, model, version, key=f"mlflow-{delivery}")
        except OutsideError as error:
            return problem(503, str(error))  # MLflow tries again
        return JSONResponse({"started": run}, 202)

    return routes


def _is_current(timestamp: str, now: datetime) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    return abs(datetime.fromtimestamp(int(timestamp), UTC) - now) <= _TOLERANCE


def _version(value: Any) -> tuple[str, str] | None:
    """The version that a delivery is about; None for another event, such as MLflow's trial."""
    if not isinstance(value, dict) or (value.get("entity"), value.get("action")) != (
        "model_version",
        "created",
    ):
        return None
    data = value.get("data")
    name, version = (data.get("name"), str(data.get("version"))) if isinstance(data, dict) else (None, "")
    if not isinstance(name, str) or not 0 < len(name) <= 256 or not _VERSION.fullmatch(version):
        raise HTTPException(422, "a delivery about a version names it")
    return name, version
