"""Answers to the questions of a card that only people can give: the sheet to fill in, and the sheet filled in.

The questions follow CrowdWorkSheets (Díaz et al. 2022, doi:10.1145/3531146.3534647).
"""

from __future__ import annotations

import difflib

from annotation.card import NOT_RECORDED, QUESTIONS
from governance.errors import InputError
from governance.policy.source import read

__all__ = ["answer_sheet", "parse_answers"]


def answer_sheet() -> str:
    """The questions as YAML, each with an empty answer."""
    head = (
        "# Answers to the questions of a release's card, for `bounds release --answers`.\n"
        f'# What stays empty is said from the data where they tell it; else the card says "{NOT_RECORDED}".\n'
    )
    return head + "".join(f'\n# {question}\n{key}: ""\n' for key, question in QUESTIONS)


def parse_answers(text: str, *, name: str) -> dict[str, str]:
    """The answers of a sheet by the question's key; what is empty is left out.

    Args:
        text: YAML, or JSON.
        name: Of the file, for errors.

    Raises:
        InputError: Not YAML, no such question, or an answer that is no text; with the line.
    """
    known = [key for key, _ in QUESTIONS]
    sheet = read(text, name=name) if text.strip() else None
    if sheet is None or not isinstance(sheet.data, dict):
        raise InputError("not a sheet of answers", file=name, expected="`question: answer`, a line for each")
    told: dict[str, str] = {}
    for key, answer in sheet.data.items():
        place = sheet.place((key,))
        line = None if place is None else place.line
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            raise InputError(
                "the card has no such question",
                file=name,
                line=line,
                value=key,
                expected=", ".join(near or known),
            )
        if answer is not None and not isinstance(answer, str):
            raise InputError("an answer is text", file=name, line=line, field=key, value=answer)
        # One paragraph: an answer stands below its question and is no section of the card.
        if said := " ".join((answer or "").split()):
            told[key] = said
    return told
