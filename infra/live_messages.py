"""What people write in live conversations and what models answer: kept before anything is done with it.

A message is committed before a model is asked, each answer as it comes. Who asks the models holds a lease; when it
ends without a sign of life, somebody else may ask.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from annotation.enrolment import Enrolled
from annotation.live import Campaign, Conversation, LiveState, Reply, Said, check_message, names_in
from infra.live_campaigns import opened
from infra.live_state import ConversationState, of_person
from infra.tables.live import LIVE_CONVERSATIONS, LIVE_REPLIES, LIVE_TURNS

__all__ = ["LEASE", "Messages"]

LEASE: Final = timedelta(seconds=15)
"""How long answers are waited for without a sign of life of whoever asks the models."""
_LONGEST_WRITING: Final = 900.0


class Messages(ConversationState):
    """The messages and answers of one site's conversations."""

    def say(
        self,
        person: Enrolled,
        conversation: str,
        number: int,
        text: str,
        seconds: float | None,
        now: datetime,
    ) -> Said:
        """Keep a message: the first one begins the conversation, the same again is no error.

        Outcomes: ``stored``, ``before`` (there is a message already), ``no_consent``, ``none_left``, ``unknown``.

        Raises:
            RecordError: Nothing was written, or too much.
            PersonKeyDestroyedError: The person was erased.
        """
        message = check_message(text)
        sealed = self._keys.encrypt(person.annotator, message.encode())
        open_now = opened(self._db, self._site)
        with self._db.write() as connection:
            self._db.lock(connection, "live", self._site, person.annotator)
            if self._consent(connection, person) is None:
                return Said(conversation=None, outcome="no_consent")
            row = self._row(connection, person, conversation)
            if row is None:
                here = of_person(LIVE_CONVERSATIONS, person)
                going = connection.execute(
                    select(LIVE_CONVERSATIONS.c.conversation).where(
                        here, LIVE_CONVERSATIONS.c.ended_at.is_(None)
                    )
                ).scalar_one_or_none()
                if going is not None:
                    return Said(conversation=going, outcome="before")
                if number != 1 or open_now is None:
                    return Said(conversation=None, outcome="none_left")
                begun = select(func.count()).where(here, LIVE_CONVERSATIONS.c.campaign == open_now.id)
                if connection.execute(begun).scalar_one() >= open_now.campaign.conversations:
                    return Said(conversation=None, outcome="none_left")
                values = {
                    "conversation": conversation,
                    "site": self._site,
                    "annotator": person.annotator,
                    "campaign": open_now.id,
                    "started_at": now,
                }
                taken = select(LIVE_CONVERSATIONS.c.site).where(
                    LIVE_CONVERSATIONS.c.conversation == conversation
                )
                if connection.execute(taken).one_or_none() is not None:
                    return Said(conversation=None, outcome="unknown")
                connection.execute(insert(LIVE_CONVERSATIONS).values(**values))
                row = self._row(connection, person, conversation)
            return self._keep(connection, person, row, number, sealed, seconds, now)

    def _keep(
        self,
        connection: Connection,
        person: Enrolled,
        row: Any,
        number: int,
        sealed: bytes,
        seconds: float | None,
        now: datetime,
    ) -> Said:
        name = row.conversation
        turns = connection.execute(
            select(LIVE_TURNS.c.number, LIVE_TURNS.c.winner, LIVE_TURNS.c.repeated)
            .where(LIVE_TURNS.c.conversation == name)
            .order_by(LIVE_TURNS.c.number)
        ).all()
        again = bool(turns) and turns[-1].number == number and bool(turns[-1].repeated)
        follows = number == len(turns) + 1 and (not turns or turns[-1].winner is not None)
        if row.ended_at is not None or not (again or follows):
            return Said(conversation=name, outcome="before")
        if again:
            here = (LIVE_REPLIES.c.conversation == name) & (LIVE_REPLIES.c.number == number)
            connection.execute(delete(LIVE_REPLIES).where(here))
        self._db.upsert(
            connection,
            LIVE_TURNS,
            {
                "conversation": name,
                "number": number,
                "site": self._site,
                "annotator": person.annotator,
                "sealed": sealed,
                "writing_ms": int(1000 * min(max(seconds or 0.0, 0.0), _LONGEST_WRITING)),
                "said_at": now,
                "asking_until": None,
                "reduced": 0,
                "repeated": 0,
            },
        )
        return Said(conversation=name, outcome="stored")

    def claim(self, person: Enrolled, conversation: str, now: datetime) -> Conversation | None:
        """Take it on oneself to ask the models; None if somebody does already, or there is nothing to ask.

        What could not be had before is forgotten, and will be asked again.
        """
        found = self._read(person, conversation, now)
        if found is None or found.state != LiveState.STUCK or found.is_complete:
            return None
        number = found.turns[-1].number
        here = (LIVE_TURNS.c.conversation == conversation) & (LIVE_TURNS.c.number == number)
        free = LIVE_TURNS.c.asking_until.is_(None) | (LIVE_TURNS.c.asking_until <= now)
        with self._db.write() as connection:
            if self._consent(connection, person) is None:
                return None
            mine = update(LIVE_TURNS).where(here, free).values(asking_until=now + LEASE)
            if connection.execute(mine).rowcount != 1:
                return None
            failed = (LIVE_REPLIES.c.conversation == conversation) & (LIVE_REPLIES.c.number == number)
            connection.execute(delete(LIVE_REPLIES).where(failed, LIVE_REPLIES.c.error.is_not(None)))
        return self._read(person, conversation, now)

    def renew(self, conversation: str, number: int, until: datetime | None) -> None:
        """The models are still being asked; None: no longer."""
        here = (LIVE_TURNS.c.conversation == conversation) & (LIVE_TURNS.c.number == number)
        with self._db.write() as connection:
            connection.execute(update(LIVE_TURNS).where(here).values(asking_until=until))

    def keep_reply(
        self,
        person: Enrolled,
        campaign: Campaign,
        conversation: str,
        number: int,
        reply: Reply,
        *,
        now: datetime,
    ) -> bool:
        """Keep what a model said, unless the person does not agree any more, or has left; whether it was kept.

        Raises:
            PersonKeyDestroyedError: The person was erased.
        """
        text = reply.text
        row = {
            "conversation": conversation,
            "number": number,
            "place": reply.place,
            "site": self._site,
            "annotator": person.annotator,
            "model": reply.model,
            "sealed": None if text is None else self._keys.encrypt(person.annotator, text.encode()),
            "error": reply.error,
            "named": [] if text is None else list(names_in(text, campaign)),
            "at": now,
        }
        with self._db.write() as connection:
            found = self._row(connection, person, conversation)
            if found is None or found.ended_at is not None or self._consent(connection, person) is None:
                return False
            self._db.insert_new(connection, LIVE_REPLIES, [row])
        return True

    def go_on(self, person: Enrolled, conversation: str, now: datetime) -> bool:
        """Go on with the answers that came, if there are two; whether there are."""
        found = self._read(person, conversation, now)
        if found is None or found.state != LiveState.STUCK or len(found.turns[-1].texts) < 2:
            return False
        here = (LIVE_TURNS.c.conversation == conversation) & (LIVE_TURNS.c.number == found.turns[-1].number)
        with self._db.write() as connection:
            connection.execute(update(LIVE_TURNS).where(here).values(reduced=1))
        return True
