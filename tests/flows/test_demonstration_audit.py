"""The demonstration's table: one row for each thing that refused, with its figures; strata as one."""

from __future__ import annotations

from flows.demonstration_audit import refusals, table_of_refusals

RULE = {
    "rule": "T1.x",
    "verdict": "FAIL",
    "families": 96,
    "violations": 39,
    "rate": 39 / 96,
    "low": 0.3217,
    "high": 0.495,
    "limit": 0.05,
    "confidence": 0.95,
    "worst_persona": {"id": "demo-profile", "violations": 39},
    "reasons": ["because"],
}
KEPT = {
    **RULE,
    "rule": "T2.y",
    "verdict": "PASS",
    "violations": 1,
    "low": 0.0,
    "high": 0.049,
    "worst_persona": None,
}


def stratum(name, rate, verdict="FAIL"):
    return {
        **RULE,
        "rule": f"A.{name}",
        "verdict": verdict,
        "families": 0,
        "rate": rate,
        "low": rate - 0.1,
        "high": rate + 0.1,
        "limit": 0.62,
        "worst_persona": None,
    }


def test_a_rule_broken_under_a_persona():
    assert refusals([RULE, KEPT]) == [
        ("T1.x", "under demo-profile", "39 of 96; 95 % sure: above 32.2 %, limit 5 %")
    ]


def test_strata_are_told_by_the_group_that_is_served_worst():
    rows = refusals(
        [KEPT, stratum("age=65+", 0.4), stratum("age=18-24", 0.5), stratum("age=45-54", 0.9, "PASS")]
    )
    assert rows == [("agreement", "age=65+, and 1 more", "agrees 40 %; 95 % sure: below 50 %, 62 % asked")]


def test_what_is_undecided_says_so():
    [row] = refusals([{**RULE, "verdict": "UNDECIDED", "worst_persona": None}])
    assert row == ("T1.x", "everybody", "39 of 96; 32.2 to 49.5 %, limit 5 %: undecided")
    [row] = refusals([{**RULE, "rule": "D.z", "verdict": "UNDECIDED", "families": 0}])
    assert row == ("D.z", "its data", "because")


def test_nothing_refused_says_how_near_it_was():
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=120)
    console.print(table_of_refusals({"good": {"verdict": "PASS", "findings": [KEPT]}}))
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert "nothing" in told
    assert "nearest: T2.y below 4.9 %, limit 5 %" in told
