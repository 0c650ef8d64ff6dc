"""What the pages of live conversations ask of the outside; ``infra.live_portal`` implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from annotation.enrolment import Enrolled, Submitted
from annotation.live import Conversation, Said

__all__ = ["LiveStore"]


class LiveStore(Protocol):
    """The live conversations of every site of an installation."""

    def is_offered(self, person: Enrolled) -> bool:
        """Whether the person's site has a campaign that is open, or the person a conversation that goes on."""
        ...

    def mine(self, person: Enrolled) -> Sequence[str]:
        """The person's conversations, oldest first."""
        ...

    def current(self, person: Enrolled) -> str | None:
        """The one that goes on."""
        ...

    def left(self, person: Enrolled) -> int:
        """How many more the person may begin."""
        ...

    def read(self, person: Enrolled, conversation: str, now: datetime) -> Conversation | None:
        """A conversation of the person; None if it is none of theirs."""
        ...

    def say(
        self,
        person: Enrolled,
        conversation: str,
        number: int,
        text: str,
        seconds: float | None,
        now: datetime,
    ) -> Said:
        """Keep a message and have the models asked.

        Raises:
            RecordError: Nothing was written, or too much.
        """
        ...

    def ask(self, person: Enrolled, conversation: str) -> bool:
        """Have the models asked for the answers that are not there; whether that began now."""
        ...

    def go_on(self, person: Enrolled, conversation: str, now: datetime) -> bool:
        """Go on with the answers that came; whether there are enough."""
        ...

    def show(self, person: Enrolled, conversation: str, number: int, now: datetime) -> None:
        """The person sees the answers now."""
        ...

    def judge(
        self,
        person: Enrolled,
        conversation: str,
        number: int,
        answer: Mapping[str, Any],
        seconds: float | None,
        now: datetime,
        *,
        ends: bool,
    ) -> Submitted:
        """Store the judgement of a turn, once.

        Raises:
            RecordError: The answer is incomplete.
        """
        ...

    def end(self, person: Enrolled, conversation: str, reason: str | None, now: datetime) -> bool:
        """End a conversation; with a reason the answers before the person are reported."""
        ...

    def history(self, person: Enrolled, now: datetime) -> Sequence[Mapping[str, Any]]:
        """Everything that was said in the person's conversations."""
        ...
