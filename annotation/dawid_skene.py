"""Dawid-Skene: what an item's category probably is, if every annotator errs in an own, constant way.

An aggregate that stands beside the judgements, never instead of them: the model takes for granted that each
item has one true category and that whoever differs from it errs. Where people differ because they value
different things, its "errors" are views. Read it together with the agreement across groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["DawidSkene", "answers", "dawid_skene"]

_LEAST: Final = 1e-10  # no error is impossible, so that no product of probabilities is zero
Answers = Any  # scipy.sparse.csr_array, see answers()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DawidSkene:
    """The fitted model.

    Attributes:
        priors: (C,) share of each category.
        errors: (A, C, C) ``errors[a, said, true]``: probability that annotator a says ``said`` where ``true``
            holds; columns sum to 1.
        iterations: Steps taken.
        converged: Whether the log-likelihood per judgement rose by less than the tolerance in the last step.
        log_likelihood: Of the last step's model.
    """

    priors: NDArray[np.float64]
    errors: NDArray[np.float64]
    iterations: int
    converged: bool
    log_likelihood: float

    def posterior(self, given: Answers) -> NDArray[np.float64]:
        """(I, C) probability of each category of each item, for answers of these annotators."""
        return _posterior(given, self.priors, _flat(self.errors))[0]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """(A,) probability that an annotator says the category that holds: sum_c p_c e[c, c]."""
        return np.asarray(np.einsum("acc,c->a", self.errors, self.priors))


def answers(
    items: NDArray[np.int64],
    annotators: NDArray[np.int64],
    codes: NDArray[np.int64],
    *,
    n_items: int,
    n_annotators: int,
    n_categories: int,
) -> Answers:
    """(I, A x C) sparse counts: how often annotator a said c of item i, at column a C + c.

    Args:
        items: (J,) item of each judgement.
        annotators: (J,) annotator of each judgement.
        codes: (J,) category of each judgement.
        n_items: Number of items I.
        n_annotators: Number of annotators A.
        n_categories: Number of categories C.
    """
    return sparse.csr_array(
        (np.ones(len(items)), (items, annotators * n_categories + codes)),
        shape=(n_items, n_annotators * n_categories),
    )


def dawid_skene(
    parts: Iterable[Answers], *, n_categories: int, iterations: int = 100, tolerance: float = 1e-5
) -> DawidSkene:
    """Fit the model by expectation-maximisation, from the shares of votes.

    ``P(z_i = c) = p_c``, ``P(y_ia = k | z_i = c) = e^a_kc``, independent given z. A step computes the posteriors
    with two sparse products per part and adds up what each part contributes to priors and errors, so the
    result does not depend on how items are split into parts, and parts may be read anew in each step.

    Args:
        parts: Answers (:func:`answers`) of disjoint sets of items by the same annotators; iterated once per
            step, so a sequence or an object that can be iterated again, not a generator.
        n_categories: Number of categories C.
        iterations: Most steps.
        tolerance: Rise of the log-likelihood per judgement below which the steps stop.

    Raises:
        ValueError: There is no answer.

    Source: Dawid and Skene (1979), doi:10.2307/2346806. Worked: their 45 patients seen by 5 anaesthetists give
    class shares .40, .42, .11, .07.
    """
    priors, errors, judgements, _ = _step(parts, None, n_categories)
    if judgements == 0:
        raise ValueError("Dawid-Skene needs an answer")
    before, done, converged = -np.inf, 0, False
    likelihood = before
    while done < iterations and not converged:
        priors, errors, _, likelihood = _step(parts, (priors, errors), n_categories)
        done += 1
        converged = (likelihood - before) / judgements < tolerance
        before = likelihood
    return DawidSkene(
        priors=priors,
        errors=errors.reshape(-1, n_categories, n_categories),
        iterations=done,
        converged=converged,
        log_likelihood=likelihood,
    )


def _flat(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    return errors.reshape(-1, errors.shape[-1])


def _posterior(
    given: Answers, priors: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    logs = np.asarray(given @ np.log(errors)) + np.log(np.maximum(priors, _LEAST))
    top = logs.max(axis=1, keepdims=True)
    likelihoods = np.exp(logs - top)
    sums = likelihoods.sum(axis=1, keepdims=True)
    return likelihoods / sums, float((np.log(sums) + top).sum())


def _votes(given: Answers, n_categories: int) -> NDArray[np.float64]:
    fold = sparse.csr_array(
        (np.ones(given.shape[1]), (np.arange(given.shape[1]), np.arange(given.shape[1]) % n_categories)),
        shape=(given.shape[1], n_categories),
    )
    counts = (given @ fold).toarray()
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _step(
    parts: Iterable[Answers],
    model: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    n_categories: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Priors and errors after one step, with the judgements counted and the log-likelihood before it."""
    share = np.zeros(n_categories)
    sums: Any = 0.0
    items, judgements, likelihood = 0, 0.0, 0.0
    for given in parts:
        if model is None:
            posterior, of_part = _votes(given, n_categories), 0.0
        else:
            posterior, of_part = _posterior(given, *model)
        share += posterior.sum(axis=0)
        sums = sums + given.T @ posterior
        items += given.shape[0]
        judgements += float(given.sum())
        likelihood += of_part
    if not items:
        return share, np.zeros((0, n_categories)), 0.0, 0.0
    cells = np.maximum(np.asarray(sums), _LEAST).reshape(-1, n_categories, n_categories)
    return share / items, _flat(cells / cells.sum(axis=1, keepdims=True)), judgements, likelihood
