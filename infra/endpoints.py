"""A model behind an OpenAI-compatible endpoint as the subject of an audit.

Asks with many requests in flight on one event loop, keeps every answer in :mod:`infra.evidence` as it comes,
and asks nothing twice that is there. Streaming is off; sampling is sent, recorded and part of the subject's
digest. Whatever the server does wrong is an answer with a reason, counted in the report.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp

from governance.audit.responses import Request, Response
from governance.digest import digest
from governance.errors import InputError
from infra.evidence import Evidence, EvidenceRow
from infra.pacing import Pace, retry_after

__all__ = ["Accounts", "Endpoint", "EndpointSubject"]

_OVERLOADED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_KEEP_EVERY: Final = 0.05
_FIRST_WAIT: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the model is and how it is asked.

    Attributes:
        url: Base address, up to and with ``/v1``.
        model: Name of the model there.
        temperature, seed, max_tokens: Sampling; part of the subject's identity.
        in_flight: Most requests at once; fewer where the server bears less.
        per_second: Rate limit, None for none.
        timeout: Seconds for one attempt.
        attempts: Attempts for one request before its error counts.
        patience: Seconds for which one request puts up with being throttled.
        largest: Bytes of an answer that are still read.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 512
    in_flight: int = 64
    per_second: float | None = None
    timeout: float = 60.0
    attempts: int = 4
    patience: float = 300.0
    largest: int = 1_000_000

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise InputError("not an address", field="endpoint", value=self.url, expected="http(s)://…/v1")
        if self.in_flight < 1 or self.attempts < 1:
            raise InputError("at least one request in flight and one attempt are needed", field="endpoint")

    @property
    def identity(self) -> dict[str, Any]:
        """What determines the answers: never the key, never how fast it is asked."""
        return {
            "url": self.url.rstrip("/"),
            "model": self.model,
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
        }

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent."""
        turns = [{"role": turn.role, "content": turn.text} for turn in request.probe.turns]
        if request.persona.prompt:
            turns.insert(0, {"role": "system", "content": request.persona.prompt})
        return {
            "model": self.model,
            "messages": turns,
            "temperature": self.temperature,
            "seed": self.seed,
            "max_tokens": self.max_tokens,
            "stream": False,
        }


@dataclass(slots=True)
class Accounts:
    """What a run cost, counted from rows (tokens, errors) and from this process (asked, retried)."""

    asked: int = 0
    resumed: int = 0
    retried: int = 0
    throttled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    errors: Counter[str] = field(default_factory=Counter)


