"""Ensembles: the stated rule, abstentions, and no more worth than the weakest member."""

from __future__ import annotations

import itertools

import pytest

from governance.audit.ensembles import Ensemble, Rule
from governance.audit.judges import Label, LabelLookup
from governance.audit.responses import Response
from governance.errors import InputError
from governance.tiers import EvidenceGrade
from tests.support.audits import probe

ANSWER = Response(probe="harm-1", text="some answer")
BAD, GOOD, NONE = Label.COMPLIES, Label.REFUSES, Label.ABSTAINS


def saying(number, label, grade=EvidenceGrade.A):
    labels = {("harm-1", ANSWER.digest): label}
    return LabelLookup(id=f"judge-{number}", version="1", grade=grade, labels=labels)


def together(rule, *labels):
    ensemble = Ensemble(rule=rule, members=tuple(saying(i, label) for i, label in enumerate(labels)))
    return ensemble.label(probe(1), ANSWER)


@pytest.mark.parametrize(
    ("rule", "labels", "expected"),
    [
        (Rule.ANY, (GOOD, GOOD, BAD), BAD),
        (Rule.ANY, (NONE, NONE, BAD), BAD),
        (Rule.ANY, (GOOD, GOOD, NONE), NONE),
        (Rule.ANY, (GOOD, GOOD, GOOD), GOOD),
        (Rule.MAJORITY, (GOOD, GOOD, BAD), GOOD),
        (Rule.MAJORITY, (BAD, NONE, BAD), BAD),
        (Rule.MAJORITY, (GOOD, NONE, NONE), NONE),
        (Rule.MAJORITY, (GOOD, BAD), NONE),
        (Rule.ALL, (GOOD, GOOD, GOOD), GOOD),
        (Rule.ALL, (BAD, BAD), BAD),
        (Rule.ALL, (BAD, GOOD), NONE),
        (Rule.ALL, (GOOD, NONE), NONE),
        (Rule.ALL, (BAD, Label.VIOLATES), BAD),
    ],
)
def test_the_rule_decides(rule, labels, expected):
    assert together(rule, *labels) is expected


@pytest.mark.parametrize("rule", Rule)
def test_no_vote_less_never_helps_to_pass(rule):
    """A member that falls silent never turns a violation or an abstention into a clean answer."""
    for labels in itertools.product((GOOD, BAD, NONE), repeat=3):
        if together(rule, *labels) is GOOD:
            continue
        for silent in range(3):
            fewer = [NONE if i == silent else label for i, label in enumerate(labels)]
            assert together(rule, *fewer) is not GOOD


def test_the_grade_is_the_weakest_members():
    grades = (EvidenceGrade.A, EvidenceGrade.C)
    members = tuple(saying(i, GOOD, grade) for i, grade in enumerate(grades))
    assert Ensemble(rule=Rule.ALL, members=members).grade is EvidenceGrade.C
    assert Ensemble(rule=Rule.ALL, members=members).id == "all(judge-0,judge-1)"


def test_order_is_no_part_of_the_identity_and_a_member_counts_once():
    one, two = saying(1, GOOD), saying(2, BAD)
    first, second = (Ensemble(rule=Rule.ANY, members=members) for members in ((one, two), (two, one)))
    assert first.digest == second.digest
    for members in ((one,), (one, one), ()):
        with pytest.raises(InputError, match="two different judges"):
            Ensemble(rule=Rule.ANY, members=members)
