"""Starts parts in their order, watches them, starts a crashed one again, stops them rank by rank.

A part is a program with a question that tells when it is ready. One thread asks and acts; whoever wants to
know takes a ``snapshot``. A part that crashes is started again after 0.5, 1, 2, 4 … seconds, at most
``MAX_RESTARTS`` times within ``FORGIVEN`` seconds of each other; then it is ``failed`` and stays so, with
the reason, while the others go on.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from governance.errors import BoundsError, InputError, OutsideError, in_words
from infra.stack.part import Part, PartStatus, State
from infra.stack.ports import is_free
from infra.stack.process import Child, log_tail

__all__ = ["MAX_RESTARTS", "Supervisor"]

MAX_RESTARTS = 4
FORGIVEN = 300.0
_TICK = 0.1


@dataclass(slots=True)
class _Watched:
    part: Part
    state: State = State.WAITING
    child: Child | None = None
    since: float = 0.0
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    asked: float = 0.0
    seconds: float | None = None
    restarts: int = 0
    crashes: list[float] = field(default_factory=list)
    reason: str | None = None

    def status(self) -> PartStatus:
        seconds = self.seconds
        if self.state is State.STARTING:
            seconds = time.monotonic() - self.since
        return PartStatus(
            name=self.part.name,
            state=self.state,
            pid=self.child.pid if self.child else None,
            url=self.part.url,
            seconds=None if seconds is None else round(seconds, 2),
            restarts=self.restarts,
            reason=self.reason,
        )


class Supervisor:
    """Keeps a list of parts running.

    Args:
        parts: What to run.
        keep: Descriptor that the children hold open (the lock of the data folder).
        changed: Called in the supervisor's thread after every change of a state.
        backoff: Seconds before the first restart; each further one waits twice as long.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        keep: int = -1,
        changed: Callable[[], None] = lambda: None,
        backoff: float = 0.5,
    ) -> None:
        self._watched = {part.name: _Watched(part) for part in parts}
        self._keep = keep
        self._changed = changed
        self._backoff = backoff
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bounds-supervisor", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def snapshot(self) -> list[PartStatus]:
        """How every part is now."""
        return [watched.status() for watched in self._watched.values()]

    def is_settled(self) -> bool:
        """Whether every part is ready or done, or one has failed for good."""
        states = [watched.state for watched in self._watched.values()]
        return State.FAILED in states or all(state.is_up for state in states)

    def hold(self, name: str) -> None:
        """Stop one part and leave it stopped until ``release``; for maintenance and for fault tests."""
        with self._lock:
            watched = self._watched[name]
            child, watched.child = watched.child, None
            watched.state, watched.reason = State.STOPPED, "stopped on request"
        if child:
            child.stop()
        self._tell()

    def release(self, name: str) -> None:
        """Start a part again that ``hold`` stopped, or that has failed."""
        with self._lock:
            watched = self._watched[name]
            watched.reason, watched.crashes = None, []
            watched.state = State.WAITING

    def stop(self) -> None:
        """Stop everything, rank by rank; returns when no process is left."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        for rank in sorted({watched.part.rank for watched in self._watched.values()}):
            group = [watched for watched in self._watched.values() if watched.part.rank == rank]
            # All of a group are asked before any is waited for: a slow one does not hold the others up.
            for watched in group:
                if watched.child:
                    watched.child.ask_to_stop()
            for watched in group:
                if watched.child:
                    watched.child.stop()
                    watched.child = None
                watched.state = State.STOPPED
            self._tell()

    def _tell(self) -> None:
        # A display that is gone or a disk that is full must not end the supervision.
        with self._lock, contextlib.suppress(OSError):
            self._changed()

    def _run(self) -> None:
        while not self._ending.wait(_TICK):
            for watched in self._watched.values():
                with self._lock:
                    before = watched.state
                    try:
                        self._step(watched)
                    except BoundsError as error:
                        self._crashed(watched, str(error), final=True)
                    except OSError as error:
                        self._crashed(watched, f"{error.filename}: {in_words(error)}")
                    after = watched.state
                if after is not before:
                    self._tell()
                if self._ending.is_set():
                    return

    def _step(self, watched: _Watched) -> None:
        now = time.monotonic()
        match watched.state:
            case State.WAITING if self._may_start(watched):
                self._spawn(watched, now)
            case State.RESTARTING if now >= watched.since:
                self._spawn(watched, now)
            case State.STARTING:
                self._look(watched, now)
            case State.READY if watched.child and (code := watched.child.exit_code()) is not None:
                self._crashed(watched, f"ended with code {code}")

    def _may_start(self, watched: _Watched) -> bool:
        states = [self._watched[name].state for name in watched.part.after]
        if State.FAILED in states:
            watched.reason = "what it needs has failed"
            watched.state = State.FAILED
            return False
        return all(state.is_up for state in states)

    def _spawn(self, watched: _Watched, now: float) -> None:
        part = watched.part
        watched.state, watched.since, watched.asked = State.STARTING, now, now
        if part.port and not is_free(part.port):
            self._crashed(watched, f"port {part.port} is taken by another program")
            return
        if part.prepare:
            part.prepare()
        watched.started = datetime.now(UTC)
        watched.child = Child(
            part.argv, env=part.env, cwd=part.cwd, log=part.log, grace=part.grace, keep=self._keep
        )

    def _look(self, watched: _Watched, now: float) -> None:
        code = watched.child.exit_code() if watched.child else None
        if code is not None and watched.part.ready is None and code == 0:
            self._became(watched, State.DONE, now)
        elif code is not None:
            # Bad input stays bad: a program that ended in its sentence about it is not asked again.
            final = watched.part.ready is None and code == InputError.exit_code
            self._crashed(watched, f"ended with code {code} before it was ready", final=final)
        elif watched.part.ready and now - watched.asked >= 2 * _TICK:
            watched.asked = now
            if watched.part.ready(watched.started):
                self._became(watched, State.READY, now)
        if watched.state is State.STARTING and now - watched.since > watched.part.deadline:
            self._crashed(watched, f"not ready after {watched.part.deadline:.0f} s")

    def _became(self, watched: _Watched, state: State, now: float) -> None:
        watched.state, watched.reason = state, None
        watched.seconds = now - watched.since
        if state is State.DONE and watched.child:
            watched.child.close()
            watched.child = None

    def _crashed(self, watched: _Watched, reason: str, *, final: bool = False) -> None:
        if watched.child:
            watched.child.stop()
            watched.child = None
        now = time.monotonic()
        watched.crashes = [*(then for then in watched.crashes if now - then < FORGIVEN), now]
        watched.reason = reason
        if final or len(watched.crashes) > MAX_RESTARTS:
            watched.state = State.FAILED
            return
        watched.restarts += 1
        watched.state = State.RESTARTING
        watched.since = now + self._backoff * 2.0 ** (len(watched.crashes) - 1)

    def require_settled_well(self) -> None:
        """Raise when a part has failed.

        Raises:
            OutsideError: Names each failed part, its reason and the end of its log.
        """
        failed = [w for w in self._watched.values() if w.state is State.FAILED]
        if failed:
            raise OutsideError(
                "\n".join(
                    f"{w.part.name}: {w.reason} (log: {w.part.log})\n{_indent(log_tail(w.part.log))}"
                    for w in failed
                )
            )

    def pid(self, name: str) -> int:
        """Process id of a running part.

        Raises:
            KeyError: It does not run.
        """
        child = self._watched[name].child
        if child is None:
            raise KeyError(name)
        return child.pid


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
