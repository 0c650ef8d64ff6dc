"""Post-stratification weights: people counted so that their margins match a population.

Raking (iterative proportional fitting) scales the weights to one margin after the other until all fit;
a cap keeps one person from speaking for a crowd. What weighting costs is the effective sample size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Raked", "effective_sample_size", "rake", "rake_cells"]


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

    def as_json(self) -> dict[str, Any]:
        """How well the weights fit, as JSON; the weights themselves are left to the caller."""
        return {
            "people": len(self.weights),
            "effective_sample_size": self.effective_sample_size,
            "largest": float(self.weights.max()),
            "smallest": float(self.weights.min()),
            "capped": self.capped,
            "misfit": self.misfit,
            "iterations": self.iterations,
            "converged": self.converged,
            "absent": list(self.absent),
        }


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
    weights: NDArray[np.float64] = np.ones(n)
    done, change = 0, np.inf
    while done < iterations and change > tolerance:
        before = weights.copy()
        for groups in columns:
            inside = sum(float(weights[rows].sum()) for rows, _ in groups)
            for rows, share in groups:
                weights[rows] *= share * inside / weights[rows].sum()
        weights = _trimmed(weights * (n / weights.sum()), cap)
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
        capped=int((weights >= cap * (1 - 1e-9)).sum()),
        absent=tuple(absent),
    )


def _trimmed(weights: NDArray[np.float64], cap: float) -> NDArray[np.float64]:
    """Weights of mean 1 with none above ``cap``: what is cut goes to the others in proportion."""
    n = len(weights)
    held = np.zeros(n, dtype=bool)
    while bool((over := (weights > cap) & ~held).any()):
        held |= over
        weights = np.where(held, cap, weights * (n - cap * held.sum()) / weights[~held].sum())
    return weights


def rake_cells(
    observed: Mapping[tuple[str, ...], int],
    target: Mapping[tuple[str, ...], float],
    *,
    names: Sequence[str],
    cap: float = 5.0,
) -> Raked | None:
    """Rake people counted by cell to every margin of a target by cell; None when nobody is in a cell.

    Args:
        observed: People per cell; those in no cell of the target are left out.
        target: Share per cell.
        names: Stratum columns, one per position of a cell.
        cap: As in :func:`rake`.
    """
    people = [cell for cell, count in observed.items() if cell in target for _ in range(count)]
    if not people:
        return None
    margins = {name: [cell[position] for cell in people] for position, name in enumerate(names)}
    targets: dict[str, dict[str, float]] = {name: {} for name in names}
    for cell, share in target.items():
        for name, value in zip(names, cell, strict=True):
            targets[name][value] = targets[name].get(value, 0.0) + share
    return rake(margins, targets, cap=cap)
