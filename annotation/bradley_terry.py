"""Bradley-Terry strengths from comparisons, with ties after Davidson.

A strength says how often one thing is preferred to another, by all who compared them alike. Whose
preferences these are is not in it: see the rates per group (:mod:`annotation.preference_rates`) and the
annotators who order the other way (:mod:`annotation.crowd_bradley_terry`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import spsolve

__all__ = ["Comparisons", "Strengths", "bradley_terry", "outcome_probabilities"]

MAX_DENSE: Final = 1000
_STEPS: Final = 100
_SMALL: Final = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparisons:
    """K kinds of comparisons; equal rows may be joined, and rows of partitions put one below the other.

    Attributes:
        first: (K,) thing compared, 0 to M - 1.
        second: (K,) the other.
        outcome: (K,) -1 the first is preferred, 0 a tie, 1 the second.
        weight: (K,) how often.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    outcome: NDArray[np.int64]
    weight: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strengths:
    """The fitted model.

    Attributes:
        strengths: (M,) theta with mean 0; None where they have no finite estimate.
        errors: (M,) standard errors of theta minus the mean of all; None for more than a thousand things.
        tie: nu >= 0, 0 without a tie: two equals tie with probability nu / (2 + nu).
        log_likelihood: At the estimate.
        reason: Why there is no estimate.
    """

    strengths: NDArray[np.float64] | None
    errors: NDArray[np.float64] | None = None
    tie: float = 0.0
    log_likelihood: float | None = None
    reason: str | None = None


def outcome_probabilities(difference: NDArray[np.float64], tie: float) -> NDArray[np.float64]:
    """(K, 3) probabilities of first, tie, second for differences theta_first - theta_second."""
    half = np.clip(difference / 2, -350, 350)
    raw = np.stack([np.exp(half), np.full(len(half), tie), np.exp(-half)], axis=1)
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def bradley_terry(
    given: Comparisons, *, n: int, start: NDArray[np.float64] | None = None, tie: float | None = None
) -> Strengths:
    """Maximum likelihood by Newton's method.

    ``P(i over j) = e^(d/2) / Z``, ``P(tie) = nu / Z``, ``P(j over i) = e^(-d/2) / Z`` with d = theta_i - theta_j and
    ``Z = e^(d/2) + nu + e^(-d/2)``; without a tie nu is 0 and this is Bradley and Terry's model. A finite
    maximum exists if and only if every thing can be reached from every other through "was not always beaten
    by"; otherwise no estimate is given, and the reason is.

    Args:
        given: Comparisons.
        n: Number of things M.
        start: (M,) strengths to start from.
        tie: nu to start from.

    Sources: Bradley and Terry (1952), doi:10.2307/2334029; Davidson (1970), doi:10.1080/01621459.1970.10481082.
    Worked: Stigler's citations among four statistics journals (Biometrika, Communications in Statistics, JASA,
    JRSS-B) give, against Biometrika, -2.949, -0.480 and 0.269.
    """
    i, j, y, w = _joined(given, n)
    reason = _unreachable(i, j, y, n)
    if reason is not None:
        return Strengths(strengths=None, reason=reason)
    ties = bool((y == 0).any())
    theta = np.zeros(n) if start is None else start.copy()
    log_tie = np.log(tie) if tie else 0.0
    value = _likelihood(theta, log_tie, i, j, y, w, ties=ties)
    for _ in range(_STEPS):
        gradient, information = _derivatives(theta, log_tie, i, j, y, w, n, ties=ties)
        step = _solve(information, gradient)
        size = 1.0
        while size > 1e-6:
            moved = theta + size * step[:n]
            moved -= moved.mean()
            shifted = log_tie + size * step[n] if ties else log_tie
            found = _likelihood(moved, shifted, i, j, y, w, ties=ties)
            if found >= value - 1e-12 * abs(value):
                break
            size /= 2
        theta, log_tie = moved, shifted
        if abs(found - value) <= _SMALL * (1 + abs(value)) and size == 1.0:
            value = found
            break
        value = found
    _, information = _derivatives(theta, log_tie, i, j, y, w, n, ties=ties)
    return Strengths(
        strengths=theta,
        errors=_standard_errors(information, n),
        tie=float(np.exp(log_tie)) if ties else 0.0,
        log_likelihood=value,
    )


