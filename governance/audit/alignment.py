r"""Alignment by stratum: does the model prefer what each group of people preferred, on judgements it never saw?

A mean over everybody hides whom a model serves badly. So the agreement with held-out judgements is taken for
each stratum and intersection, and the policy says which of them are primary: one that is served too badly, or
that too few people speak for, blocks; the others are pooled and reported.

Judgements repeat each other in two ways: one person gives many, one item is judged by many. The interval takes
both into account (Cameron, Gelbach & Miller 2011, doi:10.1198/jbes.2010.07136): with residuals
:math:`e_j = a_j - \hat p`, sums :math:`E_g` over clusters, and the cells where person and item coincide,

.. math:: V = \frac{1}{n^2}\Big(c_A \sum_A E_A^2 + c_I \sum_I E_I^2 - c_{AI} \sum_{AI} E_{AI}^2\Big), \quad
          c_G = G / (G - 1),

at least the larger of the one-way variances, because the difference can fall below them by chance. Near 0 and 1
a symmetric interval leaves [0, 1], so the bounds are Clopper-Pearson's at the effective sample size (Korn &
Graubard 1998, Survey Methodology 24(2), 193-201):

.. math:: n^* = \min\Big(n, \frac{\hat p (1 - \hat p)}{V}\Big(\frac{t_{n-1}}{t_{\min(A, I) - 1}}\Big)^2\Big).

Where nothing varies (V = 0), each person, or each item if there are fewer, counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

__all__ = ["Agreement", "HeldOut", "agreement", "clusters_and_variance", "two_way_variance"]

_HALF: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Held-out judgements, one row each, with the model's side.

    Attributes:
        annotators: Who judged, length n.
        items: What was judged, length n.
        agrees: 1 where the model prefers what the person preferred, 0 where not, 0.5 where it prefers neither.
        strata: Codebook question to the annotators' answers, each of length n.
        source: Where they come from, for people.
        simulated: Whether any of the people is simulated.
    """

    annotators: Sequence[str]
    items: Sequence[str]
    agrees: Sequence[float]
    strata: Mapping[str, Sequence[str]] = field(default_factory=dict)
    source: str = ""
    simulated: bool = False

    def __post_init__(self) -> None:
        lengths = {len(self.annotators), len(self.items), len(self.agrees), *map(len, self.strata.values())}
        if len(lengths) != 1:
            raise ValueError("annotators, items, agreement and strata are of different length")
        if any(not 0 <= value <= 1 for value in self.agrees):
            raise ValueError("agreement lies between 0 and 1")
        # Arrays once, so that a hundred strata do not convert the same lists a hundred times.
        object.__setattr__(self, "annotators", np.asarray(self.annotators, dtype=object))
        object.__setattr__(self, "items", np.asarray(self.items, dtype=object))
        object.__setattr__(self, "agrees", np.asarray(self.agrees, dtype=float))
        object.__setattr__(
            self, "strata", {name: np.asarray(answers, dtype=object) for name, answers in self.strata.items()}
        )

    def mask(self, stratum: Mapping[str, str]) -> NDArray[np.bool_]:
        """Which rows belong to a stratum (all of its answers hold); none where a question was not asked."""
        chosen = np.ones(len(self.agrees), dtype=bool)
        for question, value in stratum.items():
            answers = self.strata.get(question)
            if answers is None:
                return np.zeros(len(self.agrees), dtype=bool)
            chosen &= np.asarray(answers, dtype=object) == value
        return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of one model with one group, one-sided bounds at ``confidence`` each.

    Attributes:
        rate: Share of judgements the model agrees with; None without any.
        effective: How many independent judgements they are worth.
    """

    rate: float | None
    low: float
    high: float
    judgements: int
    annotators: int
    items: int
    effective: float

    def as_json(self) -> dict[str, Any]:
        """Plain values, six decimals."""
        return {
            "rate": None if self.rate is None else round(self.rate, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "judgements": self.judgements,
            "annotators": self.annotators,
            "items": self.items,
            "effective": round(self.effective, 6),
        }


def agreement(
    held_out: HeldOut, chosen: NDArray[np.bool_] | None = None, *, confidence: float = 0.95
) -> Agreement:
    """The agreement of the rows ``chosen`` (all by default), clustered by annotator and by item.

    Returns:
        Bounds in [0, 1]; 0 and 1 where there is no judgement, or a single annotator or item: one cluster says
        nothing about how clusters vary.

    Example:
        Two people, two items, everything agreed: V = 0, so two independent judgements: 0.05 ** (1/2) = 0.2236
        at the least. The tests hold a case with variance worked by hand.
    """
    pick = np.ones(len(held_out.agrees), dtype=bool) if chosen is None else chosen
    values = np.asarray(held_out.agrees, float)[pick]
    n = len(values)
    who = _codes(np.asarray(held_out.annotators, dtype=object)[pick])
    what = _codes(np.asarray(held_out.items, dtype=object)[pick])
    people, items = _clusters(who), _clusters(what)
    if n == 0 or min(people, items) < 2:
        rate = float(values.mean()) if n else None
        return Agreement(
            rate=rate,
            low=0.0,
            high=1.0,
            judgements=n,
            annotators=people,
            items=items,
            effective=float(min(n, 1)),
        )
    rate = float(values.mean())
    effective = _effective(values, rate, who, what, confidence)
    hits = rate * effective
    alpha = 1 - confidence
    low = float(special.betaincinv(hits, effective - hits + 1, alpha)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, effective - hits, 1 - alpha)) if hits < effective else 1.0
    return Agreement(
        rate=rate, low=low, high=high, judgements=n, annotators=people, items=items, effective=effective
    )


def clusters_and_variance(
    held_out: HeldOut, chosen: NDArray[np.bool_], values: NDArray[np.float64]
) -> tuple[int, float]:
    """The fewer of people and items among the rows ``chosen``, and the variance of the mean of ``values`` there."""
    who = _codes(np.asarray(held_out.annotators, dtype=object)[chosen])
    what = _codes(np.asarray(held_out.items, dtype=object)[chosen])
    return min(_clusters(who), _clusters(what)), two_way_variance(values, who, what)


def two_way_variance(values: NDArray[np.float64], who: NDArray[np.int64], what: NDArray[np.int64]) -> float:
    """Variance of the mean under clustering by person and by item; see the module's text."""
    residual = values - values.mean()
    both = _codes(who.astype(np.int64) * (int(what.max()) + 1) + what)
    one, other, cell = (_one_way(residual, codes) for codes in (who, what, both))
    return max(one + other - cell, one, other)


