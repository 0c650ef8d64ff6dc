from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.policy.batch import (
    CLIPPED,
    DENIED,
    HONOURED,
    NO_WISH,
    Coded,
    decide_column,
    encode,
    settle_column,
)
from governance.policy.compose import compose
from governance.policy.resolve import resolve
from tests.support import generated
from tests.support.policies import AT, make, rule, span

FEW = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
numbers = st.lists(
    st.one_of(
        st.integers(-40, 60).map(lambda n: n / 4),
        st.sampled_from([0.1, 0.30000000000000004, float("inf"), -1e300, 1e9, 2.5e9]),
    ),
    max_size=20,
)


@FEW
@given(generated.stacks(), st.sampled_from(["tone", "emoji", "name"]), st.data(), generated.contexts)
def test_a_coded_column_is_decided_as_its_values_one_by_one(documents, name, data, context):
    policy = compose(documents, at=AT)
    wishes = data.draw(st.lists(st.one_of(st.none(), generated.wishes_for[name]), max_size=12))
    decided = decide_column(policy, name, encode(wishes), context)
    single = [wish is not None and policy.decider.decide(name, wish, context).allowed for wish in wishes]
    assert decided.allowed.tolist() == single


@FEW
@given(generated.stacks(), numbers, generated.contexts)
def test_a_column_of_numbers_is_decided_as_its_values_one_by_one(documents, wishes, context):
    policy = compose(documents, at=AT)
    for column in (
        np.array(wishes, np.float64),
        np.array([int(w) for w in wishes if abs(w) < 1e6], np.int16),
    ):
        decided = decide_column(policy, "level", column, context)
        assert decided.allowed.tolist() == [
            policy.decider.decide("level", value, context).allowed for value in column.tolist()
        ]


@FEW
@given(generated.stacks(), numbers, generated.contexts)
def test_a_column_of_numbers_is_settled_as_resolve_settles_it(documents, wishes, context):
    policy = compose(documents, at=AT)
    values, status = settle_column(policy, "level", np.array(wishes, np.float64), context)
    dimension = policy.dimensions.get("level")
    if dimension is None or "end_user" not in dimension.settable_by:
        return
    for wish, value, what in zip(wishes, values, status, strict=True):
        answer = resolve(policy, {"wishes": {"level": wish}, "context": context})
        if what in {HONOURED, CLIPPED}:
            assert answer.settings["level"] == value
            assert bool(answer.clipped) == (what == CLIPPED)
        else:
            assert what == DENIED
            assert [w.dimension for w in answer.denied if w.source == "person"] == ["level"]


def test_worked_by_hand():
    documents = [
        make(1, "law", rules=[rule("T1.low", limits={"level": {"at_most": 7}})]),
        make(2, "provider", dimensions=[span("level", 0, 10, step=0.5, outside="clip")]),
    ]
    policy = compose(documents, at=AT)
    column = np.array([7, 7.5, -1, 3.2, np.nan, 0.5, np.inf])
    values, status = settle_column(policy, "level", column)
    assert np.array_equal(values, [7, 7, 0, 3, np.nan, 0.5, np.nan], equal_nan=True)
    assert status.tolist() == [HONOURED, CLIPPED, CLIPPED, CLIPPED, NO_WISH, HONOURED, DENIED]
    coded = decide_column(policy, "level", Coded(np.array([0, -1], np.int8), ["high"]))
    assert coded.allowed.tolist() == [False, False]
    assert not decide_column(policy, "level", np.array([True, False])).allowed.any()
    assert not decide_column(policy, "unheard_of", np.array([1.0])).allowed.any()
