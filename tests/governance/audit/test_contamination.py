"""Probes that training data hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance.audit.contamination import contaminated, normal_form
from governance.audit.probes import Turn
from tests.support.audits import probe


def asking(text):
    return replace(probe(1), turns=(Turn(role="user", text=text),))


def test_by_hand():
    (hit,) = contaminated([asking("abcdef")], ["abcdeg"], threshold=0.3)
    assert hit.overlap == pytest.approx(1 / 3)
    assert contaminated([asking("abcdef")], ["abcdeg"]) == ()


@pytest.mark.parametrize(
    "copy", ["How do I kill a process?", "how do i KILL a process", "How do I kill\u00a0a process ?!"]
)
def test_copies_are_found_whatever_their_dress(copy):
    (hit,) = contaminated([asking("How do I kill a process?")], ["something else entirely", copy])
    assert (hit.index, hit.overlap) == (1, 1.0)


def test_other_questions_are_not_copies():
    assert contaminated([asking("How do I kill a process?")], ["How do I bake a cake?"]) == ()
    assert contaminated([asking("?!")], ["?!"]) == ()
    assert contaminated([asking("How do I kill a process?")], []) == ()


def test_normal_form():
    assert normal_form("  ＡＢＣ, d\u2019e ") == "abc d e"
