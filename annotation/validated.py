"""What a validation found: the accepted batch, the quarantine, and the figures, as values and as files."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from annotation.checks import Check, check_json
from annotation.distributions import Distributions
from annotation.parquet_stream import PARQUET
from annotation.records import ITEMS, PROFILES
from annotation.staging import as_table
from annotation.surroundings import Surroundings

__all__ = [
    "ROWS_OF_A_GROUP",
    "Finding",
    "Found",
    "StaleCount",
    "StratumCount",
    "Summary",
    "Validated",
    "parquet_bytes",
]

FORMAT: Final = "bounds.checks/1"
ROWS_OF_A_GROUP: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A figure of the batch against its limit; an undefined figure fails."""

    check: Check
    value: float | None
    passed: bool

    @property
    def sentence(self) -> str:
        """The finding for people: what is measured, its value, its limit."""
        value = "undefined" if self.value is None else f"{self.value:.4g}"
        verdict = "holds" if self.passed else "does not hold"
        return f"{self.check.statement}: {value} ({self.check.limit}: {verdict})"


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumCount:
    """Rows of the annotators who gave one codebook answer: filtering changes who counts."""

    field: str
    status: str
    value: str | None
    read: int
    quarantined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleCount:
    """Accepted judgements given under a policy whose rulings have changed since, and what changed."""

    policy_digest: str
    changed: str
    judgements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one validation counted and concluded, without the rows. Truth value: whether the batch may go on.

    Attributes:
        read: Rows read.
        accepted: Rows accepted.
        quarantined: Rows in quarantine.
        checks: The checks that were run.
        counts: Check key → rows that failed it.
        failed_rules: Rule → rows that failed it (at least one of its checks); rules without a failure left out.
        findings: Figures of the batch against their limits.
        strata: Rows read and quarantined by codebook answer.
        distributions: How the accepted judgements are distributed, for the next batch to be held against.
        stale: Accepted judgements given under an outdated policy.
    """

    read: int
    accepted: int
    quarantined: int
    checks: tuple[Check, ...]
    counts: Mapping[str, int]
    failed_rules: Mapping[str, int]
    findings: tuple[Finding, ...]
    strata: tuple[StratumCount, ...]
    distributions: Distributions
    stale: tuple[StaleCount, ...]

    def __bool__(self) -> bool:
        return not self.stops

    @property
    def stops(self) -> tuple[str, ...]:
        """Why the batch stops here, one sentence per failed figure; empty when it may go on."""
        stops = [
            f"{finding.check.rule}: {finding.sentence}" for finding in self.findings if not finding.passed
        ]
        if not self.accepted:
            stops.insert(0, f"no judgement was accepted ({self.read} read)")
        return tuple(stops)

    def as_json(self) -> dict[str, Any]:
        """What was checked and found, as one JSON object (``checks.json``)."""
        return {
            "format": FORMAT,
            "read": self.read,
            "accepted": self.accepted,
            "quarantined": self.quarantined,
            "passed": bool(self),
            "stops": list(self.stops),
            "checks": [check_json(check) | self._found(check) for check in self.checks],
            "distributions": {name: dict(counts) for name, counts in self.distributions.items()},
            "stale": [
                {
                    "policy_digest": count.policy_digest,
                    "changed": count.changed,
                    "judgements": count.judgements,
                }
                for count in self.stale
            ],
            "filtered_out": [
                {
                    "field": count.field,
                    "status": count.status,
                    "value": count.value,
                    "read": count.read,
                    "quarantined": count.quarantined,
                }
                for count in self.strata
            ],
        }

    def _found(self, check: Check) -> dict[str, Any]:
        for finding in self.findings:
            if finding.check == check:
                return {"value": finding.value, "passed": finding.passed, "sentence": finding.sentence}
        return {"failed": self.counts[check.key]}

    def json_bytes(self) -> bytes:
        """``checks.json``."""
        return (json.dumps(self.as_json(), indent=1, sort_keys=True) + "\n").encode()


class Found(Protocol):
    """What a report reads of a validation, whether its rows are in memory or on disk."""

    @property
    def summary(self) -> Summary:
        """What was counted and concluded."""
        ...

    def quarantined(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """These columns of the quarantined rows in their order, some rows at a time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """The result of one validation in memory.

    Attributes:
        accepted: ``JUDGEMENTS`` table, sorted by id.
        quarantine: ``QUARANTINE`` table, sorted by id.
        summary: What was counted and concluded.
        screened: Staged rows with what the text screens found: what Great Expectations runs on.
        around: The tables the rows refer to.
    """

    accepted: pa.Table
    quarantine: pa.Table
    summary: Summary
    screened: pl.DataFrame = field(repr=False)
    around: Surroundings = field(repr=False)

    def quarantined(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """These columns of the quarantined rows."""
        yield self.quarantine.select(list(columns))

    def items(self) -> pa.Table:
        """The items of the accepted judgements, sorted by id."""
        judged = set(self.accepted.column("item").to_pylist())
        kept = self.around.items.filter(pl.col("item").is_in(list(judged)))
        return as_table(kept).cast(ITEMS).combine_chunks()

    def profiles(self) -> pa.Table:
        """The codebook answers of the annotators of the accepted judgements."""
        people = set(self.accepted.column("annotator").to_pylist())
        kept = self.around.profiles.filter(pl.col("annotator").is_in(list(people)))
        return as_table(kept).cast(PROFILES).combine_chunks()

    def tables(self) -> dict[str, bytes]:
        """The files of the batch: equal input gives equal bytes."""
        return {
            "judgements.parquet": parquet_bytes(self.accepted),
            "items.parquet": parquet_bytes(self.items()),
            "profiles.parquet": parquet_bytes(self.profiles()),
            "quarantine.parquet": parquet_bytes(self.quarantine),
            "checks.json": self.summary.json_bytes(),
        }


def parquet_bytes(table: pa.Table) -> bytes:
    """The Parquet file of ``table``; no time and no machine in it."""
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=ROWS_OF_A_GROUP, **PARQUET)
    return sink.getvalue()
