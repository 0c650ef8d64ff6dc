"""How often each group prefers one thing to another, with intervals that know of people.

Judgements of one person are no independent voices, so the interval uses the effective number of judgements:
the number that would give the variance seen between people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from governance.audit.comparisons import wilson_bounds

__all__ = ["Rate", "preference_rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of preferences.

    Attributes:
        rate: sum of scores / judgements; None without a judgement.
        low: Lower end of the interval; None for fewer than two people.
        high: Upper end.
        judgements: Judgements.
        people: People.
        effective: Effective number of judgements.
    """

    rate: float | None
    low: float | None
    high: float | None
    judgements: int
    people: int
    effective: float


def preference_rate(
    sums: NDArray[np.float64], judgements: NDArray[np.int64], *, confidence: float = 0.95
) -> Rate:
    """The rate over people, with its interval.

    ``r = sum s_a / sum m_a``; variance between people ``v = A / (A - 1) sum (s_a - r m_a)^2 / (sum m_a)^2`` (ratio
    estimator, people as clusters); effective number ``n = r (1 - r) / v``, at most the judgements; where nobody
    differs (v = 0) it is the number of people. Few people say little about how people differ, so n is
    multiplied by (z / t)^2 with Student's t of A - 1 degrees of freedom. The interval is Wilson's with r and
    n. Sums of a person in several partitions are added before.

    Args:
        sums: (A,) sum of a person's scores: 1 preferred, .5 a tie, 0 not.
        judgements: (A,) number of that person's judgements.
        confidence: Nominal coverage.

    Sources: Wilson (1927), doi:10.1080/01621459.1927.10502953; Korn and Graubard (1998), Survey Methodology 24.
    Worked: four people with 1, 1, 0, 0 of one judgement each: r = .5, v = 4/3 x 1 / 16 = 1/12, so 3
    judgements, times (1.960 / 3.182)^2: n = 1.14.
    """
    some = judgements > 0
    s, m = sums[some].astype(np.float64), judgements[some].astype(np.float64)
    total, people = float(m.sum()), len(m)
    if people == 0:
        return Rate(rate=None, low=None, high=None, judgements=0, people=0, effective=0.0)
    rate = float(s.sum()) / total
    if people == 1:
        return Rate(rate=rate, low=None, high=None, judgements=int(total), people=1, effective=1.0)
    variance = people / (people - 1) * float(((s - rate * m) ** 2).sum()) / total**2
    effective = float(people)
    if variance > 0 and 0 < rate < 1:
        effective = min(total, rate * (1 - rate) / variance)
    tail = 1 - (1 - confidence) / 2
    effective *= float(ndtri(tail) / stdtrit(people - 1, tail)) ** 2
    low, high = wilson_bounds(rate, effective, z=float(ndtri(tail)))
    return Rate(rate=rate, low=low, high=high, judgements=int(total), people=people, effective=effective)
