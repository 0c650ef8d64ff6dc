"""Live conversations in the database: what was said is there before anything is done with it.

A message is committed before a model is asked, each answer as it comes (:mod:`infra.live_messages`), and the
presentation (item, order, policy, consent) before the person sees the answers; a process killed between any two of
these leaves a conversation that goes on. A judgement is one transaction: the portal's row that ``collect`` reads, and
the turn's winner. All words are sealed under the person's key until a turn is an item; whose words an item holds
stands in ``item_authors``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from annotation.enrolment import Enrolled, Submitted
from annotation.labelling import check_answer
from annotation.live import ORIGIN, Conversation, LiveState, live_item, winner
from annotation.presentations import FIRST_PORTAL_SLOT, least_used_order
from governance.digest import digest, digest_bytes
from infra.catalogue import ImportRecord
from infra.live_messages import LEASE, Messages
from infra.live_state import of_person
from infra.reservations import is_serving, portal_presentation
from infra.tables.collected import IMPORTS
from infra.tables.items import ITEM_AUTHORS, ITEMS, PRESENTATIONS
from infra.tables.live import LIVE_CONVERSATIONS, LIVE_TURNS
from infra.tables.portal import ITEM_REPORTS, PORTAL_JUDGEMENTS, RESERVATIONS

__all__ = ["LEASE", "Conversations"]


class Conversations(Messages):
    """The conversations of one site: read, answered, judged and ended."""

    def read(self, person: Enrolled, conversation: str, now: datetime) -> Conversation | None:
        """A conversation of the person; None if it is none of theirs.

        Where every answer of the last turn is there, the presentation is made first.
        """
        found = self._read(person, conversation, now)
        if found is None or not found.turns or found.state not in {LiveState.WAIT, LiveState.STUCK}:
            return found
        if not found.is_complete or not self._present(person, found, now):
            return found
        return self._read(person, conversation, now)

    def show(self, person: Enrolled, conversation: str, number: int, now: datetime) -> None:
        """The person sees the answers now; the first time counts."""
        here = of_person(LIVE_TURNS, person) & (LIVE_TURNS.c.conversation == conversation)
        here &= (LIVE_TURNS.c.number == number) & LIVE_TURNS.c.presented_at.is_(None)
        with self._db.write() as connection:
            connection.execute(update(LIVE_TURNS).where(here).values(presented_at=now))

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
        """Store the judgement of a turn, once; its winner goes on.

        Raises:
            RecordError: The answer is incomplete; nothing is stored.
            PersonKeyDestroyedError: The person was erased.
        """
        found = self._read(person, conversation, now)
        turn = None if found is None else next((one for one in found.turns if one.number == number), None)
        if found is None or turn is None or turn.presentation is None or turn.presented_at is None:
            return Submitted.UNKNOWN
        if turn.winner is not None:
            return Submitted.SAME if turn.answer == dict(answer) else Submitted.ANSWERED_BEFORE
        if not found.is_open:
            return Submitted.GIVEN_AWAY
        kind, places = found.campaign.kind, list(turn.shown)
        check_answer(kind, answer, places=len(places))
        won = places[winner(kind, answer, lot=f"{found.campaign.seed}:{turn.presentation}")]
        elapsed = max((now - turn.presented_at).total_seconds(), 0.0)
        named = {reply.place: list(reply.named) for reply in turn.replies if reply.named}
        body = {
            "answer": dict(answer),
            "seconds": round(elapsed if seconds is None else min(max(seconds, 0.0), elapsed), 3),
            "live": {
                "conversation": conversation,
                "turn": number,
                "goes_on": places.index(won) + 1,
                "names_model": [shown + 1 for shown, place in enumerate(places) if place in named],
                "reduced": turn.is_reduced,
            },
        }
        over = ends or number >= found.campaign.turns
        here = (LIVE_TURNS.c.conversation == conversation) & (LIVE_TURNS.c.number == number)
        with self._db.write() as connection:
            self._db.lock(connection, "live", self._site, person.annotator)
            consent = is_serving(connection, self._site, person.annotator)
            shown = connection.execute(
                select(PRESENTATIONS.c.item, PRESENTATIONS.c.consent).where(
                    PRESENTATIONS.c.presentation == turn.presentation
                )
            ).one()
            if consent is None or consent != shown.consent:
                return Submitted.NO_CONSENT
            free = update(LIVE_TURNS).where(here, LIVE_TURNS.c.winner.is_(None)).values(winner=won)
            if connection.execute(free).rowcount != 1:
                return Submitted.ANSWERED_BEFORE
            self._meet(connection, person, turn.presentation, shown.item, "done", turn.presented_at)
            connection.execute(
                insert(PORTAL_JUDGEMENTS).values(
                    presentation=turn.presentation,
                    site=self._site,
                    annotator=person.annotator,
                    kind=kind,
                    sealed=self._keys.encrypt(person.annotator, json.dumps(body).encode()),
                    presented_at=turn.presented_at,
                    submitted_at=now,
                )
            )
            if over:
                self._end(connection, conversation, now)
        return Submitted.STORED

    def end(self, person: Enrolled, conversation: str, reason: str | None, now: datetime) -> bool:
        """End a conversation; with a reason (also an empty one) the answers before the person are reported."""
        found = self._read(person, conversation, now)
        if found is None:
            return False
        turn = found.turns[-1] if found.turns else None
        with self._db.write() as connection:
            if reason is not None and found.state == LiveState.JUDGE and turn and turn.presentation:
                item = connection.execute(
                    select(PRESENTATIONS.c.item).where(PRESENTATIONS.c.presentation == turn.presentation)
                ).scalar_one()
                self._meet(connection, person, turn.presentation, item, "released", turn.presented_at or now)
                report = {
                    "site": self._site,
                    "presentation": turn.presentation,
                    "annotator": person.annotator,
                    "kind": "reported",
                    "sealed": self._keys.encrypt(person.annotator, reason.encode()) if reason else None,
                    "at": now,
                }
                self._db.insert_new(connection, ITEM_REPORTS, [report])
            self._end(connection, conversation, now)
        return True

    def _present(self, person: Enrolled, found: Conversation, now: datetime) -> bool:
        """Write item, author and presentation of the last turn, once; whether anything changed."""
        policy = self._policy(now)
        item, places = live_item(found, simulated=person.simulated)
        turn = found.turns[-1]
        here = (LIVE_TURNS.c.conversation == found.conversation) & (LIVE_TURNS.c.number == turn.number)
        with self._db.write() as connection:
            self._db.lock(connection, "assign", self._site)
            consent = self._consent(connection, person)
            if consent is None:
                return False
            met = select(RESERVATIONS.c.presentation).where(
                of_person(RESERVATIONS, person), RESERVATIONS.c.item == item["item"]
            )
            if connection.execute(met).one_or_none() is not None:
                # One person meets one item once: the very same answers are not asked about again.
                connection.execute(update(LIVE_TURNS).where(here).values(repeated=1, asking_until=None))
                return True
            self._write_item(connection, person, item, now)
            before = connection.execute(
                select(PRESENTATIONS.c.slot, PRESENTATIONS.c.shown).where(
                    PRESENTATIONS.c.site == self._site, PRESENTATIONS.c.item == item["item"]
                )
            ).all()
            candidates = [candidate["candidate"] for candidate in item["candidates"]]
            order = least_used_order(
                candidates,
                item=item["item"],
                used=[row.shown for row in before],
                seed=found.campaign.seed,
            )
            row = portal_presentation(
                self._site,
                item,
                max((row.slot for row in before), default=FIRST_PORTAL_SLOT - 1) + 1,
                order,
                kind=found.campaign.kind,
                policy=policy,
                consent=consent,
                now=now,
            )
            shown = [places[candidates.index(candidate)] for candidate in order]
            free = update(LIVE_TURNS).where(here, LIVE_TURNS.c.presentation.is_(None))
            written = {**asdict(row), "shown": list(row.shown)}
            connection.execute(insert(PRESENTATIONS).values(written))
            mine = free.values(presentation=row.presentation, places=shown, asking_until=None)
            if connection.execute(mine).rowcount != 1:  # another request was quicker
                connection.execute(
                    delete(PRESENTATIONS).where(PRESENTATIONS.c.presentation == row.presentation)
                )
        return True

    def _write_item(
        self, connection: Connection, person: Enrolled, item: Mapping[str, Any], now: datetime
    ) -> None:
        record = ImportRecord(
            origin=ORIGIN,
            file_name=f"conversations of site {self._site}",
            file_digest=digest([ORIGIN, self._site]),
            read=0,
            imported=0,
            refused=0,
            # There is no file behind it, and no copy of the texts anywhere else than in the table of items.
            object=digest_bytes(b""),
            at=now,
        )
        self._db.insert_new(connection, IMPORTS, [{"digest": record.digest, **asdict(record)}])
        row = {
            "item": item["item"],
            "digest": item["digest"],
            "record": dict(item),
            "import": record.digest,
        }
        self._db.insert_new(connection, ITEMS, [row])
        author = {"site": self._site, "item": item["item"], "annotator": person.annotator}
        self._db.insert_new(connection, ITEM_AUTHORS, [author])

    def _meet(
        self, connection: Connection, person: Enrolled, presentation: str, item: str, state: str, at: datetime
    ) -> None:
        row = {
            "presentation": presentation,
            "site": self._site,
            "item": item,
            "annotator": person.annotator,
            "state": state,
            "reserved_at": at,
            "expires_at": at,
            "presented_at": at,
        }
        self._db.insert_new(connection, RESERVATIONS, [row])

    def _end(self, connection: Connection, conversation: str, now: datetime) -> None:
        here = LIVE_CONVERSATIONS.c.conversation == conversation
        connection.execute(
            update(LIVE_CONVERSATIONS)
            .where(here, LIVE_CONVERSATIONS.c.ended_at.is_(None))
            .values(ended_at=now)
        )
