"""Parquet files of judgements: read some rows at a time, refused by name where they are not whole."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.records import ITEMS, JUDGEMENTS, table
from annotation.staging import stage_table
from governance.errors import RecordError
from infra.parquet_input import staged_files, tables_of
from tests.support.batches import Batch


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rows = table(Batch().rows, JUDGEMENTS)
    made = [tmp_path / f"part-{number}.parquet" for number in range(3)]
    for number, file in enumerate(made):
        pq.write_table(rows.slice(16 * number, 16), file)
    return made


def test_files_are_read_in_turn(files: list[Path]) -> None:
    read = list(staged_files(files))
    assert [frame.height for frame in read] == [16, 16, 16]
    assert read[1].equals(stage_table(pq.read_table(files[1])))
    assert sum(rows.num_rows for rows in tables_of(files)) == 48


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_file_that_is_cut_short_is_named(files: list[Path], share: float) -> None:
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RecordError, match=r"part-1\.parquet.*not a sound and complete Parquet table"):
        list(staged_files(files))


def test_text_in_another_encoding_is_named(files: list[Path]) -> None:
    rows = pq.read_table(files[1])
    latin = pa.array(["R\u00f6ttger".encode("latin-1")] * len(rows), pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(latin), latin.buffers())
    at = rows.schema.get_field_index("rationale")
    pq.write_table(rows.set_column(at, "rationale", text), files[1])
    with pytest.raises(RecordError, match=r"part-1\.parquet.*UTF8"):
        list(staged_files(files))


def test_a_file_that_vanishes_in_the_middle_is_named(files: list[Path]) -> None:
    reading = staged_files(files)
    assert next(reading).height == 16
    files[2].unlink()
    with pytest.raises(RecordError, match=r"part-2\.parquet"):
        list(reading)


def test_a_file_of_another_shape_is_named_with_the_column(files: list[Path]) -> None:
    pq.write_table(pq.read_table(files[2]).drop_columns(["outcome"]), files[2])
    with pytest.raises(RecordError, match=r"part-2\.parquet.*outcome.*missing column"):
        list(staged_files(files))
    items = table(Batch().items, ITEMS)
    pq.write_table(items, files[0])
    with pytest.raises(RecordError, match=r"part-0\.parquet"):
        list(staged_files(files))
