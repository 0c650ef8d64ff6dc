"""The portal's labelling page as data: kinds of judgement, what may be answered, limits, and its digest.

A judgement travels from the page as a small *answer*: blind and positional (places 1, 2, … as shown), checked
here before it is stored and read again by :mod:`annotation.portal_decode`. One place says what is valid, so
that nothing can be stored that cannot be decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from annotation.label_config import ANSWERS
from annotation.record_checks import LONGEST_RATIONALE
from annotation.records import JudgementKind
from governance.digest import digest
from governance.errors import RecordError

__all__ = [
    "ATTRIBUTES",
    "KINDS",
    "MOST_CANDIDATES",
    "SCORES",
    "check_answer",
    "content_warning",
    "page_digest",
    "require_showable",
]

KINDS: Final = (
    JudgementKind.PAIRWISE,
    JudgementKind.RATING,
    JudgementKind.RANKING,
    JudgementKind.ATTRIBUTES,
)
"""The kinds that the portal can ask for."""
MOST_CANDIDATES: Final = 4
SCORES: Final = (1, 100)
"""Lowest and highest score of a rating, after PRISM's conversations."""
ATTRIBUTES: Final = ("helpfulness", "factuality", "fluency", "safety")
"""What an attributes judgement scores, a choice among PRISM's performance attributes."""

# Raised whenever the page asks something in another way, so that judgements of before and after can be told apart.
_REVISION: Final = 1
_CANDIDATES: Final = {
    JudgementKind.PAIRWISE: (2, 2),
    JudgementKind.RATING: (2, MOST_CANDIDATES),
    JudgementKind.RANKING: (2, MOST_CANDIDATES),
    JudgementKind.ATTRIBUTES: (2, MOST_CANDIDATES),
}


def page_digest(kind: str) -> str:
    """Identity of the page that asks for a kind of judgement: the ``config_digest`` of its presentations."""
    asks: Mapping[str, Any] = {
        JudgementKind.PAIRWISE: {"answers": list(ANSWERS)},
        JudgementKind.RATING: {"scores": list(SCORES)},
        JudgementKind.RANKING: {"ranks": "each once"},
        JudgementKind.ATTRIBUTES: {"scores": list(SCORES), "attributes": list(ATTRIBUTES)},
    }
    return digest(
        {"page": "portal", "revision": _REVISION, "kind": str(kind), "asks": asks[JudgementKind(kind)]}
    )


def content_warning(item: Mapping[str, Any]) -> str | None:
    """What to warn of before an item is shown: the subject of a Tier One topic, in plain words; None if nothing."""
    tier, _, subject = str(item.get("topic") or "").partition(":")
    if tier != "tier-one":
        return None
    return subject.replace("-", " ").replace("_", " ") or "tier one"


def require_showable(item: Mapping[str, Any], kind: str) -> None:
    """Refuse an item that the page cannot show as this kind.

    Raises:
        RecordError: Too few or too many candidates, or no kind of the portal.
    """
    if kind not in set(map(str, KINDS)):
        raise RecordError("not a kind of the portal", field="kind", value=kind, expected=", ".join(KINDS))
    low, high = _CANDIDATES[JudgementKind(kind)]
    count = len(item["candidates"])
    if not low <= count <= high:
        expected = str(low) if low == high else f"{low} to {high}"
        raise RecordError(
            f"a {kind} judgement cannot show so many candidates",
            field=str(item["item"]),
            value=count,
            expected=expected,
        )


def check_answer(kind: str, answer: Mapping[str, Any], *, places: int) -> None:
    """Refuse an answer that is incomplete or none of the page's.

    Args:
        kind: Kind of judgement.
        answer: ``choice`` (pairwise), ``scores`` (rating: one per place), ``ranks`` (ranking: one per place,
            1 the best), ``attributes`` (attribute → scores per place); ``rationale`` (text or None).
        places: How many candidates were shown.

    Raises:
        RecordError: The first thing that is wrong, named by its field.
    """
    wanted = {
        JudgementKind.PAIRWISE: {"choice"},
        JudgementKind.RATING: {"scores"},
        JudgementKind.RANKING: {"ranks"},
        JudgementKind.ATTRIBUTES: {"attributes"},
    }[JudgementKind(kind)]
    if unknown := sorted(set(answer) - wanted - {"rationale"}):
        raise RecordError("the page does not ask this", field=unknown[0], expected=", ".join(sorted(wanted)))
    rationale = answer.get("rationale")
    if rationale is not None and (not isinstance(rationale, str) or len(rationale) > LONGEST_RATIONALE):
        raise RecordError(
            "the reason is too long", field="rationale", expected=f"at most {LONGEST_RATIONALE} characters"
        )
    if kind == JudgementKind.PAIRWISE:
        if answer.get("choice") not in ANSWERS:
            raise RecordError("no answer was chosen", field="choice", expected=", ".join(ANSWERS))
    elif kind == JudgementKind.RATING:
        _check_scores(answer.get("scores"), places, "scores")
    elif kind == JudgementKind.RANKING:
        ranks = answer.get("ranks")
        if not isinstance(ranks, list) or sorted(map(str, ranks)) != sorted(map(str, range(1, places + 1))):
            raise RecordError(
                "every answer needs a rank of its own", field="ranks", expected=f"1 to {places}, each once"
            )
    else:
        given = answer.get("attributes")
        if not isinstance(given, Mapping) or set(given) != set(ATTRIBUTES):
            raise RecordError("an attribute is missing", field="attributes", expected=", ".join(ATTRIBUTES))
        for attribute in ATTRIBUTES:
            _check_scores(given[attribute], places, f"attributes.{attribute}")


def _check_scores(scores: object, places: int, field: str) -> None:
    low, high = SCORES
    if not isinstance(scores, list) or len(scores) != places:
        raise RecordError("a score is missing", field=field, expected=f"{places} scores")
    for place, score in enumerate(scores, start=1):
        if isinstance(score, bool) or not isinstance(score, int) or not low <= score <= high:
            raise RecordError(
                "a score is missing", field=f"{field}.{place}", value=score, expected=f"{low} to {high}"
            )
