"""A JSON export of a Label Studio project with pairs: one task a row, its annotations as judgements.

Read is what the mapping names: the columns of the task's data, the control that holds the preference, what
its labels mean. A label, a control or a form that the mapping does not know costs the judgement, not the
item: it is kept as undecodable and ends in quarantine. Predictions and drafts are nobody's answer.

INVARIANT: of whoever annotated only the numeric id is read, and it becomes a pseudonym; an export with
``completed_by`` as an object carries e-mail and name, and neither gets any further than this file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from annotation.importers.mapping import ProfileMapping
from annotation.importers.people import PeopleRows
from annotation.importers.rows import (
    FileJudgement,
    Import,
    RowError,
    json_array,
    text_of,
    time_of,
)
from annotation.records import Outcome, make_item
from governance.digest import digest, digest_bytes
from governance.errors import InputError

__all__ = ["read_label_studio"]

_WAYS_OUT: Final = {"neither": Outcome.NEITHER, "cannot_judge": Outcome.CANNOT_JUDGE}

Row = tuple[dict[str, Any], list[FileJudgement]]


def read_label_studio(data: bytes, *, name: str, origin: str, mapping: ProfileMapping) -> Import:
    """Read an export.

    Args:
        data: The bytes of the file (format JSON, not JSON_MIN).
        name: Its name, for errors and for the record.
        origin: Name of the data set.
        mapping: Where its columns and answers go.

    Raises:
        InputError: The file is empty, not UTF-8, or not a JSON array of tasks.
    """
    tasks = json_array(data, name=name, of="tasks")
    if tasks and not any(isinstance(task, dict) and "annotations" in task for task in tasks):
        raise InputError(
            "no task has annotations", file=name, field="annotations", expected="the export format JSON"
        )
    rows = PeopleRows(origin=origin, file_name=name, file_digest=digest_bytes(data))
    seen: dict[int, str] = {}
    for number, task in enumerate(tasks, start=1):
        rows.add(f"task {number}", partial(_task, task, f"task {number}", seen, origin, mapping))
    return rows.finish()


def _task(task: Any, place: str, seen: dict[int, str], origin: str, mapping: ProfileMapping) -> list[Row]:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise RowError("not a task with data")
    number = task.get("id")
    if type(number) is not int:
        raise RowError("the task has no id")
    if number in seen:
        raise RowError(f"task id {number} is that of {seen[number]}")
    columns = mapping.more["data"]
    texts = [text_of(task["data"], column) for column in columns["candidates"]]
    prompt = text_of(task["data"], columns["prompt"])
    if not prompt.strip():
        raise RowError("the prompt is empty")
    if len(texts) != 2:
        raise RowError("the mapping does not name two answers")
    item = make_item(
        prompt=[{"role": "user", "content": prompt}],
        candidates=[(None, text) for text in texts],
        language=mapping.language,
        topic=None,
        origin=origin,
        licence=mapping.licence,
        source_ref=f"task {number}",
    )
    annotations = task.get("annotations", [])
    if not isinstance(annotations, list):
        raise RowError("annotations is not a list")
    seen[number] = place
    return [(item, list(_judgements(annotations, item, number, mapping)))]


def _judgements(
    annotations: list[Any], item: Mapping[str, Any], task: int, mapping: ProfileMapping
) -> Iterator[FileJudgement]:
    shown = tuple(candidate["candidate"] for candidate in item["candidates"])
    for annotation in annotations:
        if not isinstance(annotation, dict):
            raise RowError("an annotation is not an object")
        by = annotation.get(mapping.column)
        who = by.get("id") if isinstance(by, dict) else by
        if type(who) is not int:
            raise RowError("an annotation does not say who gave it")
        found = _answer(annotation, shown, mapping)
        yield FileJudgement(
            item=item["item"],
            item_digest=item["digest"],
            # Account numbers begin at 1 on every server: without the origin two people would become one.
            annotator=mapping.prefix + digest([item["origin"], who]).removeprefix("sha256:")[:12],
            shown=shown,
            raw={
                "format": "label-studio",
                "task": task,
                "annotation": annotation.get("id"),
                "result": annotation.get("result"),
                "was_cancelled": bool(annotation.get("was_cancelled")),
                "ground_truth": bool(annotation.get("ground_truth")),
            },
            submitted_at=time_of(str(annotation.get("updated_at", "")).replace("Z", "+00:00")),
            seconds=_seconds(annotation.get("lead_time")),
            **found,
        )


def _seconds(lead_time: object) -> float | None:
    if (
        isinstance(lead_time, bool)
        or not isinstance(lead_time, (int, float))
        or not 0 <= lead_time < math.inf
    ):
        return None
    return float(lead_time)


def _answer(annotation: Mapping[str, Any], shown: tuple[str, ...], mapping: ProfileMapping) -> dict[str, Any]:
    if annotation.get("was_cancelled"):
        return {"problem": "skipped by the annotator"}
    control, words = mapping.more["preference"], mapping.more.get("rationale") or {}
    labels: list[object] = []
    texts: list[str] = []
    result = annotation.get("result")
    for entry in result if isinstance(result, list) else []:
        value = entry.get("value") if isinstance(entry, dict) else None
        if not isinstance(value, dict):
            return {"problem": "the result holds something that is not an answer"}
        if entry.get("from_name") == control["from_name"]:
            labels += value.get("choices") or [value.get("selected")]
        elif entry.get("from_name") == words.get("from_name"):
            given = value.get("text")
            texts += [str(text) for text in (given if isinstance(given, list) else [given])]
        else:
            return {
                "problem": f"the result answers {entry.get('from_name')!r}, which the mapping does not know"
            }
    if len(labels) != 1:
        return {"problem": "no preference was chosen" if not labels else "more than one preference"}
    meaning = control["labels"].get(labels[0]) if isinstance(labels[0], str) else None
    if meaning is None:
        return {"problem": f"label {str(labels[0])[:60]!r} is not in the mapping"}
    rationale = "\n".join(text.strip() for text in texts if text.strip()) or None
    return {"rationale": rationale, **_meant(meaning, shown)}


def _meant(meaning: object, shown: tuple[str, ...]) -> dict[str, Any]:
    """Items of an export are in the order shown, so a strength needs no turning."""
    if isinstance(meaning, str) and meaning in _WAYS_OUT:
        return {"outcome": _WAYS_OUT[meaning]}
    if meaning in ("first", "second"):
        return {"outcome": Outcome.PREFERS, "preferred": shown[meaning == "second"]}
    if type(meaning) is int and -3 <= meaning <= 3:
        if meaning == 0:
            return {"outcome": Outcome.TIE, "strength": 0}
        return {"outcome": Outcome.PREFERS, "preferred": shown[meaning > 0], "strength": meaning}
    return {"problem": f"the mapping says {meaning!r}, which means nothing"}
