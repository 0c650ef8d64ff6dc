"""DICES: one rater's answers on the safety of one conversation a row, in CSV (arXiv 2306.11247).

Both editions are read, 350 (all raters on all conversations) and 990 (with ``rater_locale``). What we decided:

* the item is the conversation: ``context`` as prompt, split into turns where its lines begin with the
  speakers that the mapping names, and ``response`` as the one answer that is judged;
* the judgement is of kind ``attributes``: a score for every question of the rater (its name as in the file),
  by the mapping's scale; a question left empty is not answered; the granular answers stay in the raw event;
* what experts said of the conversation (``degree_of_harm``, ``safety_gold``) is no rater's judgement: the
  degree becomes the item's topic with the harm type, the gold label stays in the raw event;
* raters of the two editions are numbered apart, so the edition is part of their pseudonym.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from annotation.importers.mapping import ProfileMapping
from annotation.importers.people import PeopleRows
from annotation.importers.rows import FileJudgement, Import, RowError, decode_text
from annotation.records import JudgementKind, make_item
from governance.digest import digest_bytes
from governance.errors import InputError

__all__ = ["read_dices"]

_COLUMNS: Final = ("rater_id", "rater_gender", "item_id", "context", "response", "Q_overall")
_KEPT: Final = ("id", "item_id", "answer_timestamp", "safety_gold", "Q1_whole_conversation_evaluation")

Found = list[tuple[dict[str, Any], list[FileJudgement]]]


def read_dices(data: bytes, *, name: str, mapping: ProfileMapping) -> Import:
    """Read one edition.

    Args:
        data: The bytes of the file.
        name: Its name, for errors and for the record.
        mapping: Columns, categories and the scale of the answers.

    Raises:
        InputError: The file is empty, not UTF-8, not CSV, or has other columns.
    """
    csv.field_size_limit(1 << 24)
    reader = csv.reader(io.StringIO(decode_text(data, name=name), newline=""), strict=True)
    rows: PeopleRows | None = None
    try:
        header = next(reader)
        missing = [column for column in _COLUMNS if column not in header]
        if missing:
            raise InputError(
                f"wrong columns: there is no {', '.join(missing)}",
                file=name,
                line=1,
                value=header,
                expected=", ".join(_COLUMNS),
            )
        edition = "990" if "rater_locale" in header else "350"
        rows = PeopleRows(origin=f"DICES-{edition}", file_name=name, file_digest=digest_bytes(data))
        texts: dict[str, tuple[str, str]] = {}
        begun = reader.line_num + 1
        for cells in reader:
            if cells:
                rows.add(f"line {begun}", partial(_row, header, cells, mapping, edition, rows, texts))
            begun = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"not CSV: {error}", file=name, line=reader.line_num, expected="RFC 4180 with a header"
        ) from error
    return rows.finish()


def _row(
    header: list[str],
    cells: list[str],
    mapping: ProfileMapping,
    edition: str,
    rows: PeopleRows,
    texts: dict[str, tuple[str, str]],
) -> Found:
    if len(cells) != len(header):
        raise RowError(f"{len(cells)} cells under {len(header)} headings")
    row = dict(zip(header, cells, strict=True))
    rater, number = row["rater_id"].strip(), row["item_id"].strip()
    if not rater or not number:
        raise RowError("no rater_id or no item_id")
    if not row["response"].strip() and not row["context"].strip():
        raise RowError("neither context nor response")
    told = (row["context"], row["response"])
    if texts.get(number, told) != told:
        raise RowError(f"item {number} had another text on an earlier line")
    annotator = mapping.prefix.replace("{edition}", edition) + rater
    scores, problem = _scores(row, mapping)
    item = make_item(
        prompt=_turns(row["context"], mapping.more["speakers"]),
        candidates=[(None, row["response"])],
        language=mapping.language,
        topic=" / ".join(row.get(name, "").strip() for name in ("harm_type", "degree_of_harm")).strip(" /")
        or None,
        origin=f"DICES-{edition}",
        licence=mapping.licence,
        source_ref=f"item {number}",
    )
    answers = tuple(mapping.answers(row, annotator))
    [candidate] = [each["candidate"] for each in item["candidates"]]
    judgement = FileJudgement(
        item=item["item"],
        item_digest=item["digest"],
        annotator=annotator,
        shown=(candidate,),
        raw={
            "format": "dices",
            "rater": rater,
            **{column: row[column] for column in _KEPT if column in row},
            "answers": {column: row[column] for column in header if column.startswith("Q")},
        },
        kind=JudgementKind.ATTRIBUTES,
        scores=tuple((candidate, column, score) for column, score in scores),
        problem=problem,
        seconds=_seconds(row.get("answer_time_ms")),
    )
    rows.describe(annotator, answers)
    texts[number] = told
    return [(item, [judgement])]


def _scores(row: Mapping[str, str], mapping: ProfileMapping) -> tuple[list[tuple[str, float]], str | None]:
    """The answers on the record's scale, or why they cannot be read: the judgement then ends in quarantine."""
    scale: Mapping[str, float] = mapping.more["answers"]
    scores = []
    for column, word in row.items():
        if not re.search(mapping.more["attributes"], column) or not word.strip():
            continue
        if word.strip() not in scale:
            return [], f"{column} is {word.strip()[:60]!r}, not {', '.join(scale)}"
        scores.append((column, float(scale[word.strip()])))
    return (scores, None) if scores else ([], "no question was answered")


def _turns(context: str, speakers: Mapping[str, str]) -> list[dict[str, str]]:
    names = "|".join(re.escape(name) for name in speakers)
    parts = re.split(rf"(?m)^[ \t]*({names}):[ \t]*", context)
    if len(parts) < 3 or parts[0].strip():
        return [{"role": "user", "content": context}]
    return [
        {"role": speakers[name], "content": text.strip()}
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _seconds(milliseconds: str | None) -> float | None:
    try:
        seconds = float(milliseconds or "") / 1000
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
