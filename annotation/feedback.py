"""Feedback of end users, as an application sends it: its shapes, and what each becomes. Pure.

An event is one thing that one end user said about one exchange with a model. It stands for itself: the exchange is
in it, so the item is made from the event, and no presentation of ours exists. The end user is a pseudonym that the
application chose; what we keep is a keyed pseudonym of that.

=========  =====================================================  ==========================================
kind       says                                                   becomes
=========  =====================================================  ==========================================
pairwise   which of two answers, how strongly, or a way out       pairwise, in the order they were shown
rating     a score from 1 to 100 for each answer                  rating, ``overall``
thumbs     up or down for one answer                              attributes, ``thumbs``: 100 or 1
edit       the answer as the person would have had it             text
text       a remark                                               text
=========  =====================================================  ==========================================
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from annotation.decode import judgement_id
from annotation.records import JudgementKind, Outcome, Source, make_item
from governance.digest import DIGEST_PATTERN

__all__ = ["MOST_EVENTS", "ORIGIN", "FeedbackBatch", "FeedbackEvent", "feedback_item", "feedback_judgement"]

ORIGIN: Final = "feedback"
MOST_EVENTS: Final = 200
_WAYS: Final = {
    "tie": Outcome.TIE,
    "neither": Outcome.NEITHER,
    "cannot_judge": Outcome.CANNOT_JUDGE,
}
Text = Annotated[str, Field(max_length=20_000)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Turn(_Shape):
    """One turn of the conversation before the answers."""

    role: Literal["system", "user", "assistant"]
    content: Text


class Model(_Shape):
    """Which model answered."""

    name: str = Field(min_length=1, max_length=200)
    version: str = Field(min_length=1, max_length=200)


class Answer(_Shape):
    """One answer, in the order in which the person saw them."""

    text: Text
    model: Model


class FeedbackEvent(_Shape):
    """One thing that one end user said."""

    event: str = Field(
        pattern=r"^[A-Za-z0-9_-]{8,64}$", description="id of your making; the same id is the same event"
    )
    user: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="a pseudonym of the end user, never a name or an address",
    )
    consent: str = Field(
        min_length=1, max_length=200, description="reference of the consent it is given under"
    )
    policy_digest: str = Field(
        pattern=DIGEST_PATTERN, description="digest of the policy in force, as /v1 says it"
    )
    at: AwareDatetime = Field(description="when the person said it")
    language: str = Field(default="und", pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)
    prompt: tuple[Turn, ...] = Field(min_length=1, max_length=100)
    answers: tuple[Answer, ...] = Field(min_length=1, max_length=4)
    kind: Literal["pairwise", "rating", "thumbs", "edit", "text"]
    preferred: Literal["first", "second", "tie", "neither", "cannot_judge"] | None = None
    strength: int | None = Field(default=None, ge=1, le=3)
    scores: tuple[Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)], ...] | None = None
    up: bool | None = None
    edited: Text | None = None
    comment: Text | None = None

    @model_validator(mode="after")
    def _says_what_its_kind_says(self) -> FeedbackEvent:
        wanted = {
            "pairwise": "preferred",
            "rating": "scores",
            "thumbs": "up",
            "edit": "edited",
            "text": "comment",
        }
        field = wanted[self.kind]
        if getattr(self, field) is None:
            raise ValueError(f"kind {self.kind} needs {field}")
        for other in sorted(set(wanted.values()) - {field, "comment"}):
            if getattr(self, other) is not None:
                raise ValueError(f"kind {self.kind} does not say {other}")
        count = len(self.answers)
        if self.kind == "pairwise" and count != 2:
            raise ValueError("kind pairwise needs two answers")
        if self.kind in {"thumbs", "edit"} and count != 1:
            raise ValueError(f"kind {self.kind} needs one answer")
        if self.scores is not None and len(self.scores) != count:
            raise ValueError("a score for every answer")
        if self.strength is not None and self.preferred not in {"first", "second"}:
            raise ValueError("strength goes with preferred first or second")
        return self


class FeedbackBatch(_Shape):
    """Up to 200 events."""

    site: str | None = Field(default=None, max_length=31, description="absent: the installation's first")
    events: tuple[FeedbackEvent, ...] = Field(min_length=1, max_length=MOST_EVENTS)


def feedback_item(event: FeedbackEvent) -> dict[str, Any]:
    """The ``ITEMS`` row of what the person spoke about."""
    return make_item(
        prompt=[{"role": turn.role, "content": turn.content} for turn in event.prompt],
        candidates=[(f"{answer.model.name}/{answer.model.version}", answer.text) for answer in event.answers],
        language=event.language,
        topic=None,
        origin=ORIGIN,
        licence="NOASSERTION",
        source_ref=event.event,
    )


def feedback_judgement(event: FeedbackEvent, *, site: str, annotator: str) -> dict[str, Any]:
    """The ``JUDGEMENTS`` row of an event, as JSON without ``source_digest``; the order shown is the canonical one."""
    item = feedback_item(event)
    shown = [candidate["candidate"] for candidate in item["candidates"]]
    kind, outcome, preferred, strength, rationale = JudgementKind.TEXT, None, None, None, event.comment
    scores: list[dict[str, Any]] | None = None
    if event.kind == "pairwise":
        kind = JudgementKind.PAIRWISE
        if event.preferred in _WAYS:
            outcome = _WAYS[event.preferred]
            strength = 0 if outcome is Outcome.TIE else None
        else:
            outcome, preferred = Outcome.PREFERS, shown[event.preferred == "second"]
            if event.strength is not None:
                strength = event.strength if event.preferred == "second" else -event.strength
    elif event.kind == "rating":
        kind = JudgementKind.RATING
        scores = [
            {"candidate": candidate, "attribute": "overall", "score": float(score)}
            for candidate, score in zip(shown, event.scores or (), strict=True)
        ]
    elif event.kind == "thumbs":
        kind = JudgementKind.ATTRIBUTES
        scores = [{"candidate": shown[0], "attribute": "thumbs", "score": 100.0 if event.up else 1.0}]
    elif event.kind == "edit":
        rationale = event.edited
    return {
        "judgement": judgement_id(site, Source.FEEDBACK, event.event),
        "item": item["item"],
        "item_digest": item["digest"],
        "annotator": annotator,
        "site": site,
        "kind": str(kind),
        "shown": shown,
        "outcome": None if outcome is None else str(outcome),
        "preferred": preferred,
        "strength": strength,
        "scores": scores,
        "ranking": None,
        "rationale": rationale,
        "presentation": None,
        "config_digest": None,
        "policy_digest": event.policy_digest,
        "consent": event.consent,
        "presented_at": None,
        "submitted_at": _utc(event.at),
        "seconds": None,
        "source": str(Source.FEEDBACK),
        "source_ref": event.event,
        "simulated": False,
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
