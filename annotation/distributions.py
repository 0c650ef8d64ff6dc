"""How the judgements of a batch are distributed, kept with it so that the next batch can be held against it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from annotation.records import Outcome

__all__ = ["DISTRIBUTIONS", "Distributions", "distance", "distributions", "merge_distributions"]

Distributions = Mapping[str, Mapping[str, int]]
DISTRIBUTIONS: Final = ("outcome", "position", "language", "topic")


def distributions(accepted: pl.DataFrame, items: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Counts of the accepted judgements by name of :data:`DISTRIBUTIONS` and value.

    ``outcome`` and ``position`` (of the preferred answer among those shown, from 1) count pairwise judgements;
    ``language`` and ``topic`` are those of the item, ``(none)`` where it has none.
    """
    pairwise = accepted.filter(pl.col("kind") == "pairwise")
    position = pl.col("shown").list.eval(pl.element()).list
    chosen = (
        pairwise.filter(pl.col("outcome") == str(Outcome.PREFERS))
        .select(
            position=pl.when(position.get(0, null_on_oob=True) == pl.col("preferred"))
            .then(pl.lit("1"))
            .when(position.get(1, null_on_oob=True) == pl.col("preferred"))
            .then(pl.lit("2"))
        )
        .drop_nulls()
    )
    about = accepted.select("item").join(items.select("item", "language", "topic"), on="item", how="left")
    return {
        "outcome": _counts(pairwise["outcome"]),
        "position": _counts(chosen["position"]),
        "language": _counts(about["language"]),
        "topic": _counts(about["topic"]),
    }


def _counts(values: pl.Series) -> dict[str, int]:
    counted = values.fill_null("(none)").value_counts().sort(values.name)
    return {str(value): int(many) for value, many in counted.iter_rows()}


def merge_distributions(parts: Sequence[Distributions]) -> dict[str, dict[str, int]]:
    """The counts of all parts together, in the order of the values."""
    merged: dict[str, dict[str, int]] = {}
    for name in DISTRIBUTIONS:
        counts: Counter[str] = Counter()
        for part in parts:
            counts.update(part[name])
        merged[name] = dict(sorted(counts.items()))
    return merged


def distance(one: Mapping[str, int], other: Mapping[str, int]) -> float | None:
    """Total variation distance, ``1/2 sum |p - q|``: 0 (alike) to 1 (disjoint); None where one counts nothing.

    Worked: 3 ties of 4 against 1 of 2 are 0.25 apart.
    """
    a, b = sum(one.values()), sum(other.values())
    if not a or not b:
        return None
    return (
        math.fsum(abs(one.get(name, 0) / a - other.get(name, 0) / b) for name in sorted({*one, *other})) / 2
    )
