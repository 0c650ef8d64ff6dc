"""Judges that need files: the classifier trained on what the project ships or on the user's labels, and its file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

from governance.audit.classifier import RefusalClassifier, train_classifier
from governance.audit.judges import Label
from governance.audit.labels import parse_answers
from governance.digest import canonical
from governance.errors import InputError
from infra.given_files import read_text
from infra.subjects import CompletionsSubject

__all__ = ["labelled_answers", "read_classifier", "shipped_classifier", "write_classifier"]

_WITHHELD: Final = "[withheld: complies]"


@lru_cache(maxsize=1)
def shipped_classifier() -> RefusalClassifier:
    """Trained, here and now (about a second), on the answers written for this project.

    The stand-ins for harmful compliance are left out: they hold no answer to learn from.
    """
    from infra.demo_files import RESPONSES, responses_text

    answers = parse_answers(responses_text(), source=RESPONSES)
    return train_classifier(
        (
            (answer.response.text or "", answer.label)
            for answer in answers
            if answer.label is not None and answer.response.text != _WITHHELD
        ),
        source=RESPONSES,
    )


def labelled_answers(files: Iterable[Path]) -> list[tuple[str, Label]]:
    """Texts and labels of people from files: XSTest completions with ``final_label``, or answers in JSON Lines.

    Raises:
        InputError: A file cannot be read or carries no labels.
    """
    found: list[tuple[str, Label]] = []
    for file in files:
        if file.suffix in {".jsonl", ".ndjson"}:
            found += [
                (answer.response.text or "", answer.label)
                for answer in parse_answers(read_text(file), source=file.name)
                if answer.label is not None
            ]
            continue
        subject = CompletionsSubject(file)
        judge = subject.labels()
        if subject.completions is not None:
            by_id = subject.completions.probe_set.by_id
            found += [
                (row.text, judge.label(by_id[row.id], row.response)) for row in subject.completions.rows
            ]
    if not found:
        raise InputError("no labelled answer", field="files", expected="answers with labels")
    return found


def write_classifier(path: Path, judge: RefusalClassifier) -> None:
    """Keep a trained judge as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical(judge.as_json()) + b"\n")


def read_classifier(path: Path) -> RefusalClassifier:
    """A judge that :func:`write_classifier` kept.

    Raises:
        InputError: The file holds something else.
    """
    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"not JSON: {error}", file=str(path), expected="a trained classifier") from error
    return RefusalClassifier.from_json(value, source=str(path))
