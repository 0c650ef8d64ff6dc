"""A Parquet file is read some rows at a time, all of them, without keeping what was passed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.parquet_stream import rows_of

GROUP = 2_000
COLUMNS = 8


def write(path: Path, sizes: list[int]) -> pa.Table:
    """A file with a row group of each size, every value of which stands once."""
    schema = pa.schema([(f"c{n}", pa.string()) for n in range(COLUMNS)])
    tables = [schema.empty_table()]
    with pq.ParquetWriter(path, schema) as writer:
        start = 0
        for size in sizes:
            texts = [f"a text of its own {number}" for number in range(start, start + size)]
            tables.append(pa.table(dict.fromkeys(schema.names, texts), schema=schema))
            writer.write_table(tables[-1])
            start += size
    return pa.concat_tables(tables)


@pytest.mark.parametrize("at_once", [1, 3, 7, 100])
def test_every_row_comes_once_and_in_order(tmp_path: Path, at_once: int) -> None:
    whole = write(tmp_path / "t.parquet", [5, 1, 0, 8, 2, 2, 2])
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        parts = list(rows_of(file, at_once))
        some = list(rows_of(file, at_once, ["c1"]))
    assert pa.Table.from_batches(parts).equals(whole)
    assert max(part.num_rows for part in parts) <= at_once
    assert pa.Table.from_batches(some).equals(whole.select(["c1"]))


def test_a_file_without_rows_gives_none(tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", [])
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        assert list(rows_of(file, 10)) == []


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    held = []
    for groups in (4, 60):
        path = tmp_path / f"{groups}.parquet"
        write(path, [GROUP] * groups)
        before = pa.total_allocated_bytes()
        most = 0
        with pq.ParquetFile(path) as file:
            for _ in rows_of(file, GROUP):
                most = max(most, pa.total_allocated_bytes() - before)
        held.append(most)
    assert held[1] < 1.5 * held[0]
