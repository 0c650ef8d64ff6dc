"""One audit per artifact, policy and probe set; everything else is refused, or spends what the policy declares."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from governance.audit.attempts import Attempt, JudgedBy, permission

AT = datetime(2026, 6, 1, tzinfo=UTC)
PROBES = frozenset({"a", "b", "c"})
ONE = Attempt(
    model="chat",
    version="1",
    artifact="files-1",
    policy="policy",
    probe_set="set",
    plan="plan",
    probes=PROBES,
    alpha=0.05,
    anytime=frozenset({"T1.x/violation"}),
    at=AT,
)
PASSED = replace(ONE, verdict="PASS")
OPEN = replace(ONE, verdict="UNDECIDED", undecided=frozenset({"T1.x/violation"}))
OTHER_SET = replace(ONE, probe_set="set-2", plan="plan-2", probes=frozenset({"d", "e"}))
LARGER_SET = replace(ONE, probe_set="set-3", plan="plan-3", probes=PROBES | {"d"})


def test_the_first_audit_is_allowed_and_the_same_one_again_stands():
    assert permission(ONE, [], budget=None)
    again = permission(replace(ONE, at=AT + timedelta(days=9)), [PASSED], budget=None)
    assert again
    assert again.again == PASSED


def test_a_killed_audit_goes_on_as_the_same():
    assert permission(ONE, [ONE], budget=None).again == ONE


@pytest.mark.parametrize("before", [PASSED, OPEN, replace(ONE, verdict="FAIL"), ONE])
def test_another_plan_for_the_same_artifact_policy_and_probes_is_refused(before):
    found = permission(replace(ONE, plan="another seed"), [before], budget=1.0)
    assert not found
    assert "second attempt" in found.reasons[0]


def test_another_policy_is_another_audit():
    assert permission(replace(ONE, policy="stricter"), [replace(ONE, verdict="FAIL")], budget=None)


def test_the_same_plan_is_judged_by_others_only_where_people_settle_what_was_undecided():
    machine = JudgedBy(name="*", id="patterns", version="1", digest="d1", grade="C")
    other = JudgedBy(name="*", id="classifier", version="1", digest="d2", grade="C")
    people = JudgedBy(name="*", id="human", version="1", digest="d3", grade="A")
    first = replace(OPEN, judges=frozenset({machine}))

    def asked(judge, before):
        return permission(replace(ONE, judges=frozenset({judge})), [before], budget=1.0)

    assert asked(machine, first).again == first
    assert not asked(machine, first).judged_anew
    assert "only people" in asked(other, first).reasons[0]
    assert asked(people, first).judged_anew
    assert not permission(replace(ONE, judges=frozenset({people, other})), [first], budget=1.0)
    for verdict in ("PASS", "FAIL"):
        assert not asked(people, replace(first, verdict=verdict))
    assert not asked(people, replace(first, broken=frozenset({"T2.y/over_refusal"})))
    # Cut off before it said anything: whoever judges then, judges for the first time.
    assert asked(other, replace(first, verdict=None))
    # Fewer judges is another audit too.
    assert not permission(replace(ONE, judges=frozenset()), [first], budget=1.0)
    # A new version of the same judge, or the same with other contents, is another judge.
    assert not asked(replace(machine, version="2"), first)
    assert not asked(replace(machine, digest="d9"), first)


def test_other_probes_do_not_undo_a_refusal():
    assert "do not undo" in permission(OTHER_SET, [replace(ONE, verdict="FAIL")], budget=1.0).reasons[0]
    mixed = replace(OPEN, broken=frozenset({"T2.y/over_refusal"}))
    assert "do not undo" in permission(LARGER_SET, [mixed], budget=1.0).reasons[0]
    assert "not finished" in permission(OTHER_SET, [ONE], budget=1.0).reasons[0]
    assert permission(OTHER_SET, [PASSED], budget=None)


def test_undecided_goes_on_only_under_an_evalue_plan_declared_beforehand():
    assert permission(LARGER_SET, [OPEN], budget=None)
    assert "must hold every one" in permission(OTHER_SET, [OPEN], budget=1.0).reasons[0]
    fixed = replace(OPEN, anytime=frozenset())
    assert "fixed plan: T1.x/violation" in permission(LARGER_SET, [fixed], budget=1.0).reasons[0]
    # Declaring it afterwards does not help: what counts is how the first attempt was planned.
    late = replace(LARGER_SET, anytime=frozenset({"T1.x/violation"}))
    assert not permission(late, [fixed], budget=1.0)


def test_a_further_version_needs_fresh_probes_or_a_declared_budget():
    second = replace(ONE, version="2", artifact="files-2", plan="plan-b")
    refused = permission(second, [PASSED], budget=None)
    assert "fresh prompt families" in refused.reasons[0]
    assert permission(replace(second, probe_set="s", probes=frozenset({"d"})), [PASSED], budget=None)
    assert permission(second, [PASSED], budget=0.1).spent == pytest.approx(0.05)
    # One probe in common is enough to spend.
    assert not permission(replace(second, probe_set="s", probes=frozenset({"a", "d"})), [PASSED], budget=None)


def test_the_budget_runs_out_with_the_versions():
    def version(number):
        return replace(
            ONE, version=str(number), artifact=f"files-{number}", plan=f"p{number}", verdict="FAIL"
        )

    tried = [version(number) for number in range(1, 5)]
    assert permission(version(5), tried, budget=0.25)
    found = permission(version(6), [*tried, version(5)], budget=0.25)
    assert not found
    assert "spent 25 %" in found.reasons[0]
    assert found.uses == 5
    assert permission(version(6), [replace(v, model="other") for v in tried], budget=None)


def test_one_version_spends_once_however_it_went_on():
    tried = [OPEN, replace(LARGER_SET, verdict="PASS")]
    second = replace(LARGER_SET, version="2", artifact="files-2")
    assert permission(second, tried, budget=0.1).spent == pytest.approx(0.05)


def test_a_larger_budget_or_fewer_named_strata_is_a_loosening():
    from governance.policy.compose import compose
    from governance.policy.diff import diff
    from infra.policy_files import load_pack

    before = compose(load_pack("demo"), at=AT)
    [need] = before.promotion.strata

    def after(**changed):
        return replace(before, digest="sha256:" + "9" * 64, promotion=replace(before.promotion, **changed))

    def loosened(changed):
        return {change.id for change in diff(before, changed).loosened}

    assert loosened(after(error_budget=0.9)) == {"reuse of probes"}
    assert loosened(after(error_budget=None)) == set()
    assert loosened(after(strata=({**need, "primary": need["primary"][1:]},))) == {"strata 0"}
    assert loosened(after(strata=({**need, "primary": ()},))) == set()
