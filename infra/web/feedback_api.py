"""``POST /v1/feedback``: what end users say about a model's answers, from the application that served them.

Acknowledged only when durable, idempotent by event id, answered with 429 and ``Retry-After`` above the rate of a key.
Nothing of an event is logged.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from annotation.feedback import FeedbackBatch
from governance.errors import InputError, OutsideError
from infra.database import Database, open_database
from infra.feedback import accept
from infra.person_keys import open_person_keys
from infra.settings import Settings
from infra.web.guarded import guarded_route, needs
from infra.web.keys import ApiKeys, Scope
from infra.web.policy_shapes import Problem
from infra.web.problem import MEDIA_TYPE, input_problem, problem

__all__ = ["FeedbackAnswer", "Rate", "router"]

PER_MINUTE: Final = 600
BURST: Final = 60


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventAnswer(_Shape):
    """What became of one event."""

    event: str
    outcome: Literal["stored", "duplicate", "conflict", "withdrawn"]


class FeedbackAnswer(_Shape):
    """What became of each event, in the order sent. All that is ``stored`` or ``duplicate`` is durable."""

    site: str
    results: tuple[EventAnswer, ...]


class Rate:
    """A bucket of tokens per API key: so many requests a minute, so many at once.

    Args:
        per_minute: Requests a minute on the long run.
        burst: Requests at once.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        per_minute: float = PER_MINUTE,
        burst: int = BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, key: str) -> int:
        """0 where a request may go on; else whole seconds until the next one may."""
        now = self._clock()
        with self._lock:
            tokens, at = self._buckets.get(key, (float(self._burst), now))
            tokens = min(tokens + (now - at) * self._per_second, float(self._burst))
            if tokens >= 1:
                self._buckets[key] = (tokens - 1, now)
                return 0
            self._buckets[key] = (tokens, now)
            return max(math.ceil((1 - tokens) / self._per_second), 1)


class _Store:
    """The database, opened at the first event; a page that is looked at must not make one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._db: Database | None = None

    def keep(self, batch: FeedbackBatch, application: str) -> dict[str, Any]:
        settings = self._settings
        site = settings.site(batch.site) if batch.site is not None else settings.sites[0]
        now = datetime.now(UTC)
        with self._lock:
            if self._db is None:
                self._db = open_database(settings, now=now)
        keys = open_person_keys(settings, site.id)
        found = accept(
            self._db,
            keys,
            site=site.id,
            application=application,
            secret=keys.derived(b"feedback"),
            events=batch.events,
            now=now,
        )
        return {
            "site": site.id,
            "results": [
                {"event": event.event, "outcome": str(outcome)}
                for event, outcome in zip(batch.events, found, strict=True)
            ],
        }


def router(settings: Settings, keys: ApiKeys, rate: Rate | None = None) -> APIRouter:
    """The route ``/v1/feedback``."""
    routes = APIRouter(prefix="/v1", route_class=guarded_route(keys), tags=["feedback"])
    store, limit = _Store(settings), rate or Rate()

    @routes.post(
        "/feedback",
        dependencies=[needs(Scope.FEEDBACK_WRITE)],
        responses={
            200: {"model": FeedbackAnswer, "description": "kept; each event says what became of it"},
            **{
                status: {
                    "description": says,
                    "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
                }
                for status, says in (
                    (401, "no API key, or one that nobody holds"),
                    (403, "the key lacks the scope"),
                    (413, "the body is too large"),
                    (
                        422,
                        "an event cannot be used: which field, its value, and what would be right; nothing was kept",
                    ),
                    (429, "too many requests of this key; come back after Retry-After seconds"),
                    (503, "nothing was kept; send the same events again after Retry-After seconds"),
                )
            },
        },
    )
    async def give_feedback(
        request: Request, batch: Annotated[FeedbackBatch, Body(openapi_examples=_EXAMPLES)]
    ) -> Response:
        """Keep what end users said. Send the same events again until they are acknowledged: each counts once."""
        entry = keys.find(request.headers.get("authorization", "").partition(" ")[2].strip())
        application = entry.name if entry else ""
        if seconds := limit.wait(application):
            return problem(429, "too many requests", headers={"Retry-After": str(seconds)})
        try:
            answer = await run_in_threadpool(store.keep, batch, application)
        except InputError as error:
            return input_problem(422, error)
        except OutsideError:
            return problem(503, "the events could not be kept", headers={"Retry-After": "5"})
        return Response(
            FeedbackAnswer.model_validate(answer).model_dump_json(),
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return routes


_EXAMPLES: Final[Any] = {
    "a thumb": {
        "value": {
            "events": [
                {
                    "event": "0d4b1f5e-7f0a-4a52",
                    "user": "u-4711",
                    "consent": "app-terms-2026-03",
                    "policy_digest": "sha256:" + "0" * 64,
                    "at": "2026-03-01T12:00:00Z",
                    "prompt": [{"role": "user", "content": "How do I descale a kettle?"}],
                    "answers": [
                        {"text": "With citric acid.", "model": {"name": "assistant", "version": "3"}}
                    ],
                    "kind": "thumbs",
                    "up": True,
                }
            ]
        }
    }
}
