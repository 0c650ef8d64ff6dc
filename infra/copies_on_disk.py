"""Items that nearly repeat another, found among more texts than memory holds.

The same search as :mod:`annotation.similarity` (exact, by prefix filtering), as joins on disk: an item and its
copy may lie in different parts, so every phrase has to meet every other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from annotation.item_facts import compared_texts
from annotation.similarity import phrases
from annotation.staging import as_frame
from infra.duck import streamed

__all__ = ["CopySearch"]

_ROWS: Final = 100_000
_STEPS = (
    # The first item of each text stands for it, as in memory.
    """CREATE TABLE {0}_texts AS SELECT one, two, min(item) AS first, arg_min(key, item) AS key
       FROM read_parquet('{texts}') GROUP BY one, two""",
    """CREATE TABLE {0}_found AS SELECT p.key, p.phrase FROM read_parquet('{phrases}') p
       SEMI JOIN {0}_texts t ON t.key = p.key""",
    "CREATE TABLE {0}_sizes AS SELECT key, count(*) AS size FROM {0}_found GROUP BY key",
    """CREATE TABLE {0}_shared AS SELECT f.key, f.phrase, t.times FROM {0}_found f JOIN (
         SELECT phrase, count(*) AS times FROM {0}_found GROUP BY phrase HAVING count(*) > 1
       ) t ON t.phrase = f.phrase""",
    "DROP TABLE {0}_found",
    # Phrases that stand once come first in the order of rarity; they can meet nobody, but take their places.
    """CREATE TABLE {0}_prefix AS SELECT key, phrase FROM (
         SELECT s.key, s.phrase, z.size,
           z.size - count(*) OVER (PARTITION BY s.key)
             + row_number() OVER (PARTITION BY s.key ORDER BY s.times, s.phrase) - 1 AS place
         FROM {0}_shared s JOIN {0}_sizes z ON z.key = s.key
       ) WHERE place < size - ceil({threshold} * size - 1e-9) + 1""",
    """CREATE TABLE {0}_pairs AS SELECT DISTINCT a.key AS one, b.key AS other
       FROM {0}_prefix a JOIN {0}_prefix b ON a.phrase = b.phrase AND a.key < b.key""",
    """CREATE TABLE {0}_alike AS SELECT p.one, p.other FROM (
         SELECT p.one, p.other, count(*) AS shared FROM {0}_pairs p
         JOIN {0}_shared a ON a.key = p.one
         JOIN {0}_shared b ON b.key = p.other AND b.phrase = a.phrase
         GROUP BY p.one, p.other
       ) p JOIN {0}_sizes a ON a.key = p.one JOIN {0}_sizes b ON b.key = p.other
       WHERE p.shared::DOUBLE / (a.size + b.size - p.shared) > {threshold}""",
    """CREATE TABLE {0}_nearest AS SELECT key, min(first) AS twin FROM (
         SELECT a.one AS key, t.first FROM {0}_alike a JOIN {0}_texts t ON t.key = a.other
         UNION ALL SELECT a.other, t.first FROM {0}_alike a JOIN {0}_texts t ON t.key = a.one
       ) GROUP BY key""",
)
_RESULT = """SELECT item, {other} AS "{0}" FROM (
    SELECT i.item, t.first, n.twin FROM read_parquet('{texts}') i
    JOIN {0}_texts t ON t.one = i.one AND t.two = i.two LEFT JOIN {0}_nearest n ON n.key = t.key
) WHERE {kept}"""


class CopySearch:
    """One fact of copies over all items.

    Args:
        folder: Scratch.
        column: ``near_duplicate_<t>`` or ``prompt_twin_<t>``.
    """

    def __init__(self, folder: Path, column: str) -> None:
        self._column = column
        self._folder = folder / column
        self._folder.mkdir()
        self._parts = 0
        self._threshold, self._same = 0.0, False

    def add(self, items: pl.DataFrame) -> None:
        """Take in the items of a part; every item comes once."""
        texts, self._threshold, self._same = compared_texts(items, self._column)
        # Two fixed 64-bit hashes stand for a text.
        one, two = (pl.col("text").hash(seed=seed) for seed in (11, 12))
        key = pl.lit(self._parts << 32, dtype=pl.UInt64) + pl.col("place").cast(pl.UInt64)
        distinct = texts.group_by("text").agg(pl.col("item").min()).with_row_index("place")
        keyed = distinct.select("text", key=key)
        texts = texts.join(keyed, on="text", how="left")
        number = f"{self._parts:05}.parquet"
        texts.select("item", "key", one=one, two=two).write_parquet(self._folder / f"texts-{number}")
        phrases(keyed).write_parquet(self._folder / f"phrases-{number}")
        self._parts += 1

    def found(self, connection: duckdb.DuckDBPyConnection) -> Iterator[pl.DataFrame]:
        """``item`` and the column, for every item that is a copy, some at a time."""
        names = {
            "texts": str(self._folder / "texts-*.parquet").replace("'", "''"),
            "phrases": str(self._folder / "phrases-*.parquet").replace("'", "''"),
            "threshold": repr(self._threshold),
            "other": "least(first, twin)" if self._same else "twin",
            "kept": "least(first, twin) < item" if self._same else "twin IS NOT NULL",
        }
        for step in _STEPS:
            connection.execute(step.format(self._column, **names))
        for batch in streamed(connection, _RESULT.format(self._column, **names), _ROWS):
            yield as_frame(pa.Table.from_batches([batch]))
