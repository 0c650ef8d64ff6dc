"""A part of the stack: what is run, and how it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

__all__ = ["Part", "PartStatus", "State"]


class State(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_up(self) -> bool:
        """Whether the part does, or has done, its work."""
        return self in {State.READY, State.DONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One program of the stack.

    Args:
        name: Its name in the progress display, the record and its log file.
        argv: Program and arguments.
        env: Its whole environment.
        ready: Asked with the time of the start until it says yes; None for a program that runs to its end.
        url: Address a person or client uses.
        after: Parts that must be ready (or done) before it starts.
        port: Port it will listen on; a start is a crash while another program has it.
        rank: Parts of a lower rank are stopped before those of a higher one.
        prepare: Done in the supervisor's thread right before each start.
        deadline: Seconds it may take to become ready.
        grace: Seconds between SIGTERM and SIGKILL.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    ready: Callable[[datetime], bool] | None
    url: str | None = None
    after: tuple[str, ...] = ()
    port: int | None = None
    rank: int = 0
    prepare: Callable[[], None] | None = None
    deadline: float = 300.0
    grace: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStatus:
    """How a part is now."""

    name: str
    state: State
    pid: int | None
    url: str | None
    seconds: float | None
    restarts: int
    reason: str | None
