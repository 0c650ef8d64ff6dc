"""Errors for programs: ``application/problem+json`` (RFC 9457), naming the field, the value and what would be right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Response
from fastapi.exceptions import RequestValidationError

from governance.errors import InputError

__all__ = ["MEDIA_TYPE", "input_problem", "problem", "validation_problem"]

MEDIA_TYPE: Final = "application/problem+json"
_LONGEST: Final = 200
_MOST_ERRORS: Final = 20


def problem(
    status: int,
    detail: str,
    *,
    errors: Iterable[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response that says what went wrong, and with which fields."""
    body: dict[str, Any] = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if listed := [dict(error) for error in errors]:
        body["errors"] = listed[:_MOST_ERRORS]
    # ASCII: half a surrogate pair in what is quoted back must not make the answer unwritable.
    return Response(
        json.dumps(body),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def input_problem(status: int, error: InputError) -> Response:
    """The problem that one of the platform's own errors describes. Names of our files stay with us."""
    entry = {"field": error.field, "message": error.message, "expected": error.expected}
    if error.value is not ...:
        entry["value"] = _shown(error.value)
    return problem(status, error.message, errors=[entry] if error.field else ())


def validation_problem(error: RequestValidationError) -> Response:
    """What is wrong with the shape of a request."""
    found = [_entry(one) for one in error.errors()]
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(422, f"{first['field']}: {first['message']}{more}", errors=found)


def _entry(one: Mapping[str, Any]) -> dict[str, Any]:
    where = [str(part) for part in one["loc"]]
    context = one.get("ctx", {})
    if one["type"] == "json_invalid":
        return {"field": "body", "message": f"not JSON: {context.get('error')}", "expected": "a JSON object"}
    entry = {"field": ".".join(where[1:] or where), "message": one["msg"]}
    if one["type"] not in {"missing", "model_attributes_type"}:
        entry["value"] = _shown(one.get("input"))
    expected = context.get("expected") or context.get("pattern") or context.get("max_length")
    if expected is not None:
        entry["expected"] = str(expected)
    elif one["type"] == "extra_forbidden":
        entry["expected"] = "no such field here"
    return entry


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
