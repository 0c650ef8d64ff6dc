"""Bradley-Terry with annotator reliability: who orders like the others, and who the other way round.

An annotator with a low reliability orders against the common order. That may be carelessness; it may be a
view. The model cannot tell, so nothing here removes anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from annotation.bradley_terry import Comparisons, Strengths, bradley_terry, outcome_probabilities

__all__ = ["PRIOR", "CrowdStrengths", "crowd_bradley_terry"]

PRIOR: Final = (3.0, 1.5)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrowdStrengths:
    """The fitted model.

    Attributes:
        plain: Strengths if every annotator counts alike.
        strengths: Strengths of the common order, annotators weighed by their reliability.
        reliability: (A,) eta: probability that an annotator's preference follows the common order, not its
            reverse; the prior's mode, .8, for an annotator who only ties.
        iterations: Steps taken.
        converged: Whether no reliability moved by more than the tolerance in the last step.
    """

    plain: Strengths
    strengths: Strengths
    reliability: NDArray[np.float64]
    iterations: int
    converged: bool


def crowd_bradley_terry(
    given: Comparisons,
    annotators: NDArray[np.int64],
    *,
    n: int,
    n_annotators: int,
    iterations: int = 500,
    tolerance: float = 1e-4,
) -> CrowdStrengths:
    """Fit strengths and reliabilities by expectation-maximisation.

    ``P_a(o) = eta_a D(o) + (1 - eta_a) D(reversed o)``, D Davidson's model with ties; a tie says nothing about
    eta. eta has a Beta(3, 1.5) prior, which also says which of the two mirror images of a fit is meant.
    The sums over rows add up across partitions: rows of equal annotator, things and outcome may be joined.

    Args:
        given: (K,) comparisons.
        annotators: (K,) annotator of each row.
        n: Number of things.
        n_annotators: Number of annotators.
        iterations: Most steps.
        tolerance: Largest change of a reliability below which the steps stop.

    Source: Chen, Bennett, Collins-Thompson and Horvitz (2013), doi:10.1145/2433396.2433420 (Crowd-BT; here with
    ties, in batch). Worked: with strengths known and far apart, an annotator with 8 of 10 preferences along
    the order has eta = (8 + 2) / (10 + 2.5) = .8.
    """
    reliability = np.full(n_annotators, _mode(0.0, 0.0))
    plain = strengths = bradley_terry(given, n=n)
    if plain.strengths is None:
        return CrowdStrengths(
            plain=plain, strengths=plain, reliability=reliability, iterations=0, converged=False
        )
    decided = given.outcome != 0
    total = np.bincount(annotators[decided], given.weight[decided], n_annotators)
    done, converged = 0, False
    while done < iterations and not converged:
        along = _along(given, annotators, strengths, reliability)
        kept = given.weight * along
        agreeing = np.bincount(annotators[decided], kept[decided], n_annotators)
        updated = (agreeing + PRIOR[0] - 1) / (total + PRIOR[0] + PRIOR[1] - 2)
        fitted = bradley_terry(
            Comparisons(
                first=np.concatenate([given.first, given.first]),
                second=np.concatenate([given.second, given.second]),
                outcome=np.concatenate([given.outcome, -given.outcome]),
                weight=np.concatenate([kept, given.weight - kept]),
            ),
            n=n,
            start=strengths.strengths,
            tie=strengths.tie or None,
        )
        if fitted.strengths is None:  # cannot be: both directions of every decided row have weight
            break
        converged = bool(np.abs(updated - reliability).max(initial=0.0) < tolerance)
        reliability, strengths, done = updated, fitted, done + 1
    return CrowdStrengths(
        plain=plain, strengths=strengths, reliability=reliability, iterations=done, converged=converged
    )


def _mode(agreeing: float, total: float) -> float:
    return (agreeing + PRIOR[0] - 1) / (total + PRIOR[0] + PRIOR[1] - 2)


def _along(
    given: Comparisons, annotators: NDArray[np.int64], strengths: Strengths, reliability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(K,) probability that a row followed the common order; 1 for ties, which tell nothing."""
    theta = strengths.strengths
    if theta is None:
        return np.ones(len(given.first))
    p = outcome_probabilities(theta[given.first] - theta[given.second], strengths.tie)
    rows = np.arange(len(given.first))
    straight = reliability[annotators] * p[rows, given.outcome + 1]
    turned = (1 - reliability[annotators]) * p[rows, 1 - given.outcome]
    return np.where(given.outcome == 0, 1.0, straight / (straight + turned))
