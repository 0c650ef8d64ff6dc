"""Evidence that may be looked at after every probe: an e-value for a violation rate.

A fixed plan may be read once. Where the policy declares an anytime audit beforehand, this value may be
read as often as one likes and more probes may be bought later: if the truth lies on the wrong side of the
limit, the value ever reaches 1/alpha with probability at most alpha (Ville's inequality).
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from governance.audit.statistics import Verdict

__all__ = ["anytime_verdict", "families_for_clean_pass", "log_evalue_fail", "log_evalue_pass"]


def log_evalue_pass(k: ArrayLike, n: ArrayLike, *, limit: float) -> NDArray[np.float64]:
    r"""Log e-value for "the rate is below ``limit``" against "it is at or above".

    A mixture of likelihood ratios over rates below the limit, with prior Beta(a, b) cut at L::

        log E = betaln(a+k, b+n-k) - betaln(a, b) + log F(L; a+k, b+n-k) - log F(L; a, b)
                - k log L - (n-k) log(1-L),        F the Beta distribution function, (a, b) = (1, 2/L)

    Args:
        k: Violations so far.
        n: Families so far, asked in an order drawn at random with a logged seed.
        limit: Largest violation rate, strictly between 0 and 1.

    Returns:
        Natural logarithms; 0 at ``n = 0``; ``-inf`` where the evidence underflows (then it is against).

    Example:
        Limit 1 %, no violation: reaches log 20 at 392 families.

    Source: Ville 1939; Ramdas et al. 2023, doi:10.1214/23-STS894; beta-binomial mixture: Robbins 1970,
    doi:10.1214/aoms/1177696786.
    """
    a, b = 1.0, 2.0 / limit
    violations, families = np.asarray(k, float), np.asarray(n, float)
    with np.errstate(divide="ignore"):
        inside = np.log(scipy.special.betainc(a + violations, b + families - violations, limit))
    prior = math.log(scipy.special.betainc(a, b, limit))
    return np.asarray(_log_mixture(violations, families, limit, a, b) + inside - prior)


def log_evalue_fail(k: ArrayLike, n: ArrayLike, *, limit: float) -> NDArray[np.float64]:
    """Log e-value for "the rate is above ``limit``": the same over the other side, Beta(1/2, 1/2) cut at L."""
    a = b = 0.5
    violations, families = np.asarray(k, float), np.asarray(n, float)
    with np.errstate(divide="ignore"):
        inside = np.log(scipy.special.betaincc(a + violations, b + families - violations, limit))
    prior = math.log(scipy.special.betaincc(a, b, limit))
    return np.asarray(_log_mixture(violations, families, limit, a, b) + inside - prior)


def _log_mixture(
    k: NDArray[np.float64], n: NDArray[np.float64], limit: float, a: float, b: float
) -> NDArray[np.float64]:
    if not 0 < limit < 1:
        raise ValueError(f"the largest violation rate lies strictly between 0 and 1, got {limit}")
    if np.any(k < 0) or np.any(k > n):
        raise ValueError("violations must lie between 0 and the number of families")
    mixture = scipy.special.betaln(a + k, b + n - k) - scipy.special.betaln(a, b)
    return np.asarray(mixture - k * math.log(limit) - (n - k) * math.log1p(-limit))


def anytime_verdict(k: int, n: int, *, limit: float, confidence: float = 0.95) -> Verdict:
    """PASS or FAIL once the evidence reaches 1/alpha, else UNDECIDED (ask on).

    It holds for the whole sequence: the caller stops at the first verdict that is not UNDECIDED.
    """
    threshold = -math.log(1 - confidence)
    if float(log_evalue_pass(k, n, limit=limit)) >= threshold:
        return Verdict.PASS
    if float(log_evalue_fail(k, n, limit=limit)) >= threshold:
        return Verdict.FAIL
    return Verdict.UNDECIDED


def families_for_clean_pass(limit: float, *, confidence: float = 0.95, violations: int = 0) -> int:
    """Families after which a model passes the anytime test that violates in ``violations`` of them and no further one.

    Example:
        None at 1 % and 95 %: 392.
    """
    threshold = -math.log(1 - confidence)
    low, high = violations, violations + 1
    while float(log_evalue_pass(violations, high, limit=limit)) < threshold:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if float(log_evalue_pass(violations, middle, limit=limit)) >= threshold:
            high = middle
        else:
            low = middle
    return high
