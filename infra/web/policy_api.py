"""The policy service for programs: resolve profiles, list the stack, read a document. All below ``/v1``.

Every answer names the digest of the policy it was decided under. Nothing of a wish, a profile or an answer
is logged or kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from governance.digest import digest
from governance.errors import PolicyError
from governance.policy.document import canonical_form
from governance.policy.model import EffectivePolicy
from governance.policy.resolve import Resolution, resolve
from infra.policy_cache import Held, NoPolicyError, PolicyCache
from infra.web.guarded import guarded_route, needs
from infra.web.keys import ApiKeys, Scope
from infra.web.policy_shapes import (
    BatchAnswer,
    BatchRequest,
    PolicyList,
    Problem,
    Profile,
    ResolveAnswer,
    ResolveRequest,
)
from infra.web.problem import MEDIA_TYPE, input_problem, problem

__all__ = ["router"]

_MOST_SHOWN: Final = 64
_LARGE_BATCH: Final = 20  # profiles; from here on a batch leaves the event loop to others
_EXAMPLES: Final[dict[str, Any]] = {
    "one profile": {
        "value": {"wishes": {"tone": "warm", "companionship": "romantic"}, "context": {"age_band": "adult"}}
    },
    "many profiles": {
        "value": {
            "profiles": [{"wishes": {"tone": "warm"}}, {"wishes": {"detail": 1}}],
            "context": {"age_band": "13_17"},
            "include": ["prompt"],
        }
    },
}
_SAYS: Final = {
    304: "you have it already",
    401: "no API key, or one that nobody holds",
    403: "the key lacks the scope",
    404: "no such document in the stack",
    413: "the body is too large",
    422: "the request cannot be used: which field, its value, and what would be right",
    503: "there is no usable policy",
}

Responses = dict[int | str, dict[str, Any]]


def _statuses(*statuses: int, ok: Any = None) -> Responses:
    """Statuses of a route for its OpenAPI document; ``ok`` is the shape of 200."""
    shape = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    found: Responses = {200: {"model": ok}} if ok else {}
    for status in statuses:
        found[status] = {"description": _SAYS[status]} | ({"content": shape} if status >= 400 else {})
    return found


Jurisdictions = Annotated[
    list[str] | None, Query(max_length=32, description="ISO 3166 codes or EU; may be repeated")
]
Application = Annotated[str | None, Query(max_length=64)]
Asked = Annotated[ResolveRequest, Body(openapi_examples=_EXAMPLES)]


@dataclass(frozen=True, slots=True)
class _Shown:
    """Parts of answers that are the same for every profile under one policy."""

    rules: Mapping[str, dict[str, Any]]
    documents: list[dict[str, Any]]


class _Answers:
    """Makes answers; what does not depend on the profile is made once for each policy digest."""

    def __init__(self) -> None:
        self._kept: dict[str, _Shown] = {}

    def answer(self, found: Resolution, include: Sequence[str]) -> dict[str, Any]:
        """A resolution as the service gives it."""
        shown: dict[str, Any] = {
            "policy": found.policy_digest,
            "context": dict(found.context),
            "settings": found.settings,
            "sources": found.sources,
            "honoured": list(found.honoured),
            "denied": [wish.as_json() for wish in found.denied],
            "clipped": [wish.as_json() for wish in found.clipped],
            "unset": list(found.unset),
        }
        if "prompt" in include:
            shown["prompt"] = found.as_prompt()
        if "rules" in include:
            rules = self._of(found.policy).rules
            shown["restrictions"] = [rules[rule.id] for rule in found.restrictions]
            shown["requirements"] = [rules[rule.id] for rule in found.requirements]
        if "documents" in include:
            shown["documents"] = self._of(found.policy).documents
        if "digest" in include:
            shown["digest"] = found.digest
        return shown

    def _of(self, policy: EffectivePolicy) -> _Shown:
        kept = self._kept.get(policy.digest)
        if kept is None:
            if len(self._kept) >= _MOST_SHOWN:
                self._kept.clear()
            kept = _Shown(
                {rule.id: rule.as_json() for rule in policy.rules},
                [ref.as_json() for ref in policy.documents],
            )
            self._kept[policy.digest] = kept
        return kept


def router(cache: PolicyCache, keys: ApiKeys) -> APIRouter:
    """The routes ``/v1/resolve``, ``/v1/policies`` and ``/v1/policies/{id}/{version}``."""
    routes = APIRouter(prefix="/v1", route_class=guarded_route(keys), tags=["policy"])
    answers = _Answers()

    @routes.post(
        "/resolve",
        dependencies=[needs(Scope.RESOLVE)],
        responses=_statuses(401, 403, 413, 422, 503, ok=ResolveAnswer | BatchAnswer),
    )
    async def resolve_profiles(asked: Asked) -> Response:
        """What is in force for one profile, or for each of many: settings, what was denied or clipped and by whom."""
        try:
            policy = cache.policy(jurisdictions=asked.jurisdictions, application=asked.application)
        except (PolicyError, NoPolicyError) as error:
            return _no_policy(error)
        headers = {"Cache-Control": "no-store", "Policy-Digest": policy.digest}
        if not isinstance(asked, BatchRequest):
            return _json(answers.answer(resolve(policy, _plain(asked)), asked.include), headers)

        def batch() -> Response:
            results = [
                answers.answer(resolve(policy, _plain(profile), context=asked.context), asked.include)
                for profile in asked.profiles
            ]
            until = policy.valid_until.isoformat() if policy.valid_until else None
            return _json({"policy": policy.digest, "valid_until": until, "results": results}, headers)

        return await run_in_threadpool(batch) if len(asked.profiles) > _LARGE_BATCH else batch()

    @routes.get(
        "/policies",
        dependencies=[needs(Scope.POLICIES_READ)],
        responses=_statuses(304, 401, 403, 422, 503, ok=PolicyList),
    )
    async def list_policies(
        request: Request, jurisdiction: Jurisdictions = None, application: Application = None
    ) -> Response:
        """The documents of the stack, and what they leave to personalise in a context."""
        try:
            policy = cache.policy(jurisdictions=jurisdiction, application=application)
            shown = _stack_of(cache, policy)
        except (PolicyError, NoPolicyError) as error:
            return _no_policy(error)
        return _tagged(request, shown, digest(shown), policy.digest)

    @routes.get(
        "/policies/{id}/{version}",
        dependencies=[needs(Scope.POLICIES_READ)],
        responses=_statuses(304, 401, 403, 404, 422, 503),
    )
    async def read_policy(
        request: Request,
        id: Annotated[str, Path(max_length=64)],  # noqa: A002 - the field's own word
        version: Annotated[str, Path(max_length=32)],
    ) -> Response:
        """One document as canonical JSON; its digest is the entity tag."""
        try:
            stack = cache.stack()
        except NoPolicyError as error:
            return _no_policy(error)
        held = stack.held.get((id, version))
        if held is None:
            known = ", ".join(f"{name}/{number}" for name, number in stack.held)
            entry = {"field": "id/version", "value": f"{id}/{version}", "expected": known}
            detail = "no such document in the stack"
            return problem(404, detail, errors=[entry | {"message": detail}])
        return _tagged(request, canonical_form(held.document), held.ref.digest, None)

    return routes


def _plain(profile: Profile) -> dict[str, Any]:
    return {"wishes": profile.wishes, "group": profile.group, "context": profile.context}


def _no_policy(error: PolicyError | NoPolicyError) -> Response:
    """503 where the stack is to blame, 422 where the context that was asked for is."""
    if isinstance(error, PolicyError) and error.field != "effective":
        return input_problem(422, error)
    detail = error.message if isinstance(error, PolicyError) else "there is no usable policy; see /health"
    return problem(503, detail, headers={"Retry-After": "5"})


def _stack_of(cache: PolicyCache, policy: EffectivePolicy) -> dict[str, Any]:
    stack = cache.stack()
    effective = policy.as_json()
    return {
        "policy": policy.digest,
        "valid_until": effective["valid_until"],
        "stack": stack.digest,
        "jurisdictions": effective["jurisdictions"],
        "application": policy.application,
        "fault": cache.fault,
        "documents": [_entry(held, policy) for held in stack.held.values()],
        "dimensions": effective["dimensions"],
        "context": effective["context"],
    }


def _entry(held: Held, policy: EffectivePolicy) -> dict[str, Any]:
    ref, document = held.ref, held.document
    applies = any(other.digest == ref.digest for other in policy.documents)
    reasons = {other.digest: reason for other, reason in policy.not_applicable}
    window = document.effective
    ends = {"from": window.from_, "until": window.until}
    return ref.as_json() | {
        "jurisdictions": list(getattr(document, "jurisdictions", ())),
        "applications": list(getattr(document, "applications", ())),
        "effective": {name: moment.isoformat() for name, moment in ends.items() if moment is not None},
        "href": f"/v1/policies/{ref.id}/{ref.version}",
        "applies": applies,
        "why_not": None if applies else reasons.get(ref.digest, "another version is in force"),
    }


def _tagged(request: Request, body: Any, tag: str, policy: str | None) -> Response:
    """``body`` with its entity tag, or 304 where the caller has it already."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if policy is not None:
        headers["Policy-Digest"] = policy
    # RFC 9110, 13.1.2: weak comparison, a list of tags or a star.
    had = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if "*" in had or headers["ETag"] in had:
        return Response(status_code=304, headers=headers)
    return _json(body, headers)


def _json(body: Any, headers: Mapping[str, str]) -> Response:
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "backslashreplace"), media_type="application/json", headers=headers)
