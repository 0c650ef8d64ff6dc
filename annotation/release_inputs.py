"""What a release is built from: accepted batches, made one, with every choice counted.

Batches of any number, size and order give the same inputs: rows are keyed by what they are, not by the
file they came in.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.records import ITEMS, JUDGEMENTS, PROFILES
from annotation.release_missing import PEOPLE, refused_people
from annotation.release_survey import Survey
from annotation.sound_parquet import reading
from governance.errors import RecordError, RefusedError

__all__ = [
    "Batch",
    "FilteredCount",
    "Inputs",
    "LiveConsents",
    "Part",
    "finish_inputs",
    "gather",
    "keep_part",
    "once",
    "once_profiles",
    "read_checks",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredCount:
    """Rows that validation read and quarantined, of the annotators who gave one codebook answer."""

    field: str
    status: str
    value: str | None
    read: int
    quarantined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One accepted batch.

    Attributes:
        digest: Its identity in the object store.
        judgements: ``JUDGEMENTS`` table.
        items: ``ITEMS`` table with every item judged.
        profiles: ``PROFILES`` table, may be empty.
        read: Rows that validation read.
        quarantined: Rows that it did not accept.
        filtered: The same by codebook answer.
        quarantine: ``annotator, site, rules`` of those rows; None where it is not at hand.
    """

    digest: str
    judgements: pa.Table
    items: pa.Table
    profiles: pa.Table
    read: int
    quarantined: int
    filtered: tuple[FilteredCount, ...] = ()
    quarantine: pa.Table | None = None

    @classmethod
    def from_files(cls, digest: str, files: Mapping[str, bytes]) -> Self:
        """The batch of its stored files.

        They are ``judgements.parquet``, ``items.parquet``, ``profiles.parquet`` and ``checks.json``.

        Raises:
            RecordError: A file is missing or is not what it should be.
        """
        tables = {}
        for name, schema in (("judgements", JUDGEMENTS), ("items", ITEMS), ("profiles", PROFILES)):
            file = f"{name}.parquet"
            if file not in files:
                raise RecordError("the batch lacks a file", file=f"{digest}/{file}")
            with reading(f"{digest}/{file}"):
                tables[name] = pq.read_table(io.BytesIO(files[file])).cast(schema)
        read, quarantined, filtered = read_checks(digest, files.get("checks.json", b""))
        return cls(digest=digest, read=read, quarantined=quarantined, filtered=filtered, **tables)


def read_checks(digest: str, data: bytes) -> tuple[int, int, tuple[FilteredCount, ...]]:
    """Rows read, rows quarantined, and both by codebook answer, of a batch's ``checks.json``.

    Raises:
        RecordError: It is not what it should be.
    """
    try:
        checks = json.loads(data)
        filtered = tuple(FilteredCount(**count) for count in checks["filtered_out"])
        return int(checks["read"]), int(checks["quarantined"]), filtered
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"the batch cannot be read: {error}", file=f"{digest}/checks.json") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConsents:
    """The consents that are live for a purpose when the release is built.

    Attributes:
        purpose: The purpose.
        live: Ids of the consents.
        rules: Ids of the rules by which validation quarantines a judgement without one.
    """

    purpose: str
    live: frozenset[str]
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the rows of a release: whole items with all their judgements.

    Attributes:
        judgements: Kept judgements, sorted by item, annotator and judgement.
        items: Their items, sorted by id.
    """

    judgements: pl.DataFrame
    items: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The rows of a release before anything is coarsened.

    Attributes:
        parts: Gives the parts, in the order of their items, as often as asked.
        survey: What the parts hold.
        profiles: The codebook answers of their annotators, sorted.
        read: Rows read by the validations.
        quarantined: Rows they did not accept.
        filtered: The same by codebook answer, summed over batches.
        without_consent: Judgements left out because no live consent stands behind them.
        missing: ``annotator, site`` of those who judged and did not agree, so that nothing of theirs is here;
            None if consent was not looked at.
        missing_profiles: Their codebook answers.
        digest: Identity of the kept rows.
    """

    parts: Callable[[], Iterator[Part]]
    survey: Survey
    profiles: pl.DataFrame
    read: int
    quarantined: int
    filtered: tuple[FilteredCount, ...]
    without_consent: int
    missing: pl.DataFrame | None
    missing_profiles: pl.DataFrame
    digest: str


def gather(batches: Sequence[Batch], *, consents: LiveConsents | None) -> Inputs:
    """The kept rows of all batches, held in memory.

    A judgement in two batches counts once. With ``consents`` given, a judgement without a live one is left
    out; with None, consent is not looked at, and the release has to say so.

    Raises:
        RecordError: Two batches say different things under one id, or an item is missing.
        RefusedError: Nothing is left.
    """
    if not batches:
        raise RefusedError("the release", ["there is no batch"])
    judgements = _joined([batch.judgements for batch in batches], JUDGEMENTS)
    items = _joined([batch.items for batch in batches], ITEMS)
    part, left_out = keep_part(judgements, items, consents=consents)
    refused = []
    if consents is not None:
        tables = [batch.quarantine for batch in batches if batch.quarantine is not None]
        refused = [refused_people(pl.DataFrame(table), consents.rules) for table in tables]
    survey = Survey()
    survey.add(part.judgements, part.items)
    return finish_inputs(
        lambda: iter([part]),
        survey,
        _joined([batch.profiles for batch in batches], PROFILES),
        without_consent=left_out.height,
        refused=None if consents is None else [left_out, *refused],
        read=sum(batch.read for batch in batches),
        quarantined=sum(batch.quarantined for batch in batches),
        filtered=[batch.filtered for batch in batches],
    )


