"""The rows of a release sorted on disk, so that a release larger than memory can be built.

Batches are read row group by row group and dealt into parts by ranges of item ids. An item's id is the
digest of its content, so ranges are even without looking at more than a sample, and every judgement of an
item lies in one part: what one part holds never has to be seen beside another. Concatenated in the order of
their ranges the sorted parts are the whole in order, so neither the number of parts nor the batches change
a byte of the release.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.parquet_stream import rows_of
from annotation.records import ITEMS, JUDGEMENTS, PROFILES
from annotation.release_inputs import (
    Inputs,
    LiveConsents,
    Part,
    finish_inputs,
    keep_part,
    once_profiles,
    read_checks,
)
from annotation.release_missing import PEOPLE, refused_people
from annotation.release_survey import Survey
from annotation.release_walk import table_rows
from annotation.sound_parquet import reading
from governance.errors import RecordError, RefusedError, in_words

__all__ = ["ROWS_OF_A_PART", "BatchFolder", "spill"]

ROWS_OF_A_PART: Final = 50_000
_ROWS_AT_ONCE: Final = 50_000
_READ_AHEAD: Final = 1 << 20  # bytes of a column held while its row group is read
_SAMPLE: Final = 64  # ids looked at for each part, to lay the borders of the ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFolder:
    """The files of one accepted batch, on disk.

    Attributes:
        digest: Its identity in the object store.
        folder: Holds ``judgements.parquet``, ``items.parquet``, ``profiles.parquet``, ``checks.json``.
    """

    digest: str
    folder: Path

    def open(self, table: str, schema: pa.Schema) -> pq.ParquetFile:
        """One of its tables.

        Raises:
            RecordError: It is missing, cut short, or has other columns.
        """
        place = f"{self.digest}/{table}.parquet"
        with reading(place):
            file = pq.ParquetFile(self.folder / f"{table}.parquet", buffer_size=_READ_AHEAD)
        missing = [name for name in schema.names if name not in file.schema_arrow.names]
        if missing:
            file.close()
            raise RecordError("the batch cannot be read: missing column", file=place, field=missing[0])
        return file

    def tables(self, table: str, schema: pa.Schema) -> Iterator[pa.Table]:
        """Its rows, some at a time."""
        with self.open(table, schema) as file, reading(f"{self.digest}/{table}.parquet"):
            for rows in rows_of(file, _ROWS_AT_ONCE, schema.names):
                yield pa.Table.from_batches([rows]).select(schema.names).cast(schema)

    def refused(self, rules: Collection[str]) -> pl.DataFrame:
        """``annotator, site`` of the rows that these rules quarantined; nobody where nothing was kept of them."""
        found = [pl.DataFrame(schema=PEOPLE)]
        path = self.folder / "quarantine.parquet"
        if rules and path.exists():
            rows = table_rows(path, columns=[*PEOPLE, "rules"])
            found += [refused_people(frame, rules) for frame in rows]
        return pl.concat(found).unique()


def spill(
    batches: Sequence[BatchFolder],
    scratch: Path,
    *,
    consents: LiveConsents | None,
    rows: int = ROWS_OF_A_PART,
) -> Inputs:
    """:func:`annotation.release_inputs.gather` for batches on disk; memory holds one part.

    Args:
        batches: The batches, in any order.
        scratch: An empty folder on the disk, as large as the batches; it must outlive the inputs.
        consents: Consents live now; None does not look at them.
        rows: About how many judgements a part holds.

    Raises:
        RecordError: A file cannot be read, or two batches contradict each other.
        RefusedError: Nothing is left.
    """
    if not batches:
        raise RefusedError("the release", ["there is no batch"])
    borders = _borders(batches, rows)
    _deal(batches, scratch, "judgements", JUDGEMENTS, borders)
    _deal(batches, scratch, "items", ITEMS, borders)
    survey = Survey()
    without_consent = 0
    refused = [pl.DataFrame(schema=PEOPLE)]
    for number in range(len(borders) + 1):
        part, left_out = keep_part(
            _read(scratch, "judgements", number), _read(scratch, "items", number), consents=consents
        )
        without_consent += left_out.height
        refused = [pl.concat([*refused, left_out]).unique()]
        survey.add(part.judgements, part.items)
        for name, frame, schema in (
            ("judgements", part.judgements, JUDGEMENTS),
            ("items", part.items, ITEMS),
        ):
            _place(scratch, name, number).unlink()
            with _writer(_place(scratch, f"kept-{name}", number), schema) as writer:
                writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema))
    checks = [
        read_checks(batch.digest, _bytes(batch.folder / "checks.json", batch.digest)) for batch in batches
    ]
    if consents is not None:
        refused += [batch.refused(consents.rules) for batch in batches]
    profiles = pl.DataFrame(PROFILES.empty_table())
    for batch in batches:
        # Batches repeat the answers of the same people: held are those that differ.
        told = [pl.DataFrame(table) for table in batch.tables("profiles", PROFILES)]
        profiles = once_profiles(pl.concat([profiles, *told]))
    return finish_inputs(
        lambda: _kept(scratch, len(borders) + 1),
        survey,
        profiles,
        without_consent=without_consent,
        refused=None if consents is None else refused,
        read=sum(read for read, _, _ in checks),
        quarantined=sum(quarantined for _, quarantined, _ in checks),
        filtered=[filtered for _, _, filtered in checks],
    )


def _kept(scratch: Path, parts: int) -> Iterator[Part]:
    for number in range(parts):
        yield Part(
            judgements=_read(scratch, "kept-judgements", number), items=_read(scratch, "kept-items", number)
        )


def _borders(batches: Sequence[BatchFolder], rows: int) -> list[str]:
    """Ids between the parts: each part begins with its border."""
    total, sample = 0, []
    for batch in batches:
        with batch.open("judgements", JUDGEMENTS) as file:
            total += file.metadata.num_rows
        for table in batch.tables("judgements", pa.schema([JUDGEMENTS.field("item")])):
            ids = pl.Series(table.column("item"))
            sample.append(ids.gather_every(max(1, rows // _SAMPLE)))
    parts = math.ceil(total / rows)
    if parts < 2:
        return []
    ids = pl.concat(sample).sort()
    chosen = {ids[int(number * len(ids) / parts)] for number in range(1, parts)}
    return sorted(chosen)


def _deal(
    batches: Sequence[BatchFolder], scratch: Path, name: str, schema: pa.Schema, borders: Sequence[str]
) -> None:
    """Every row of a table into the file of its part."""
    edges = pl.Series("item", list(borders), dtype=pl.String)
    with ExitStack() as closing:
        writers = [
            closing.enter_context(_writer(_place(scratch, name, number), schema))
            for number in range(len(borders) + 1)
        ]
        for batch in batches:
            for table in batch.tables(name, schema):
                if not borders:
                    writers[0].write_table(table)
                    continue
                part = edges.search_sorted(pl.Series(table.column("item")), side="right").to_numpy()
                order = part.argsort(kind="stable")
                ends = part[order].searchsorted(range(len(borders) + 1), side="right")
                sorted_rows = table.take(pa.array(order))
                start = 0
                for number, end in enumerate(ends):
                    if end > start:
                        writers[number].write_table(sorted_rows.slice(start, end - start))
                    start = end


def _place(scratch: Path, name: str, number: int) -> Path:
    return scratch / f"{name}-{number:05}.arrows"


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatchStreamWriter]:
    """A stream of record batches: unlike Parquet's, its writer holds nothing of what it has written."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema, options=options) as writer:
        yield writer


def _read(scratch: Path, name: str, number: int) -> pl.DataFrame:
    with pa.OSFile(str(_place(scratch, name, number)), "rb") as source:
        return pl.DataFrame(pa.ipc.open_stream(source).read_all())


def _bytes(path: Path, digest: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordError(
            f"the batch cannot be read: {in_words(error)}", file=f"{digest}/{path.name}"
        ) from error
