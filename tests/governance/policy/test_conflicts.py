"""Each conflict and weakness on a stack made to have it, with the example that shows it."""

from __future__ import annotations

import pytest

from governance.policy.conflicts import Severity, check
from governance.policy.document import document_digest
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
