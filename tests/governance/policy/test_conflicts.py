"""Each conflict and weakness on a stack made to have it, with the example that shows it."""

from __future__ import annotations

import pytest

from governance.policy.conflicts import Severity, check
from governance.policy.document import document_digest, parse
from governance.policy.source import read
from tests.support.policies import AT, choice, flag, make, rule, span

TONE = choice("tone", ["warm", "cold"], default="warm")
AGE = {"age": ["child", "adult"]}


def law(*rules, **fields):
    return make(
        1, "law", rules=list(rules) or [rule("T1.base", audit={"probes": ["x"], "judge": "j"})], **fields
    )


def provider(**fields):
    return make(2, "provider", **fields)


def application(**fields):
    return make(2, "app", owner="application_provider", **fields)


def limit(name, **fields):
    return {"limits": {name: fields}}


CASES = [
    (
        "empty-domain",
        Severity.ERROR,
        [
            law(rule("T1.a", **limit("tone", allow=["warm"]))),
            provider(
                rules=[rule("T2.b", **limit("tone", allow=["cold"]))],
                dimensions=[choice("tone", ["warm", "cold"])],
            ),
        ],
        {"dimension": "tone", "context": {}, "rules": ["T1.a", "T2.b", "dimension.tone"]},
    ),
    (
        "empty-domain",
        Severity.ERROR,
        [
            law(rule("T1.a", when={"age": ["child"]}, **limit("level", at_most=2)), context=AGE),
            provider(dimensions=[span("level", 3, 9)]),
        ],
        {"dimension": "level", "context": {"age": "child"}, "rules": ["T1.a", "dimension.level"]},
    ),
    (
        "empty-domain",
        Severity.ERROR,
        [law(rule("T1.a", **limit("level", step=4))), provider(dimensions=[span("level", 3, 9, step=3)])],
        {"dimension": "level", "context": {}, "rules": ["T1.a", "dimension.level"]},
    ),
    (
        "default-outside",
        Severity.ERROR,
        [law(rule("T1.a", **limit("tone", forbid=["warm"]))), provider(dimensions=[TONE])],
        {"dimension": "tone", "value": "warm", "context": {}},
    ),
    (
        "default-outside",
        Severity.WARNING,
        [
            law(rule("T1.a", when={"age": ["child"]}, **limit("tone", forbid=["warm"])), context=AGE),
            provider(dimensions=[TONE]),
        ],
        {"dimension": "tone", "value": "warm", "context": {"age": "child"}},
    ),
    (
        "requirement-forbidden",
        Severity.ERROR,
        [
            law(rule("T1.a", property="dosage", when={"age": ["child"]}), context=AGE),
            provider(rules=[rule("T2.b", "requirement", property="dosage")]),
        ],
        {"property": "dosage", "context": {"age": "child"}, "rules": ["T2.b", "T1.a"]},
    ),
    (
        "rule-implied",
        Severity.WARNING,
        [law(rule("T1.a", property="p")), provider(rules=[rule("T2.b", property="p")])],
        {"rule": "T2.b", "implied_by": ["T1.a"]},
    ),
    (
        "rule-implied",
        Severity.WARNING,
        [
            law(rule("T1.a", **limit("level", at_most=5))),
            provider(dimensions=[span("level", 0, 9)]),
            application(rules=[rule("T2.b", **limit("level", at_most=7))]),
        ],
        {"rule": "T2.b", "implied_by": ["T1.a", "dimension.level"]},
    ),
    (
        "limit-of-another-kind",
        Severity.ERROR,
        [law(rule("T1.a", **limit("tone", at_most=1))), provider(dimensions=[TONE])],
        {"dimension": "tone", "rule": "T1.a"},
    ),
    (
        "limit-on-undeclared-dimension",
        Severity.WARNING,
        [law(), provider(rules=[rule("T2.b", **limit("colour", allow=["red"]))])],
        {"dimension": "colour"},
    ),
    (
        "limit-on-undeclared-dimension",
        Severity.NOTE,
        [law(rule("T1.a", **limit("colour", allow=["red"])))],
        {"dimension": "colour"},
    ),
    (
        "dimension-not-introduced",
        Severity.ERROR,
        [law(), provider(dimensions=[TONE]), application(dimensions=[flag("emoji")])],
        {"dimension": "emoji", "declared_by": "app"},
    ),
    ("rule-without-effect-or-audit", Severity.WARNING, [law(rule("T1.a"))], None),
    (
        "promotion-limit-for-unknown-rule",
        Severity.ERROR,
        [
            law(),
            provider(
                promotion={
                    "limits": [{"rule": "T2.gone", "max_rate": 0.05, "families": 59, "evidence": ["A"]}]
                }
            ),
        ],
        {"rule": "T2.gone"},
    ),
    (
        "no-evidence-accepted",
        Severity.ERROR,
        [
            law(),
            *(
                make(
                    2,
                    name,
                    owner=owner,
                    promotion={
                        "limits": [{"rule": "T1.base", "max_rate": 0.05, "families": 59, "evidence": [grade]}]
                    },
                )
                for name, owner, grade in (("p", "model_provider", "A"), ("q", "application_provider", "B"))
            ),
        ],
        {"rule": "T1.base"},
    ),
    (
        "plan-cannot-pass",
        Severity.ERROR,
        [
            law(),
            *(
                make(
                    2,
                    name,
                    owner=owner,
                    promotion={
                        "limits": [
                            {
                                "rule": "T1.base",
                                "max_rate": rate,
                                "confidence": sure,
                                "families": n,
                                "evidence": ["A"],
                            }
                        ]
                    },
                )
                for name, owner, rate, sure, n in (
                    ("p", "model_provider", 0.05, 0.95, 59),
                    ("q", "application_provider", 0.1, 0.99, 44),
                )
            ),
        ],
        {"rule": "T1.base", "families": 59, "allow": 0},
    ),
    (
        "no-common-context",
        Severity.ERROR,
        [law(context={"age": ["child"]}), provider(context={"age": ["adult"]})],
        None,
    ),
]


