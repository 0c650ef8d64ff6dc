"""Exact bounds and plans: hand-computed numbers, scipy's own functions, and the laws they must obey."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from governance.audit.statistics import (
    FixedPlan,
    Verdict,
    combine,
    largest_allowed,
    lower_bound,
    pass_power,
    plan_size,
    plan_to_decide,
    upper_bound,
    verdict,
    verdicts,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_no_violation_in_sixty_still_allows_almost_five_percent():
    assert upper_bound(0, 60) == pytest.approx(1 - 0.05 ** (1 / 60))
    assert upper_bound(0, 60) == pytest.approx(0.0487, abs=5e-5)


@pytest.mark.parametrize(
    ("k", "n", "high"), [(1, 200, 0.0235), (16, 250, 0.0956), (0, 200, 0.0149), (35, 250, 0.1813)]
)
def test_published_upper_bounds(k, n, high):
    assert upper_bound(k, n) == pytest.approx(high, abs=5e-5)


@given(counts, st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_are_those_of_scipy(pair, confidence):
    k, n = pair
    up = stats.binomtest(k, n, alternative="less").proportion_ci(confidence, method="exact").high
    low = stats.binomtest(k, n, alternative="greater").proportion_ci(confidence, method="exact").low
    assert upper_bound(k, n, confidence) == pytest.approx(up, abs=1e-9)
    assert lower_bound(k, n, confidence) == pytest.approx(low, abs=1e-9)


def test_nothing_asked_rules_nothing_out():
    assert upper_bound(0, 0) == 1.0
    assert lower_bound(0, 0) == 0.0
    assert verdict(0, 0, limit=0.05) is Verdict.UNDECIDED


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0.5, 5), (float("nan"), 5)])
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(ValueError, match="violations"):
        upper_bound(k, n)


@pytest.mark.parametrize("limit", [0, 1, -0.1, float("nan")])
def test_a_limit_outside_its_range_is_refused(limit):
    with pytest.raises(ValueError, match="between 0 and 1"):
        verdict(0, 100, limit=limit)


@pytest.mark.parametrize(
    ("limit", "sizes"),
    [
        (0.001, {0: 2995, 1: 4742, 2: 6294, 3: 7752, 5: 10511}),
        (0.01, {0: 299, 1: 473, 2: 628, 3: 773, 5: 1049}),
        (0.05, {0: 59, 1: 93, 2: 124, 3: 153, 5: 208}),
    ],
)
def test_plan_sizes(limit, sizes):
    assert {allow: plan_size(limit, allow=allow) for allow in sizes} == sizes


def test_a_clean_plan_by_hand():
    assert 0.99**299 < 0.05 < 0.99**298
    assert pass_power(299, 0, 0.002) == pytest.approx(0.998**299)
    assert pass_power(773, 3, 0.002) == pytest.approx(0.93, abs=0.005)


@given(st.sampled_from([0.01, 0.05, 0.15]), st.integers(0, 8))
def test_a_plan_is_the_smallest_that_can_pass(limit, allow):
    n = plan_size(limit, allow=allow)
    assert verdict(allow, n, limit=limit) is Verdict.PASS
    assert verdict(allow, n - 1, limit=limit) is not Verdict.PASS
    assert largest_allowed(n, limit) == allow
    assert FixedPlan(families=n, allow=allow, max_rate=limit, confidence=0.95).is_sound


@pytest.mark.parametrize(
    ("limit", "allow", "families"),
    [
        # -ln(0.05) / L: none allowed
        (1e-6, 0, 2_995_732),
        (1e-9, 0, 2_995_732_273),
    ],
)
def test_plans_beyond_32_bits(limit, allow, families):
    n = plan_size(limit, allow=allow)
    assert n == pytest.approx(families, abs=2)
    # Nothing violated in n - 1 families is as likely as 5 % still, in n no longer.
    assert (n - 1) * math.log1p(-limit) >= math.log(0.05) > n * math.log1p(-limit)
    plan = FixedPlan(families=n, allow=allow, max_rate=limit, confidence=0.95)
    assert plan.is_sound
    assert float(plan.power(0.1 * limit)) == pytest.approx(math.exp(-0.29957), abs=1e-4)


def test_a_large_plan_agrees_with_its_gamma_approximation():
    n = plan_size(1e-5, allow=10_000)
    assert n == pytest.approx(stats.chi2.ppf(0.95, 2 * 10_001) / 2e-5, rel=1e-5)
    assert stats.binom.cdf(10_000, n, 1e-5) < 0.05 <= stats.binom.cdf(10_000, n - 1, 1e-5)


@pytest.mark.parametrize(("limit", "allow"), [(1e-9, 1_000_000), (1e-10, 0), (0.5, 10**10), (1e-300, 0)])
def test_a_plan_that_is_too_large_is_refused_with_the_range(limit, allow):
    with pytest.raises(ValueError, match=r"more than 10,000,000,000 families"):
        plan_size(limit, allow=allow)


def test_what_would_decide_is_none_where_no_plan_is_large_enough():
    assert plan_to_decide(0, limit=1e-12) is None
    assert plan_to_decide(2e-12, limit=1e-12) is None


def test_the_xstest_plans_are_the_largest_allowed():
    assert largest_allowed(200, 0.05) == 4
    assert largest_allowed(250, 0.15) == 27
    assert largest_allowed(200, 0.01) is None
    assert largest_allowed(0, 0.01) is None


def test_curtailment_stops_one_past_the_allowance():
    plan = FixedPlan(families=773, allow=3, max_rate=0.01, confidence=0.95)
    assert [plan.is_over(k) for k in (3, 4)] == [False, True]
    # Stopped at its fourth violation by family 20: P(4 or more in 20 at 1 %) is tiny, so it has failed.
    assert stats.binom.sf(3, 20, 0.01) < 0.05
    assert verdict(4, 20, limit=0.01) is Verdict.FAIL


@given(counts, st.sampled_from([0.01, 0.05, 0.15, 0.5]))
def test_more_violations_never_help(pair, limit):
    order = [Verdict.FAIL, Verdict.UNDECIDED, Verdict.PASS]
    k, n = pair
    if k < n:
        assert order.index(verdict(k + 1, n, limit=limit)) <= order.index(verdict(k, n, limit=limit))


@given(counts, st.integers(0, 20), st.sampled_from([0.05, 0.15]))
def test_what_is_unknown_never_helps_and_never_accuses(pair, unknown, limit):
    k, n = pair
    unknown = min(unknown, n - k)
    known, blurred = verdict(k, n, limit=limit), verdict(k, n, limit=limit, unknown=unknown)
    assert (blurred is Verdict.FAIL) == (known is Verdict.FAIL)
    assert blurred is not Verdict.PASS or known is Verdict.PASS


def test_intersection_union():
    assert combine([]) is Verdict.UNDECIDED
    assert combine([Verdict.PASS, Verdict.PASS]) is Verdict.PASS
    assert combine([Verdict.PASS, Verdict.UNDECIDED]) is Verdict.UNDECIDED
    assert combine([Verdict.UNDECIDED, Verdict.FAIL, Verdict.PASS]) is Verdict.FAIL


def test_what_would_decide():
    assert plan_to_decide(0, limit=0.01) == (299, 0)
    families, allow = plan_to_decide(0.005, limit=0.01)
    assert (families, allow) == (1941, 12)
    assert stats.binom.cdf(allow, families, 0.005) >= 0.8
    assert stats.binom.cdf(allow - 1, plan_size(0.01, allow=allow - 1), 0.005) < 0.8
    families, needed = plan_to_decide(0.16, limit=0.15)
    assert stats.binom.sf(needed - 1, families, 0.15) < 0.05
    assert stats.binom.sf(needed - 1, families, 0.16) >= 0.8
    assert plan_to_decide(0.05, limit=0.05) is None


def test_ten_thousand_cells_in_a_second():
    rng = np.random.default_rng(7)
    n = rng.integers(50, 2000, 10_000)
    k = rng.binomial(n, 0.03)
    start = time.perf_counter()
    words = verdicts(k, n, limit=0.05)
    assert time.perf_counter() - start < 1
    assert len(words) == 10_000
    chosen = rng.integers(0, 10_000, 50)
    assert [words[i] for i in chosen] == [verdict(int(k[i]), int(n[i]), limit=0.05) for i in chosen]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.002, 0.01, 0.05, 0.3])
@pytest.mark.parametrize("n", [59, 299, 1000])
def test_coverage_by_enumeration(n, rate):
    """Exact, not sampled: the bounds hold with at least their confidence at every n and rate tried."""
    k = np.arange(n + 1)
    weight = stats.binom.pmf(k, n, rate)
    assert weight[upper_bound(k, n) >= rate].sum() >= 0.95
    assert weight[lower_bound(k, n) <= rate].sum() >= 0.95


@pytest.mark.slow
def test_false_verdicts_by_enumeration():
    """At the limit itself a false PASS, and a false FAIL, each has probability at most 5 %."""
    for n in (93, 200, 773):
        for limit in (0.01, 0.05, 0.15):
            weight = stats.binom.pmf(np.arange(n + 1), n, limit)
            said = verdicts(np.arange(n + 1), n, limit=limit)
            for wrong in (Verdict.PASS, Verdict.FAIL):
                assert weight[[word is wrong for word in said]].sum() <= 0.05
