"""PandaLM's human-judged test set: one pair of answers a row, three annotators (arXiv 2306.05087).

A JSON array of objects ``idx, motivation_app, cmp_key, instruction, input, response1, response2,
annotator1 … annotator3``; ``cmp_key`` is ``<model of response1>_<model of response2>``, a label is 1 or 2
(that response is better) or 0 (a tie). What we decided where the file leaves room:

* the prompt is one user turn: the instruction and, under the heading ``### Input:`` of PandaLM's own prompt,
  the input; an instruction of blanks gives way to the input alone;
* an empty answer is an answer: the model said nothing, and that is what the annotators judged;
* an answer that is no text is refused: six rows of the published file hold the JSON boolean ``true``, and
  what the annotators saw (True, TRUE, true) can no longer be told;
* a label outside 0, 1, 2 does not cost the item: the judgement is kept as undecodable and ends in quarantine;
* ``response1`` counts as shown first. The file says nothing of strength, time or the people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from annotation.importers.rows import (
    FileJudgement,
    Import,
    RowError,
    Rows,
    json_array,
    require_columns,
    text_of,
)
from annotation.records import Outcome, make_item

__all__ = ["ORIGIN", "read_pandalm"]

ORIGIN: Final = "PandaLM testset-v1"
LICENCE: Final = "Apache-2.0"
_COLUMNS: Final = ("idx", "cmp_key", "instruction", "input", "response1", "response2")
_ANNOTATORS: Final = ("annotator1", "annotator2", "annotator3")


def read_pandalm(data: bytes, *, name: str) -> Import:
    """Read PandaLM's test set.

    Args:
        data: The bytes of the file.
        name: Its name, for errors and for the record.

    Raises:
        InputError: The file is empty, not UTF-8, not a JSON array of objects, or has other columns.
    """
    rows = json_array(data, name=name, of="objects")
    if rows:
        require_columns(rows, (*_COLUMNS, *_ANNOTATORS), name=name)
    found = Rows(origin=ORIGIN, file_name=name, data=data)
    places: dict[int, str] = {}
    for number, row in enumerate(rows, start=1):
        found.add(f"row {number}", partial(_row, row, places, f"row {number}"))
    return found.finish()


def _row(row: Any, places: dict[int, str], place: str) -> tuple[dict[str, Any], list[FileJudgement]]:
    if not isinstance(row, dict):
        raise RowError("not an object")
    instruction, given = text_of(row, "instruction"), text_of(row, "input")
    idx = row.get("idx")
    if not isinstance(idx, int) or isinstance(idx, bool) or abs(idx) >= 2**53:
        raise RowError("idx is not a whole number")
    if idx in places:
        raise RowError(f"idx {idx} is that of {places[idx]}")
    item = make_item(
        prompt=[{"role": "user", "content": _prompt(instruction, given)}],
        candidates=list(
            zip(_models(row), (text_of(row, "response1"), text_of(row, "response2")), strict=True)
        ),
        language="en",
        topic=text_of(row, "motivation_app") if row.get("motivation_app") is not None else None,
        origin=ORIGIN,
        licence=LICENCE,
        source_ref=f"idx {idx}",
    )
    places[idx] = place
    return item, list(_judgements(row, idx, item))


def _prompt(instruction: str, given: str) -> str:
    if not given.strip():
        if not instruction.strip():
            raise RowError("neither instruction nor input")
        return instruction
    return f"{instruction}\n\n### Input:\n{given}" if instruction.strip() else given


def _models(row: Mapping[str, Any]) -> tuple[str, str]:
    names = text_of(row, "cmp_key").split("_")
    if len(names) != 2 or not all(names):
        raise RowError(f"cmp_key {row['cmp_key']!r} does not name two models joined by _")
    return names[0], names[1]


def _judgements(row: Mapping[str, Any], idx: int, item: Mapping[str, Any]) -> Iterator[FileJudgement]:
    shown = tuple(candidate["candidate"] for candidate in item["candidates"])
    for number, column in enumerate(_ANNOTATORS, start=1):
        label = row.get(column)
        outcome, preferred, problem = None, None, None
        # bool is an int in Python, and a float label is none of the scheme's.
        if type(label) is int and label in {0, 1, 2}:
            outcome = Outcome.PREFERS if label else Outcome.TIE
            preferred = shown[label - 1] if label else None
        else:
            problem = f"{column} is {json.dumps(label)[:80]}, not 0 (tie), 1 or 2"
        yield FileJudgement(
            item=item["item"],
            item_digest=item["digest"],
            annotator=f"pandalm-annotator-{number}",
            shown=shown,
            raw={"format": "pandalm", "idx": idx, "annotator": column, "label": json.dumps(label)},
            outcome=outcome,
            preferred=preferred,
            problem=problem,
        )