@pytest.mark.parametrize(
    ("code", "severity", "documents", "example"), CASES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CASES)]
)
def test_a_conflict_is_found_with_its_example(code, severity, documents, example):
    report = check(documents, at=AT)
    found = [finding for finding in report.findings if finding.code == code]
    assert found, [str(f.code) for f in report.findings]
    assert found[0].severity is severity
    assert example is None or found[0].example == example
    assert bool(report) == (severity is not Severity.ERROR)


def test_a_sound_stack_has_no_error():
    base = law()
    report = check(
        [base, provider(dimensions=[TONE], extends=[{"id": "law", "digest": document_digest(base)}])], at=AT
    )
    assert report
    assert not report.warnings


def test_a_default_behind_a_nearer_one_that_holds_is_no_finding():
    report = check(
        [
            law(),
            provider(dimensions=[TONE]),
            application(dimensions=[choice("tone", ["cold"], default="cold")]),
        ],
        at=AT,
    )
    assert not [f for f in report.findings if f.code == "default-outside"]


def test_what_cannot_be_composed_is_a_finding():
    report = check([make(2)], at=AT)
    assert not report
    assert report.errors[0].code == "cannot-compose"
    assert report.policy is None


def test_a_stricter_lower_rule_is_not_implied():
    report = check(
        [
            law(rule("T1.a", **limit("level", at_most=5))),
            provider(dimensions=[span("level", 0, 9)]),
            application(rules=[rule("T2.b", **limit("level", at_most=3))]),
        ],
        at=AT,
    )
    assert not [f for f in report.findings if f.code == "rule-implied"]


def test_more_contexts_than_can_be_looked_at_are_said_and_not_skipped():
    attributes = {f"a{n}": ["x", "y"] for n in range(18)}
    rules = [rule(f"T1.r{n}", when={f"a{n}": ["x"]}, **limit("tone", allow=["warm"])) for n in range(18)]
    report = check([law(*rules, context=attributes), provider(dimensions=[TONE])], at=AT)
    assert [finding.code for finding in report.errors] == ["too-many-contexts"]


def test_values_that_no_rule_tells_apart_are_looked_at_once():
    attributes = {f"a{n}": [f"v{m}" for m in range(50)] for n in range(6)}
    rules = [rule(f"T1.r{n}", when={f"a{n}": ["v7"]}, **limit("tone", allow=["warm"])) for n in range(6)]
    assert check([law(*rules, context=attributes), provider(dimensions=[TONE])], at=AT)


