"""What a release has to know of its rows before it can name anybody: their digest, their people, their sources.

Parts of the rows are looked at one after another; what is kept of them grows with people and sources, not
with rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, Final

import polars as pl

from annotation.parquet_stream import ContentHash

__all__ = ["Survey"]

_COUNTED: Final = {
    "annotator": pl.String,
    "site": pl.String,
    "simulated": pl.Boolean,
    "judgements": pl.UInt32,
}


class Survey:
    """Collects the parts of the kept rows in their order (item, annotator, judgement)."""

    def __init__(self) -> None:
        self.judgements = 0
        self.items = 0
        self.rationales = 0
        self.judged_under: set[str] = set()
        self._people = pl.DataFrame(schema=_COUNTED)
        self._content = ContentHash(), ContentHash(), ContentHash()
        self._origins: Counter[tuple[str, str]] = Counter()
        self._collected: Counter[tuple[str, str]] = Counter()
        self._languages: Counter[str] = Counter()
        self._models: set[str] = set()

    def add(self, judgements: pl.DataFrame, items: pl.DataFrame) -> None:
        """The next part: judgements and exactly their items."""
        said, shown, sources = self._content
        said.add(judgements)
        shown.add(items)
        sources.add(judgements.select("judgement", "source_digest"))
        self.judgements += judgements.height
        self.items += items.height
        self.rationales += judgements.height - judgements["rationale"].null_count()
        self.judged_under |= set(judgements["policy_digest"].drop_nulls().unique().to_list())
        counted = judgements.group_by("annotator", "site").agg(
            pl.col("simulated").any(), pl.len().alias("judgements")
        )
        self._people = (
            pl.concat([self._people, counted])
            .group_by("annotator", "site")
            .agg(pl.col("simulated").any(), pl.col("judgements").sum())
        )
        self._models |= set(
            items["candidates"].explode().struct.field("model").drop_nulls().unique().to_list()
        )
        for counter, frame, names in (
            (self._origins, items, ("origin", "licence")),
            (self._collected, judgements, ("site", "source")),
        ):
            counter.update({row[:2]: row[2] for row in frame.group_by(names).len().iter_rows()})
        self._languages.update(dict(items["language"].value_counts().iter_rows()))

    @property
    def people(self) -> pl.DataFrame:
        """``annotator, site, simulated, judgements``: everybody who judged, sorted."""
        return self._people.sort("annotator", "site")

    def inputs_digest(self, profiles: pl.DataFrame) -> str:
        """Identity of the kept rows: of judgements, items and the profiles of their people."""
        said, shown, _ = self._content
        answered = ContentHash()
        answered.add(profiles)
        parts = (said.digest, shown.digest, answered.digest)
        return "sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def sources(self) -> dict[str, Any]:
        """The manifest's ``sources``."""
        return {
            "items": [
                {"origin": origin, "licence": licence, "items": many}
                for (origin, licence), many in sorted(self._origins.items())
            ],
            "judgements": [
                {"site": site, "source": source, "judgements": many}
                for (site, source), many in sorted(self._collected.items())
            ],
            "languages": dict(sorted(self._languages.items())),
            "models": sorted(self._models),
            "judgements_digest": self._content[2].digest,
        }
