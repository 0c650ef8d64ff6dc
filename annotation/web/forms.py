"""From the fields of a labelling form to an answer, and back from a draft to what the form shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotation.labelling import ATTRIBUTES
from annotation.records import JudgementKind
from annotation.web.guards import Form

__all__ = ["read_answer", "read_seconds"]


def read_answer(kind: str, form: Form, *, places: int) -> dict[str, Any]:
    """The answer that a form holds so far; what is missing or no number is None in its place.

    Nothing is decided here: :func:`annotation.labelling.check_answer` refuses what is incomplete.
    """
    answer: dict[str, Any] = {"rationale": (form.one("rationale") or "").strip() or None}
    numbers = range(1, places + 1)
    if kind == JudgementKind.PAIRWISE:
        answer["choice"] = form.one("choice")
    elif kind == JudgementKind.RATING:
        answer["scores"] = [_number(form.one(f"score.{place}")) for place in numbers]
    elif kind == JudgementKind.RANKING:
        answer["ranks"] = [_number(form.one(f"rank.{place}")) for place in numbers]
    else:
        answer["attributes"] = {
            name: [_number(form.one(f"{name}.{place}")) for place in numbers] for name in ATTRIBUTES
        }
    return answer


def read_seconds(form: Form) -> float | None:
    """Seconds that the page measured; None where it could not (no script) or says nonsense."""
    text = form.one("seconds") or ""
    whole, _, part = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 7 and (not part or part.isdigit())):
        return None
    return float(text[:12])


def has_content(answer: Mapping[str, Any]) -> bool:
    """Whether anything was answered at all."""
    return any(bool(value) for value in answer.values())


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 4:
        return None
    return int(text)
