from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from governance.policy.compose import compose
from governance.policy.decide import MISSING_CONTEXT, NO_VALUE_LEFT, UNKNOWN_DIMENSION, WRONG_TYPE, Cell
from tests.support import generated
from tests.support.policies import AT, choice, flag, make, rule, span


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(generated.stacks(), generated.requests)
def test_a_denial_names_the_highest_rule_that_excludes_the_value(documents, request):
    name, value, context = request
    policy = compose(documents, at=AT)
    for _ in range(2):  # worked out, then kept
        verdict = policy.decider.decide(name, value, context)
        cell = policy.decider.cell(name, context)
        if not isinstance(cell, Cell) or verdict.allowed:
            continue
        found = cell.dimension.determining(value, cell.context)
        if verdict.rule.startswith("bounds."):
            assert found is None or verdict.rule == WRONG_TYPE
        else:
            assert verdict.rule == found.rule
            assert verdict.tier == int(found.document.tier)
            assert verdict.owner == found.document.owner


def policy():
    law = make(
        1,
        "law",
        context={"age": ["child", "adult"]},
        rules=[
            rule("T1.calm", limits={"warmth": {"at_most": 5}}, when={"age": ["child"]}),
            rule("T1.plain", limits={"tone": {"forbid": ["rude"]}}),
        ],
    )
    provider = make(
        2,
        "provider",
        rules=[
            rule(
                "T2.kind",
                limits={"tone": {"allow": ["warm", "rude"]}, "warmth": {"at_least": 2, "step": 0.5}},
            )
        ],
        dimensions=[
            choice("tone", ["warm", "cold", "rude"]),
            span("warmth", 0, 10, step=0.5),
            flag("emoji"),
        ],
    )
    return compose([law, provider], at=AT)


def test_the_higher_tier_is_named_where_both_deny():
    decide = policy().decider.decide
    assert decide("tone", "rude").rule == "T1.plain"
    assert decide("tone", "cold").rule == "T2.kind"
    assert decide("tone", "cold").owner == "Owner of provider"
    assert decide("tone", "warm").allowed
    assert decide("tone", "never heard").rule == "T2.kind"
    assert decide("warmth", 6, {"age": "child"}).rule == "T1.calm"
    assert decide("warmth", 6, {"age": "adult"}).allowed
    assert decide("warmth", 1, {"age": "child"}).rule == "T2.kind"
    assert decide("warmth", 2.25, {"age": "child"}).rule == "T2.kind"
    assert decide("warmth", 20, {"age": "adult"}).rule == "dimension.warmth"


def test_what_cannot_be_judged_is_denied_with_the_reason():
    decide = policy().decider.decide
    assert decide("warmth", 3).rule == MISSING_CONTEXT
    assert decide("warmth", 3, {"age": "elder"}).rule == MISSING_CONTEXT
    assert decide("warmth", 3, {"age": ["child"]}).rule == MISSING_CONTEXT  # type: ignore[dict-item]
    assert decide("colour", "red").rule == UNKNOWN_DIMENSION
    assert decide(["tone"], "warm").rule == UNKNOWN_DIMENSION  # type: ignore[arg-type]
    for value in (True, "3", None, float("nan"), [3], {}):
        assert decide("warmth", value, {"age": "adult"}).rule == WRONG_TYPE
    for value in (1, 0, "true", None, [True]):
        assert decide("emoji", value).rule == WRONG_TYPE
    for value in (1, True, None, ["warm"]):
        assert decide("tone", value).rule == WRONG_TYPE
    assert not decide("warmth", float("inf"), {"age": "adult"})
    assert not decide("warmth", 10**400, {"age": "adult"})


def test_values_that_only_the_meet_leaves_out_are_denied_by_it():
    law = make(1, "law", rules=[rule("T1.even", limits={"level": {"step": 2}})])
    provider = make(2, "p", dimensions=[span("level", 3, 3, step=3)])
    verdict = compose([law, provider], at=AT).decider.decide("level", 3)
    assert verdict.rule == "T1.even"
    one = make(1, "law", rules=[rule("T1.a", limits={"tone": {"allow": ["a"]}})])
    two = make(
        2,
        "p",
        rules=[rule("T2.b", limits={"tone": {"allow": ["b"]}})],
        dimensions=[choice("tone", ["a", "b"])],
    )
    decide = compose([one, two], at=AT).decider.decide
    assert [decide("tone", word).rule for word in ("a", "b")] == ["T2.b", "T1.a"]
    assert NO_VALUE_LEFT.startswith("bounds.")


def test_made_up_words_do_not_fill_the_memory():
    decider = policy().decider
    for number in range(2_000):
        decider.decide("tone", f"word-{number}")
        decider.decide("warmth", number, {"age": f"age-{number}"})
        decider.decide("warmth", number + 0.5, {"age": "adult"})
    cell = decider.cell("tone")
    assert isinstance(cell, Cell)
    assert len(cell.kept) <= 4
    warm = decider.cell("warmth", {"age": "adult"})
    assert isinstance(warm, Cell)
    assert len(warm.kept) + len(warm.denials) <= 4