def keep_part(
    judgements: pl.DataFrame, items: pl.DataFrame, *, consents: LiveConsents | None
) -> tuple[Part, pl.DataFrame]:
    """The kept rows among these, and ``annotator, site`` of each judgement left out for want of a live consent.

    Args:
        judgements: Rows of any number of batches: all those of the items that any of them names.
        items: Their items, and perhaps others.
        consents: Consents live now; None does not look at them.

    Raises:
        RecordError: Two rows say different things under one id, or an item is missing.
    """
    said = once(judgements, ["judgement"], "judgement")
    shown = once(items, ["item"], "item")
    left_out = said.clear()
    if consents is not None:
        live = pl.col("consent").is_in(list(consents.live)).fill_null(value=False)
        left_out, said = said.filter(~live), said.filter(live)
    said = said.sort("item", "annotator", "judgement")
    missing = said.join(shown, on="item", how="anti")
    if missing.height:
        raise RecordError("a judged item is in no batch", field="item", value=missing["item"][0])
    part = Part(judgements=said, items=shown.join(said, on="item", how="semi").sort("item"))
    return part, left_out.select(list(PEOPLE))


def finish_inputs(
    parts: Callable[[], Iterator[Part]],
    survey: Survey,
    profiles: pl.DataFrame,
    *,
    without_consent: int,
    refused: Sequence[pl.DataFrame] | None,
    read: int,
    quarantined: int,
    filtered: Sequence[Sequence[FilteredCount]],
) -> Inputs:
    """The inputs of surveyed parts.

    ``refused`` are tables of ``annotator, site``, repeated or not, of judgements that were left out or quarantined
    for want of consent; None if consent was not looked at.

    Raises:
        RefusedError: Nothing is left.
        RecordError: One person gave two answers to one question.
    """
    if not survey.judgements:
        raise RefusedError(
            "the release",
            [
                f"no judgement is left: {len(filtered)} batches, {without_consent} judgements without live consent"
            ],
        )
    told = once_profiles(profiles)
    people = ["annotator", "site"]
    order = ("annotator", "site", "field", "value", "status")
    answers = told.join(survey.people, on=people, how="semi").sort(order)
    missing = None
    if refused is not None:
        tables = [pl.DataFrame(schema=PEOPLE), *refused]
        missing = pl.concat(tables).unique().join(survey.people, on=people, how="anti").sort(people)
    return Inputs(
        parts=parts,
        survey=survey,
        profiles=answers,
        read=read,
        quarantined=quarantined,
        filtered=_filtered(filtered),
        without_consent=without_consent,
        missing=missing,
        missing_profiles=told.clear() if missing is None else told.join(missing, on=people, how="semi"),
        digest=survey.inputs_digest(answers),
    )


def _joined(tables: Sequence[pa.Table], schema: pa.Schema) -> pl.DataFrame:
    return pl.DataFrame(pa.concat_tables([table.select(schema.names).cast(schema) for table in tables]))


def once(frame: pl.DataFrame, key: Sequence[str], what: str) -> pl.DataFrame:
    """Every row once; ``key`` tells rows apart.

    Raises:
        RecordError: Two different rows have one key.
    """
    # Whole rows are costly to compare, and mostly no key repeats.
    if not frame.select(key).is_duplicated().any():
        return frame
    distinct = frame.unique(maintain_order=False)
    if distinct.select(key).n_unique() != distinct.height:
        doubled = distinct.filter(pl.struct(key).is_duplicated())
        raise RecordError(
            f"two batches hold different rows under one {what}",
            field=what,
            value=str(doubled.sort(key)[key[0]][0]),
        )
    return distinct


def once_profiles(profiles: pl.DataFrame) -> pl.DataFrame:
    """Every codebook answer once.

    Raises:
        RecordError: Two answers contradict each other.
    """
    return once(profiles, ["annotator", "site", "field", "value"], "profile")


def _filtered(batches: Sequence[Sequence[FilteredCount]]) -> tuple[FilteredCount, ...]:
    sums: dict[tuple[str, str, str], tuple[str | None, int, int]] = {}
    for counts in batches:
        for count in counts:
            key = (count.field, count.status, count.value or "")
            _, read, quarantined = sums.get(key, (None, 0, 0))
            sums[key] = (count.value, read + count.read, quarantined + count.quarantined)
    return tuple(
        FilteredCount(field=field, status=status, value=value, read=read, quarantined=quarantined)
        for (field, status, _), (value, read, quarantined) in sorted(sums.items())
    )
