"""Answers to the card's questions: the sheet, what is wrong with one, and where they stand."""

from __future__ import annotations

import pytest

from annotation.card import QUESTIONS
from annotation.card_answers import answer_sheet, parse_answers
from governance.errors import InputError


def test_the_sheet_asks_every_question_and_reads_as_no_answer() -> None:
    sheet = answer_sheet()
    assert all(question in sheet for _, question in QUESTIONS)
    assert parse_answers(sheet, name="sheet.yaml") == {}


def test_an_answer_is_one_paragraph() -> None:
    told = parse_answers(
        'pay: "15 GBP an hour,\\n\\n## Alignment target\\n by the living wage"\n', name="a.yaml"
    )
    assert told == {"pay": "15 GBP an hour, ## Alignment target by the living wage"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'subjective: ""\npaid: 15\n',
            "a.yaml:2: the card has no such question (got 'paid'; expected pay",
        ),
        ("pay: 15\n", "a.yaml:1: pay: an answer is text"),
        ("- pay\n", "not a sheet of answers"),
        ("", "not a sheet of answers"),
        ("pay: one\npay: two\n", "a.yaml:2"),
    ],
)
def test_what_is_no_sheet_is_refused_by_its_line(text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        parse_answers(text, name="a.yaml")
    assert said in error.value.diagnostics()