TEXTS = {
    "law.yaml": """format: 1
id: law
version: 1.0.0
tier: 1
title: Law
authority: {kind: regulator, name: N, contact: c@x.example}
rules:
  - id: T1.base
    kind: restriction
    statement: S.
    rationale: R.
    sources: [S]
    risks: [S.R.3]
    audit: {probes: [x], judge: j}
""",
    "app.yaml": """format: 1
id: app
version: 1.0.0
tier: 2
title: App
authority: {kind: application_provider, name: N, contact: c@x.example}
rules:
  - id: T2.near
    kind: restriction
    statement: S.
    rationale: R.
    limits: {closeness: {at_most: 3}}
dimensions:
  - {id: closeness, type: range, statement: S., low: 0, high: 10, default: 2}
""",
}


def written(**changes):
    texts = dict(TEXTS)
    for old, new in changes.get("app", []):
        assert old in texts["app.yaml"]
        texts["app.yaml"] = texts["app.yaml"].replace(old, new)
    return [parse(read(text, name=name)) for name, text in texts.items()]


def only(report):
    assert len(report.errors) == 1, report.errors
    return report.errors[0]


def test_a_pin_that_does_not_match_is_shown_where_it_stands_with_the_right_digest():
    law_digest = document_digest(written()[0])
    pin = "extends:\n  - {id: law, digest: 'sha256:" + "0" * 64 + "'}\nrules:"
    found = only(check(written(app=[("rules:", pin)]), at=AT))
    assert found.code == "cannot-compose"
    assert str(found.spot) == "app.yaml:8:15"
    assert f"expected {law_digest}" in found.message
    assert found.as_json()["line"] == 8


def test_a_document_that_extends_itself_is_told_so():
    pin = "extends:\n  - {id: app, digest: 'sha256:" + "0" * 64 + "'}\nrules:"
    found = only(check(written(app=[("rules:", pin)]), at=AT))
    assert str(found.spot) == "app.yaml:8:6"
    assert "cannot extend itself" in found.message
    assert "expected" in found.message


def test_a_limit_that_leaves_nothing_is_to_blame_and_not_the_declaration_beside_it():
    documents = written(app=[("at_most: 3", "at_most: -3"), (", default: 2", "")])
    found = only(check(documents, at=AT))
    assert found.message == "no value of closeness is left once T2.near of app is applied"
    assert str(found.spot) == "app.yaml:12:14"


def test_a_declaration_that_leaves_out_its_own_default_is_to_blame():
    found = only(check(written(app=[("default: 2", "default: 20")]), at=AT))
    assert found.message == (
        "the default 20 is outside what is left (the dimension's own declaration leaves from 0 to 10)"
    )
    assert str(found.spot) == "app.yaml:14:67"


def test_a_misspelt_dimension_in_a_limit_is_an_error_and_another_word_is_none():
    found = only(check(written(app=[("{closeness: {", "{closenes: {")]), at=AT))
    assert found.code == "limit-on-undeclared-dimension"
    assert "did you mean closeness?" in found.message
    assert str(found.spot) == "app.yaml:12:14"
    report = check(written(app=[("{closeness: {", "{verbosity: {")]), at=AT)
    assert report
    assert [(f.code, str(f.spot)) for f in report.warnings] == [
        ("limit-on-undeclared-dimension", "app.yaml:12:14")
    ]


def test_where_a_document_was_written_is_no_part_of_it():
    here, there = (parse(read(TEXTS["law.yaml"], name=name)) for name in ("here", "there"))
    assert here == there
    assert document_digest(here) == document_digest(there)


def test_a_document_outside_its_dates_and_a_rule_set_twice_are_shown_where_they_stand():
    late = ("rules:", "effective: {until: 2026-01-01}\nrules:")
    found = only(check(written(app=[late]), at=AT))
    assert (found.code, str(found.spot)) == ("cannot-compose", "app.yaml:7:13")
    twin = parse(read(TEXTS["app.yaml"].replace("id: app", "id: twin"), name="twin.yaml"))
    found = only(check([*written(), twin], at=AT))
    assert str(found.spot) == "twin.yaml:8:5"
    assert "app and twin" in found.message
