"""Rows sorted on disk are written as those sorted in memory are, over several groups of rows, too."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.validated import ROWS_OF_A_GROUP, parquet_bytes
from infra import duck as machine
from infra.duck import duck, sort_into

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("count", pa.int32()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


@pytest.mark.parametrize("rows", [0, 1, ROWS_OF_A_GROUP, 2 * ROWS_OF_A_GROUP + 4321])
@pytest.mark.parametrize("at_once", [ROWS_OF_A_GROUP, 40_000])
def test_the_file_is_that_of_the_sorted_table(tmp_path, monkeypatch, rows, at_once):
    # DuckDB gives about as many rows at a time as it is asked for, not always as many.
    given = machine.streamed
    monkeypatch.setattr(
        machine, "streamed", lambda connection, query, _rows: given(connection, query, at_once)
    )
    numbers = list(range(rows))
    random.Random(7).shuffle(numbers)
    table = pa.table(
        {
            "id": [f"j-{number:07}" for number in numbers],
            "count": [number % 9 if number % 5 else None for number in numbers],
            "tags": [["a", str(number % 3)][: number % 3] for number in numbers],
            "at": [number * 1_000_003 for number in numbers],
        },
        schema=SCHEMA,
    )
    files = []
    for start in range(0, max(rows, 1), 30_011):
        files.append(tmp_path / f"{start}.parquet")
        pq.write_table(table.slice(start, 30_011), files[-1])
    target = tmp_path / "sorted"
    with duck(tmp_path) as connection:
        sort_into(connection, files, ["id"], SCHEMA, target)
    assert target.read_bytes() == parquet_bytes(table.sort_by("id"))
