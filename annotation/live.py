"""Live conversations as values: who answers when, who wins a turn, what a turn becomes. Pure.

After PRISM (Kirk et al. 2024, arXiv:2404.16019, section 2.2): the person writes an opening prompt, several models
answer blind and together, the person judges the answers, and the winner goes on. From the second turn on the
winner answers more than once, so that there is something to compare. Where two answers win alike, a coin that is
fixed by the seed decides.

Each turn becomes an item (the conversation so far, and the answers as candidates) and a judgement of the portal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from annotation.label_config import ANSWERS
from annotation.labelling import MOST_CANDIDATES, require_showable
from annotation.records import JudgementKind, make_item
from annotation.screening import named_models
from governance.digest import digest
from governance.errors import InputError, RecordError

__all__ = [
    "KINDS",
    "LONGEST_MESSAGE",
    "ORIGIN",
    "PURPOSE",
    "Campaign",
    "CampaignModel",
    "Conversation",
    "LiveState",
    "Reply",
    "Said",
    "Turn",
    "answering",
    "check_message",
    "draw_seed",
    "live_item",
    "messages",
    "names_in",
    "winner",
]

ORIGIN: Final = "live"
PURPOSE: Final = "conversation"
"""The consent purpose without which no word of a person is sent to a model."""
LONGEST_MESSAGE: Final = 8_000
KINDS: Final = (JudgementKind.RATING, JudgementKind.PAIRWISE, JudgementKind.RANKING)
"""How the answers of a turn may be judged: each of these says which one wins."""
# Families that a model may call itself by, whatever the campaign calls it; a plain word counts only as a self-naming.
_FAMILIES: Final = (
    "chatgpt", "gpt-3", "gpt-3.5", "gpt-4", "gpt-4o", "gpt-5", "claude", "gemini", "bard", "llama", "llama-2",
    "llama-3", "mistral", "mixtral", "qwen", "deepseek", "grok", "copilot", "command-r", "falcon", "gemma", "olmo",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignModel:
    """A model of a campaign: what determines its answers, never its key."""

    name: str
    url: str
    model: str
    temperature: float
    max_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What people of a site are invited to talk with, fixed when it is opened.

    Attributes:
        models: Two to four; their order says nothing.
        kind: How the answers of a turn are judged.
        turns: Most turns of a conversation.
        answers: How often the winner answers from the second turn on.
        conversations: Most conversations of one person.
        seed: Seed of orders and coins.
    """

    models: tuple[CampaignModel, ...]
    kind: str = str(JudgementKind.RATING)
    turns: int = 4
    answers: int = 2
    conversations: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        if not 2 <= len(names) <= MOST_CANDIDATES or len(set(names)) != len(names):
            raise InputError(
                "a conversation needs several models",
                field="models",
                value=", ".join(names),
                expected=f"2 to {MOST_CANDIDATES} different ones",
            )
        if self.kind not in set(map(str, KINDS)):
            raise InputError("no such judgement", field="kind", value=self.kind, expected=", ".join(KINDS))
        if self.kind == JudgementKind.PAIRWISE and (len(names), self.answers) != (2, 2):
            raise InputError("pairs need two answers", field="kind", value=self.kind, expected="two models")
        if not 2 <= self.answers <= MOST_CANDIDATES or self.turns < 1 or self.conversations < 1:
            raise InputError(
                "a campaign of no use",
                field="campaign",
                expected=f"one turn and one conversation or more, 2 to {MOST_CANDIDATES} answers a turn",
            )

    def as_json(self) -> dict[str, Any]:
        """JSON object, as it is stored."""
        return {
            "format": "bounds.live/1",
            "models": [
                {name: getattr(model, name) for name in CampaignModel.__dataclass_fields__}
                for model in self.models
            ],
            **{name: getattr(self, name) for name in ("kind", "turns", "answers", "conversations", "seed")},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Campaign:
        """The campaign of a stored JSON object.

        Raises:
            RecordError: Not a campaign of a known format.
        """
        rest = dict(data)
        if rest.pop("format", None) != "bounds.live/1":
            raise RecordError("not a campaign", field="format", expected="bounds.live/1")
        return cls(**{**rest, "models": tuple(CampaignModel(**model) for model in rest["models"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model said at one place of a turn, or why it did not.

    Attributes:
        place: From 0, in the order in which the models were asked; never the order shown.
        model: Name of the model in the campaign.
        text: The answer; None if there is none.
        error: Why there is none; None if there is one.
        named: Names of models that the text gives away.
    """

    place: int
    model: str
    text: str | None
    error: str | None
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of the person and the answers to it.

    Attributes:
        number: From 1.
        message: What the person wrote.
        said_at: When.
        replies: What has come so far, by place.
        is_asking: Whether answers are being waited for now.
        is_reduced: Whether the person went on with the answers that came.
        is_repeated: Whether these very answers were judged by the person before; the message is written anew.
        presentation: Id of the presentation, once all answers are there.
        presented_at: When they were first shown.
        shown: Places in the order shown.
        winner: Place of the answer that goes on; None before it was judged.
        answer: What the person judged, as stored; None before.
    """

    number: int
    message: str
    said_at: datetime
    replies: tuple[Reply, ...] = ()
    is_asking: bool = False
    is_reduced: bool = False
    is_repeated: bool = False
    presentation: str | None = None
    presented_at: datetime | None = None
    shown: tuple[int, ...] = ()
    winner: int | None = None
    answer: Mapping[str, Any] | None = None

    @property
    def texts(self) -> dict[int, str]:
        """Place → answer, of those that came."""
        return {reply.place: reply.text for reply in self.replies if reply.text is not None}


class LiveState:
    """What a conversation waits for."""

    WRITE: Final = "write"
    WAIT: Final = "wait"
    STUCK: Final = "stuck"
    JUDGE: Final = "judge"
    ENDED: Final = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation as it stands.

    Attributes:
        conversation: Its id.
        campaign: Its rules.
        is_open: Whether it goes on.
        turns: Oldest first.
    """

    conversation: str
    campaign: Campaign
    is_open: bool
    started_at: datetime
    turns: tuple[Turn, ...] = ()

    @property
    def state(self) -> str:
        """What it waits for."""
        if not self.is_open:
            return LiveState.ENDED
        last = self.turns[-1] if self.turns else None
        if last is None or last.is_repeated or last.winner is not None:
            return LiveState.WRITE
        if last.presentation is not None:
            return LiveState.JUDGE
        return LiveState.WAIT if last.is_asking else LiveState.STUCK

    @property
    def is_complete(self) -> bool:
        """Whether every answer of the last turn is there, or the person goes on with those that are."""
        last = self.turns[-1]
        wanted = answering(self.campaign, self.turns)
        return len(last.texts) == len(wanted) or (last.is_reduced and len(last.texts) >= 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What became of something that the person did."""

    conversation: str | None
    outcome: str


def check_message(text: str) -> str:
    """The message without blanks around it.

    Raises:
        RecordError: Nothing, or too much.
    """
    stripped = text.strip()
    if not stripped or len(stripped) > LONGEST_MESSAGE:
        raise RecordError("no message", field="message", expected=f"1 to {LONGEST_MESSAGE} characters")
    return stripped


def answering(campaign: Campaign, turns: Sequence[Turn]) -> list[str]:
    """The names of the models that answer the last of ``turns``, by place.

    At the first turn each model answers once; later the one that won the turn before, several times.
    """
    if len(turns) <= 1:
        return [model.name for model in campaign.models]
    before = turns[-2]
    winning = next(reply.model for reply in before.replies if reply.place == before.winner)
    return [winning] * campaign.answers


def messages(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """The conversation up to the last message, with the answer that won each earlier turn.

    Raises:
        RecordError: An earlier turn has no winner.
    """
    said: list[dict[str, str]] = []
    for turn in turns[:-1]:
        if turn.winner is None:
            raise RecordError("an earlier turn has no winner", field=f"turn {turn.number}")
        said += [
            {"role": "user", "content": turn.message},
            {"role": "assistant", "content": turn.texts[turn.winner]},
        ]
    return [*said, {"role": "user", "content": turns[-1].message}]


def names_in(text: str, campaign: Campaign) -> tuple[str, ...]:
    """Names of models that an answer gives away: those of the campaign, and well-known families."""
    known = {name for model in campaign.models for name in (model.name, model.model)}
    return tuple(named_models(text, sorted(known | set(_FAMILIES))))


def draw_seed(campaign: Campaign, conversation: str, number: int, place: int) -> int:
    """The seed that a request carries: the same model asked twice is to answer twice."""
    drawn = f"live:{campaign.seed}:{conversation}:{number}:{place}".encode()
    return int.from_bytes(hashlib.sha256(drawn).digest()[:4], "big") >> 1


def winner(kind: str, answer: Mapping[str, Any], *, lot: str) -> int:
    """Which of the answers as shown (from 0) goes on.

    Rating: the highest score; ranking: rank 1; pairwise: the side preferred. Where nothing decides (equal scores,
    about the same, neither, cannot judge) the lot does: SHA-256 of ``lot`` and the place.
    """
    if kind == JudgementKind.RATING:
        scores = list(answer["scores"])
        best = [place for place, score in enumerate(scores) if score == max(scores)]
    elif kind == JudgementKind.RANKING:
        best = [place for place, rank in enumerate(answer["ranks"]) if int(rank) == 1]
    else:
        position = ANSWERS[answer["choice"]].positional or 0
        best = [0, 1] if position == 0 else [int(position > 0)]
    return min(best, key=lambda place: hashlib.sha256(f"{lot}:{place}".encode()).digest())


def live_item(conversation: Conversation, *, simulated: bool) -> tuple[dict[str, Any], list[int]]:
    """The ``ITEMS`` row of the last turn, and the place behind each of its candidates.

    Candidates stand by the names of their models and then by their texts, so that the order in which the models
    were asked is nowhere in it.

    Raises:
        RecordError: The page cannot show so few or so many.
    """
    last = conversation.turns[-1]
    texts = last.texts
    by_place = {reply.place: reply.model for reply in last.replies}
    places = sorted(texts, key=lambda place: (by_place[place], digest(texts[place]), place))
    named = [(by_place[place], texts[place]) for place in places]
    item = make_item(
        prompt=messages(conversation.turns),
        candidates=named,
        language="und",
        topic=None,
        origin=ORIGIN,
        licence="NOASSERTION",
        source_ref=f"{conversation.conversation}/{last.number}",
        simulated=simulated,
    )
    require_showable(item, conversation.campaign.kind)
    return item, places
