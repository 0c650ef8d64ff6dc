"""Asks the models of a live conversation, together, away from the pages: a slow model holds up nobody's request.

Each turn is asked by one thread with one more for each answer, through the engine that audits ask with
(:mod:`infra.asking`). Answers are kept as they come and nowhere else; a process that dies leaves a lease that runs
out within seconds, and then the person's page offers to ask again for what is missing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from annotation.enrolment import Enrolled
from annotation.live import Conversation, Reply, answering, draw_seed, messages
from governance.digest import digest
from governance.errors import BoundsError
from infra import chat_endpoint
from infra.asking import Asker
from infra.evidence import EvidenceRow
from infra.live_campaigns import endpoint_of
from infra.live_conversations import LEASE, Conversations
from infra.settings import Settings

__all__ = ["LiveModels", "ask_once"]

_LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 64
_SIGN_OF_LIFE: Final = LEASE.total_seconds() / 3
_EMPTY: Final = "the answer is empty"
_CHANGED: Final = "the settings no longer name this model"


class _Memory:
    """Answers that are kept nowhere else; implements ``infra.asking.Kept``."""

    def __init__(self) -> None:
        self._rows: dict[str, EvidenceRow] = {}

    def add(self, rows: Iterable[EvidenceRow], /) -> None:
        for row in rows:
            self._rows.setdefault(row.request, row)

    def find(self, requests: Iterable[str], /) -> Mapping[str, EvidenceRow]:
        return {request: self._rows[request] for request in requests if request in self._rows}


def ask_once(endpoint: chat_endpoint.Endpoint, turns: list[dict[str, str]]) -> tuple[str | None, str | None]:
    """The answer of a model to a conversation, or None and the reason; an answer of blanks is none."""
    asker = Asker(endpoint, digest(endpoint.identity), _Memory())
    [rows] = asker.ask([chat_endpoint.Conversation(steps=(tuple(turns),))])
    if not rows:
        return None, "no connection"
    row = rows[-1]
    if row.text is None:
        return None, row.error or "no answer"
    # PostgreSQL holds no zero byte in a text, and no page shows one.
    text = row.text.replace("\x00", "").strip()
    return (text, None) if text else (None, _EMPTY)


class LiveModels:
    """Asks for the answers of turns.

    Args:
        settings: The models with their keys.
        clock: Tells the time.
        at_once: Most turns that are asked for at the same time; the others wait.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime], at_once: int = _AT_ONCE) -> None:
        self._settings = settings
        self._clock = clock
        self._room = threading.BoundedSemaphore(at_once)

    def start(self, store: Conversations, person: Enrolled, conversation: str) -> bool:
        """Ask for every answer of the last turn that is not there; whether it was for this process to ask."""
        found = store.claim(person, conversation, self._clock())
        if found is None:
            return False
        threading.Thread(
            target=self._ask, args=(store, person, found), name=f"live {conversation}", daemon=True
        ).start()
        return True

    def _ask(self, store: Conversations, person: Enrolled, found: Conversation) -> None:
        number = found.turns[-1].number
        try:
            while not self._room.acquire(timeout=_SIGN_OF_LIFE):
                store.renew(found.conversation, number, self._clock() + LEASE)
            try:
                self._gather(store, person, found)
            finally:
                self._room.release()
                store.renew(found.conversation, number, None)
        except BoundsError as error:
            # The person's page offers to ask again; nobody waits for this thread.
            _LOG.warning("live: %s", type(error).__name__)

    def _gather(self, store: Conversations, person: Enrolled, found: Conversation) -> None:
        last = found.turns[-1]
        missing = [
            (place, name)
            for place, name in enumerate(answering(found.campaign, found.turns))
            if place not in last.texts
        ]
        threads = [
            threading.Thread(target=self._one, args=(store, person, found, place, name), daemon=True)
            for place, name in missing
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_SIGN_OF_LIFE)
                if thread.is_alive():
                    store.renew(found.conversation, last.number, self._clock() + LEASE)

    def _one(
        self, store: Conversations, person: Enrolled, found: Conversation, place: int, name: str
    ) -> None:
        number = found.turns[-1].number
        model = next(one for one in found.campaign.models if one.name == name)
        seed = draw_seed(found.campaign, found.conversation, number, place)
        endpoint = endpoint_of(self._settings, model, seed=seed)
        try:
            text, error = (None, _CHANGED) if endpoint is None else ask_once(endpoint, messages(found.turns))
            reply = Reply(place=place, model=name, text=text, error=error)
            store.keep_reply(person, found.campaign, found.conversation, number, reply, now=self._clock())
        except BoundsError as error:
            _LOG.warning("live: %s", type(error).__name__)
