"""The records of the platform, declared once as Arrow schemas.

Importers, decoding, checks, releases and docs all use these declarations; a column exists nowhere else.
A row travels as a ``dict`` keyed by column name and is turned into a table by :func:`table`.

=============  ===============================================================================
``ITEMS``      what is judged: prompt turns and candidate answers, with where they come from
``JUDGEMENTS`` one annotator's answer on one item, unblinded, with every digest it depends on
``PROFILES``   one answer of one annotator to one codebook question (long form, typed missing)
=============  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from governance.digest import digest
from governance.errors import RecordError

__all__ = [
    "ITEMS",
    "JUDGEMENTS",
    "PROFILES",
    "AnswerStatus",
    "JudgementKind",
    "Outcome",
    "Source",
    "item_content_digest",
    "make_item",
    "table",
]


class JudgementKind(StrEnum):
    """The form of the answer."""

    PAIRWISE = "pairwise"
    RATING = "rating"
    RANKING = "ranking"
    ATTRIBUTES = "attributes"
    TEXT = "text"


class Outcome(StrEnum):
    """What a pairwise judgement says."""

    PREFERS = "prefers"
    TIE = "tie"
    NEITHER = "neither"
    CANNOT_JUDGE = "cannot_judge"


class Source(StrEnum):
    """Where a judgement was given."""

    LABEL_STUDIO = "label_studio"
    PORTAL = "portal"
    FEEDBACK = "feedback"
    FILE = "file"


class AnswerStatus(StrEnum):
    """Why a codebook answer has, or has not, a value. Different things stay different."""

    ANSWERED = "answered"
    PREFER_NOT_TO_SAY = "prefer_not_to_say"
    NOT_ASKED = "not_asked"
    EXPIRED = "expired"
    REVOKED = "revoked"


_TURN: Final = pa.struct(
    [pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)]
)
_CANDIDATE: Final = pa.struct(
    [
        pa.field("candidate", pa.string(), nullable=False),
        pa.field("model", pa.string()),
        pa.field("text", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
    ]
)
_SCORE: Final = pa.struct(
    [
        pa.field("candidate", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
    ]
)
_UTC: Final = pa.timestamp("us", tz="UTC")


def _column(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field[pa.DataType]:
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


ITEMS: Final = pa.schema(
    [
        _column("item", pa.string(), "opaque id: i- and the first 24 hex characters of the digest"),
        _column("digest", pa.string(), "SHA-256 of prompt, candidates, language, topic, origin and licence"),
        _column("prompt", pa.list_(_TURN), "conversation up to the answers, oldest turn first"),
        _column(
            "candidates",
            pa.list_(_CANDIDATE),
            "answers in canonical order; two or more where they are compared",
        ),
        _column("language", pa.string(), "BCP 47 tag, or und where the origin does not say"),
        _column("topic", pa.string(), "topic named by the origin", nullable=True),
        _column("origin", pa.string(), "data set the item comes from"),
        _column("licence", pa.string(), "SPDX id or the origin's words"),
        _column("source_ref", pa.string(), "place in the origin (line or index)"),
        _column("simulated", pa.bool_(), "whether the item was written for a demonstration"),
    ]
)

JUDGEMENTS: Final = pa.schema(
    [
        _column("judgement", pa.string(), "digest of site, source and source_ref"),
        _column("item", pa.string(), "item judged"),
        _column("item_digest", pa.string(), "digest of the item as it was shown"),
        _column("annotator", pa.string(), "random pseudonym; no identity"),
        _column("site", pa.string(), "place of collection"),
        _column("kind", pa.string(), "pairwise, rating, ranking, attributes, text"),
        _column("shown", pa.list_(pa.string()), "candidate ids in the order shown, first to last"),
        _column("outcome", pa.string(), "pairwise: prefers, tie, neither, cannot_judge", nullable=True),
        _column("preferred", pa.string(), "pairwise: candidate id where outcome is prefers", nullable=True),
        _column(
            "strength",
            pa.int8(),
            "pairwise: -3 (canonical first much better) to 3 (second much better), 0 a tie; null if neither, cannot_judge or not stated",
            nullable=True,
        ),
        _column(
            "scores",
            pa.list_(_SCORE),
            "rating and attributes: a score per candidate, 1 to 100",
            nullable=True,
        ),
        _column("ranking", pa.list_(pa.string()), "ranking: candidate ids, best first", nullable=True),
        _column("rationale", pa.string(), "free text", nullable=True),
        _column(
            "presentation", pa.string(), "id of the presentation row written before showing", nullable=True
        ),
        _column("config_digest", pa.string(), "digest of the labelling page's configuration", nullable=True),
        _column(
            "policy_digest", pa.string(), "digest of the effective policy at presentation", nullable=True
        ),
        _column("consent", pa.string(), "consent record the judgement was given under", nullable=True),
        _column("presented_at", _UTC, "when the item was shown", nullable=True),
        _column("submitted_at", _UTC, "when the answer was submitted", nullable=True),
        _column("seconds", pa.float64(), "time spent on the page, seconds", nullable=True),
        _column("source", pa.string(), "label_studio, portal, feedback, file"),
        _column("source_ref", pa.string(), "id within the source"),
        _column("source_digest", pa.string(), "digest of the raw event the judgement was decoded from"),
        _column("simulated", pa.bool_(), "whether the annotator is simulated"),
    ]
)

PROFILES: Final = pa.schema(
    [
        _column("annotator", pa.string(), "random pseudonym; no identity"),
        _column("site", pa.string(), "place of collection"),
        _column("codebook", pa.string(), "id@version of the codebook"),
        _column("field", pa.string(), "codebook field id"),
        _column("status", pa.string(), "answered, prefer_not_to_say, not_asked, expired, revoked"),
        _column("value", pa.string(), "category id where status is answered", nullable=True),
        _column("simulated", pa.bool_(), "whether the annotator is simulated"),
    ]
)


def table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table of ``schema``.

    Raises:
        RecordError: A column is missing, unknown, null where it may not be, or of another type; the error
            names the row (from 0), the column and the value.
    """
    listed = list(rows)
    names = set(schema.names)
    for number, row in enumerate(listed):
        for extra in sorted(set(row) - names):
            raise RecordError(
                "unknown column", field=f"row {number}: {extra}", expected=", ".join(schema.names)
            )
        for field in schema:
            if row.get(field.name) is None and not field.nullable:
                raise RecordError(
                    "missing value", field=f"row {number}: {field.name}", expected=str(field.type)
                )
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in listed]
        try:
            columns.append(pa.array(values, type=field.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError) as error:
            number, value = _first_misfit(values, field.type)
            raise RecordError(
                "wrong type", field=f"row {number}: {field.name}", value=value, expected=str(field.type)
            ) from error
    return pa.Table.from_arrays(columns, schema=schema)


def _first_misfit(values: Sequence[Any], kind: pa.DataType) -> tuple[int, Any]:
    for number, value in enumerate(values):
        try:
            pa.array([value], type=kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
            return number, value
    return -1, None


def item_content_digest(item: Mapping[str, Any]) -> str:
    """Digest of what an item is; where it was read from (``source_ref``) does not count."""
    return digest(
        {
            "prompt": [dict(turn) for turn in item["prompt"]],
            "candidates": [{"model": c["model"], "text": c["text"]} for c in item["candidates"]],
            "language": item["language"],
            "topic": item["topic"],
            "origin": item["origin"],
            "licence": item["licence"],
        }
    )


def make_item(
    *,
    prompt: Sequence[Mapping[str, str]],
    candidates: Sequence[tuple[str | None, str]],
    language: str,
    topic: str | None,
    origin: str,
    licence: str,
    source_ref: str,
    simulated: bool = False,
) -> dict[str, Any]:
    """An ``ITEMS`` row with ids and digests filled in.

    Args:
        prompt: Turns with ``role`` (system, user, assistant) and ``content``.
        candidates: ``(model, text)`` per answer, in canonical order.
        language: BCP 47 tag or ``und``.
        topic: Topic or None.
        origin: Name of the data set.
        licence: Licence of the data set.
        source_ref: Place in the data set.
        simulated: Whether the item was written for a demonstration.
    """
    row: dict[str, Any] = {
        "prompt": [{"role": turn["role"], "content": turn["content"]} for turn in prompt],
        "candidates": [{"model": model, "text": text} for model, text in candidates],
        "language": language,
        "topic": topic,
        "origin": origin,
        "licence": licence,
    }
    identity = item_content_digest(row)
    hexadecimal = identity.removeprefix("sha256:")
    # INVARIANT: ids are opaque; neither the model nor the position can be read off a candidate's id.
    row["candidates"] = [
        {
            "candidate": "c-" + digest([identity, position]).removeprefix("sha256:")[:16],
            "model": model,
            "text": text,
            "digest": digest(text),
        }
        for position, (model, text) in enumerate(candidates)
    ]
    return {
        "item": f"i-{hexadecimal[:24]}",
        "digest": identity,
        **row,
        "source_ref": source_ref,
        "simulated": simulated,
    }
