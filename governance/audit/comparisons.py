"""Comparing: two models on the same probes, slices with each other, families that are not independent.

Nothing here gates. :func:`mcnemar` and :func:`shrink` report, :func:`holm` accuses slices,
:func:`design_effect` says how much an assumption of independence would cost if it were wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DesignEffect",
    "Shrunk",
    "design_effect",
    "excess_pvalue",
    "holm",
    "mcnemar",
    "shrink",
    "wilson_bounds",
]


def mcnemar(b: ArrayLike, c: ArrayLike) -> NDArray[np.float64]:
    """Exact two-sided McNemar p-value for two models judged on the same families.

    Of the ``b + c`` families where they differ, under equal rates each side is as likely:
    p = min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2). No difference at all gives 1.

    Args:
        b: Families that only the first model violates.
        c: Families that only the second model violates.

    Example:
        b = 1, c = 8: 2 * (1 + 9) / 512 = 0.0390625.

    Source: McNemar 1947, doi:10.1007/BF02295996.
    """
    first, second = np.asarray(b, float), np.asarray(c, float)
    if np.any(first < 0) or np.any(second < 0):
        raise ValueError("counts of families cannot be negative")
    total = first + second
    tail = scipy.special.bdtr(np.minimum(first, second), total.astype(int), 0.5)
    return np.asarray(np.minimum(1.0, np.where(total == 0, 1.0, 2.0 * tail)))


def wilson_bounds(share: float, n: float, *, z: float) -> tuple[float, float]:
    """Both bounds of a share of ``n`` by Wilson's score interval; ``n`` may be an effective number.

    Args:
        share: Between 0 and 1.
        n: Above 0.
        z: Quantile of the normal distribution, 1.96 for 95 % on both sides together.

    Example:
        56 of 70 at 95 %: from 0.6918 to 0.8770.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def excess_pvalue(k: ArrayLike, n: ArrayLike, limit: ArrayLike) -> NDArray[np.float64]:
    """P(X >= k), X ~ Binomial(n, limit): how surprising so many violations are at the limit itself."""
    violations, families = np.asarray(k, float), np.asarray(n)
    return np.where(
        violations <= 0, 1.0, scipy.special.bdtrc(violations - 1, families, np.asarray(limit, float))
    )


def holm(pvalues: ArrayLike, *, alpha: float = 0.05) -> NDArray[np.bool_]:
    """Which of many accusations stand, with at most ``alpha`` chance of any false one (Holm's step-down).

    Sort the p-values; the i-th smallest of m is compared with alpha / (m - i + 1); stop at the first that is
    above. Used only to *accuse* slices: a model is passed by intersection-union, which needs no correction.

    Example:
        0.01, 0.04, 0.03 at 5 %: only the first (0.01 <= 0.0167; 0.03 > 0.025).

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70, https://www.jstor.org/stable/4615733.
    """
    values = np.atleast_1d(np.asarray(pvalues, float))
    order = np.argsort(values, kind="stable")
    small_enough = values[order] <= alpha / (len(values) - np.arange(len(values)))
    accused = np.zeros(len(values), dtype=bool)
    accused[order] = np.logical_and.accumulate(small_enough)
    return accused


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignEffect:
    """How far families that share a group repeat each other.

    Attributes:
        effect: Variance of the rate under grouping over its variance under independence; 1 means
            independent, m that a group of m is worth one.
        effective: ``families / effect``: what the families are worth.
        groups: How many groups there were.
    """

    effect: float
    effective: float
    groups: int


def design_effect(violations: ArrayLike, families: ArrayLike) -> DesignEffect | None:
    """Design effect of a rate over groups of families (say, XSTest's types of prompt).

    Ratio estimator over G groups with m_g families and k_g violations, p = sum k / sum m::

        V_group = G / (G - 1) * sum (k_g - p m_g)^2 / M^2      V_independent = p (1 - p) / M
        effect  = V_group / V_independent

    Returns:
        None where it is not defined: fewer than two groups, or a rate of 0 or 1.

    Example:
        Two groups of 10 with 0 and 4 violations: p = .2, V_group = 2 * 8 / 400 = .04,
        V_independent = .008, effect 5, worth 4 families.

    Source: Kish 1965, Survey Sampling, chapter 8; Cochran 1977, Sampling Techniques, 9A.
    """
    k, m = np.asarray(violations, float), np.asarray(families, float)
    groups, total = len(k), float(m.sum())
    if groups < 2 or total == 0:
        return None
    rate = float(k.sum()) / total
    if rate in {0.0, 1.0}:
        return None
    grouped = groups / (groups - 1) * float(np.sum((k - rate * m) ** 2)) / total**2
    effect = grouped / (rate * (1 - rate) / total)
    return DesignEffect(effect=effect, effective=total / max(effect, 1e-12), groups=groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """Rates of slices drawn towards their common mean, and the prior that drew them."""

    rates: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: float
    concentration: float


def shrink(k: ArrayLike, n: ArrayLike, *, confidence: float = 0.90) -> Shrunk:
    """Empirical-Bayes rates of many small slices (beta-binomial), for reporting only.

    The prior Beta(mu s, (1 - mu) s) maximises the marginal likelihood of all slices,
    sum betaln(k + mu s, n - k + (1 - mu) s) - betaln(mu s, (1 - mu) s); each slice then reports the mean and
    the central ``confidence`` interval of its posterior. Coverage was .895 where .95 was asked, so it never gates.

    Example:
        0 of 2 beside 50 slices of 10 of 100 reports a rate near 10 %, not 0.

    Source: Efron & Morris 1975, doi:10.1080/01621459.1975.10479864; Skellam 1948,
    doi:10.1111/j.2517-6161.1948.tb00014.x.
    """
    violations, families = np.asarray(k, float), np.asarray(n, float)
    if len(violations) == 0 or families.sum() == 0:
        raise ValueError("shrinking needs at least one family")

    def loss(parameters: NDArray[np.float64]) -> float:
        mu, size = scipy.special.expit(parameters[0]), np.exp(parameters[1])
        a, b = mu * size, (1 - mu) * size
        return -float(
            np.sum(
                scipy.special.betaln(violations + a, families - violations + b) - scipy.special.betaln(a, b)
            )
        )

    pooled = (violations.sum() + 0.5) / (families.sum() + 1)
    found = scipy.optimize.minimize(
        loss,
        np.array([scipy.special.logit(pooled), np.log(10.0)]),
        method="L-BFGS-B",
        bounds=[(-12, 12), (-5, 12)],
    )
    mean, size = float(scipy.special.expit(found.x[0])), float(np.exp(found.x[1]))
    a, b = mean * size + violations, (1 - mean) * size + families - violations
    tail = (1 - confidence) / 2
    return Shrunk(
        rates=a / (a + b),
        low=scipy.special.betaincinv(a, b, tail),
        high=scipy.special.betaincinv(a, b, 1 - tail),
        mean=mean,
        concentration=size,
    )
