"""The PRISM alignment data set: who the people are, what they asked, how they scored (arXiv 2404.16019).

``survey.jsonl`` has one person a line, ``conversations.jsonl`` one conversation, ``utterances.jsonl`` one
model answer, which the conversation holds too. What we decided:

* one turn of a conversation is one item: the conversation so far with the answers that were chosen, the
  person's message, and the answers of this turn in the order of ``within_turn_id``;
* its judgement is a rating, ``overall`` for every answer; what a person said of the whole conversation
  (``choice_attributes``, ``performance_attributes``, ``open_feedback``) hangs on the answer chosen first
  and the one chosen last, under the names ``choice.<attribute>`` and ``performance.<attribute>``;
* a person without consent, or with an answer that the codebook does not know, is refused, and so is
  everything of theirs: a judgement here always hangs on a documented person;
* an utterance is compared with its conversation and refused where the two disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from annotation.importers.mapping import ProfileMapping
from annotation.importers.people import PeopleRows
from annotation.importers.rows import (
    FileJudgement,
    FileProfile,
    Import,
    RowError,
    json_lines,
    number_of,
    require_columns,
    text_of,
    time_of,
)
from annotation.records import JudgementKind, make_item
from governance.digest import digest, digest_bytes
from governance.errors import InputError

__all__ = ["FILES", "ORIGIN", "read_prism"]

ORIGIN: Final = "PRISM"
FILES: Final = ("survey.jsonl", "conversations.jsonl", "utterances.jsonl")
OVERALL: Final = "overall"
_COLUMNS: Final = {
    "survey.jsonl": ("user_id", "consent"),
    "conversations.jsonl": ("user_id", "conversation_id", "conversation_history"),
    "utterances.jsonl": ("user_id", "conversation_id", "turn", "within_turn_id", "model_response", "score"),
}
_ROLES: Final = {"user": "user", "model": "assistant"}

Answer = tuple[str, float, bool]


def read_prism(files: Mapping[str, bytes], *, name: str, mapping: ProfileMapping) -> Import:
    """Read the three files of the data set.

    Args:
        files: Their bytes by name (:data:`FILES`).
        name: Name of the folder, for errors and for the record.
        mapping: The survey's codebook, mapped.

    Raises:
        InputError: A file is missing, empty, not UTF-8, or has other columns.
    """
    lines = {}
    for file in FILES:
        if file not in files:
            raise InputError("a file is missing", file=f"{name}/{file}", expected=", ".join(FILES))
        lines[file] = json_lines(files[file], name=f"{name}/{file}")
        require_columns([row for _, row in lines[file]], _COLUMNS[file], name=f"{name}/{file}")
    rows = PeopleRows(
        origin=ORIGIN,
        file_name=name,
        file_digest=digest({file: digest_bytes(files[file]) for file in FILES}),
    )
    people: set[str] = set()
    for place, row in lines["survey.jsonl"]:
        if rows.add_person(f"survey.jsonl {place}", partial(_person, row, mapping, people)):
            people.add(text_of(row, "user_id"))
    heard: dict[str, dict[tuple[int, int], Answer]] = {}
    for place, row in lines["conversations.jsonl"]:
        if rows.add(f"conversations.jsonl {place}", partial(_turns, row, mapping, people, heard)):
            heard[row["conversation_id"]] = {
                (entry["turn"], entry["within_turn_id"]): _answer(entry)
                for entry in row["conversation_history"]
                if entry["role"] == "model"
            }
    seen: set[tuple[str, int, int]] = set()
    for place, row in lines["utterances.jsonl"]:
        rows.add_check(f"utterances.jsonl {place}", partial(_utterance, row, heard, seen))
    return rows.finish()


def _person(row: Any, mapping: ProfileMapping, people: set[str]) -> tuple[FileProfile, ...]:
    row = _object(row)
    user = text_of(row, "user_id")
    if user in people:
        raise RowError(f"user_id {user} stands on an earlier line")
    consent = mapping.more["consent"]
    for column in consent["columns"]:
        if not re.search(consent["given"], str(row.get(column, "")), re.IGNORECASE):
            raise RowError(f"no consent: {column} is {str(row.get(column))[:60]!r}")
    return tuple(mapping.answers(row, mapping.prefix + user))


def _turns(
    row: Any, mapping: ProfileMapping, people: set[str], heard: Mapping[str, object]
) -> Iterator[tuple[dict[str, Any], list[FileJudgement]]]:
    row = _object(row)
    user, conversation = text_of(row, "user_id"), text_of(row, "conversation_id")
    if user not in people:
        raise RowError(f"{user} is not among the people imported from survey.jsonl")
    if conversation in heard:
        raise RowError(f"conversation_id {conversation} stands on an earlier line")
    turns = _history(row)
    prompt: list[dict[str, str]] = []
    for position, (turn, (asked, answers)) in enumerate(turns):
        prompt = [*prompt, {"role": "user", "content": asked}]
        item = make_item(
            prompt=prompt,
            candidates=[(text_of(each, "model_name"), text_of(each, "content")) for each in answers],
            language=mapping.language,
            topic=row.get("conversation_type") if isinstance(row.get("conversation_type"), str) else None,
            origin=ORIGIN,
            licence=mapping.licence,
            source_ref=f"{conversation} turn {turn}",
        )
        chosen = next((n for n, each in enumerate(answers) if each.get("if_chosen") is True), None)
        said: list[tuple[str, Any]] = []
        if position == 0:
            said.append(("choice", row.get("choice_attributes")))
        if position == len(turns) - 1:
            said.append(("performance", row.get("performance_attributes")))
        yield item, [_judgement(row, item, turn, answers, chosen, said, mapping.prefix + user, mapping)]
        if chosen is None:
            if position < len(turns) - 1:
                raise RowError(f"turn {turn} goes on, but no answer was chosen")
            return
        prompt = [*prompt, {"role": "assistant", "content": answers[chosen]["content"]}]


def _judgement(
    row: Mapping[str, Any],
    item: Mapping[str, Any],
    turn: int,
    answers: list[Mapping[str, Any]],
    chosen: int | None,
    said: list[tuple[str, Any]],
    annotator: str,
    mapping: ProfileMapping,
) -> FileJudgement:
    shown = tuple(candidate["candidate"] for candidate in item["candidates"])
    scores = [(shown[n], OVERALL, number_of(each, "score")) for n, each in enumerate(answers)]
    for about, sliders in said:
        if chosen is not None and isinstance(sliders, Mapping):
            scores += [
                (shown[chosen], f"{about}.{name}", number_of(sliders, name))
                for name in sorted(sliders)
                if sliders[name] is not None and isinstance(sliders[name], (int, float))
            ]
    last = any(about == "performance" for about, _ in said)
    feedback = row.get("open_feedback")
    return FileJudgement(
        item=item["item"],
        item_digest=item["digest"],
        annotator=annotator,
        shown=shown,
        raw={
            "format": "prism",
            "conversation": row["conversation_id"],
            "turn": turn,
            "scores": [each.get("score") for each in answers],
            "chosen": chosen,
        },
        kind=JudgementKind.RATING,
        scores=tuple(scores),
        rationale=feedback if last and isinstance(feedback, str) and feedback.strip() else None,
        consent=f"{mapping.more['consent']['name']}@{mapping.version}",
        submitted_at=time_of(row.get("generated_datetime")),
    )


def _history(row: Mapping[str, Any]) -> list[tuple[int, tuple[str, list[Mapping[str, Any]]]]]:
    """The turns in order: what was asked, and the answers by ``within_turn_id``."""
    history = row.get("conversation_history")
    if not isinstance(history, list) or not history:
        raise RowError("conversation_history is not a list of messages")
    asked: dict[int, str] = {}
    answered: dict[int, list[Mapping[str, Any]]] = {}
    for entry in map(_object, history):
        turn, role = entry.get("turn"), entry.get("role")
        if type(turn) is not int or not isinstance(role, str) or role not in _ROLES:
            raise RowError("a message without a turn, or of a role other than user and model")
        if role == "user":
            if turn in asked:
                raise RowError(f"turn {turn} asks twice")
            asked[turn] = text_of(entry, "content")
        else:
            if type(entry.get("within_turn_id")) is not int:
                raise RowError(f"an answer of turn {turn} without within_turn_id")
            _answer(entry)
            answered.setdefault(turn, []).append(entry)
    if set(asked) != set(answered):
        raise RowError(f"turns without a question or without an answer: {sorted(set(asked) ^ set(answered))}")
    found = []
    for turn in sorted(asked):
        answers = sorted(answered[turn], key=lambda entry: int(entry["within_turn_id"]))
        if len({entry["within_turn_id"] for entry in answers}) < len(answers):
            raise RowError(f"turn {turn} has two answers of one within_turn_id")
        if sum(entry.get("if_chosen") is True for entry in answers) > 1:
            raise RowError(f"turn {turn} chooses more than one answer")
        found.append((turn, (asked[turn], answers)))
    return found


def _answer(entry: Mapping[str, Any]) -> Answer:
    return text_of(entry, "content"), number_of(entry, "score"), entry.get("if_chosen") is True


def _utterance(
    row: Any, heard: Mapping[str, Mapping[tuple[int, int], Answer]], seen: set[tuple[str, int, int]]
) -> None:
    row = _object(row)
    conversation = text_of(row, "conversation_id")
    if conversation not in heard:
        raise RowError(f"{conversation} is not among the conversations imported")
    for field in ("turn", "within_turn_id"):
        if type(row.get(field)) is not int:
            raise RowError(f"{field} is not a whole number: {row.get(field)!r}")
    place = (conversation, row["turn"], row["within_turn_id"])
    said = heard[conversation].get(place[1:])
    if said is None:
        raise RowError(f"{conversation} has no answer {place[2]} in turn {place[1]}")
    here = (text_of(row, "model_response"), number_of(row, "score"), row.get("if_chosen") is True)
    if here != said:
        what = [
            n for n, a, b in zip(("model_response", "score", "if_chosen"), here, said, strict=True) if a != b
        ]
        raise RowError(f"{', '.join(what)} is not as in {conversation}")
    if place in seen:
        raise RowError(f"answer {place[2]} in turn {place[1]} of {conversation} stands on an earlier line")
    seen.add(place)


def _object(row: Any) -> dict[str, Any]:
    if isinstance(row, RowError):
        raise row
    if not isinstance(row, dict):
        raise RowError("not an object")
    return row
