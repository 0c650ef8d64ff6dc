"""Aggregates of a table of judgements, to stand beside them: per item, per thing compared, per group.

Everything is read in parts that share no item, and what is held are counts. Judgements are never replaced: an aggregate is a model's
reading of them, and each says which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotation.bradley_terry import Comparisons
from annotation.consensus import group_consensus, group_counts, worst_group_share
from annotation.crowd_bradley_terry import crowd_bradley_terry
from annotation.dawid_skene import DawidSkene, answers, dawid_skene
from annotation.preference_rates import preference_rate
from annotation.soft_labels import category_counts, normalised_entropy, soft_labels

__all__ = ["AggregateParts", "Aggregates", "ItemFigures", "aggregate"]

FIRST, TIE, SECOND = "first", "tie", "second"
_OUTCOMES: Final = {FIRST: -1, TIE: 0, SECOND: 1}
_STEPS: Final = 100
_CROWD_STEPS: Final = 400
_MANY_ROWS: Final = 20_000
_KEY: Final = ("annotator", "first", "second", "outcome")
_COMPARED: Final = {
    "annotator": pl.String,
    "first": pl.String,
    "second": pl.String,
    "outcome": pl.String,
    "many": pl.Int64,
}
_QUANTILES: Final = {"lowest": 0.0, "quarter": 0.25, "median": 0.5, "three_quarters": 0.75, "highest": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aggregates:
    """Fitted aggregates; :meth:`items` gives those of a part's items.

    Attributes:
        categories: The values that occur, sorted.
        annotators: Annotators, sorted; the positions of the model's errors.
        model: Dawid-Skene; None without a judgement.
        figures: Summary as a JSON object.
        reliability: (A,) of each annotator among those who compared; None without comparisons.
    """

    categories: tuple[str, ...]
    annotators: pl.DataFrame
    by: tuple[str, ...]
    model: DawidSkene | None
    figures: Mapping[str, Any]
    reliability: pl.DataFrame | None

    def items(self, part: pl.DataFrame) -> pl.DataFrame:
        """One row per item and category of a part: counts, shares, posteriors, consensus by each column.

        Columns: ``item``, ``category``, ``judgements``, ``share``, ``dawid_skene``, then per column of ``by``
        ``consensus_<column>`` and ``worst_group_<column>``.
        """
        coded = _code(part, self.annotators, self.categories)
        counts = category_counts(
            coded.items, coded.codes, n_items=len(coded.names), n_categories=len(self.categories)
        )
        many = len(self.categories)
        columns: dict[str, Any] = {
            "item": np.repeat(coded.names, many),
            "category": list(self.categories) * len(coded.names),
            "judgements": counts.ravel(),
            "share": soft_labels(counts).ravel(),
        }
        if self.model is not None:
            columns["dawid_skene"] = self.model.posterior(coded.answers).ravel()
        for column in self.by:
            found = _by_group(coded, self.annotators[column], many)
            columns[f"consensus_{column}"] = group_consensus(found).ravel()
            columns[f"worst_group_{column}"] = worst_group_share(found).ravel()
        return pl.DataFrame(
            columns, schema_overrides={"item": pl.String, "category": pl.String}
        ).with_columns(pl.selectors.float().fill_nan(None))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Coded:
    items: NDArray[np.int64]
    annotators: NDArray[np.int64]
    codes: NDArray[np.int64]
    names: list[str]
    answers: Any


class AggregateParts:
    """Takes in a table part by part, no item in two parts, and fits.

    What is kept are names, counts of comparisons, and the answers that Dawid-Skene is fitted to: 9 bytes per
    judgement of the items in the sample.

    Args:
        share: Share of the items that Dawid-Skene is fitted to, chosen by a hash of their ids; its
            posteriors can be had of every item.
    """

    def __init__(self, *, share: float = 1.0) -> None:
        self.share = share
        self._categories: dict[str, int] = {}
        self._annotators: dict[str, int] = {}
        self._kept: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int16], int]] = []
        self._joined = pl.DataFrame(schema=_COMPARED)

    def add(self, part: pl.DataFrame) -> None:
        """Take in a part: ``item``, ``annotator``, ``value`` and, for comparisons, ``first``, ``second``, ``outcome``."""
        for known, column in ((self._categories, "value"), (self._annotators, "annotator")):
            for name in part[column].unique().sort().to_list():
                known.setdefault(name, len(known))
        names = [
            name
            for name in part["item"].unique().sort().to_list()
            if self.share >= 1 or _u(name) < self.share
        ]
        sample = part if self.share >= 1 else part.filter(pl.col("item").is_in(names))
        self._kept.append(
            (
                _positions(sample["item"], names).astype(np.int32),
                _positions(sample["annotator"], list(self._annotators)).astype(np.int32),
                _positions(sample["value"], list(self._categories)).astype(np.int16),
                len(names),
            )
        )
        if "outcome" in part.columns:
            compared = part.filter(pl.all_horizontal(pl.col("first", "second", "outcome").is_not_null()))
            joined = compared.group_by(*_KEY).len("many").select(list(_COMPARED)).cast(_COMPARED)  # type: ignore[arg-type]
            both = pl.concat([self._joined, joined])
            self._joined = both.group_by(*_KEY).agg(pl.col("many").sum()).select(list(_COMPARED))

    def _fit(self, categories: Sequence[str], annotators: Sequence[str]) -> DawidSkene | None:
        """Dawid-Skene over the sample, positions moved to sorted names."""
        if not any(len(items) for items, _, _, _ in self._kept):
            return None
        of_person = np.argsort(np.argsort(np.array(list(self._annotators)), kind="stable"))
        of_code = np.argsort(np.argsort(np.array(list(self._categories)), kind="stable"))
        # One matrix of all items in their order: the sums are then the same whatever the parts were.
        before = np.cumsum([0, *(many for _, _, _, many in self._kept)])
        whole = answers(
            np.concatenate([k[0] + start for k, start in zip(self._kept, before, strict=False)]),
            of_person[np.concatenate([k[1] for k in self._kept])],
            of_code[np.concatenate([k[2] for k in self._kept])],
            n_items=int(before[-1]),
            n_annotators=len(annotators),
            n_categories=len(categories),
        )
        return dawid_skene([whole], n_categories=len(categories), iterations=_STEPS)

    def fit(self, *, people: pl.DataFrame | None = None, by: Sequence[str] = ()) -> Aggregates:
        """Every aggregate that the columns allow.

        Args:
            people: ``annotator`` and the columns of ``by``; a null is no group.
            by: Columns to compare groups by.
        """
        categories, annotators = sorted(self._categories), sorted(self._annotators)
        known = pl.DataFrame({"annotator": annotators}, schema={"annotator": pl.String})
        if people is not None:
            known = known.join(
                people.select("annotator", *by), on="annotator", how="left", maintain_order="left"
            )
        model = self._fit(categories, annotators)
        comparisons = self._joined.sort(*_KEY)
        crowd, reliability = _strengths(comparisons)
        return Aggregates(
            categories=tuple(categories),
            annotators=known,
            by=tuple(by),
            model=model,
            figures={
                "dawid_skene": None
                if model is None
                else {**_model_figures(model, categories), "fitted_to_share_of_items": self.share},
                "bradley_terry": crowd,
                "rates": _rates(comparisons, known, by),
            },
            reliability=reliability,
        )


class ItemFigures:
    """What the soft labels of all items come to, summed over the parts' tables."""

    def __init__(self, categories: Sequence[str]) -> None:
        self._sums = {"items": 0, "judged_again": 0, "unanimous": 0, "differs_from_most_votes": 0}
        self._entropy = 0  # in units of 1e-12, so that the sum does not depend on its order
        self._labels = dict.fromkeys(categories, 0)

    def add(self, table: pl.DataFrame) -> None:
        """Take in :meth:`Aggregates.items` of a part."""
        if table.is_empty():
            return
        many = len(self._labels)
        counts = table["judgements"].to_numpy().reshape(-1, many)
        shares = table["share"].to_numpy().reshape(-1, many)
        best = table["dawid_skene"].to_numpy().reshape(-1, many).argmax(axis=1)
        self._entropy += int(np.rint(normalised_entropy(shares) * 1e12).astype(np.int64).sum())
        self._sums["items"] += len(counts)
        again = counts.sum(axis=1) > 1
        self._sums["judged_again"] += int(again.sum())
        self._sums["unanimous"] += int((again & (counts.max(axis=1) == counts.sum(axis=1))).sum())
        self._sums["differs_from_most_votes"] += int(
            (counts[np.arange(len(best)), best] < counts.max(axis=1)).sum()
        )
        for name, times in zip(self._labels, np.bincount(best, minlength=many), strict=True):
            self._labels[name] += int(times)

    def finish(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        items = self._sums["items"]
        return {
            **self._sums,
            "mean_entropy": self._entropy / 1e12 / items if items else None,
            "most_probable": dict(self._labels),
        }


def aggregate(
    parts: Sequence[pl.DataFrame], *, people: pl.DataFrame | None = None, by: Sequence[str] = ()
) -> Aggregates:
    """Fit every aggregate to tables in memory, figures of the items included.

    Args:
        parts: Tables with ``item``, ``annotator``, ``value`` (text), and, where two things were compared,
            ``first``, ``second`` (their names) and ``outcome`` (``first``, ``second``, ``tie``; null is no comparison).
            No item is in two parts.
        people: ``annotator`` and the columns of ``by``; a null is no group.
        by: Columns to compare groups by.
    """
    taken = AggregateParts()
    for part in parts:
        taken.add(part)
    found = taken.fit(people=people, by=by)
    items = ItemFigures(found.categories)
    for part in parts:
        items.add(found.items(part))
    return replace(found, figures={"items": items.finish(), **found.figures})


def _u(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _code(part: pl.DataFrame, annotators: pl.DataFrame, categories: tuple[str, ...]) -> _Coded:
    names = part["item"].unique().sort().to_list()
    items = _positions(part["item"], names)
    people = _positions(part["annotator"], annotators["annotator"].to_list())
    codes = _positions(part["value"], list(categories))
    return _Coded(
        items=items,
        annotators=people,
        codes=codes,
        names=names,
        answers=answers(
            items,
            people,
            codes,
            n_items=len(names),
            n_annotators=annotators.height,
            n_categories=len(categories),
        ),
    )


def _positions(column: pl.Series, names: Sequence[str]) -> NDArray[np.int64]:
    lookup = pl.DataFrame(
        {"name": names, "position": range(len(names))}, schema={"name": pl.String, "position": pl.Int64}
    )
    found = pl.DataFrame({"name": column}, schema={"name": pl.String}).join(
        lookup, on="name", how="left", maintain_order="left"
    )
    return found["position"].to_numpy().astype(np.int64)


def _by_group(coded: _Coded, groups: pl.Series, n_categories: int) -> NDArray[np.int64]:
    names = groups.drop_nulls().unique().sort().to_list()
    position = {name: number for number, name in enumerate(names)}
    of_person = np.array([position.get(name, -1) for name in groups.to_list()], dtype=np.int64)
    of_row = of_person[coded.annotators]
    known = of_row >= 0
    return group_counts(
        coded.items[known],
        coded.codes[known],
        of_row[known],
        n_items=len(coded.names),
        n_categories=n_categories,
        n_groups=len(names),
    )


def _model_figures(model: DawidSkene, categories: Sequence[str]) -> dict[str, Any]:
    return {
        "priors": dict(zip(categories, (float(share) for share in model.priors), strict=True)),
        "accuracy": _quantiles(model.accuracy),
        "iterations": model.iterations,
        "converged": model.converged,
    }


def _quantiles(values: NDArray[np.float64]) -> dict[str, float] | None:
    if not len(values):
        return None
    return {name: float(np.quantile(values, share)) for name, share in _QUANTILES.items()}


def _strengths(
    comparisons: pl.DataFrame,
) -> tuple[dict[str, Any] | None, pl.DataFrame | None]:
    if comparisons.is_empty():
        return None, None
    names = pl.concat([comparisons["first"], comparisons["second"]]).unique().sort().to_list()
    who = comparisons["annotator"].unique().sort().to_list()
    given = Comparisons(
        first=_positions(comparisons["first"], names),
        second=_positions(comparisons["second"], names),
        outcome=comparisons["outcome"].replace_strict(_OUTCOMES, return_dtype=pl.Int64).to_numpy(),
        weight=comparisons["many"].to_numpy().astype(np.float64),
    )
    # A step costs a pass over the rows; `converged` says whether these were enough.
    steps = _CROWD_STEPS if comparisons.height <= _MANY_ROWS else _CROWD_STEPS // 20
    found = crowd_bradley_terry(
        given,
        _positions(comparisons["annotator"], who),
        n=len(names),
        n_annotators=len(who),
        iterations=steps,
    )
    plain = found.plain
    compared = np.bincount(given.first, given.weight, len(names)) + np.bincount(
        given.second, given.weight, len(names)
    )
    body: dict[str, Any] = {
        "reason": plain.reason,
        "tie": plain.tie,
        "comparisons": int(given.weight.sum()),
        "things": {
            name: {
                "strength": None if plain.strengths is None else float(plain.strengths[number]),
                "error": None if plain.errors is None else float(plain.errors[number]),
                "weighted_by_reliability": None
                if found.strengths.strengths is None
                else float(found.strengths.strengths[number]),
                "comparisons": int(compared[number]),
            }
            for number, name in enumerate(names)
        },
        "reliability": None if plain.strengths is None else _quantiles(found.reliability),
        "iterations": found.iterations,
        "converged": found.converged,
    }
    reliability = None
    if plain.strengths is not None:
        reliability = pl.DataFrame({"annotator": who, "reliability": found.reliability})
    return body, reliability


def _rates(comparisons: pl.DataFrame, known: pl.DataFrame, by: Sequence[str]) -> dict[str, Any]:
    """Thing to its rate over all people and by group."""
    score = {FIRST: 1.0, TIE: 0.5, SECOND: 0.0}
    seen = comparisons.with_columns(
        score=pl.col("outcome").replace_strict(score, return_dtype=pl.Float64)
    ).join(known, on="annotator", how="left")
    sides = pl.concat(
        [
            seen.select("annotator", *by, "many", "score", thing="first"),
            seen.select("annotator", *by, "many", thing="second", score=1 - pl.col("score")).select(
                "annotator", *by, "many", "score", "thing"
            ),
        ]
    )
    sums = (
        sides.group_by("thing", "annotator", *by)
        .agg((pl.col("score") * pl.col("many")).sum().alias("score"), pl.col("many").sum())
        .sort("thing", "annotator")
    )
    found: dict[str, Any] = {}
    for thing in sorted(sums["thing"].unique().to_list()):
        of_thing = sums.filter(pl.col("thing") == thing)
        groups = {}
        for column in by:
            names = sorted(of_thing[column].drop_nulls().unique().to_list())
            groups[column] = {name: _rate(of_thing.filter(pl.col(column) == name)) for name in names}
        found[thing] = {**_rate(of_thing), "by": groups}
    return found


def _rate(sums: pl.DataFrame) -> dict[str, Any]:
    rate = preference_rate(sums["score"].to_numpy(), sums["many"].to_numpy().astype(np.int64))
    return {
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "judgements": rate.judgements,
        "people": rate.people,
    }
