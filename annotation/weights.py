"""Post-stratification weights: people counted so that their margins match a population.

Raking (iterative proportional fitting) scales the weights to one margin after the other until all fit;
a cap keeps one person from speaking for a crowd. What weighting costs is the effective sample size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Raked", "effective_sample_size", "rake"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raked:
    """Weights and how well they fit.

    Attributes:
        weights: (n,) mean 1.
        iterations: Rounds over all margins.
        converged: Whether the last round changed no margin share by more than the tolerance. With a cap in
            force the margins need not fit even then; ``misfit`` says how far they are off.
        misfit: Largest distance between a weighted margin share and its target.
        capped: People whose weight is at the cap.
        absent: Margin categories of the target that nobody is in, as ``column: value``; weights cannot
            invent them, so their share is spread over the others.
    """

    weights: NDArray[np.float64]
    iterations: int
    converged: bool
    misfit: float
    capped: int
    absent: tuple[str, ...]

    @property
    def effective_sample_size(self) -> float:
        """Kish's effective sample size of the weights."""
        return effective_sample_size(self.weights)


def effective_sample_size(weights: NDArray[np.float64]) -> float:
    """Kish (1965): (sum w)^2 / sum w^2, from 1 to n; n for equal weights, 0 for none.

    Worked: weights 1, 1, 2 give 16 / 6 = 2.67.
    """
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def rake(
    margins: Mapping[str, Sequence[str]],
    targets: Mapping[str, Mapping[str, float]],
    *,
    cap: float = 5.0,
    iterations: int = 200,
    tolerance: float = 1e-9,
) -> Raked:
    """Rake n people to the target shares of several columns.

    In a round, for each column, ``w_i <- w_i x target(c_i) / share(c_i)``; then weights above ``cap`` times
    the mean are set to it. A person whose value is not in a column's target keeps the weight there, and
    the target applies among the others.

    Args:
        margins: Column to the n values of the people.
        targets: Column to share by value; scaled to sum to 1 over the values somebody has.
        cap: Largest weight in units of the mean weight, above 1.
        iterations: Most rounds.
        tolerance: Change of a margin share below which the rounds stop.

    Source: Deming and Stephan (1940), doi:10.1214/aoms/1177731829.
    """
    sizes = {len(values) for values in margins.values()}
    if len(sizes) != 1 or set(targets) != set(margins):
        raise ValueError("every column needs a target and one value per person")
    n = sizes.pop()
    if cap <= 1:
        raise ValueError("a cap of the mean or below allows no weighting")
    columns, absent = [], []
    for column, values in margins.items():
        present = np.asarray(values, dtype=np.str_)
        absent += [
            f"{column}: {value}"
            for value, share in targets[column].items()
            if share > 0 and not (present == value).any()
        ]
        found = [
            (np.flatnonzero(present == value), share)
            for value, share in targets[column].items()
            if share > 0 and (present == value).any()
        ]
        total = sum(share for _, share in found)
        columns.append([(rows, share / total) for rows, share in found])
    weights = np.ones(n)
    done, change = 0, np.inf
    while done < iterations and change > tolerance:
        before = weights.copy()
        for groups in columns:
            inside = sum(float(weights[rows].sum()) for rows, _ in groups)
            for rows, share in groups:
                weights[rows] *= share * inside / weights[rows].sum()
        weights = np.minimum(weights, cap * weights.mean())
        weights *= n / weights.sum()
        change = float(np.abs(weights - before).max()) if n else 0.0
        done += 1
    misfit = 0.0
    for groups in columns:
        inside = sum(float(weights[rows].sum()) for rows, _ in groups)
        for rows, share in groups:
            misfit = max(misfit, abs(float(weights[rows].sum()) / inside - share))
    return Raked(
        weights=weights,
        iterations=done,
        converged=change <= tolerance,
        misfit=misfit,
        capped=int((weights >= cap * weights.mean() * (1 - 1e-9)).sum()),
        absent=tuple(absent),
    )
