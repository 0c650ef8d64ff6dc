"""Diffs worked by hand: each kind of change, its direction and its witness."""

from __future__ import annotations

import pytest

from governance.policy.compose import compose
from governance.policy.diff import diff
from governance.policy.document import parse
from governance.policy.render import render
from governance.policy.source import read
from infra.policy_files import POLICIES, load
from tests.support.policies import AT, choice, flag, make, rule, span

AGE = {"age": ["child", "adult"]}
LIMIT = {"rule": "T1.base", "max_rate": 0.05, "families": 100, "allow": 1, "evidence": ["A", "B"]}


def provider(**fields):
    return make(2, "provider", **fields)


def tone(*words, **fields):
    return {"dimensions": [choice("tone", list(words), **fields)]}


def one_rule(**fields):
    return {"context": AGE, "rules": [rule("T2.a", **fields)]}


def promotion(**fields):
    return {"promotion": {"limits": [LIMIT | fields]}}


def data(**fields):
    return {"data": [{"id": "D.x"} | fields]}


@pytest.mark.parametrize(
    ("old", "new", "direction", "name", "witness"),
    [
        (tone("a", "b"), tone("a"), "tightened", "tone", {"dimension": "tone", "value": "b", "context": {}}),
        (tone("a"), tone("a", "b"), "loosened", "tone", {"dimension": "tone", "value": "b", "context": {}}),
        (
            {"dimensions": [span("n", 0, 9)]},
            {"dimensions": [span("n", 0, 9, step=3)]},
            "tightened",
            "n",
            {"dimension": "n", "value": 1, "context": {}},
        ),
        (
            {"dimensions": [flag("f")]},
            {"dimensions": []},
            "tightened",
            "f",
            {"dimension": "f", "value": False, "context": {}},
        ),
        (
            {"dimensions": [flag("f")]}
            | one_rule(limits={"f": {"must_be": False}}, when={"age": ["child", "adult"]}),
            {"dimensions": [flag("f")]} | one_rule(limits={"f": {"must_be": False}}, when={"age": ["child"]}),
            "loosened",
            "f",
            {"dimension": "f", "value": True, "context": {"age": "adult"}},
        ),
        (one_rule(when={"age": ["child"]}), one_rule(), "tightened", "T2.a", {"context": {"age": "adult"}}),
        (one_rule(), one_rule(waivable=True), "loosened", "T2.a", {"waivable": True}),
        (
            one_rule(audit={"probes": ["p", "q"], "judge": "j"}),
            one_rule(audit={"probes": ["p"], "judge": "j"}),
            "loosened",
            "T2.a",
            {"probe": "q"},
        ),
        (
            one_rule(),
            {"context": AGE},
            "loosened",
            "T2.a",
            {"rule": "T2.a", "kind": "restriction", "context": {}},
        ),
        (
            {"context": AGE},
            one_rule(),
            "tightened",
            "T2.a",
            {"rule": "T2.a", "kind": "restriction", "context": {}},
        ),
        (
            one_rule(),
            one_rule(effective={"from": "2027-01-01"}),
            "loosened",
            "T2.a",
            {"at": "always"},
        ),
        (
            promotion(),
            promotion(max_rate=0.1),
            "loosened",
            "T1.base violation",
            {"max_rate": 0.07500000000000001},
        ),
        (promotion(), promotion(evidence=["A"]), "tightened", "T1.base violation", {"evidence": "B"}),
        (promotion(), promotion(allow=0), "tightened", "T1.base violation", {"allow": 0.5}),
        (promotion(), promotion(anytime=True), "loosened", "T1.base violation", {"anytime": True}),
        (
            data(check="overlap", at_least=3),
            data(check="overlap", at_least=2),
            "loosened",
            "D.x",
            {"at_least": 2.5},
        ),
        (
            data(check="personal_data", forbid=["email"]),
            data(check="personal_data", forbid=["email", "phone"]),
            "tightened",
            "D.x",
            {"forbid": "phone"},
        ),
        (
            data(check="duration", at_least=2),
            data(check="duration", at_least=2, at_most=60),
            "tightened",
            "D.x",
            {"at_most": 60},
        ),
        (
            {"applications": ["a", "b"]},
            {"applications": ["a"]},
            "loosened",
            "applications",
            {"applications": "b"},
        ),
        ({"jurisdictions": ["DE"]}, {}, "tightened", "jurisdictions", {"jurisdictions": "any other"}),
        (
            {},
            {"further_dimensions": "allowed"},
            "loosened",
            "further_dimensions",
            {"dimension": "one that nobody above declares"},
        ),
    ],
)
def test_a_change_has_its_direction_and_its_witness(old, new, direction, name, witness):
    before, after = provider(**old), provider(**new)
    changes = {change.id: change for change in diff(before, after).of(direction)}
    assert name in changes
    assert changes[name].witness == witness
    opposite = "loosened" if direction == "tightened" else "tightened"
    # and seen from the other side it is the opposite
    assert name in {change.id for change in diff(after, before).of(opposite)}


@pytest.mark.parametrize(
    ("field", "value"), [("title", "Another"), ("notice", "Mind this"), ("authority", None)]
)
def test_what_has_no_order_is_said_as_changed(field, value):
    if field == "authority":
        value = {"kind": "model_provider", "name": "Another", "contact": "c@d.example"}
    found = diff(provider(), provider(**{field: value}))
    assert found.changed
    assert not found.tightened
    assert not found.loosened


def test_a_reworded_statement_is_never_silent():
    found = diff(
        provider(**one_rule()), provider(**(one_rule() | {"rules": [rule("T2.a", statement="You may.")]}))
    )
    assert [change.id for change in found.changed] == ["T2.a"]


def test_a_reformatted_file_has_an_empty_diff():
    for path in sorted((POLICIES / "tier2").glob("*.yaml")):
        document = load(path)
        again = parse(read("# another comment\n" + render(document), name="again"))
        assert diff(document, again).is_empty


def test_a_loosening_that_a_higher_tier_takes_back_is_none_for_the_stack():
    law = make(1, "law", rules=[rule("T1.a", limits={"tone": {"forbid": ["b"]}})])
    narrow, wide = provider(**tone("a")), provider(**tone("a", "b"))
    assert diff(narrow, wide).loosened
    found = diff(compose([law, narrow], at=AT), compose([law, wide], at=AT))
    assert not found.loosened


def test_json_has_the_four_words():
    shown = diff(provider(**tone("a")), provider(**tone("b"))).as_json()
    assert {"tightened", "loosened", "added", "removed", "changed"} < set(shown)
    assert len(shown["tightened"]) == len(shown["loosened"]) == 1
