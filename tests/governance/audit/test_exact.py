"""The incomplete beta function of single cells against scipy's, and against sums of binomial terms in whole numbers."""

from __future__ import annotations

import random
import subprocess
import sys
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy import special

from governance.audit.exact import LARGEST, beta_above, beta_below, beta_quantile
from governance.audit.statistics import lower_bound, upper_bound

TRIALS = (1, 2, 3, 10, 60, 93, 200, 250, 773, 2000, LARGEST - 1)
LEVELS = (1e-9, 1e-4, 0.01, 0.05, 0.2, 0.5, 0.9, 0.95, 0.999999)


def shapes():
    draw = random.Random(1)
    for n in TRIALS:
        few = {
            0,
            1,
            2,
            3,
            n // 100,
            n // 20,
            n // 7,
            n // 2,
            n - 2,
            n - 1,
            draw.randrange(n),
            draw.randrange(n),
        }
        yield from ((k + 1, n - k) for k in sorted(few) if 0 <= k < n)


def test_quantiles_are_those_of_scipy():
    cases = [(a, b, p) for a, b in shapes() for p in LEVELS]
    ours = [beta_quantile(*case) for case in cases]
    np.testing.assert_allclose(ours, special.betaincinv(*np.array(cases).T), rtol=1e-12)


def test_both_tails_are_those_of_scipy():
    cases = [(a, b, min(a / (a + b) * by, 0.999)) for a, b in shapes() for by in (0.2, 0.7, 1, 1.3, 2)]
    at = np.array(cases).T
    for ours, theirs in ((beta_below, special.betainc), (beta_above, special.betaincc)):
        np.testing.assert_allclose([ours(*case) for case in cases], theirs(*at), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("k", "n", "rate"), [(2, 4, "1/2"), (0, 60, "1/20"), (3, 40, "1/7"), (39, 40, "9/10")]
)
def test_tails_by_hand_in_whole_numbers(k, n, rate):
    p = Fraction(rate)
    at_most = sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
    assert beta_above(k + 1, n - k, float(p)) == pytest.approx(float(at_most), rel=1e-13)
    assert beta_below(k + 1, n - k, float(p)) == pytest.approx(float(1 - at_most), rel=1e-13)


def test_a_quantile_and_its_tail_undo_each_other():
    for a, b in shapes():
        for p in (0.01, 0.05, 0.95):
            assert beta_below(a, b, beta_quantile(a, b, p)) == pytest.approx(p, rel=1e-9)


def test_ends_and_what_has_no_answer():
    assert (beta_below(2, 3, 0), beta_above(2, 3, 0)) == (0, 1)
    assert (beta_below(2, 3, 1), beta_above(2, 3, 1)) == (1, 0)
    for wrong in ((0, 1, 0.5), (1, LARGEST, 0.5), (2, 3, 1.5), (2, 3, float("nan"))):
        with pytest.raises(ValueError, match=r"whole numbers|rate lies"):
            beta_below(*wrong)
    for p in (0, 1, float("nan")):
        with pytest.raises(ValueError, match="probability"):
            beta_quantile(2, 3, p)


def test_one_cell_and_many_are_bounded_alike_on_both_sides_of_the_seam():
    n = np.array([0, 1, 60, 200, 250, LARGEST - 2, LARGEST - 1, LARGEST, LARGEST + 1])
    for share in (0, 0.001, 0.05, 0.5, 1):
        k = np.floor(n * share)
        for bound in (upper_bound, lower_bound):
            for confidence in (0.5, 0.95, 0.99):
                alone = [float(bound(*cell, confidence)) for cell in zip(k, n, strict=True)]
                np.testing.assert_allclose(alone, bound(k, n, confidence), rtol=1e-12)


def test_a_few_cells_need_no_scipy():
    code = (
        "import sys; from governance.audit.statistics import verdict\n"
        "assert verdict(1, 200, limit=.05) == 'PASS' and verdict(35, 250, limit=.15) == 'UNDECIDED'\n"
        "sys.exit('scipy.special' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
