"""Similarity of texts, plain languages and distances: against naive computation and known cases."""

from __future__ import annotations

import re
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.distributions import distance
from annotation.language_hint import contradictions
from annotation.similarity import normal_texts, overlap_with, phrases, similar_pairs

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]), min_size=1, max_size=9).map(" ".join)


def naive_phrases(text: str) -> set[str]:
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[at : at + 3]) for at in range(len(words) - 2)} or {" ".join(words)}


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=12, unique=True), st.sampled_from([0.25, 0.5, 0.8]))
def test_no_similar_pair_is_missed_and_none_invented(texts: list[str], threshold: float) -> None:
    frame = pl.DataFrame({"key": range(len(texts)), "text": texts}).with_columns(
        text=normal_texts(pl.col("text"))
    )
    found = {(one, other): s for one, other, s in similar_pairs(phrases(frame), threshold).iter_rows()}
    expected = {}
    for one, other in combinations(range(len(texts)), 2):
        a, b = naive_phrases(texts[one]), naive_phrases(texts[other])
        if (similarity := len(a & b) / len(a | b)) >= threshold:
            expected[one, other] = similarity
    assert found == pytest.approx(expected)


def test_overlap_is_that_with_the_nearest() -> None:
    mine = pl.DataFrame({"key": [0, 1], "text": ["one two three four", "nothing of the kind"]})
    theirs = pl.DataFrame({"key": [0, 1], "text": ["one two three four five", "two three four"]})
    # {123, 234} against {123, 234, 345}: 2 of 3; against {234}: 1 of 2.
    assert overlap_with(phrases(mine), phrases(theirs)).rows() == [(0, 2 / 3)]


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("The cat is on the mat and it was there for a while, which is not that bad.", "en-GB", None),
        ("Die Katze ist auf dem Tisch und sie wird nicht von dem Hund für ein Spiel geholt.", "en", "de"),
        ("Die Katze ist auf dem Tisch und sie wird nicht von dem Hund für ein Spiel geholt.", "de-AT", None),
        (
            "Translate into German, and say which is the best: Das ist nicht die Katze und der Hund.",
            "en",
            None,
        ),
        (
            "\u041a\u043e\u0448\u043a\u0430 \u0441\u0438\u0434\u0438\u0442 \u043d\u0430 \u0441\u0442\u043e\u043b\u0435",
            "en",
            "Cyrl",
        ),
        (
            "\u041a\u043e\u0448\u043a\u0430 \u0441\u0438\u0434\u0438\u0442 \u043d\u0430 \u0441\u0442\u043e\u043b\u0435",
            "ru",
            None,
        ),
        (
            "\u041a\u043e\u0448\u043a\u0430 \u0441\u0438\u0434\u0438\u0442 \u043d\u0430 \u0441\u0442\u043e\u043b\u0435",
            "tlh",
            None,
        ),
        ("def f(x): return x + 1", "en", None),
        ("42", "fr", None),
    ],
)
def test_only_plain_contradictions_are_named(text: str, language: str, found: str | None) -> None:
    frame = pl.DataFrame({"key": [1], "text": [text], "language": [language]})
    assert contradictions(frame)["found"].to_list() == ([found] if found else [])


def test_distance_of_distributions() -> None:
    assert distance({"tie": 3, "prefers": 1}, {"tie": 1, "prefers": 1}) == 0.25
    assert distance({"a": 1}, {"b": 5}) == 1.0
    assert distance({"a": 1}, {}) is None
