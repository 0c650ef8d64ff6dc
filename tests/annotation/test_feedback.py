"""What end users say: what each kind becomes, and what is no such thing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from annotation.events import EventKind, RawEvent
from annotation.feedback import FeedbackEvent, feedback_item, feedback_judgement
from annotation.quarantine import validate_batch
from annotation.record_checks import record_checks
from annotation.records import ITEMS, table
from annotation.staging import stage_events
from tests.support.feedback import said

KINDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"kind": "pairwise", "preferred": "second", "strength": 2},
        {"kind": "pairwise", "outcome": "prefers", "strength": 2},
    ),
    (
        {"kind": "pairwise", "preferred": "first", "strength": 3},
        {"kind": "pairwise", "outcome": "prefers", "strength": -3},
    ),
    ({"kind": "pairwise", "preferred": "first"}, {"outcome": "prefers", "strength": None}),
    ({"kind": "pairwise", "preferred": "tie"}, {"outcome": "tie", "strength": 0, "preferred": None}),
    ({"kind": "pairwise", "preferred": "neither"}, {"outcome": "neither", "strength": None}),
    ({"kind": "rating", "scores": [1, 100]}, {"kind": "rating", "outcome": None}),
    ({"kind": "thumbs", "up": True, "answers": 1}, {"kind": "attributes"}),
    ({"kind": "edit", "edited": "better so", "answers": 1}, {"kind": "text", "rationale": "better so"}),
    ({"kind": "text", "comment": "too long"}, {"kind": "text", "rationale": "too long"}),
]


@pytest.mark.parametrize(("given", "expected"), KINDS)
def test_every_kind_becomes_a_judgement_that_validation_accepts(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    event = FeedbackEvent.model_validate(said(**given))
    judgement = feedback_judgement(event, site="main", annotator="u-1")
    assert {name: judgement[name] for name in expected} == expected
    raw = RawEvent(
        site="main",
        source="feedback",
        ref=event.event,
        kind=EventKind.STATED,
        revision=1,
        raw=event.model_dump(mode="json"),
        judgement=judgement,
    )
    found = validate_batch(stage_events([raw]), table([feedback_item(event)], ITEMS), checks=record_checks())
    assert found.quarantine.to_pylist() == []
    assert found.accepted.num_rows == 1


def test_the_preferred_answer_is_the_one_that_was_shown_there() -> None:
    event = FeedbackEvent.model_validate(said(kind="pairwise", preferred="second"))
    texts = {each["candidate"]: each["text"] for each in feedback_item(event)["candidates"]}
    judgement = feedback_judgement(event, site="main", annotator="u-1")
    assert texts[judgement["preferred"]] == "answer 2"
    assert judgement["policy_digest"] == "sha256:" + "0" * 64
    assert judgement["consent"] == "terms-1"


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "pairwise"},
        {"kind": "pairwise", "preferred": "first", "answers": 1},
        {"kind": "pairwise", "preferred": "tie", "strength": 1},
        {"kind": "rating", "scores": [1]},
        {"kind": "rating", "scores": [0, 5]},
        {"kind": "rating", "scores": [float("nan"), 5]},
        {"kind": "thumbs", "up": True},
        {"kind": "thumbs", "answers": 1},
        {"kind": "thumbs", "up": True, "answers": 1, "preferred": "first"},
        {"kind": "text"},
        {"kind": "text", "comment": "x", "at": "2026-01-01T00:00:00"},
        {"kind": "text", "comment": "x", "user": "someone@example.org"},
        {"kind": "text", "comment": "x", "policy_digest": "latest"},
        {"kind": "text", "comment": "x", "consent": ""},
        {"kind": "text", "comment": "x", "event": "short"},
        {"kind": "text", "comment": "x", "more": 1},
        {"kind": "text", "comment": "x", "answers": 0},
    ],
)
def test_what_is_no_feedback(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FeedbackEvent.model_validate(said(**given))
