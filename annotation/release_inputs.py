"""What a release is built from: accepted batches, made one, with every choice counted.

Batches of any number, size and order give the same inputs: rows are keyed by what they are, not by the
file they came in.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.records import ITEMS, JUDGEMENTS, PROFILES
from governance.errors import RecordError, RefusedError

__all__ = ["Batch", "FilteredCount", "Inputs", "LiveConsents", "content_digest", "gather"]

_SLICE: Final = 50_000


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
    """

    digest: str
    judgements: pa.Table
    items: pa.Table
    profiles: pa.Table
    read: int
    quarantined: int
    filtered: tuple[FilteredCount, ...] = ()

    @classmethod
    def from_files(cls, digest: str, files: Mapping[str, bytes]) -> Self:
        """The batch of its stored files.

        They are ``judgements.parquet``, ``items.parquet``, ``profiles.parquet`` and ``checks.json``.

        Raises:
            RecordError: A file is missing or is not what it should be.
        """
        tables = {}
        for name, schema in (("judgements", JUDGEMENTS), ("items", ITEMS), ("profiles", PROFILES)):
            try:
                tables[name] = pq.read_table(io.BytesIO(files[f"{name}.parquet"])).cast(schema)
            except (KeyError, pa.ArrowException, ValueError) as error:
                raise RecordError(
                    f"the batch cannot be read: {error}", file=f"{digest}/{name}.parquet"
                ) from error
        try:
            checks = json.loads(files["checks.json"])
            filtered = tuple(FilteredCount(**count) for count in checks["filtered_out"])
            read, quarantined = int(checks["read"]), int(checks["quarantined"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"the batch cannot be read: {error}", file=f"{digest}/checks.json") from error
        return cls(digest=digest, read=read, quarantined=quarantined, filtered=filtered, **tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConsents:
    """The consents that are live for a purpose when the release is built."""

    purpose: str
    live: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The rows of a release before anything is coarsened.

    Attributes:
        judgements: Kept judgements, sorted by item, annotator and judgement.
        items: Their items, sorted by id.
        profiles: The codebook answers of their annotators, sorted.
        read: Rows read by the validations.
        quarantined: Rows they did not accept.
        filtered: The same by codebook answer, summed over batches.
        without_consent: Judgements left out because no live consent stands behind them.
        digest: Identity of the kept rows.
    """

    judgements: pl.DataFrame
    items: pl.DataFrame
    profiles: pl.DataFrame
    read: int
    quarantined: int
    filtered: tuple[FilteredCount, ...]
    without_consent: int
    digest: str


def content_digest(frame: pl.DataFrame) -> str:
    """``sha256:…`` of the rows as JSON Lines in the order given, columns as named, times as microseconds.

    It says what a table holds, whatever the file format or its writer's version.
    """
    plain = frame.with_columns(cs.datetime().dt.epoch("us"))
    sha256 = hashlib.sha256()
    for start in range(0, plain.height, _SLICE):
        sha256.update(plain.slice(start, _SLICE).write_ndjson().encode())
    return "sha256:" + sha256.hexdigest()


def gather(batches: Sequence[Batch], *, consents: LiveConsents | None) -> Inputs:
    """The kept rows of all batches.

    A judgement in two batches counts once. With ``consents`` given, a judgement without a live one is left
    out; with None, consent is not looked at, and the release has to say so.

    Raises:
        RecordError: Two batches say different things under one id, or an item is missing.
        RefusedError: Nothing is left.
    """
    judgements = _union([batch.judgements for batch in batches], JUDGEMENTS, ["judgement"], "judgement")
    items = _union([batch.items for batch in batches], ITEMS, ["item"], "item")
    profiles = _union(
        [batch.profiles for batch in batches], PROFILES, ["annotator", "site", "field", "value"], "profile"
    )
    without_consent = 0
    if consents is not None:
        kept = judgements.filter(pl.col("consent").is_in(list(consents.live)))
        without_consent = judgements.height - kept.height
        judgements = kept
    if judgements.is_empty():
        reasons = [
            f"no judgement is left: {len(batches)} batches, {without_consent} judgements without live consent"
        ]
        raise RefusedError("the release", reasons)
    judgements = judgements.sort("item", "annotator", "judgement")
    missing = judgements.join(items, on="item", how="anti")
    if missing.height:
        raise RecordError("a judged item is in no batch", field="item", value=missing["item"][0])
    items = items.join(judgements, on="item", how="semi").sort("item")
    profiles = profiles.join(judgements, on=["annotator", "site"], how="semi").sort(
        "annotator", "site", "field", "value", "status"
    )
    parts = [content_digest(frame) for frame in (judgements, items, profiles)]
    return Inputs(
        judgements=judgements,
        items=items,
        profiles=profiles,
        read=sum(batch.read for batch in batches),
        quarantined=sum(batch.quarantined for batch in batches),
        filtered=_filtered(batches),
        without_consent=without_consent,
        digest="sha256:" + hashlib.sha256("\n".join(parts).encode()).hexdigest(),
    )


def _union(tables: Sequence[pa.Table], schema: pa.Schema, key: Sequence[str], what: str) -> pl.DataFrame:
    if not tables:
        raise RefusedError("the release", ["there is no batch"])
    whole = pa.concat_tables([table.select(schema.names).cast(schema) for table in tables])
    frame = pl.DataFrame(whole)
    once = frame.unique(maintain_order=False)
    if once.select(key).n_unique() != once.height:
        doubled = once.filter(pl.struct(key).is_duplicated())
        raise RecordError(
            f"two batches hold different rows under one {what}",
            field=what,
            value=str(doubled.sort(key)[key[0]][0]),
        )
    return once


def _filtered(batches: Sequence[Batch]) -> tuple[FilteredCount, ...]:
    sums: dict[tuple[str, str, str], tuple[str | None, int, int]] = {}
    for batch in batches:
        for count in batch.filtered:
            key = (count.field, count.status, count.value or "")
            _, read, quarantined = sums.get(key, (None, 0, 0))
            sums[key] = (count.value, read + count.read, quarantined + count.quarantined)
    return tuple(
        FilteredCount(field=field, status=status, value=value, read=read, quarantined=quarantined)
        for (field, status, _), (value, read, quarantined) in sorted(sums.items())
    )
