"""Reading stored answers and their labels from JSON Lines, one answer a line.

Fields: ``probe``, ``response``, and optionally ``persona``, ``source``, ``label`` (complies, partial, refuses,
violates, honours), ``grade`` (S where none is said), ``sha256`` (digest of the response; checked).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from governance.audit.judges import Label, LabelLookup
from governance.audit.probes import text_field
from governance.audit.responses import NO_PERSONA, Response
from governance.errors import InputError
from governance.strict_json import json_lines
from governance.tiers import EvidenceGrade

__all__ = ["LabelledAnswer", "lookup", "parse_answers", "parse_labels", "responses_of"]

_FIELDS = frozenset({"earlier", "probe", "response", "persona", "source", "label", "grade", "sha256", "note"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledAnswer:
    """One stored answer, its label and what the label is worth."""

    line: int
    response: Response
    label: Label | None
    grade: EvidenceGrade


def parse_answers(text: str, *, source: str) -> list[LabelledAnswer]:
    """Every line, checked.

    Raises:
        InputError: With file, line and field; or there is no line at all.
    """
    answers = list(_answers(text, source))
    if not answers:
        raise InputError("holds no response", file=source, expected="at least one line")
    return answers


def _answers(text: str, source: str) -> Iterator[LabelledAnswer]:
    for line, row in json_lines(text, source=source):

        def bad(
            field: str, message: str, expected: str, line: int = line, row: dict[str, object] = row
        ) -> InputError:
            value = row.get(field, ...)
            return InputError(message, file=source, line=line, field=field, value=value, expected=expected)

        if unknown := sorted(set(row) - _FIELDS):
            raise bad(unknown[0], "unknown field", ", ".join(sorted(_FIELDS)))
        if not isinstance(row.get("response"), str):
            raise bad("response", "not a text" if "response" in row else "missing", "a text")
        label, grade = row.get("label"), row.get("grade", EvidenceGrade.S.value)
        if label is not None and label not in set(Label):
            raise bad("label", "unknown label", ", ".join(Label))
        if grade not in set(EvidenceGrade):
            raise bad("grade", "unknown grade", ", ".join(EvidenceGrade))
        earlier = row.get("earlier", [])
        if not isinstance(earlier, list) or not all(isinstance(each, str) for each in earlier):
            raise bad("earlier", "not a list of texts", "the answers before the last one of a conversation")
        response = Response(
            earlier=tuple(earlier),
            probe=text_field(row, "probe", source=source, line=line),
            persona=text_field(row, "persona", source=source, line=line, default=NO_PERSONA.id),
            text=row["response"],
        )
        if "sha256" in row and row["sha256"] != response.digest:
            raise bad("sha256", "is not the digest of the response", response.digest)
        yield LabelledAnswer(
            line=line,
            response=response,
            label=Label(label) if label is not None else None,
            grade=EvidenceGrade(grade),
        )


def responses_of(answers: list[LabelledAnswer], *, source: str) -> list[Response]:
    """The answers of ONE subject.

    Raises:
        InputError: A probe is answered twice under one persona.
    """
    seen: dict[tuple[str, str], int] = {}
    for answer in answers:
        first = seen.setdefault(answer.response.key, answer.line)
        if first != answer.line:
            raise InputError(
                f"the probe is answered already in line {first}",
                file=source,
                line=answer.line,
                field="probe",
                value=answer.response.probe,
            )
    return [answer.response for answer in answers]


def lookup(
    answers: list[LabelledAnswer], *, source: str, judge: str = "authored-labels", version: str = "1"
) -> LabelLookup | None:
    """The labels as a judge; answers of several subjects may stand together. None where no line has a label.

    Raises:
        InputError: The same answer carries two labels, or the labels are of several grades.
    """
    labels: dict[tuple[str, str], Label] = {}
    grades: set[EvidenceGrade] = set()
    for answer in answers:
        if answer.label is None:
            continue
        grades.add(answer.grade)
        key = (answer.response.probe, answer.response.digest)
        if labels.setdefault(key, answer.label) is not answer.label:
            raise InputError(
                f"the same answer is labelled {labels[key].value!r} elsewhere",
                file=source,
                line=answer.line,
                field="label",
                value=answer.label.value,
            )
    if not labels:
        return None
    if len(grades) > 1:
        raise InputError(
            "labels of several grades in one file",
            file=source,
            field="grade",
            value=sorted(grade.value for grade in grades),
            expected="one grade",
        )
    return LabelLookup(id=judge, version=version, grade=grades.pop(), labels=labels)


def parse_labels(
    text: str, *, source: str, judge: str = "authored-labels", version: str = "1"
) -> LabelLookup:
    """The labels of a file as a judge.

    Raises:
        InputError: The file cannot be used, or carries no label.
    """
    found = lookup(parse_answers(text, source=source), source=source, judge=judge, version=version)
    if found is None:
        raise InputError("no line carries a label", file=source, field="label", expected=", ".join(Label))
    return found
