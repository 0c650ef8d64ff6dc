"""From an answer of the portal to what was judged: pure, and never silently; see :mod:`annotation.decode`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from annotation.decode import Annotator, Decoded, judgement_id, unblind
from annotation.label_config import ANSWERS
from annotation.labelling import ATTRIBUTES, check_answer, page_digest
from annotation.records import JudgementKind, Source
from governance.errors import RecordError

__all__ = ["OVERALL", "decode_portal"]

OVERALL: Final = "overall"
"""The attribute that a plain rating scores."""


def decode_portal(
    raw: Mapping[str, Any],
    *,
    site: str,
    annotator: Annotator,
    presentation: Mapping[str, Any] | None,
    item: Mapping[str, Any] | None,
) -> Decoded:
    """The judgement of a stored answer, as JSON without ``source_digest``, or why there is none.

    Args:
        raw: ``presentation``, ``kind``, ``answer``, ``presented_at``, ``submitted_at``, ``seconds`` as
            :mod:`infra.portal_source` reads them.
        site: Place of collection.
        annotator: Who answered.
        presentation: The row written before showing; None if there is none.
        item: The item of the presentation; None if it is not known.
    """
    if presentation is None or presentation["site"] != site:
        return Decoded(problem=f"no presentation {raw['presentation']!r} at this site")
    if item is None or item["digest"] != presentation["item_digest"]:
        return Decoded(problem=f"item {presentation['item']} is not known as it was presented")
    if presentation["config_digest"] != page_digest(raw["kind"]):
        return Decoded(problem="the page that was shown is not one that this version can read")
    shown = list(presentation["shown"])
    try:
        check_answer(raw["kind"], raw["answer"], places=len(shown))
    except RecordError as error:
        return Decoded(problem=str(error))
    rationale = raw["answer"].get("rationale")
    return Decoded(
        judgement={
            "judgement": judgement_id(site, Source.PORTAL, raw["presentation"]),
            "item": item["item"],
            "item_digest": item["digest"],
            "annotator": annotator.annotator,
            "site": site,
            "kind": raw["kind"],
            "shown": shown,
            "outcome": None,
            "preferred": None,
            "strength": None,
            "scores": None,
            "ranking": None,
            **_answer(raw["kind"], raw["answer"], shown, [c["candidate"] for c in item["candidates"]]),
            "rationale": rationale.strip() or None if rationale else None,
            "presentation": raw["presentation"],
            "config_digest": presentation["config_digest"],
            "policy_digest": presentation["policy_digest"],
            "consent": presentation["consent"],
            "presented_at": _iso(raw["presented_at"]),
            "submitted_at": _iso(raw["submitted_at"]),
            "seconds": raw["seconds"],
            "source": str(Source.PORTAL),
            "source_ref": raw["presentation"],
            "simulated": annotator.simulated,
        }
    )


def _answer(kind: str, answer: Mapping[str, Any], shown: list[str], canonical: list[str]) -> dict[str, Any]:
    if kind == JudgementKind.PAIRWISE:
        outcome, preferred, strength = unblind(ANSWERS[answer["choice"]], shown=shown, canonical=canonical)
        return {"outcome": str(outcome), "preferred": preferred, "strength": strength}
    if kind == JudgementKind.RANKING:
        order = sorted(range(len(shown)), key=lambda place: int(answer["ranks"][place]))
        return {"ranking": [shown[place] for place in order]}
    by_attribute = {OVERALL: answer["scores"]} if kind == JudgementKind.RATING else answer["attributes"]
    names = (OVERALL,) if kind == JudgementKind.RATING else ATTRIBUTES
    return {
        "scores": [
            {"candidate": candidate, "attribute": name, "score": float(score)}
            for name in names
            for candidate, score in zip(shown, by_attribute[name], strict=True)
        ]
    }


def _iso(moment: datetime | str) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()