def _joined(given: Comparisons, n: int) -> tuple[Any, Any, Any, Any]:
    """Rows that differ, with their summed weights: every step is then a pass over kinds, not over judgements."""
    kinds, place = np.unique((given.first * n + given.second) * 3 + given.outcome + 1, return_inverse=True)
    weight = np.bincount(place, weights=given.weight, minlength=len(kinds))
    some = weight > 0
    kinds, weight = kinds[some], weight[some]
    return kinds // (3 * n), kinds // 3 % n, kinds % 3 - 1, weight


def _unreachable(i: Any, j: Any, y: Any, n: int) -> str | None:
    if len(i) == 0:
        return "nothing was compared"
    winner = np.concatenate([i[y <= 0], j[y >= 0]])
    loser = np.concatenate([j[y <= 0], i[y >= 0]])
    graph = sparse.csr_array((np.ones(len(winner)), (winner, loser)), shape=(n, n))
    many, _ = csgraph.connected_components(graph, directed=True, connection="strong")
    if many == 1:
        return None
    weakly, _ = csgraph.connected_components(graph, directed=False)
    if weakly > 1:
        return f"the comparisons fall into {weakly} parts that nothing connects"
    return "some were always preferred to some others, so no finite difference fits"


def _likelihood(theta: Any, log_tie: float, i: Any, j: Any, y: Any, w: Any, *, ties: bool) -> float:
    half = (theta[i] - theta[j]) / 2
    top = np.abs(half)
    z = np.exp(half - top) + np.exp(-half - top) + (np.exp(log_tie - top) if ties else 0.0)
    logs = np.where(y == 0, log_tie, -y * half) - top - np.log(z)
    return float(w @ logs)


def _derivatives(
    theta: Any, log_tie: float, i: Any, j: Any, y: Any, w: Any, n: int, *, ties: bool
) -> tuple[NDArray[np.float64], Any]:
    """Gradient and information of (theta, log nu): an exponential family in (-y / 2, tied)."""
    p = outcome_probabilities(theta[i] - theta[j], float(np.exp(log_tie)) if ties else 0.0)
    mean = (p[:, 0] - p[:, 2]) / 2
    slope = w * (-y / 2 - mean)
    gradient = np.asarray(np.bincount(i, slope, n) - np.bincount(j, slope, n), dtype=np.float64)
    curve = w * ((p[:, 0] + p[:, 2]) / 4 - mean**2)
    data = np.concatenate([curve, curve, -curve, -curve])
    rows, columns = np.concatenate([i, j, i, j]), np.concatenate([i, j, j, i])
    if ties:
        gradient = np.append(gradient, float(w @ ((y == 0) - p[:, 1])))
        mixed = -w * mean * p[:, 1]
        data = np.concatenate([data, mixed, -mixed, mixed, -mixed, [w @ (p[:, 1] * (1 - p[:, 1]))]])
        tied = np.full(len(i), n)
        rows = np.concatenate([rows, i, j, tied, tied, [n]])
        columns = np.concatenate([columns, tied, tied, i, j, [n]])
    size = n + ties
    return gradient, sparse.csr_array((data, (rows, columns)), shape=(size, size))


def _solve(information: Any, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Newton step with the first strength held: only differences are identified."""
    reduced = information[1:, 1:]
    if len(gradient) == 1:
        return np.zeros(1)
    if reduced.shape[0] > MAX_DENSE:
        rest = spsolve(reduced.tocsc(), gradient[1:])
    else:
        rest = np.linalg.solve(reduced.toarray(), gradient[1:])
    return np.concatenate([[0.0], np.atleast_1d(rest)])


def _standard_errors(information: Any, n: int) -> NDArray[np.float64] | None:
    if n > MAX_DENSE or n < 2:
        return None
    covariance = np.zeros((n, n))
    covariance[1:, 1:] = np.linalg.inv(information[1:, 1:].toarray())[: n - 1, : n - 1]
    centre = np.eye(n) - 1 / n
    return np.asarray(np.sqrt(np.diag(centre @ covariance @ centre)))
