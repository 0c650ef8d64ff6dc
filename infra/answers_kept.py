"""The answers of a finished attempt in the object store, so that nothing is asked a second time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from annotation.ports import ObjectStore
from governance.audit.responses import Response

__all__ = ["keep_answers", "read_answers"]

_ANSWERS: Final = "answers.jsonl"


def keep_answers(store: ObjectStore, answers: Iterable[Response]) -> str:
    """Keep answers; the tree that holds them, the same for the same answers in any order."""
    lines = [
        json.dumps(
            {"probe": each.probe, "persona": each.persona, "text": each.text, "error": each.error}
            | ({"earlier": list(each.earlier)} if each.earlier else {}),
            ensure_ascii=False,
            sort_keys=True,
        )
        for each in sorted(answers, key=lambda each: each.key)
    ]
    return str(store.put_tree("audits", {_ANSWERS: ("\n".join(lines) + "\n").encode()}))


def read_answers(store: ObjectStore, tree: str) -> list[Response]:
    """The answers of a tree."""
    text = store.get_file("audits", tree, _ANSWERS).decode()
    rows = [json.loads(line) for line in text.split("\n") if line]
    return [Response(**(row | {"earlier": tuple(row.get("earlier", ()))})) for row in rows]
