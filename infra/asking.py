"""The engine: many conversations with one endpoint at once, durable as they go, nothing asked twice.

One event loop keeps as many requests in flight as the server bears (:mod:`infra.pacing`). Every answer goes
into :mod:`infra.evidence` by the digest of everything that was sent for it, so a process that is killed at any
point asks only what is not there. What a server does wrong is an answer with a reason.

Three things end retrying, each counted: the attempts of one request, the retry budget of the whole run, and a
server that fails so often in a row that nobody is there (the rest is then left unasked, for the next run).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import aiohttp

from governance.digest import digest
from infra.asking_accounts import Accounts
from infra.chat_attempt import NoAnswerError, RetryError, attempt
from infra.chat_endpoint import Conversation, Endpoint
from infra.chat_wire import Reply
from infra.evidence import EvidenceRow
from infra.pacing import Pace

__all__ = ["Asker", "Gate", "Kept"]

_KEEP_EVERY: Final = 0.05
_KEEP_MANY: Final = 16
_FIRST_WAIT: Final = 0.25
_LEAST_RETRIES: Final = 50


class Kept(Protocol):
    """Where answers are kept: :class:`infra.evidence.Evidence`, or memory where nothing may reach the disk."""

    def add(self, rows: Iterable[EvidenceRow], /) -> None:
        """Keep rows; a request that is there stays as it is."""
        ...

    def find(self, requests: Iterable[str], /) -> Mapping[str, EvidenceRow]:
        """The rows of these requests that are there."""
        ...


class Gate(Protocol):
    """Says as answers come which conversations are still to be held."""

    def needs(self, index: int, /) -> bool:
        """Whether conversation ``index`` is still needed; asked just before it would begin."""
        ...

    def see(self, index: int, rows: Sequence[EvidenceRow], /) -> None:
        """Take the rows of a finished conversation into account."""
        ...


class Asker:
    """Puts conversations to an endpoint.

    Args:
        endpoint: Where and how.
        identity: Digest of who is asked; part of every key.
        evidence: Where answers are kept.
        progress: Called with (conversations done, conversations wanted).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        identity: str,
        evidence: Kept,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.identity = identity
        self.accounts = Accounts()
        self._evidence = evidence
        self._progress = progress or (lambda _done, _wanted: None)
        self._fresh: list[EvidenceRow] = []
        self._in_a_row = 0
        self._retries_left = 0
        self._gate: Gate | None = None

    def ask(
        self, conversations: Sequence[Conversation], *, gate: Gate | None = None
    ) -> list[list[EvidenceRow]]:
        """The rows of each conversation, one a step, up to its first error; fewer where asking was given up.

        None for a conversation that ``gate`` did not need any more.
        """
        self._gate = gate
        found: list[list[EvidenceRow]] = [[] for _ in conversations]
        first = [self._key(self._body(each, list(each.steps[0]))) for each in conversations]
        there = self._evidence.find(first)
        todo: deque[int] = deque()
        for index, each in enumerate(conversations):
            row = there.get(first[index])
            if row is not None and (len(each.steps) == 1 or row.error is not None):
                found[index].append(row)
                if gate is not None:
                    gate.see(index, found[index])
            else:
                todo.append(index)
        self.accounts.resumed += len(conversations) - len(todo)
        if todo:
            self._retries_left = max(_LEAST_RETRIES, int(self.endpoint.retry_share * len(todo)))
            asyncio.run(self._run(conversations, first, todo, found))
        rows = {row.request: row for each in found for row in each}
        self.accounts.count(rows.values(), self.endpoint)
        self.accounts.unasked = sum(not each for each in found) - self.accounts.not_needed
        return found

    def _body(self, each: Conversation, messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        return self.endpoint.body(messages, **each.more)

    def _key(self, body: Mapping[str, Any]) -> str:
        """Identity of one request to this subject: what the cache goes by."""
        return digest([self.identity, body])

    async def _run(
        self,
        conversations: Sequence[Conversation],
        first: Sequence[str],
        todo: deque[int],
        found: list[list[EvidenceRow]],
    ) -> None:
        endpoint = self.endpoint
        pace = Pace(min(endpoint.in_flight, len(todo)), per_second=endpoint.per_second)
        done, wanted = len(conversations) - len(todo), len(conversations)
        headers = {"Content-Type": "application/json"}
        if endpoint.key:
            headers["Authorization"] = f"Bearer {endpoint.key}"
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=pace.most),
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout),
            headers=headers,
            trust_env=False,
        )
        finished = 0

        async def keep() -> None:
            while True:
                await asyncio.sleep(_KEEP_EVERY)
                self._keep()
                self._progress(done + finished, wanted)

        async def work(worker: int) -> None:
            nonlocal finished
            while todo and not self.accounts.gave_up:
                await pace.turn(worker)
                if not todo or self.accounts.gave_up:
                    break
                index = todo.popleft()
                if self._gate is not None and not self._gate.needs(index):
                    self.accounts.not_needed += 1
                    continue
                found[index] = await self._converse(session, conversations[index], first[index], pace, worker)
                finished += 1
                if self._gate is not None and found[index]:
                    self._gate.see(index, found[index])
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
            self._keep()
            self._progress(done + finished, wanted)

    def _keep(self) -> None:
        """What came goes into the evidence: every 16 answers, and 20 times a second."""
        rows, self._fresh = self._fresh, []
        if rows:
            self._evidence.add(rows)

    async def _converse(
        self, session: aiohttp.ClientSession, each: Conversation, first: str, pace: Pace, worker: int
    ) -> list[EvidenceRow]:
        rows: list[EvidenceRow] = []
        messages: list[Mapping[str, str]] = []
        for step in each.steps:
            messages += step
            body = self._body(each, messages)
            key = self._key(body) if rows else first
            row = self._evidence.find([key]).get(key) if len(each.steps) > 1 else None
            if row is None:
                row = await self._ask(session, key, json.dumps(body).encode(), pace, worker)
                if row is None:
                    return []
                self._fresh.append(row)
                if len(self._fresh) >= _KEEP_MANY:
                    self._keep()
            rows.append(row)
            if row.text is None:
                break
            messages.append({"role": "assistant", "content": row.text})
        return rows

    async def _ask(
        self, session: aiohttp.ClientSession, key: str, body: bytes, pace: Pace, worker: int
    ) -> EvidenceRow | None:
        """The row of one request; None where asking was given up before it had an answer."""
        endpoint, clock = self.endpoint, asyncio.get_running_loop().time
        began, failures, attempts, reason = clock(), 0, 0, ""
        while failures < endpoint.attempts:
            if self.accounts.gave_up:
                return None
            attempts += 1
            self.accounts.asked += 1
            try:
                reply = await attempt(session, endpoint, body)
            except NoAnswerError as error:
                self._in_a_row = 0
                return EvidenceRow(request=key, text=None, error=str(error), attempts=attempts)
            except RetryError as error:
                reason = error.reason
                throttled = error.overloaded and clock() - began < endpoint.patience
                failures += not throttled
                self._failed(error, pace)
                if failures < endpoint.attempts and not self._may_retry(throttled=throttled):
                    break
                if failures < endpoint.attempts:
                    await asyncio.sleep(error.wait or _FIRST_WAIT * 2 ** min(attempts - 1, 6))
                    await pace.turn(min(worker, int(pace.limit) - 1))
            else:
                pace.fine()
                self._in_a_row = 0
                return _row(key, reply, attempts=attempts, seconds=clock() - began)
        return EvidenceRow(request=key, text=None, error=reason, attempts=attempts)

    def _failed(self, error: RetryError, pace: Pace) -> None:
        if error.overloaded:
            self.accounts.throttled += 1
            pace.too_much(error.wait)
        else:
            self._in_a_row += 1
            self.accounts.gave_up = self._in_a_row >= self.endpoint.give_up

    def _may_retry(self, *, throttled: bool) -> bool:
        """Whether the run's budget allows another attempt; waiting because the server asks for it is free."""
        if throttled:
            self.accounts.retried += 1
            return True
        if self._retries_left <= 0:
            self.accounts.budget_spent = True
            return False
        self._retries_left -= 1
        self.accounts.retried += 1
        return True


def _row(key: str, reply: Reply, *, attempts: int, seconds: float) -> EvidenceRow:
    return EvidenceRow(
        request=key,
        text=reply.text,
        error=None,
        attempts=attempts,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        seconds=seconds,
        finish=reply.finish,
        served=reply.served,
    )
