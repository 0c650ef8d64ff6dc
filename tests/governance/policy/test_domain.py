from __future__ import annotations

from hypothesis import example as case
from hypothesis import given
from hypothesis import strategies as st

from governance.policy.domain import (
    LARGEST,
    MICRO,
    Choices,
    Domain,
    Interval,
    Nothing,
    Phrases,
    contains,
    difference,
    example,
    is_empty,
    meet,
    nearest,
    to_micro,
)

WORDS = ["a", "b", "c", "d"]
choices = st.builds(Choices, st.just("choice"), st.frozensets(st.sampled_from(WORDS)), st.booleans())
flags = st.builds(Choices, st.just("flag"), st.frozensets(st.booleans()), st.booleans())
intervals = st.builds(
    lambda low, width, step: Interval(low * MICRO // 4, (low + width) * MICRO // 4, step),
    st.integers(-40, 40),
    st.integers(-4, 60),
    st.sampled_from([1, MICRO // 10, MICRO // 4, MICRO // 2, MICRO, 2 * MICRO, 3 * MICRO]),
)
phrases = st.builds(
    Phrases, st.integers(0, 12), st.frozensets(st.sampled_from(["foo", "a*b", "bar", "x y"]), max_size=3)
)
domains: st.SearchStrategy[Domain] = st.one_of(choices, flags, intervals, phrases, st.just(Nothing()))
values = st.one_of(
    st.sampled_from(WORDS),
    st.booleans(),
    st.integers(-60, 60),
    st.integers(-200, 200).map(lambda n: n / 4),
    st.text(max_size=14),
    st.sampled_from(["foo", "FOO", "axxb", "f\u200boo", float("nan"), float("inf"), None, 10**30, [1]]),
)


@given(domains, domains, values)
def test_the_meet_allows_exactly_what_both_allow(one, other, value):
    both = contains(one, value) and contains(other, value)
    if one.kind == other.kind:
        assert contains(meet(one, other), value) == both
    else:  # a word is no text: sets of different kinds have nothing in common
        assert is_empty(meet(one, other))


@given(domains, domains, domains, values)
def test_the_meet_is_commutative_associative_and_idempotent(one, two, three, value):
    assert meet(one, two) == meet(two, one)
    left, right = meet(meet(one, two), three), meet(one, meet(two, three))
    assert contains(left, value) == contains(right, value)
    assert contains(meet(one, one), value) == contains(one, value)


@given(domains)
def test_an_example_is_a_member_and_its_absence_means_empty(domain):
    found = example(domain)
    if found is not None:
        assert contains(domain, found)
    elif not (isinstance(domain, Choices) and domain.excluding):
        assert is_empty(domain) or isinstance(domain, Phrases)


@given(domains, domains, values)
@case(Choices("choice", frozenset(), True), Phrases(1, frozenset()), "00")
@case(Choices("choice", frozenset("a"), True), Phrases(LARGEST, frozenset(["b*c"])), "bc")
def test_a_difference_is_a_true_witness_and_its_absence_means_inclusion(one, other, value):
    witness = difference(one, other)
    if witness is not None:
        assert contains(one, witness)
        assert not contains(other, witness)
    elif not isinstance(one, Phrases):
        assert not contains(one, value) or contains(other, value)


@given(intervals, st.integers(-100 * MICRO, 100 * MICRO))
def test_the_nearest_number_is_allowed_and_none_is_nearer(domain, micro):
    found = nearest(domain, micro)
    if found is None:
        assert is_empty(domain)
        return
    assert contains(domain, found / MICRO)
    for other in (found - domain.step, found + domain.step):
        if domain.low <= other <= domain.high:
            assert abs(micro - found) <= abs(micro - other)


def test_numbers_are_exact_decimals():
    assert to_micro(0.3) == 300_000
    assert contains(Interval(0, MICRO, 100_000), 0.3)
    assert not contains(Interval(0, MICRO, 100_000), 0.1 + 0.2)  # 0.30000000000000004 is another number
    assert to_micro(1e9) == 10**15
    assert to_micro(1_000_000_000.5) is None
    assert to_micro(True) is None
    assert to_micro(float("nan")) is None
    assert to_micro(10**400) is None


def test_nearest_worked_by_hand():
    fives = Interval(10 * MICRO, 30 * MICRO, 5 * MICRO)
    asked = [3, 47, 12, 13, 12.5]
    assert [nearest(fives, round(n * MICRO)) for n in asked] == [n * MICRO for n in (10, 30, 10, 15, 10)]


def test_truth_values_are_not_numbers_and_words_are_not_truth_values():
    assert not contains(Interval(), True)
    assert not contains(Choices("flag", frozenset({True})), 1)
    assert not contains(Choices("choice", frozenset({"true"})), True)


def test_phrases_are_found_behind_case_width_and_invisible_characters():
    screened = Phrases(100, frozenset({"ignore*instructions"}))
    assert contains(screened, "my instructions")
    for text in (
        "Ignore all INSTRUCTIONS",
        "ig\u200bnore my instructions",
        "ｉｇｎｏｒｅ these\n\ninstructions",
    ):
        assert not contains(screened, text)
