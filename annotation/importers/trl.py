"""Preference pairs in the form of the TRL library: JSON Lines with ``prompt``, ``chosen`` and ``rejected``.

Read are the standard form (texts) and the conversational form (lists of messages with ``role`` and
``content``), both also without a prompt, where it is what ``chosen`` and ``rejected`` share at their
beginning; a conversational pair may repeat its prompt. Other columns are passed over.

The two answers are put in the order of their digests, so that an item does not tell which one was chosen.
The file says nothing of who chose: the annotator is ``unknown``, and since it does not say in which order
the answers were shown either, the canonical order, which does not depend on the choice, stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import Any, Final

from annotation.importers.rows import (
    FileJudgement,
    Import,
    RowError,
    Rows,
    json_lines,
    require_columns,
    text_of,
)
from annotation.records import Outcome, make_item
from governance.digest import digest

__all__ = ["ANNOTATOR", "read_trl"]

ANNOTATOR: Final = "unknown"
_ROLES: Final = ("system", "user", "assistant")

Turns = list[dict[str, str]]


def read_trl(
    data: bytes, *, name: str, origin: str, licence: str = "NOASSERTION", language: str = "und"
) -> Import:
    """Read preference pairs.

    Args:
        data: The bytes of the file.
        name: Its name, for errors and for the record.
        origin: Name of the data set.
        licence: SPDX id; ``NOASSERTION`` (SPDX) where nothing is known.
        language: BCP 47 tag; ``und`` where nothing is known.

    Raises:
        InputError: The file is empty, not UTF-8, a JSON array, or has other columns.
    """
    lines = json_lines(data, name=name)
    if any(isinstance(row, dict) for _, row in lines):
        require_columns((row for _, row in lines), ("chosen", "rejected"), name=name)
    found = Rows(origin=origin, file_name=name, data=data)
    for place, row in lines:
        found.add(place, partial(_row, row, place, origin, licence, language))
    return found.finish()


def _row(
    row: Any, place: str, origin: str, licence: str, language: str
) -> tuple[dict[str, Any], list[FileJudgement]]:
    if isinstance(row, RowError):
        raise row
    if not isinstance(row, dict):
        raise RowError("not an object")
    prompt, chosen, rejected = _conversational(row) if isinstance(row.get("chosen"), list) else _standard(row)
    if chosen == rejected:
        raise RowError("chosen and rejected are the same text")
    texts = sorted((chosen, rejected), key=digest)
    item = make_item(
        prompt=prompt,
        candidates=[(None, text) for text in texts],
        language=language,
        topic=None,
        origin=origin,
        licence=licence,
        source_ref=place,
    )
    shown = tuple(candidate["candidate"] for candidate in item["candidates"])
    position = texts.index(chosen)
    judgement = FileJudgement(
        item=item["item"],
        item_digest=item["digest"],
        annotator=ANNOTATOR,
        shown=shown,
        raw={"format": "trl", "chosen": digest(chosen), "rejected": digest(rejected)},
        outcome=Outcome.PREFERS,
        preferred=shown[position],
    )
    return item, [judgement]


def _standard(row: dict[str, Any]) -> tuple[Turns, str, str]:
    chosen, rejected = text_of(row, "chosen"), text_of(row, "rejected")
    if row.get("prompt") is None:
        shared = _shared_words(chosen, rejected)
        if not shared.strip():
            raise RowError("no prompt, and chosen and rejected do not begin alike")
        prompt, chosen, rejected = shared, chosen[len(shared) :], rejected[len(shared) :]
    elif isinstance(row["prompt"], list):
        return _messages(row["prompt"], "prompt"), chosen, rejected
    else:
        prompt = text_of(row, "prompt")
    if not prompt.strip():
        raise RowError("the prompt is empty")
    return [{"role": "user", "content": prompt}], chosen, rejected


def _conversational(row: dict[str, Any]) -> tuple[Turns, str, str]:
    chosen, rejected = (_messages(row.get(column), column) for column in ("chosen", "rejected"))
    given = row.get("prompt")
    if given is None:
        prompt = [
            one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(chosen, rejected, strict=False))
        ]
        if len(prompt) == min(len(chosen), len(rejected)):
            prompt = prompt[:-1]  # one conversation is the beginning of the other, or they are the same
    elif isinstance(given, list):
        prompt = _messages(given, "prompt")
    else:
        prompt = [{"role": "user", "content": text_of(row, "prompt")}]
    if not any(turn["content"].strip() for turn in prompt):
        raise RowError(
            "no prompt, and chosen and rejected do not begin alike"
            if given is None
            else "the prompt is empty"
        )
    return prompt, _answer(chosen, prompt, "chosen"), _answer(rejected, prompt, "rejected")


def _answer(messages: Turns, prompt: Turns, column: str) -> str:
    rest = messages[len(prompt) :] if messages[: len(prompt)] == prompt else messages
    if rest and rest[0]["role"] != "assistant":
        raise RowError(f"{column} answers another prompt than the one given or shared")
    if len(rest) != 1:
        raise RowError(f"{column} holds {len(rest)} messages after the prompt, not one answer")
    return rest[0]["content"]


def _messages(value: Any, column: str) -> Turns:
    if not isinstance(value, list) or not value:
        raise RowError(f"{column} is not a list of messages")
    turns = []
    for message in value:
        if not isinstance(message, dict):
            raise RowError(f"{column} is not a list of messages")
        role = text_of(message, "role")
        if role not in _ROLES:
            raise RowError(f"{column} has a message of role {role[:40]!r}, not {', '.join(_ROLES)}")
        turns.append({"role": role, "content": text_of(message, "content")})
    return turns


def _shared_words(first: str, second: str) -> str:
    """What both begin with, up to the last blank: no word is cut in two."""
    shared: Sequence[str] = [
        one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    ]
    text = "".join(shared)
    cut = max(text.rfind(blank) for blank in (" ", "\n", "\t")) + 1
    return text[:cut]
