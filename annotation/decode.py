"""From what Label Studio holds to what was judged: pure, and never silently.

An annotation is blind and positional ("the first is better"). Decoding joins it with the presentation row
that was written before the item was shown and with the item, and gives a ``JUDGEMENTS`` row in the item's
canonical order. The server checks nothing (it stores unknown labels, empty results and edits of the shown
text with 201), so everything is checked here; whatever cannot be decoded is returned as a problem in words,
kept with the raw record, and quarantined by validation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from annotation.label_config import ANSWERS, PREFERENCE, RATIONALE, Answer
from annotation.presentations import task_data
from annotation.records import JudgementKind, Outcome, Source
from governance.digest import digest
from governance.errors import RecordError

__all__ = ["Annotator", "Decoded", "decode", "judgement_id", "unblind"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotator:
    """The pseudonym a judgement is recorded under."""

    annotator: str
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Either a judgement or the reason why there is none."""

    judgement: Mapping[str, Any] | None = None
    problem: str | None = None

    def __post_init__(self) -> None:
        if (self.judgement is None) == (self.problem is None):
            raise ValueError("either a judgement or a problem")


def judgement_id(site: str, source: str, source_ref: str) -> str:
    """Id of a judgement: the digest of where it comes from."""
    return digest([site, source, source_ref])


class _ProblemError(Exception):
    """Internal: the annotation cannot be decoded; the text is the problem."""


def decode(
    raw: Mapping[str, Any],
    *,
    site: str,
    ref: str,
    annotator: Annotator | None,
    presentation: Mapping[str, Any] | None,
    item: Mapping[str, Any] | None,
) -> Decoded:
    """The judgement of a raw annotation, as JSON without ``source_digest``, or a problem.

    Args:
        raw: ``result``, ``was_cancelled``, ``updated_at``, ``lead_time``, ``presentation`` (the id in the
            task) and ``task_data_digest``, as :mod:`infra.label_studio_pull` keeps them.
        site: Place of collection.
        ref: Id of the annotation within the source.
        annotator: Who answered; None if the source no longer says.
        presentation: The row written before showing; None if there is none.
        item: The item of the presentation; None if it is not known.
    """
    try:
        return Decoded(judgement=_judgement(raw, site, ref, annotator, presentation, item))
    except (_ProblemError, RecordError) as problem:
        return Decoded(problem=str(problem))


def _judgement(
    raw: Mapping[str, Any],
    site: str,
    ref: str,
    annotator: Annotator | None,
    presentation: Mapping[str, Any] | None,
    item: Mapping[str, Any] | None,
) -> dict[str, Any]:
    if presentation is None:
        raise _ProblemError(f"no presentation {raw.get('presentation')!r}: it was not shown by this platform")
    if presentation["site"] != site:
        raise _ProblemError(f"the presentation belongs to site {presentation['site']!r}, not {site!r}")
    if item is None or item["digest"] != presentation["item_digest"]:
        raise _ProblemError(f"item {presentation['item']} is not known as it was presented")
    if raw.get("task_data_digest") != digest(task_data(presentation, item)):
        raise _ProblemError("the task's data is not what was presented")
    if annotator is None:
        raise _ProblemError("the annotator is no longer recorded in Label Studio")
    if raw.get("was_cancelled"):
        raise _ProblemError("skipped by the annotator")
    answer, rationale = _answers(raw.get("result"))
    canonical = [candidate["candidate"] for candidate in item["candidates"]]
    outcome, preferred, strength = unblind(answer, shown=presentation["shown"], canonical=canonical)
    return {
        "judgement": judgement_id(site, Source.LABEL_STUDIO, ref),
        "item": item["item"],
        "item_digest": item["digest"],
        "annotator": annotator.annotator,
        "site": site,
        "kind": str(JudgementKind.PAIRWISE),
        "shown": list(presentation["shown"]),
        "outcome": str(outcome),
        "preferred": preferred,
        "strength": strength,
        "scores": None,
        "ranking": None,
        "rationale": rationale,
        "presentation": presentation["presentation"],
        "config_digest": presentation["config_digest"],
        "policy_digest": presentation["policy_digest"],
        "consent": presentation["consent"],
        # Label Studio does not say when a task was opened; only how long its page stayed open.
        "presented_at": None,
        "submitted_at": _utc(raw["updated_at"]),
        "seconds": _seconds(raw.get("lead_time")),
        "source": str(Source.LABEL_STUDIO),
        "source_ref": ref,
        "simulated": annotator.simulated,
    }


def unblind(
    answer: Answer, *, shown: Sequence[str], canonical: Sequence[str]
) -> tuple[Outcome, str | None, int | None]:
    """Outcome, preferred candidate and canonical strength of a positional answer.

    The strength keeps its sign where the pair was shown in canonical order and changes it where not:
    "first much better" (-3) of a turned pair is "canonical second much better" (3).
    """
    if answer.positional is None:
        return answer.outcome, None, None
    strength = answer.positional if list(shown) == list(canonical) else -answer.positional
    if strength == 0:
        return answer.outcome, None, 0
    return answer.outcome, canonical[0] if strength < 0 else canonical[1], strength


def _answers(result: object) -> tuple[Answer, str | None]:
    if not isinstance(result, list):
        raise _ProblemError("the result is not a list of answers")
    if not result:
        raise _ProblemError("the result is empty")
    labels: list[object] = []
    texts: list[str] = []
    for entry in result:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("value"), Mapping):
            raise _ProblemError("the result holds something that is not an answer")
        name, value = entry.get("from_name"), entry["value"]
        if name == PREFERENCE:
            chosen = value.get("choices")
            labels.extend(chosen if isinstance(chosen, list) else [chosen])
        elif name == RATIONALE:
            written = value.get("text")
            texts.extend(str(text) for text in (written if isinstance(written, list) else [written]))
        else:
            raise _ProblemError(f"the result answers {name!r}, which the page does not ask")
    if not labels:
        raise _ProblemError("no preference was chosen")
    if len(labels) > 1:
        raise _ProblemError(f"more than one preference: {', '.join(sorted(map(repr, labels)))}")
    label = labels[0]
    if not isinstance(label, str) or label not in ANSWERS:
        raise _ProblemError(f"label {label!r} is outside the scheme")
    rationale = "\n".join(text.strip() for text in texts if text.strip())
    return ANSWERS[label], rationale or None


def _utc(text: object) -> str:
    # The answer as it stands was submitted when it last changed.
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.astimezone(UTC).isoformat()
    except ValueError as error:
        raise _ProblemError(f"{text!r} is not a time") from error


def _seconds(lead_time: object) -> float | None:
    if lead_time is None:
        return None
    if isinstance(lead_time, bool) or not isinstance(lead_time, (int, float)) or not math.isfinite(lead_time):
        raise _ProblemError(f"lead time {lead_time!r} is not a number of seconds")
    if lead_time < 0:
        raise _ProblemError(f"lead time {lead_time!r} is negative")
    return float(lead_time)