class _RetryError(Exception):
    """This attempt brought no answer; another may."""

    def __init__(self, reason: str, *, overloaded: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.overloaded = overloaded
        self.wait = wait


class _RefusedError(Exception):
    """There will be no answer, however often one asks."""


class EndpointSubject:
    """A model behind an endpoint, with its evidence file.

    Args:
        endpoint: Where and how.
        evidence: File that keeps the answers; the same file resumes a run.
        progress: Called with (answers there, answers wanted) as they come.
        retry_errors: Ask again what an earlier run could not get.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        evidence: Path,
        progress: Callable[[int, int], None] | None = None,
        retry_errors: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.name = f"{endpoint.model} at {endpoint.url}"
        self.digest = digest(endpoint.identity)
        self.accounts = Accounts()
        self._evidence = evidence
        self._progress = progress or (lambda _done, _wanted: None)
        self._retry_errors = retry_errors

    def request_digest(self, request: Request) -> str:
        """Identity of one request to this subject: what the cache goes by."""
        return digest([self.digest, self.endpoint.body(request)])

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        """An answer for each request; those already kept are not asked again."""
        keyed = [(self.request_digest(request), request) for request in requests]
        wanted = {key: self.endpoint.body(request) for key, request in keyed}
        with Evidence(self._evidence) as evidence:
            if self._retry_errors:
                evidence.forget_errors(wanted)
            there = evidence.find(wanted)
            self.accounts = Accounts(resumed=len(there))
            todo = [(key, body) for key, body in wanted.items() if key not in there]
            if todo:
                asyncio.run(self._ask_all(todo, evidence, already=len(there)))
            rows = evidence.find(wanted)
        for row in rows.values():
            self.accounts.prompt_tokens += row.prompt_tokens
            self.accounts.completion_tokens += row.completion_tokens
            if row.error is not None:
                self.accounts.errors[row.error] += 1
        for key, request in keyed:
            if (kept := rows.get(key)) is not None:
                probe, persona = request.key
                yield Response(probe=probe, persona=persona, text=kept.text, error=kept.error)

    async def _ask_all(
        self, todo: Sequence[tuple[str, dict[str, Any]]], evidence: Evidence, *, already: int
    ) -> None:
        endpoint = self.endpoint
        pace = Pace(min(endpoint.in_flight, len(todo)), per_second=endpoint.per_second)
        queue, fresh = deque(todo), list[EvidenceRow]()
        wanted, done = already + len(todo), already
        headers = {"Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=pace.most),
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout),
            headers=headers,
            trust_env=False,
        )

        async def keep() -> None:
            nonlocal done
            while True:
                await asyncio.sleep(_KEEP_EVERY)
                rows, fresh[:] = fresh[:], []
                if rows:
                    evidence.add(rows)
                    done += len(rows)
                    self._progress(done, wanted)

        async def work(worker: int) -> None:
            while queue:
                await pace.turn(worker)
                if not queue:
                    break
                key, body = queue.popleft()
                fresh.append(await self._ask(session, key, json.dumps(body).encode(), pace, worker))
            pace.release_all()

        keeper = asyncio.create_task(keep())
        try:
            async with session, asyncio.TaskGroup() as group:
                for worker in range(pace.most):
                    group.create_task(work(worker))
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
            evidence.add(fresh)
            self._progress(done + len(fresh), wanted)

    async def _ask(
        self, session: aiohttp.ClientSession, key: str, body: bytes, pace: Pace, worker: int
    ) -> EvidenceRow:
        endpoint, clock = self.endpoint, asyncio.get_running_loop().time
        began, failures, attempts, reason = clock(), 0, 0, ""
        while failures < endpoint.attempts:
            attempts += 1
            self.accounts.asked += 1
            try:
                text, prompt_tokens, completion_tokens = await self._attempt(session, body)
            except _RefusedError as error:
                return EvidenceRow(request=key, text=None, error=str(error), attempts=attempts)
            except _RetryError as error:
                reason = error.reason
                throttled = error.overloaded and clock() - began < endpoint.patience
                self.accounts.throttled += error.overloaded
                self.accounts.retried += 1
                failures += not throttled
                if error.overloaded:
                    pace.too_much(error.wait)
                if failures < endpoint.attempts:
                    await asyncio.sleep(error.wait or _FIRST_WAIT * 2 ** min(attempts - 1, 6))
                    await pace.turn(min(worker, int(pace.limit) - 1))
            else:
                pace.fine()
                return EvidenceRow(
                    request=key,
                    text=text,
                    error=None,
                    attempts=attempts,
                    prompt_tokens=prompt_tokens,
                    completion_tokens=completion_tokens,
                )
        return EvidenceRow(request=key, text=None, error=reason, attempts=attempts)

    async def _attempt(self, session: aiohttp.ClientSession, body: bytes) -> tuple[str, int, int]:
        address = self.endpoint.url.rstrip("/") + "/chat/completions"
        try:
            async with session.post(address, data=body, allow_redirects=False) as reply:
                if reply.status in _OVERLOADED:
                    wait = retry_after(reply.headers.get("Retry-After"), now=datetime.now(UTC))
                    overloaded = reply.status in {429, 503, 529}
                    raise _RetryError(f"HTTP {reply.status}", overloaded=overloaded, wait=wait)
                if reply.status != 200:
                    raise _RefusedError(f"HTTP {reply.status}")
                data = await _read(reply, self.endpoint.largest)
        except TimeoutError as error:
            raise _RetryError("timed out") from error
        except aiohttp.ClientPayloadError as error:
            raise _RetryError("the answer was cut off") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _RetryError("no connection") from error
        return _answer(data)


async def _read(reply: aiohttp.ClientResponse, largest: int) -> bytes:
    """The body, but never more of it than ``largest``."""
    parts, size = [], 0
    async for part in reply.content.iter_any():
        size += len(part)
        if size > largest:
            reply.close()
            raise _RefusedError(f"the answer is larger than {largest} bytes")
        parts.append(part)
    return b"".join(parts)


def _answer(data: bytes) -> tuple[str, int, int]:
    try:
        value = json.loads(data)
        text = value["choices"][0]["message"]["content"]
        usage = value.get("usage") or {}
        tokens = tuple(int(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise _RetryError("the answer is not a chat completion") from error
    if text is None:
        refusal = value["choices"][0]["message"].get("refusal")
        text = refusal if isinstance(refusal, str) else ""
    if not isinstance(text, str):
        raise _RetryError("the answer is not a text")
    # A lone surrogate has no canonical form; it is replaced, not a crash.
    return text.encode("utf-8", "replace").decode("utf-8"), tokens[0], tokens[1]
