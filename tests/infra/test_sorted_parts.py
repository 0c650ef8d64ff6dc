"""Sorted parts are merged into the file that the sorted table is, over several groups of rows, too."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from annotation.validated import ROWS_OF_A_GROUP, parquet_bytes
from governance.errors import OutsideError
from infra.sorted_parts import SortedParts, write_groups

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("count", pa.int32()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


def made(numbers: list[int]) -> pa.Table:
    return pa.table(
        {
            "id": [f"j-{number:07}" for number in numbers],
            "count": [number % 9 if number % 5 else None for number in numbers],
            "tags": [["a", str(number % 3)][: number % 3] for number in numbers],
            "at": [number * 1_000_003 for number in numbers],
        },
        schema=SCHEMA,
    )


@pytest.mark.parametrize("rows", [0, 1, ROWS_OF_A_GROUP, 2 * ROWS_OF_A_GROUP + 4321])
@pytest.mark.parametrize("parts", [1, 3, 200])
def test_the_file_is_that_of_the_sorted_table(tmp_path: Path, rows: int, parts: int) -> None:
    home = random.Random(7).choices(range(parts), k=rows)
    spread = SortedParts(tmp_path, "some", ["id"], parts)
    for part in range(parts):
        spread.add(made([number for number, at in enumerate(home) if at == part]))
    write_groups(spread.merged(), SCHEMA, tmp_path / "sorted")
    assert (tmp_path / "sorted").read_bytes() == parquet_bytes(made(list(range(rows))))
    assert [path.name for path in tmp_path.iterdir()] == ["sorted"]


def test_parts_that_lie_one_behind_another_and_rows_of_one_id_in_several(tmp_path: Path) -> None:
    chance = random.Random(3)
    rows = [(f"{number // 5_000}", f"{chance.randrange(10**6):06}") for number in range(20_000)]
    spread = SortedParts(tmp_path, "some", ["id", "row"], 400)
    for part in (rows[:9_000], rows[9_000:9_001], [], rows[9_001:12_500], rows[12_500:]):
        spread.add(pa.table({"id": [r[0] for r in sorted(part)], "row": [r[1] for r in sorted(part)]}))
    merged = pl.concat(spread.merged())
    assert merged.rows() == sorted(rows)


@pytest.mark.parametrize("harm", ["gone", "cut", "short"])
def test_a_part_that_is_gone_or_cut_short_is_named(tmp_path: Path, harm: str) -> None:
    spread = SortedParts(tmp_path, "some", ["id"], 2)
    spread.add(made(list(range(0, 200_000, 2))))
    spread.add(made(list(range(1, 200_000, 2))))
    path = tmp_path / "some-00001.arrows"
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:  # a sound stream of fewer rows
        other = SortedParts(tmp_path, "other", ["id"], 2)
        other.add(made([1, 3]))
        (tmp_path / "other-00000.arrows").replace(path)
    with pytest.raises(OutsideError, match=r"some-00001.*run again"):
        list(spread.merged())
