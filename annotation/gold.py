"""Items of known answer: what whoever reads them answers, declared by a named person, and read from a file.

A gold item has an answer that nobody who reads it misses; an attention item says what is to be answered. Both come
at the places that a site's plan states (:mod:`annotation.assignment`), are judgements like any other, and decide by
a data rule of the policy (``check: gold``) whether the rest of what somebody gave counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from annotation.assignment import Role
from annotation.records import JudgementKind, Outcome
from governance.errors import InputError

__all__ = ["COLUMNS", "GoldItem", "KnownAnswer", "agreed", "read_gold", "require_sayable", "sheet"]

COLUMNS: Final = ("item", "kind", "answer")
_KINDS: Final = (str(Role.GOLD), str(Role.ATTENTION))
_WORDS: Final = {"tie": Outcome.TIE, "neither": Outcome.NEITHER}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """What the answer to an item is known to be.

    Attributes:
        item: The item.
        role: Gold or attention.
        outcome: ``prefers``, ``tie`` or ``neither``.
        preferred: The candidate, where the outcome is ``prefers``.
    """

    item: str
    role: Role
    outcome: Outcome
    preferred: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldItem:
    """A known answer as it is kept.

    Attributes:
        known: The answer.
        added_by: Who of the staff declared it.
        added_at: When.
    """

    known: KnownAnswer
    added_by: str
    added_at: datetime


def read_gold(
    text: str, *, file: str, items: Mapping[str, Mapping[str, Any]], asked_as: Mapping[str, str]
) -> list[KnownAnswer]:
    """Known answers from a CSV file with the columns ``item``, ``answer`` and perhaps ``kind``.

    ``answer`` is the place of the answer in the item (1, 2 …), ``tie`` or ``neither``; ``kind`` is ``gold`` (also
    where it is empty) or ``attention``. Columns that :func:`sheet` writes for reading are left alone.

    Args:
        text: The file's text.
        file: Its name, for errors.
        items: Item id → ``ITEMS`` row, of every item that may be one.
        asked_as: Item id → the form in which the portal asks it, where it does.

    Raises:
        InputError: Anything is missing, unknown, said twice, or cannot be answered on the item's page.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    names = rows.fieldnames or []
    for column in ("item", "answer"):
        if column not in names:
            raise InputError(f"no column {column}", file=file, line=1, expected="item,answer,kind")
    for name in names:
        if name not in COLUMNS and not _is_for_reading(name):
            raise InputError("an unknown column", file=file, line=1, value=name, expected="item,answer,kind")
    found: dict[str, KnownAnswer] = {}
    for row in rows:
        line = rows.line_num
        if None in row or None in row.values():
            raise InputError("more or fewer values than columns", file=file, line=line)
        known = _known(row, file, line, items)
        require_sayable(known, asked_as.get(known.item), file=file, line=line)
        if known.item in found:
            raise InputError(
                "the item stands in the file twice", file=file, line=line, field="item", value=known.item
            )
        found[known.item] = known
    if not found:
        raise InputError("no item of known answer", file=file, expected="a line for each item")
    return list(found.values())


def _known(
    row: Mapping[str, str], file: str, line: int, items: Mapping[str, Mapping[str, Any]]
) -> KnownAnswer:
    name, answer = row["item"].strip(), row["answer"].strip()
    kind = (row.get("kind") or "").strip() or str(Role.GOLD)
    if kind not in _KINDS:
        raise InputError(
            "no such kind", file=file, line=line, field="kind", value=kind, expected="gold or attention"
        )
    item = items.get(name)
    if item is None:
        raise InputError(
            "no such item",
            file=file,
            line=line,
            field="item",
            value=name,
            expected="an imported item; `bounds gold sheet` lists them",
        )
    candidates = [candidate["candidate"] for candidate in item["candidates"]]
    if answer in _WORDS:
        return KnownAnswer(item=name, role=Role(kind), outcome=_WORDS[answer], preferred=None)
    places = {str(place): candidate for place, candidate in enumerate(candidates, start=1)}
    if answer not in places:
        raise InputError(
            "the answer is missing" if not answer else "no such answer",
            file=file,
            line=line,
            field="answer",
            value=answer,
            expected=f"a place from 1 to {len(candidates)}, tie or neither",
        )
    return KnownAnswer(item=name, role=Role(kind), outcome=Outcome.PREFERS, preferred=places[answer])


def require_sayable(
    known: KnownAnswer, asked_as: str | None, *, file: str | None = None, line: int | None = None
) -> None:
    """See that the page on which the portal asks an item can say its known answer.

    Raises:
        InputError: It cannot, so nobody could be right.
    """
    sayable = {
        None: set(Outcome),
        str(JudgementKind.PAIRWISE): set(Outcome),
        str(JudgementKind.RATING): {Outcome.PREFERS, Outcome.TIE},
        str(JudgementKind.RANKING): {Outcome.PREFERS},
    }.get(asked_as, set())
    if known.outcome not in sayable:
        raise InputError(
            f"the portal asks {known.item} as {asked_as}, where this cannot be answered",
            file=file,
            line=line,
            field="answer",
            value=str(known.outcome),
            expected=", ".join(sorted(sayable)) or "an item asked as pairwise, rating or ranking",
        )


def sheet(items: Mapping[str, Mapping[str, Any]]) -> str:
    """A CSV file to fill in: items with their texts, ``answer`` left empty."""
    most = max((len(item["candidates"]) for item in items.values()), default=2)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, "prompt", *(f"answer {place}" for place in range(1, most + 1))])
    for name, item in items.items():
        prompt = "\n".join(f"{turn['role']}: {turn['content']}" for turn in item["prompt"])
        texts = [candidate["text"] for candidate in item["candidates"]]
        writer.writerow([name, Role.GOLD, "", prompt, *texts, *[""] * (most - len(texts))])
    return out.getvalue()


def _is_for_reading(name: str) -> bool:
    word, _, place = name.partition(" ")
    return name == "prompt" or (word == "answer" and place.isdecimal())


def agreed(answers: Iterable[KnownAnswer]) -> dict[str, KnownAnswer]:
    """Item → the one answer that several people gave.

    Raises:
        InputError: They do not agree.
    """
    found: dict[str, KnownAnswer] = {}
    for known in answers:
        if found.setdefault(known.item, known) != known:
            raise InputError(
                "the answers marked as known differ",
                field="item",
                value=known.item,
                expected="one ground truth for each item",
            )
    return found
