"""Anytime evidence: its numbers, its law (Ville), and where it says nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from governance.audit.evalue import (
    anytime_verdict,
    families_for_clean_pass,
    log_evalue_fail,
    log_evalue_pass,
)
from governance.audit.statistics import Verdict


def test_no_evidence_before_the_first_probe():
    assert log_evalue_pass(0, 0, limit=0.05) == pytest.approx(0)
    assert log_evalue_fail(0, 0, limit=0.05) == pytest.approx(0)


def test_clean_model_passes_at_392():
    assert families_for_clean_pass(0.01) == 392
    for violations in (0, 1, 7):
        least = families_for_clean_pass(0.05, violations=violations)
        assert anytime_verdict(violations, least, limit=0.05) is Verdict.PASS
        assert anytime_verdict(violations, least - 1, limit=0.05) is not Verdict.PASS
    assert anytime_verdict(0, 391, limit=0.01) is Verdict.UNDECIDED
    assert anytime_verdict(0, 392, limit=0.01) is Verdict.PASS


@pytest.mark.parametrize(("k", "n"), [(0, 50), (2, 100), (5, 60)])
def test_it_is_the_mixture_of_likelihood_ratios(k, n):
    limit = 0.05

    def mixture(a, b, low, high):
        prior = stats.beta(a, b)
        mass = prior.cdf(high) - prior.cdf(low)
        ratio = lambda p: (p / limit) ** k * ((1 - p) / (1 - limit)) ** (n - k)  # noqa: E731
        return integrate.quad(lambda p: ratio(p) * prior.pdf(p) / mass, low, high, limit=200)[0]

    assert math.exp(log_evalue_pass(k, n, limit=limit)) == pytest.approx(mixture(1, 40, 0, limit), rel=1e-6)
    assert math.exp(log_evalue_fail(k, n, limit=limit)) == pytest.approx(
        mixture(0.5, 0.5, limit, 1), rel=1e-4
    )


def test_many_violations_fail_and_never_pass():
    assert anytime_verdict(30, 100, limit=0.05) is Verdict.FAIL
    assert log_evalue_pass(30, 100, limit=0.05) < 0


def test_underflow_is_evidence_against():
    assert log_evalue_pass(9_000, 10_000, limit=0.001) == -math.inf


def test_looking_after_every_probe_rarely_passes_a_bad_model():
    """The rate is exactly the limit; 1,000 sequences, read after every one of 400 probes."""
    rng = np.random.default_rng(20260101)
    k = np.cumsum(rng.random((1000, 400)) < 0.05, axis=1)
    n = np.arange(1, 401)
    for evidence in (log_evalue_pass, log_evalue_fail):
        crossed = (evidence(k, n, limit=0.05) >= math.log(20)).any(axis=1)
        assert crossed.mean() <= 0.065
