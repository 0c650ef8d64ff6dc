"""The live conversations of all sites, as the portal asks for them; implements ``annotation.web.live_port.LiveStore``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from annotation.enrolment import Enrolled, Submitted
from annotation.live import Conversation, Said
from infra.database import Database
from infra.live_asking import LiveModels
from infra.live_campaigns import is_offered
from infra.live_conversations import Conversations
from infra.person_keys import open_person_keys
from infra.settings import Settings

__all__ = ["SqlLive"]


class SqlLive:
    """Conversations in the database, models behind their endpoints.

    Args:
        settings: The sites, their keys, the models.
        db: The platform's database.
        policy: The digest of the effective policy at an instant.
        clock: Tells the time.
    """

    def __init__(
        self,
        settings: Settings,
        db: Database,
        *,
        policy: Callable[[datetime], str | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._db = db
        self._policy = policy
        self._models = LiveModels(settings, clock=clock)
        self._sites: dict[str, Conversations] = {}

    def is_offered(self, person: Enrolled) -> bool:
        """Whether there is something to talk about for the person."""
        return is_offered(self._db, person)

    def mine(self, person: Enrolled) -> Sequence[str]:
        """The person's conversations, oldest first."""
        return self._of(person).mine(person)

    def current(self, person: Enrolled) -> str | None:
        """The one that goes on."""
        return self._of(person).current(person)

    def left(self, person: Enrolled) -> int:
        """How many more the person may begin."""
        return self._of(person).left(person)

    def read(self, person: Enrolled, conversation: str, now: datetime) -> Conversation | None:
        """A conversation of the person; None if it is none of theirs."""
        return self._of(person).read(person, conversation, now)

    def say(
        self,
        person: Enrolled,
        conversation: str,
        number: int,
        text: str,
        seconds: float | None,
        now: datetime,
    ) -> Said:
        """Keep a message, then have the models asked."""
        said = self._of(person).say(person, conversation, number, text, seconds, now)
        if said.outcome == "stored" and said.conversation is not None:
            self.ask(person, said.conversation)
        return said

    def ask(self, person: Enrolled, conversation: str) -> bool:
        """Have the models asked for the answers that are not there."""
        return self._models.start(self._of(person), person, conversation)

    def go_on(self, person: Enrolled, conversation: str, now: datetime) -> bool:
        """Go on with the answers that came."""
        return self._of(person).go_on(person, conversation, now)

    def show(self, person: Enrolled, conversation: str, number: int, now: datetime) -> None:
        """The person sees the answers now."""
        self._of(person).show(person, conversation, number, now)

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
        """Store the judgement of a turn, once."""
        return self._of(person).judge(person, conversation, number, answer, seconds, now, ends=ends)

    def end(self, person: Enrolled, conversation: str, reason: str | None, now: datetime) -> bool:
        """End a conversation, and report its last answers if there is a reason."""
        return self._of(person).end(person, conversation, reason, now)

    def history(self, person: Enrolled, now: datetime) -> Sequence[Mapping[str, Any]]:
        """Everything that was said in the person's conversations, as it was shown to them: without models' names."""
        store = self._of(person)
        found = [store.read(person, conversation, now) for conversation in store.mine(person)]
        return [_told(each) for each in found if each is not None]

    def _of(self, person: Enrolled) -> Conversations:
        if person.site not in self._sites:
            keys = open_person_keys(self._settings, person.site)
            self._sites[person.site] = Conversations(self._db, keys, person.site, policy=self._policy)
        return self._sites[person.site]


def _told(conversation: Conversation) -> dict[str, Any]:
    return {
        "conversation": conversation.conversation,
        "started_at": conversation.started_at,
        "ended": not conversation.is_open,
        "turns": [
            {
                "message": turn.message,
                "said_at": turn.said_at,
                "answers": [turn.texts[place] for place in turn.shown],
                "went_on": None if turn.winner is None else turn.shown.index(turn.winner) + 1,
                "judgement": turn.answer,
            }
            for turn in conversation.turns
        ],
    }
