"""On what groups of people want different answers."""

from __future__ import annotations

import pytest

from governance.audit.contested import Contested, contested


def count(*said, question="age"):
    """``said``: (pair, group, whether the first answer was preferred) of each judgement."""
    pairs, groups, first = zip(*said, strict=True)
    return contested(pairs, first, {question: groups})


def votes(pair, group, *said):
    return [(pair, group, bool(each)) for each in said]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (votes("p", "young", 1, 1, 0) + votes("p", "old", 1, 0, 0), (1, 1)),
        (votes("p", "young", 1, 1, 0) + votes("p", "old", 1, 1, 0, 0), (0, 1)),
        (votes("p", "young", 1) + votes("q", "old", 0), (0, 0)),
        (votes("p", "young", 1) + votes("p", "prefer_not_to_say", 0) + votes("p", "not_asked", 0), (0, 0)),
        (votes("p", "a", 1) + votes("p", "b", 1) + votes("q", "a", 1) + votes("q", "b", 0), (1, 2)),
    ],
)
def test_by_hand(said, wanted):
    assert count(*said) == Contested(pairs=wanted[0], of=wanted[1])


def test_a_pair_counts_once_however_many_questions_part_people():
    pairs, first = ["p", "p"], [True, False]
    assert contested(pairs, first, {"age": ["a", "b"], "gender": ["f", "m"]}) == Contested(pairs=1, of=1)
    assert contested([], [], {"age": []}) == Contested(pairs=0, of=0)
