"""Live conversations in the database: what was said is there before anything is done with it.

A message is committed before a model is asked, each answer as it comes, and the presentation (item, order, policy,
consent) before the person sees the answers; a process killed between any two of these leaves a conversation that
goes on. A judgement is one transaction: the portal's row that ``collect`` reads, and the turn's winner. All words
are sealed under the person's key until a turn is an item; whose words an item holds stands in ``item_authors``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from annotation.enrolment import Enrolled, Submitted
from annotation.labelling import check_answer
from annotation.live import (
    ORIGIN,
    PURPOSE,
    Campaign,
    Conversation,
    LiveState,
    Reply,
    Said,
    Turn,
    check_message,
    live_item,
    names_in,
    winner,
)
from annotation.presentations import FIRST_PORTAL_SLOT, least_used_order
from governance.digest import digest, digest_bytes
from infra.catalogue import ImportRecord
from infra.consents import state_in
from infra.database import Database
from infra.live_campaigns import opened
from infra.person_keys import PersonKeys
from infra.reservations import is_serving, portal_presentation
from infra.tables import (
    IMPORTS,
    ITEM_AUTHORS,
    ITEM_REPORTS,
    ITEMS,
    LIVE_CAMPAIGNS,
    LIVE_CONVERSATIONS,
    LIVE_REPLIES,
    LIVE_TURNS,
    PORTAL_JUDGEMENTS,
    PRESENTATIONS,
    RESERVATIONS,
)

__all__ = ["LEASE", "Conversations"]

LEASE: Final = timedelta(seconds=15)
"""How long answers are waited for without a sign of life of whoever asks the models."""
_LONGEST_WRITING: Final = 900.0


class Conversations:
    """The conversations of one site.

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
        query = select(LIVE_CONVERSATIONS.c.conversation).where(_of(LIVE_CONVERSATIONS, person))
        with self._db.read() as connection:
            return list(connection.execute(query.order_by(*order)).scalars())

    def current(self, person: Enrolled) -> str | None:
        """The one that goes on."""
        here = _of(LIVE_CONVERSATIONS, person) & LIVE_CONVERSATIONS.c.ended_at.is_(None)
        with self._db.read() as connection:
            return connection.execute(
                select(LIVE_CONVERSATIONS.c.conversation).where(here)
            ).scalar_one_or_none()

    def left(self, person: Enrolled) -> int:
        """How many more the person may begin in the campaign that is open; 0 where none is."""
        found = opened(self._db, self._site)
        if found is None:
            return 0
        here = _of(LIVE_CONVERSATIONS, person) & (LIVE_CONVERSATIONS.c.campaign == found.id)
        with self._db.read() as connection:
            begun = connection.execute(select(func.count()).select_from(LIVE_CONVERSATIONS).where(here))
            return max(found.campaign.conversations - int(begun.scalar_one()), 0)

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
                here = _of(LIVE_CONVERSATIONS, person)
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

    def show(self, person: Enrolled, conversation: str, number: int, now: datetime) -> None:
        """The person sees the answers now; the first time counts."""
        here = _of(LIVE_TURNS, person) & (LIVE_TURNS.c.conversation == conversation)
        here &= (LIVE_TURNS.c.number == number) & LIVE_TURNS.c.presented_at.is_(None)
        with self._db.write() as connection:
            connection.execute(update(LIVE_TURNS).where(here).values(presented_at=now))

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
                _of(RESERVATIONS, person), RESERVATIONS.c.item == item["item"]
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

    def _consent(self, connection: Connection, person: Enrolled) -> str | None:
        """The consent under which the person's words may go to models now."""
        consent = is_serving(connection, self._site, person.annotator)
        state = state_in(connection, self._site, person.annotator)
        return consent if state is not None and state.is_live(PURPOSE) else None

    def _row(self, connection: Connection, person: Enrolled, conversation: str) -> Any:
        here = _of(LIVE_CONVERSATIONS, person) & (LIVE_CONVERSATIONS.c.conversation == conversation)
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


def _of(table: Any, person: Enrolled) -> Any:
    return (table.c.site == person.site) & (table.c.annotator == person.annotator)
