"""Routes for programs: the key is asked for before anything of the request is read, and JSON means JSON."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.params import Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from governance.errors import InputError
from governance.strict_json import JsonError, read_json
from infra.web.keys import ApiKeys, Scope
from infra.web.problem import problem

__all__ = ["BEARER", "guarded_route", "needs", "strict_json"]

BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="API key", description="made by `bounds keys create NAME --scope SCOPE`"
)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def needs(scope: Scope) -> Security:
    """The dependency that marks a route with the scope it asks for."""
    return Security(BEARER, scopes=[scope])


def guarded_route(keys: ApiKeys) -> type[APIRoute]:
    """The class of routes that let in only holders of a key with the route's scopes."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            inner = super().get_route_handler()
            wanted = [s for d in self.dependencies if isinstance(d, Security) for s in d.scopes or ()]
            if not wanted:
                raise ValueError(f"{self.path} asks for no scope")

            async def guarded(request: Request) -> Response:
                refusal = _refusal(keys, request.headers.get("authorization", ""), wanted)
                return refusal or await inner(_StrictRequest(request.scope, request.receive))

            return guarded

    return GuardedRoute


def _refusal(keys: ApiKeys, header: str, wanted: list[str]) -> Response | None:
    scheme, _, key = header.partition(" ")
    challenge = {"WWW-Authenticate": 'Bearer realm="bounds"'}
    if not header:
        detail = "send an API key: `Authorization: Bearer bk_…`; `bounds keys create` makes one"
        return problem(401, detail, headers=challenge)
    try:
        entry = keys.find(key.strip()) if scheme.lower() == "bearer" else None
    except InputError:
        return problem(503, "the API keys cannot be read, so nobody is let in")
    if entry is None:
        return problem(401, "nobody holds this API key", headers=challenge)
    missing = [scope for scope in wanted if scope not in entry.scopes]
    if missing:
        challenge["WWW-Authenticate"] += f', error="insufficient_scope", scope="{missing[0]}"'
        return problem(403, f"this key lacks the scope {missing[0]}", headers=challenge)
    return None


class _StrictRequest(Request):
    async def json(self) -> Any:
        return strict_json(await self.body())


def strict_json(data: bytes) -> Any:
    """The value of a body (:func:`governance.strict_json.read_json`).

    Raises:
        HTTPException: 422, it is not JSON.
    """
    try:
        return read_json(data)
    except JsonError as error:
        raise HTTPException(422, f"the body is not JSON: {error}") from error
