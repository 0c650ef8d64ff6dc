"""What stands in a release beside its judgements: aggregates, who speaks together, and how much is enough.

Everything is made of the released columns, part by part, in the order of the items. INVARIANT: like the
release, it is the same whatever the parts: sums of floats are taken over all items at once, in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

import polars as pl
import pyarrow as pa

from annotation.aggregates import AggregateParts, Aggregates, ItemFigures
from annotation.learning_curve import LearningParts
from annotation.release_aggregates import NO_GROUP, compared_frame, group_columns

__all__ = ["AGGREGATES", "ReleaseExtras", "aggregates_schema", "intersections"]

AGGREGATES: Final = "aggregates.parquet"
MOST_FITTED: Final = 2_000_000
_DIGITS: Final = 9


def aggregates_schema(columns: Sequence[str]) -> pa.Schema:
    """``aggregates.parquet`` with groups of these columns."""

    def column(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field[pa.DataType]:
        return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})

    return pa.schema(
        [
            column("item", pa.string(), "item judged"),
            column("category", pa.string(), "candidate by its place in the item, tie or neither"),
            column("judgements", pa.int64(), "judgements of the item that say so"),
            column("share", pa.float64(), "soft label: their share"),
            column("dawid_skene", pa.float64(), "probability of the category in Dawid and Skene's model"),
            *(
                field
                for name in columns
                for field in (
                    column(f"consensus_{name}", pa.float64(), f"product over groups of {name} of the share"),
                    column(
                        f"worst_group_{name}",
                        pa.float64(),
                        f"smallest share in a group of {name} that judged the item",
                        nullable=True,
                    ),
                )
            ),
        ]
    )


class ReleaseExtras:
    """Takes in the released parts once, and then once more for the table of aggregates.

    Args:
        annotators: Released annotators.
        strata: Codebook fields to compare groups by, most important first.
        judgements: Judgements in the release, by which the share Dawid-Skene is fitted to is set.
    """

    def __init__(self, *, annotators: pl.DataFrame, strata: Sequence[str], judgements: int) -> None:
        self._annotators = annotators
        self._people = group_columns(annotators, strata)
        self.columns: tuple[str, ...] = tuple(self._people.columns[1:])
        share = min(1.0, MOST_FITTED / judgements) if judgements else 1.0
        self._aggregates = AggregateParts(share=share)
        self._learning = LearningParts(
            annotators, group=self.columns[0] if self.columns else None, no_group=NO_GROUP
        )
        self._fitted: Aggregates | None = None
        self._items: ItemFigures | None = None

    def add(self, judgements: pl.DataFrame, items: pl.DataFrame) -> None:
        """The next part, first time."""
        frame = compared_frame(judgements, items)
        if frame.height:
            self._aggregates.add(frame)
        self._learning.add(judgements, items)

    def table(self, judgements: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame | None:
        """The part's rows of ``aggregates.parquet``, after every part was added; None where there is no row."""
        frame = compared_frame(judgements, items)
        if frame.is_empty():
            return None
        if self._fitted is None:
            self._fitted = self._aggregates.fit(people=self._people, by=self.columns)
            self._items = ItemFigures(self._fitted.categories)
        found = self._fitted.items(frame).with_columns(pl.selectors.float().round(_DIGITS))
        if self._items is not None:
            self._items.add(found)
        return found

    def figures(self) -> dict[str, Any]:
        """``aggregates``, ``intersections`` and ``learning_curve`` of ``figures.json``; after the tables."""
        aggregates: dict[str, Any] = {"reason": "nothing was compared pairwise"}
        if self._fitted is not None and self._items is not None:
            aggregates = {"items": self._items.finish(), **self._fitted.figures}
        return {
            "aggregates": aggregates,
            "intersections": intersections(self._annotators, self.columns),
            "learning_curve": self._learning.finish(),
        }


def intersections(annotators: pl.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Annotators, judgements and share of the weight where two columns cross.

    Counted in the published table, where every combination is shared by at least k people, so no cell and no
    difference of cells tells more than that table.
    """
    found = []
    weighed = annotators["weight"].null_count() == 0 if annotators.height else False
    total = float(annotators["weight"].sum()) if weighed else 0.0
    for pair in combinations(columns, 2):
        cells = (
            annotators.group_by(pair)
            .agg(pl.len().alias("annotators"), pl.col("judgements").sum(), pl.col("weight").sort().sum())
            .sort(pair)
        )
        found.append(
            {
                "columns": list(pair),
                "cells": [
                    {
                        "values": [one, other],
                        "annotators": people,
                        "judgements": judgements,
                        "weight_share": round(weight / total, _DIGITS) if total else None,
                    }
                    for one, other, people, judgements, weight in cells.iter_rows()
                ],
            }
        )
    return found
