"""Routes for programs: the key is asked for before anything of the request is read, and JSON means JSON.

The standard library's JSON takes ``NaN`` and, of a name given twice, the last; two programs that read such a
body differently would see two different wishes. Both are refused here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.params import Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from governance.errors import InputError
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
    """The value of a JSON text (RFC 8259) in which every name of an object is there once.

    Raises:
        HTTPException: 422, it is not.
    """
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise HTTPException(422, f"the body is not JSON: {said}") from error


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice[:80]!r} is given twice")
    return found
