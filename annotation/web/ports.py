"""What the portal asks of the outside, as one Protocol; ``infra.portal`` implements it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from annotation.enrolment import ConsentState, Enrolled, GivenAnswer, Shown, Submitted
from annotation.pay import Progress

__all__ = ["PortalStore"]


class PortalStore(Protocol):
    """The people of every site of an installation, their items and their judgements.

    A person who has withdrawn, or whose session ended, is None everywhere.
    """

    def redeem(self, token: str, now: datetime) -> Enrolled | None:
        """Whom a personal link is for."""
        ...

    def open_session(self, token: str, locale: str, now: datetime) -> str | None:
        """Open a session by a personal link; its secret."""
        ...

    def session(self, secret: str, now: datetime) -> Enrolled | None:
        """Whose session it is."""
        ...

    def sign_out(self, secret: str) -> None:
        """End a session."""
        ...

    def set_locale(self, person: Enrolled, locale: str) -> None:
        """The person reads another language from now on."""
        ...

    def note_practised(self, person: Enrolled, now: datetime) -> None:
        """The practice item was done."""
        ...

    def consent(self, person: Enrolled) -> ConsentState | None:
        """What the person agrees to now, of the text that is shown now; None before they decided about it."""
        ...

    def consent_history(self, person: Enrolled) -> Sequence[Mapping[str, Any]]:
        """Every consent event of the person."""
        ...

    def decide(self, person: Enrolled, purposes: Mapping[str, bool], now: datetime) -> None:
        """Record what the person decided about each purpose."""
        ...

    def answers(self, person: Enrolled) -> Mapping[str, GivenAnswer]:
        """What the person said about themselves, by field."""
        ...

    def give_answers(
        self, person: Enrolled, answers: Iterable[tuple[str, str, str | None, str | None]], now: datetime
    ) -> None:
        """Record ``(field, status, value, words)`` each."""
        ...

    def reserve(self, person: Enrolled, now: datetime) -> Shown | None:
        """The item held for the person, or a new one; None if nothing is left for them."""
        ...

    def held(self, person: Enrolled, presentation: str) -> Shown | None:
        """The item of a presentation that is held for this person."""
        ...

    def show(self, person: Enrolled, presentation: str, now: datetime) -> None:
        """The person sees the item now."""
        ...

    def save_draft(
        self, person: Enrolled, presentation: str, draft: Mapping[str, Any], now: datetime
    ) -> bool:
        """Keep what the person has so far; whether the item is still held for them."""
        ...

    def submit(
        self,
        person: Enrolled,
        presentation: str,
        answer: Mapping[str, Any],
        seconds: float | None,
        now: datetime,
    ) -> Submitted:
        """Store a judgement, once.

        Raises:
            RecordError: The answer is incomplete.
        """
        ...

    def leave(
        self, person: Enrolled, presentation: str, kind: str, reason: str | None, now: datetime
    ) -> bool:
        """Leave an item out (``skipped``) or report it (``reported``); whether it was held."""
        ...

    def progress(self, person: Enrolled, since: datetime) -> Progress:
        """How much the person has done, how much of it since an instant, and what their time comes to."""
        ...

    def judgements(self, person: Enrolled) -> Sequence[Mapping[str, Any]]:
        """Everything the person judged."""
        ...

    def withdraw(self, person: Enrolled, now: datetime) -> str:
        """Record that the person wants out and stop at once; the request's number."""
        ...
