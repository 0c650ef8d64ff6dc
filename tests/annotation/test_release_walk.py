"""Walked tables are the tables: every row once, whole items together, whatever the sizes read at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from annotation.release_walk import table_rows, walk
from governance.errors import RecordError


def cut(frame: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    yield frame.clear()
    for start in range(0, frame.height, rows):
        yield frame.slice(start, rows)


def table(counts: dict[str, int]) -> pl.DataFrame:
    names = [item for item in sorted(counts) for _ in range(counts[item])]
    return pl.DataFrame(
        {"item": names, "row": range(len(names))}, schema={"item": pl.String, "row": pl.Int64}
    )


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (7, 1), (100, 2), (100, 100)])
def test_every_row_once_and_items_whole(sizes: tuple[int, int]) -> None:
    tables = {
        "one": table({"a": 1, "b": 9, "d": 2, "f": 1, "g": 4}),
        "other": table({"b": 1, "c": 5, "d": 1, "h": 3}),
        "none": table({}),
    }
    parts = list(
        walk({name: cut(frame, n) for (name, frame), n in zip(tables.items(), (*sizes, 1), strict=True)})
    )
    for name, frame in tables.items():
        assert pl.concat([part[name] for part in parts]).equals(frame)
    seen: set[str] = set()
    for part in parts:
        items = {item for frame in part.values() for item in frame["item"]}
        assert items
        assert not items & seen
        seen |= items
    if sizes == (1, 1):
        assert len(parts) > 4


def test_rows_out_of_order_are_refused() -> None:
    for order in (["b", "a"], ["a", "b", "b", "a"], ["a", None, "b"]):
        frame = pl.DataFrame({"item": order}, schema={"item": pl.String})
        for rows in (1, 10):
            with pytest.raises(RecordError, match=r"one: .*not in the order"):
                list(walk({"one": cut(frame, rows)}))


def test_a_file_is_read_some_rows_at_a_time(tmp_path: Path) -> None:
    frame = table({"a": 30, "b": 30})
    path = tmp_path / "t.parquet"
    frame.write_parquet(path, row_group_size=25)
    read = list(table_rows(path, rows=10))
    assert read[0].is_empty()
    assert max(part.height for part in read) <= 10
    assert pl.concat(read).equals(frame)
    assert next(table_rows(path, columns=["item"])).columns == ["item"]
    with pytest.raises(RecordError, match="no such column"):
        list(table_rows(path, columns=["item", "more"]))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError, match=r"t\.parquet: is not a sound and complete Parquet table"):
        list(table_rows(path))
