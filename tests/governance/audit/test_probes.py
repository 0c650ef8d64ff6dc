"""Probe files and labelled answers: what is wrong is said with its line and field; nothing is skipped."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.audit.judges import Label
from governance.audit.labels import parse_answers, parse_labels, responses_of
from governance.audit.plan import make_plan
from governance.audit.probes import Expectation, ProbeSet, parse_probes
from governance.audit.responses import Persona, Response
from governance.digest import digest
from governance.errors import InputError
from governance.tiers import EvidenceGrade
from tests.support.audits import policy, probe, probe_set

ROW = {"probe": "p1", "family": "f1", "prompt": "Hello?", "rules": ["T1.harm"], "expectation": "refuse"}


def lines(*rows):
    return "\n".join(json.dumps(row) for row in rows)


def test_a_row_and_its_defaults():
    (read,) = parse_probes(lines(ROW), source="p.jsonl").probes
    assert read.prompt == "Hello?"
    assert read.partial_violates
    assert read.tries("T1.harm", ())
    assert not read.tries("T1.other", ("tag",))
    (harmless,) = parse_probes(lines(ROW | {"expectation": "comply"}), source="p.jsonl").probes
    assert not harmless.partial_violates
    (same,) = parse_probes(lines(ROW | {"sha256": digest("Hello?")}), source="p.jsonl").probes
    assert same == read


def test_turns():
    turns = [{"role": "system", "text": "Be kind."}, {"role": "user", "text": "Hello?"}]
    row = {k: v for k, v in ROW.items() if k != "prompt"} | {"turns": turns}
    (read,) = parse_probes(lines(row), source="p.jsonl").probes
    assert read.prompt == "Hello?"
    assert read.sha256 == digest(turns)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"probe": ""}, "probe"),
        ({"family": None}, "family"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"turns": []}, "prompt"),
        ({"rules": []}, "rules"),
        ({"rules": "T1.harm"}, "rules"),
        ({"expectation": "refuses"}, "expectation"),
        ({"partial": "maybe"}, "partial"),
        ({"sha256": digest("Hello!")}, "sha256"),
        ({"expectaton": "refuse"}, "expectaton"),
        ({"language": 1}, "language"),
    ],
)
def test_a_broken_row_says_where(change, field):
    with pytest.raises(InputError) as caught:
        parse_probes(lines(ROW, ROW | {"probe": "p2", "prompt": "Other?"} | change), source="p.jsonl")
    assert (caught.value.file, caught.value.line, caught.value.field) == ("p.jsonl", 2, field)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no probe"),
        ("{", "not JSON"),
        ('{"probe": "\\ud800"}', "surrogates not allowed"),
        ('{"probe": NaN}', "NaN is no number"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "not an object"),
        ('{"probe": 1, "probe": 2}', "stands twice"),
        (lines(ROW, ROW), "occurs twice"),
        (lines(ROW, ROW | {"probe": "p2", "family": "f2"}), "same prompt stands in the families"),
    ],
)
def test_a_broken_file_says_what(text, message):
    with pytest.raises(InputError, match=message):
        parse_probes(text, source="p.jsonl")


def test_the_digest_of_a_set_is_order_free():
    some = probe_set()
    assert ProbeSet.of("a", some.probes).digest == ProbeSet.of("b", some.probes[::-1]).digest
    assert ProbeSet.of("a", some.probes[1:]).digest != some.digest


def test_rows_read_back_as_they_were_written():
    some = probe_set(harm=3, help_=2)
    again = parse_probes(lines(*(one.as_json() for one in some.probes)), source="again")
    assert again.digest == some.digest


@given(st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_plan_does_not_depend_on_the_order_of_probes(random):
    some = list(probe_set(harm=5, help_=5).probes)
    straight = make_plan(policy(), ProbeSet.of("x", some))
    random.shuffle(some)
    shuffled = make_plan(policy(), ProbeSet.of("x", some))
    assert shuffled.digest == straight.digest
    assert [r.key for r in shuffled.requests] == [r.key for r in straight.requests]


def test_the_seed_orders_requests_and_names_the_plan():
    one, two = (make_plan(policy(), probe_set(), seed=seed) for seed in (1, 2))
    assert one.digest != two.digest
    assert [r.key for r in one.requests] != [r.key for r in two.requests]
    assert {r.key for r in one.requests} == {r.key for r in two.requests}


def test_every_persona_is_asked_everything_once():
    personas = (Persona(id="a"), Persona(id="b", settings={"tone": "warm"}))
    plan = make_plan(policy(), probe_set(), personas=personas)
    assert len(plan.requests) == len({r.key for r in plan.requests}) == 2 * 156
    for bad in ((), (Persona(id="a"), Persona(id="a"))):
        with pytest.raises(ValueError, match="persona"):
            make_plan(policy(), probe_set(), personas=bad)


def test_a_probe_of_the_wrong_expectation_tries_nothing():
    probes = ProbeSet.of("x", [probe(i, expectation=Expectation.COMPLY) for i in range(96)])
    plan = make_plan(policy(), probes)
    assert plan.cells == ()
    assert {gap.rule for gap in plan.unevaluated} == {"T1.harm", "T2.help"}


ANSWER = {"probe": "p1", "response": "No.", "label": "refuses", "grade": "S"}


def test_labels_are_of_exactly_one_answer():
    judge = parse_labels(lines(ANSWER, ANSWER | {"response": "Yes.", "label": "complies"}), source="a.jsonl")
    assert judge.grade is EvidenceGrade.S
    some = probe(1)
    labelled = {
        text: judge.label(_named(some, "p1"), Response(probe="p1", text=text))
        for text in ("No.", "Yes.", "No")
    }
    assert labelled == {"No.": Label.REFUSES, "Yes.": Label.COMPLIES, "No": Label.ABSTAINS}


def _named(one, name):
    from dataclasses import replace

    return replace(one, id=name)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"label": "refused"}, "label"),
        ({"grade": "D"}, "grade"),
        ({"response": None}, "response"),
        ({"probe": ""}, "probe"),
        ({"sha256": digest("Yes.")}, "sha256"),
        ({"lable": "refuses"}, "lable"),
        ({"label": "complies"}, "label"),
    ],
)
def test_a_broken_label_says_where(change, field):
    with pytest.raises(InputError) as caught:
        parse_labels(lines(ANSWER, ANSWER | change), source="a.jsonl")
    assert (caught.value.line, caught.value.field) == (2, field)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no response"),
        (lines({"probe": "p1", "response": "No."}), "no line carries a label"),
        (lines(ANSWER, ANSWER | {"probe": "p2", "grade": "A"}), "several grades"),
    ],
)
def test_labels_that_cannot_be_used(text, message):
    with pytest.raises(InputError, match=message):
        parse_labels(text, source="a.jsonl")


def test_one_subject_answers_once():
    answers = parse_answers(lines(ANSWER, ANSWER | {"response": "Yes."}), source="a.jsonl")
    with pytest.raises(InputError, match="answered already in line 1"):
        responses_of(answers, source="a.jsonl")
