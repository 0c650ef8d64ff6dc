"""Validation of a batch larger than memory: part by part, with the result of the whole, byte for byte.

Rows are dealt by their item, so that whatever is counted within an item (first judgements, overlap, agreement)
is counted within a part, and adds up. What a row can only fail together with rows of other items is found by
dealing the few columns that matter once more, by another key: ids and references that must be unique by
themselves, streaks and known answers by person, presentations by their id. Items that nearly repeat one another
are searched among all (:mod:`infra.copies_on_disk`). Where one item has so many rows (one that everybody sees, or
a name that no item has) that its part is large, the part is judged in pieces by annotator, and only what agreement
and overlap are counted from is held of all its rows.

Consents, codebook answers and gold items stay in memory: they grow with people, not with judgements; so do the
digests of the policies that judgements name.

Nothing outside of the scratch folder is written: killed at any point, it is simply run again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from annotation.checks import Check, Test
from annotation.distributions import Distributions
from annotation.facts import is_person_fact, person_facts
from annotation.item_facts import is_copy_fact
from annotation.marking import QUARANTINE, repeats
from annotation.parquet_stream import rows_of
from annotation.quarantine import (
    NTH,
    PartCounts,
    columns_of,
    conclude,
    counted,
    judge_rows,
    merge_counts,
    require_gold,
)
from annotation.records import ITEMS, JUDGEMENTS, PROFILES
from annotation.staging import STAGED, as_frame, as_table, ordered
from annotation.surroundings import PRESENTATIONS, Surroundings, known_once, shaped
from annotation.validated import Summary, parquet_bytes
from governance.errors import OutsideError
from infra.copies_on_disk import CopySearch
from infra.dealt import Dealt, by_hash
from infra.duck import duck
from infra.sorted_parts import SortedParts, write_groups

__all__ = ["ROWS_OF_A_PART", "ValidatedFiles", "parts_for", "validate_parts"]

ROWS_OF_A_PART: Final = 100_000
_PART: Final = "part"
_LARGE: Final = 1.5
_ROWS_AT_ONCE: Final = 1 << 16
_PERSON: Final = (
    "site", "annotator", "item", "kind", "shown", "outcome", "preferred", "scores", "ranking",
    "submitted_at", "judgement", "source_digest", "problem",
)  # fmt: skip
_PERSON_KEY: Final = "_row"
_LIGHT: Final[Mapping[str, Any]] = {
    "compression": "zstd",
    "compression_level": 1,
    # A dictionary of ids and digests, each of which stands once, is work for nothing.
    "use_dictionary": ["site", "annotator", "item", "item_digest", "kind", "outcome", "source"],
    "write_statistics": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedFiles:
    """The result of one validation on disk. Truth value: whether the batch may go on.

    Attributes:
        summary: What was counted and concluded.
        files: The files of the batch, by name.
        screened: Staged rows with their numbers and what the text screens found, a file for each part.
        items: All items, a file for each part.
        presentations: All presentations, a file for each part.
        around: The tables about people that the rows refer to; its items and presentations are empty.
        scratch: The folder that holds the files.
    """

    summary: Summary
    files: Mapping[str, Path | bytes]
    screened: Sequence[Path] = field(repr=False)
    items: Sequence[Path] = field(repr=False)
    presentations: Sequence[Path] = field(repr=False)
    around: Surroundings = field(repr=False)
    scratch: Path = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.summary)

    def quarantined(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """These columns of the quarantined rows in their order, some rows at a time."""
        with pq.ParquetFile(self.scratch / "quarantine.parquet") as file:
            for rows in rows_of(file, _ROWS_AT_ONCE, columns):
                yield pa.Table.from_batches([rows]).select(list(columns))


def parts_for(rows: int) -> int:
    """Into how many parts a batch of so many rows is dealt."""
    return max(1, -(-rows // ROWS_OF_A_PART))


def validate_parts(
    rows: Iterable[pl.DataFrame],
    items: Iterable[pa.Table],
    *,
    checks: Sequence[Check],
    parts: int,
    scratch: Path,
    presentations: Iterable[pa.Table] = (),
    profiles: pa.Table | None = None,
    consents: pa.Table | None = None,
    gold: pa.Table | None = None,
    probes: Sequence[str] = (),
    outdated: Callable[[Collection[str]], Mapping[str, str]] = lambda _: {},
    before: Distributions | None = None,
) -> ValidatedFiles:
    """:func:`annotation.quarantine.validate_batch` for more rows than memory holds.

    Args:
        rows: Staged rows, some at a time, in any order.
        items: ``ITEMS`` rows, some at a time.
        checks: The registry.
        parts: Number of parts, see :func:`parts_for`; it does not change a byte of the result.
        scratch: An empty folder on the disk, a few times as large as the rows; it must outlive the result.
        presentations: ``PRESENTATIONS`` rows, some at a time.
        profiles: As there; so are the further ones.
        consents: Live consents.
        gold: Items of known answer.
        probes: Prompts of the audit's probes.
        outdated: Those of the policies that judgements were given under whose rulings have changed since:
            digests → digest → what changed.
        before: Distributions of the last batch.

    Raises:
        RecordError: As there.
        OutsideError: The disk does not do its part, or scratch files were taken away.
    """
    around = Surroundings.of(ITEMS.empty_table(), None, profiles, consents, gold)
    require_gold(checks, around)
    work = _Work(scratch, parts, checks, around)
    work.deal_rows(rows)
    work.deal_items(items)
    work.deal_presentations(presentations)
    work.look_across()
    changed = outdated(work.policies)
    counted = work.judge(0, probes, changed)
    for number in range(1, parts):
        counted = merge_counts([counted, work.judge(number, probes, changed)])
    summary = conclude([counted], checks, around.profiles, outdated=changed, before=before)
    return ValidatedFiles(
        summary=summary,
        files=work.sorted_files(summary, counted),
        screened=work.written("screened"),
        items=work.written("items"),
        presentations=work.written("presentations"),
        around=around,
        scratch=scratch,
    )


class _Work:
    """The tables in parts, from the rows as they come to the sorted files."""

    def __init__(self, scratch: Path, parts: int, checks: Sequence[Check], around: Surroundings) -> None:
        self.scratch, self.parts, self.checks, self.around = scratch, parts, checks, around
        columns = columns_of(checks)
        self.policies: set[str] = set()
        self.by_person = sorted(filter(is_person_fact, columns))
        # In one part an item meets all others anyway.
        self.by_copy = sorted(filter(is_copy_fact, columns)) if parts > 1 else []
        self.unique = [check for check in checks if check.test in {Test.UNIQUE, Test.UNIQUE_TOGETHER}]
        if not any(check.tested == ("judgement",) for check in self.unique):
            raise ValueError("without unique ids the accepted rows have no order")
        staged = _schema(STAGED)
        self.numbered = pl.Schema({**staged, NTH: pl.UInt64()})
        where: dict[str, pl.DataType] = {NTH: pl.UInt64(), _PART: pl.UInt32()}
        self.rows = self._dealt("rows", self.numbered)
        self.items = self._dealt("items", pl.Schema(_schema(ITEMS)))
        self.presentations = self._dealt("presentations", pl.Schema(_schema(PRESENTATIONS)))
        self.keys = [
            self._dealt(
                f"keys-{number}", pl.Schema({**{name: staged[name] for name in check.tested}, **where})
            )
            for number, check in enumerate(self.unique)
        ]
        self.people = self._dealt("people", pl.Schema({**{name: staged[name] for name in _PERSON}, **where}))
        self.shown = self._dealt("shown", pl.Schema({"presentation": pl.String, _PART: pl.UInt32}))
        self.repeated = [
            self._dealt(f"repeated-{number}", pl.Schema(where)) for number in range(len(self.keys))
        ]
        self.persons = self._dealt("persons", pl.Schema({**where, **self._person_types()}))
        self.presented = self._dealt("presented", pl.Schema({**_schema(PRESENTATIONS), _PART: pl.UInt32()}))
        # Rows are judged in staged order, items stand in the order of their ids.
        self.accepted = self._sorted("accepted", "judgement")
        self.judged = self._sorted("judged-items", "item")
        self.quarantined = self._sorted("quarantine", "judgement", "row")
        self.nameless = self._sorted("nameless", "row")
        self.copies = {
            name: self._dealt(name, pl.Schema({"item": pl.String, name: pl.String})) for name in self.by_copy
        }

    def _dealt(self, name: str, schema: pl.Schema) -> Dealt:
        return Dealt(self.scratch, f"dealt-{name}", schema)

    def _sorted(self, name: str, *by: str) -> SortedParts:
        return SortedParts(self.scratch, f"sorted-{name}", by, self.parts)

    def _person_types(self) -> dict[str, pl.DataType]:
        return {name: pl.UInt32() if name == "streak" else pl.Float64() for name in self.by_person}

    def hashed(self, *columns: str) -> pl.Expr:
        """The part of a row by a key."""
        return by_hash(*columns, parts=self.parts)

    def deal_rows(self, rows: Iterable[pl.DataFrame]) -> None:
        """Take in the rows, and what must be looked at across parts."""
        start = 0
        for some in rows:
            self.policies.update(some.get_column("policy_digest").drop_nulls().unique().to_list())
            numbered = some.with_columns(pl.int_range(start, start + pl.len(), dtype=pl.UInt64).alias(NTH))
            start += some.height
            # A row of no item belongs to no other row: its own id spreads it.
            home = pl.coalesce("item", "judgement", "source_ref", pl.lit("-")).alias("_home")
            numbered = numbered.with_columns(home).with_columns(self.hashed("_home").alias(_PART))
            self.rows.deal(numbered, pl.col(_PART))
            for check, keys in zip(self.unique, self.keys, strict=True):
                given = pl.all_horizontal(pl.col(check.tested).is_not_null()) & pl.col("problem").is_null()
                keys.deal(numbered.filter(given), self.hashed(*check.tested))
            if self.by_person:
                said = numbered.filter(pl.col("annotator").is_not_null())
                self.people.deal(said, self.hashed("site", "annotator"))
            shown = numbered.select("presentation", _PART).drop_nulls().unique()
            self.shown.deal(shown, self.hashed("presentation"))

    def deal_items(self, items: Iterable[pa.Table]) -> None:
        """Take in the items; an item lies in the part of its judgements."""
        for some in items:
            frame = shaped(some, ITEMS, "items").with_columns(_home="item")
            self.items.deal(frame, self.hashed("_home"))

    def deal_presentations(self, presentations: Iterable[pa.Table]) -> None:
        """Take in the presentations."""
        for some in presentations:
            self.presentations.deal(shaped(some, PRESENTATIONS, "presentations"), self.hashed("presentation"))

    def look_across(self) -> None:
        """Find what rows and items of different parts say together."""
        for number in range(self.parts):
            for check, keys, repeated in zip(self.unique, self.keys, self.repeated, strict=True):
                found = keys.take(number)
                found = found.filter(pl.struct(*check.tested).is_duplicated())
                repeated.deal(found, pl.col(_PART))
            if self.by_person:
                said = self.people.take(number).with_row_index(_PERSON_KEY)
                self.persons.deal(person_facts(said, self.around.gold, self.by_person), pl.col(_PART))
            pages = known_once(self.presentations.take(number), "presentation", "item", "shown", "consent")
            self._write(as_table(pages).cast(PRESENTATIONS), "presentations", number)
            asked = self.shown.take(number).unique()
            self.presented.deal(asked.join(pages, on="presentation"), pl.col(_PART))
        searches = [CopySearch(self.scratch, column) for column in self.by_copy]
        for number in range(self.parts):
            items = known_once(self.items.take(number), "item", "digest")
            for search in searches:
                search.add(items)
            self._write(as_table(items).cast(ITEMS), "items", number)
        for column, search in zip(self.by_copy, searches, strict=True):
            with duck(self.scratch, database=f"{column}.duckdb") as connection:
                for found in search.found(connection):
                    self.copies[column].deal(found.with_columns(_home="item"), self.hashed("_home"))
            (self.scratch / f"{column}.duckdb").unlink(missing_ok=True)

    def judge(self, number: int, probes: Sequence[str], outdated: Mapping[str, str]) -> PartCounts:
        """Judge one part, and leave its rows on the disk."""
        items = self._frame("items", number)
        around = replace(
            self.around,
            items=items,
            presentations=self.presented.take(number).drop(_PART).sort("presentation"),
        )
        known = None
        for column in self.by_copy:
            found = self.copies[column].take(number)
            known = found if known is None else known.join(found, on="item", how="full", coalesce=True)
        across = self._across(number)
        rows = []
        with closing(_Screened(self.written("screened")[number])) as screened:
            for staged in self._pieces(number):
                judged = judge_rows(
                    staged, around, self.checks, probes=probes, known=known, across=_beside(staged, across)
                )
                screened.add(judged.screened)
                self.accepted.add(judged.accepted)
                named = judged.quarantine.column("judgement").is_valid()
                self.quarantined.add(judged.quarantine.filter(named))
                self.nameless.add(judged.quarantine.filter(pc.invert(named)))
                rows.append(judged.found)
                # Before the next piece is read.
                del staged, judged, named
        accepted = pl.concat([some.told.select("item") for some in rows]).unique()
        self.judged.add(as_table(items.join(accepted, on="item", how="semi", maintain_order="left")))
        return counted(rows, self.checks, outdated=outdated)

    def _pieces(self, number: int) -> Iterator[pl.DataFrame]:
        """The staged rows of a part, all that one annotator said of an item together."""
        parts = self.rows.rows(number) / ROWS_OF_A_PART
        # Rows of one item fail together, more often than not, and a row that fails is held as a text, too.
        pieces = math.ceil(2 * parts) if parts > _LARGE else 1
        # A row of no annotator belongs to no other row.
        whose = pl.coalesce("annotator", "judgement", "source_ref", pl.lit("-"))
        yield from map(ordered, self.rows.take_in(pieces, number, by_hash(whose, parts=pieces)))

    def _across(self, number: int) -> list[pl.DataFrame]:
        """What was found across parts of the rows of this one, by their number."""
        across = [
            repeated.take(number).select(NTH, pl.lit(value=True).alias(repeats(check)))
            for check, repeated in zip(self.unique, self.repeated, strict=True)
        ]
        return [*across, self.persons.take(number).drop(_PART)] if self.by_person else across

    def sorted_files(self, summary: Summary, counted: PartCounts) -> dict[str, Path | bytes]:
        """The files of the batch, each in the order of the whole."""
        made: dict[str, Path | bytes] = {
            name: self.scratch / name
            for name in ("judgements.parquet", "items.parquet", "quarantine.parquet")
        }
        for name, schema, sorted_parts in (
            ("judgements.parquet", JUDGEMENTS, [self.accepted]),
            ("items.parquet", ITEMS, [self.judged]),
            ("quarantine.parquet", QUARANTINE, [self.quarantined, self.nameless]),
        ):
            rows = chain.from_iterable(part.merged() for part in sorted_parts)
            write_groups(rows, schema, self.scratch / name)
        people = counted.tally.annotators
        kept = self.around.profiles.join(people, on="annotator", how="semi", maintain_order="left")
        made["profiles.parquet"] = parquet_bytes(as_table(kept).cast(PROFILES).combine_chunks())
        made["checks.json"] = summary.json_bytes()
        return made

    def written(self, name: str) -> list[Path]:
        """The Parquet files of a table, one for each part."""
        return [self.scratch / f"{name}-{number:05}.parquet" for number in range(self.parts)]

    def _write(self, table: pa.Table, name: str, number: int) -> None:
        pq.write_table(table, self.written(name)[number], **_LIGHT)

    def _frame(self, name: str, number: int) -> pl.DataFrame:
        path = self.written(name)[number]
        try:
            return as_frame(pq.read_table(path))
        except (OSError, pa.ArrowException) as error:
            raise OutsideError(f"{path}: cannot be read any more, run again: {error}") from error


class _Screened:
    """The screened rows of a part, some at a time, as one Parquet file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def add(self, frame: pl.DataFrame) -> None:
        # Few at a time: as Arrow they are a copy.
        for some in frame.iter_slices(_ROWS_AT_ONCE) if frame.height else [frame]:
            table = as_table(some)
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._path, table.schema, **_LIGHT)
            self._writer.write_table(table)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _beside(staged: pl.DataFrame, across: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """``across`` for these rows, as :func:`annotation.quarantine.judge_rows` takes it."""
    beside = staged.select(NTH)
    for found in across:
        beside = beside.join(found, on=NTH, how="left")
    return beside


def _schema(schema: pa.Schema) -> dict[str, pl.DataType]:
    return dict(as_frame(schema.empty_table()).schema)
