"""The tables of a release as its lint reads them: together, part by part, with what is counted on the way.

What is held grows with people and with the different values of a few columns, not with rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from annotation.claims_check import ColumnCounts, Contradiction
from annotation.release_walk import table_rows, walk
from annotation.weights import effective_sample_size

__all__ = ["TABLES", "LintTables"]

TABLES: Final = ("aggregates", "annotators", "items", "judgements", "pairs", "splits")


class LintTables:
    """The tables of a release; what the first reading sees of them is kept.

    Args:
        folder: Where the tables lie; all of them are there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.annotators = pl.read_parquet(folder / "annotators.parquet")
        self.rows = {name: pq.read_metadata(folder / f"{name}.parquet").num_rows for name in TABLES}
        self.origins: Counter[tuple[str, str]] = Counter()
        self._languages: Counter[str] = Counter()
        self._models: set[str] = set()
        self.columns = {
            "annotators.parquet": ColumnCounts.of(self.annotators),
            "judgements.parquet": ColumnCounts(),
            "items.parquet": ColumnCounts(),
        }
        self._lost: dict[tuple[str, str, str, str], tuple[str, int]] = {}
        self._seen = False

    def parts(self) -> Iterator[dict[str, pl.DataFrame]]:
        """Judgements, items and the names of the pairs, whole items at a time."""
        columns = {"pairs.parquet": ["judgement", "item"]}
        names = ("judgements.parquet", "items.parquet", "pairs.parquet")
        for part in walk(
            {name: table_rows(self._folder / name, columns=columns.get(name)) for name in names}
        ):
            if not self._seen:
                self._look(part)
            yield part
        self._seen = True

    def _look(self, part: Mapping[str, pl.DataFrame]) -> None:
        judgements, items, pairs = (part[f"{name}.parquet"] for name in ("judgements", "items", "pairs"))
        for frame, link, others in (
            (judgements, ("judgements", "item", "items", "item"), items),
            (judgements, ("judgements", "annotator", "annotators", "annotator"), self.annotators),
            (pairs, ("pairs", "judgement", "judgements", "judgement"), judgements),
        ):
            lost = frame.join(others, left_on=link[1], right_on=link[3], how="anti")
            if lost.height:
                first, many = self._lost.get(link, (str(lost[link[1]][0]), 0))
                self._lost[link] = first, many + lost.height
        self.origins.update(
            {row[:2]: row[2] for row in items.group_by("origin", "licence").len().iter_rows()}
        )
        self._languages.update(dict(items["language"].value_counts().iter_rows()))
        models = items["candidates"].explode().struct.field("model").drop_nulls()
        self._models |= set(models.unique().to_list())
        for name in ("judgements.parquet", "items.parquet"):
            self.columns[name].add(part[name])

    def stated(self) -> dict[str, Any]:
        """What the manifest says beside the figures, as the columns say it: dotted name to value."""
        weights = self.annotators["weight"].drop_nulls().to_numpy()
        found: dict[str, Any] = {
            "sources.items": [
                {"origin": origin, "licence": licence, "items": many}
                for (origin, licence), many in sorted(self.origins.items())
            ],
            "sources.languages": dict(sorted(self._languages.items())),
            "sources.models": sorted(self._models),
        }
        if len(weights):
            found["weighting.effective_sample_size"] = effective_sample_size(weights)
        return found

    def lost(self) -> Iterator[Contradiction]:
        """Rows that point at rows that are not there."""
        for (table, column, other, key), (first, many) in self._lost.items():
            yield Contradiction(
                where=f"{table}.parquet",
                what=column,
                says=first,
                but=f"{other}.parquet has no such {key} ({many:,} {'row' if many == 1 else 'rows'})",
            )