def _effective(
    values: NDArray[np.float64],
    rate: float,
    who: NDArray[np.int64],
    what: NDArray[np.int64],
    confidence: float,
) -> float:
    n, clusters = len(values), min(_clusters(who), _clusters(what))
    variance = two_way_variance(values, who, what)
    if variance <= 1e-15:
        return float(clusters)
    if confidence > _HALF:
        ratio = float(stats.t.ppf(confidence, n - 1) / stats.t.ppf(confidence, clusters - 1))
    else:  # both quantiles are 0: their ratio's limit
        ratio = float(stats.t.pdf(0, clusters - 1) / stats.t.pdf(0, n - 1))
    return min(float(n), rate * (1 - rate) / variance * ratio**2)


def _one_way(residual: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    sums = np.bincount(codes, weights=residual)
    groups = len(sums)
    return float(groups / (groups - 1) * np.sum(sums**2)) / len(residual) ** 2 if groups > 1 else 0.0


def _codes(labels: NDArray[Any]) -> NDArray[np.int64]:
    if len(labels) == 0:
        return np.zeros(0, dtype=np.int64)
    _, codes = np.unique(labels.astype(str) if labels.dtype == object else labels, return_inverse=True)
    return np.asarray(codes, dtype=np.int64)


def _clusters(codes: NDArray[np.int64]) -> int:
    return int(codes.max()) + 1 if len(codes) else 0
