"""McNemar, Holm, design effect, shrinkage, judge error: by hand and against scipy and statsmodels."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from governance.audit.comparisons import design_effect, excess_pvalue, holm, mcnemar, shrink
from governance.audit.judge_error import adjudicated_upper_bound, hypergeometric_upper, judge_error
from governance.audit.statistics import upper_bound


def test_mcnemar_by_hand():
    assert mcnemar(1, 8) == pytest.approx(2 * (1 + 9) / 512)
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(b, c):
    expected = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar(b, c) == pytest.approx(min(1, expected))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == [True, False, False]
    assert holm([0.01, 0.02, 0.03]).tolist() == [True, True, True]


def test_holm_is_that_of_statsmodels():
    rng = np.random.default_rng(11)
    for size in (1, 2, 10, 50):
        pvalues = rng.beta(0.3, 3, size)
        assert holm(pvalues).tolist() == multipletests(pvalues, method="holm")[0].tolist()


def test_excess():
    assert excess_pvalue(0, 100, 0.05) == 1
    assert excess_pvalue(10, 100, 0.05) == pytest.approx(stats.binom.sf(9, 100, 0.05))


def test_design_effect_by_hand():
    found = design_effect([0, 4], [10, 10])
    assert found.effect == pytest.approx(5)
    assert found.effective == pytest.approx(4)


def test_design_effect_of_independent_groups_is_about_one():
    rng = np.random.default_rng(3)
    effects = [design_effect(rng.binomial(25, 0.2, 40), [25] * 40).effect for _ in range(200)]
    assert np.mean(effects) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("k", "n"), [([0, 0], [5, 5]), ([5, 5], [5, 5]), ([1], [5]), ([], [])])
def test_design_effect_where_it_is_not_defined(k, n):
    assert design_effect(k, n) is None


def test_shrinking_draws_small_slices_to_the_mean():
    found = shrink([0, *[10] * 50], [2, *[100] * 50])
    assert found.rates[0] == pytest.approx(0.1, abs=0.02)
    assert found.rates[1] == pytest.approx(0.1, abs=0.01)
    assert found.low[0] < found.rates[0] < found.high[0]


def test_shrinking_ten_thousand_slices_takes_under_a_second():
    rng = np.random.default_rng(5)
    n = rng.integers(5, 200, 10_000)
    k = rng.binomial(n, rng.beta(2, 30, 10_000))
    start = time.perf_counter()
    found = shrink(k, n)
    assert time.perf_counter() - start < 1
    assert found.mean == pytest.approx(2 / 32, rel=0.05)


def test_judge_error_by_hand():
    people = [True, True, True, False, False, False, False, False]
    judge = [True, True, False, True, False, False, False, None]
    error = judge_error(people, judge)
    assert (error.sensitivity.count, error.sensitivity.total) == (2, 3)
    assert (error.specificity.count, error.specificity.total) == (3, 4)
    assert error.abstained == 1
    assert error.points_off == pytest.approx(100 * (3 / 7 - 3 / 7))
    assert error.sensitivity.low == pytest.approx(stats.binomtest(2, 3).proportion_ci(method="exact").low)


def test_judge_error_needs_something_judged():
    with pytest.raises(ValueError, match="no answer"):
        judge_error([True], [None])
    with pytest.raises(ValueError, match="same answers"):
        judge_error([True], [])


def test_hypergeometric_by_hand():
    assert hypergeometric_upper(0, 10, 20) == 3
    assert hypergeometric_upper(3, 20, 20) == 3
    assert hypergeometric_upper(0, 0, 20) == 20


@given(st.data())
def test_hypergeometric_is_the_largest_count_not_ruled_out(data):
    population = data.draw(st.integers(1, 120))
    sampled = data.draw(st.integers(0, population))
    found = data.draw(st.integers(0, sampled))
    bound = hypergeometric_upper(found, sampled, population)
    assert stats.hypergeom.cdf(found, population, bound, sampled) > 0.05 - 1e-9
    if bound < population - (sampled - found):
        assert stats.hypergeom.cdf(found, population, bound + 1, sampled) <= 0.05 + 1e-9


def test_adjudicated_bound():
    everything = adjudicated_upper_bound(confirmed=4, missed=0, sampled=190, unflagged=190, families=200)
    assert everything == pytest.approx(upper_bound(4, 200, 0.975))
    sampled = adjudicated_upper_bound(confirmed=4, missed=0, sampled=95, unflagged=190, families=200)
    assert sampled > everything
