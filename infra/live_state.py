"""How live conversations stand in the database: whose they are, how far they got, under which consent they go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from annotation.enrolment import Enrolled
from annotation.live import PURPOSE, Campaign, Conversation, Reply, Turn
from infra.database import Database
from infra.live_campaigns import opened
from infra.person_keys import PersonKeys
from infra.reservations import serving_state
from infra.tables.live import LIVE_CAMPAIGNS, LIVE_CONVERSATIONS, LIVE_REPLIES, LIVE_TURNS
from infra.tables.portal import PORTAL_JUDGEMENTS

__all__ = ["ConversationState", "of_person"]


class ConversationState:
    """What is known of the conversations of one site, read without changing anything.

    Args:
        db: The platform's database.
        keys: The keys of the site's people.
        site: The site.
        policy: The digest of the effective policy at an instant.
    """

    def __init__(
        self, db: Database, keys: PersonKeys, site: str, *, policy: Callable[[datetime], str | None]
    ) -> None:
        self._db = db
        self._keys = keys
        self._site = site
        self._policy = policy

    def mine(self, person: Enrolled) -> list[str]:
        """The person's conversations, oldest first."""
        order = (LIVE_CONVERSATIONS.c.started_at, LIVE_CONVERSATIONS.c.conversation)
        query = select(LIVE_CONVERSATIONS.c.conversation).where(of_person(LIVE_CONVERSATIONS, person))
        with self._db.read() as connection:
            return list(connection.execute(query.order_by(*order)).scalars())

    def current(self, person: Enrolled) -> str | None:
        """The one that goes on."""
        here = of_person(LIVE_CONVERSATIONS, person) & LIVE_CONVERSATIONS.c.ended_at.is_(None)
        with self._db.read() as connection:
            return connection.execute(
                select(LIVE_CONVERSATIONS.c.conversation).where(here)
            ).scalar_one_or_none()

    def left(self, person: Enrolled) -> int:
        """How many more the person may begin in the campaign that is open; 0 where none is."""
        found = opened(self._db, self._site)
        if found is None:
            return 0
        here = of_person(LIVE_CONVERSATIONS, person) & (LIVE_CONVERSATIONS.c.campaign == found.id)
        with self._db.read() as connection:
            begun = connection.execute(select(func.count()).select_from(LIVE_CONVERSATIONS).where(here))
            return max(found.campaign.conversations - int(begun.scalar_one()), 0)

    def _consent(self, connection: Connection, person: Enrolled) -> str | None:
        """The consent under which the person's words may go to models now."""
        state = serving_state(connection, self._site, person.annotator)
        return state.consent if state is not None and state.is_live(PURPOSE) else None

    def _row(self, connection: Connection, person: Enrolled, conversation: str) -> Any:
        here = of_person(LIVE_CONVERSATIONS, person) & (LIVE_CONVERSATIONS.c.conversation == conversation)
        return connection.execute(select(LIVE_CONVERSATIONS).where(here)).one_or_none()

    def _read(self, person: Enrolled, conversation: str, now: datetime) -> Conversation | None:
        with self._db.read() as connection:
            row = self._row(connection, person, conversation)
            if row is None:
                return None
            document = connection.execute(
                select(LIVE_CAMPAIGNS.c.document).where(LIVE_CAMPAIGNS.c.campaign == row.campaign)
            ).scalar_one()
            turns = connection.execute(
                select(LIVE_TURNS, PORTAL_JUDGEMENTS.c.sealed.label("judged"))
                .outerjoin(
                    PORTAL_JUDGEMENTS,
                    (PORTAL_JUDGEMENTS.c.presentation == LIVE_TURNS.c.presentation)
                    & (PORTAL_JUDGEMENTS.c.annotator == LIVE_TURNS.c.annotator),
                )
                .where(LIVE_TURNS.c.conversation == conversation)
                .order_by(LIVE_TURNS.c.number)
            ).all()
            replies = connection.execute(
                select(LIVE_REPLIES)
                .where(LIVE_REPLIES.c.conversation == conversation)
                .order_by(LIVE_REPLIES.c.number, LIVE_REPLIES.c.place)
            ).all()
        return Conversation(
            conversation=conversation,
            campaign=Campaign.from_json(document),
            is_open=row.ended_at is None,
            started_at=row.started_at,
            turns=tuple(
                self._turn(person, turn, [one for one in replies if one.number == turn.number], now)
                for turn in turns
            ),
        )

    def _turn(self, person: Enrolled, row: Any, replies: Sequence[Any], now: datetime) -> Turn:
        def opened_text(sealed: bytes) -> str:
            return self._keys.decrypt(person.annotator, sealed).decode()

        return Turn(
            number=row.number,
            message=opened_text(row.sealed),
            said_at=row.said_at,
            replies=tuple(
                Reply(
                    place=one.place,
                    model=one.model,
                    text=None if one.sealed is None else opened_text(one.sealed),
                    error=one.error,
                    named=tuple(one.named),
                )
                for one in replies
            ),
            is_asking=row.asking_until is not None and row.asking_until > now,
            is_reduced=bool(row.reduced),
            is_repeated=bool(row.repeated),
            presentation=row.presentation,
            presented_at=row.presented_at,
            shown=tuple(row.places or ()),
            winner=row.winner,
            answer=None if row.judged is None else json.loads(opened_text(row.judged))["answer"],
        )


def of_person(table: Any, person: Enrolled) -> Any:
    """The rows of a table that are the person's."""
    return (table.c.site == person.site) & (table.c.annotator == person.annotator)
