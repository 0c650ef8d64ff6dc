"""A subject whose answers are kept as they come, or stand already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from governance.audit.attempts import Standing
from governance.audit.responses import Request, Response, Subject

__all__ = ["Recorded"]


class Recorded:
    """A subject whose answers are kept: those of a finished attempt stand, and nothing is asked again.

    Args:
        subject: What is asked where there are no answers yet.
        kept: Answers of the finished attempt, None where there is none.
        standing: The attempt on record; None where nothing registers it.
    """

    def __init__(self, subject: Subject, kept: Iterable[Response] | None, standing: Standing | None) -> None:
        self.name = subject.name
        self.digest = subject.digest
        self.standing = standing
        self._subject = subject
        self._kept = None if kept is None else tuple(kept)
        self.answers: tuple[Response, ...] = self._kept or ()

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        """The kept answers, or those that the subject gives now."""
        if self._kept is None:
            self.answers = tuple(self._subject.respond(requests))
        return iter(self.answers)

    def __getattr__(self, name: str) -> Any:
        """What else the subject says of itself: its sampling, what it cost, whether it is a script."""
        return getattr(self._subject, name)
