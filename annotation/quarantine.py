"""One pass over a batch: every row is judged by every check, and each is accepted or quarantined.

The verdict of a row is a bitmask with one bit per failed check. Quarantined rows keep all they said, every
rule they failed, and the value that failed it. INVARIANT: accepted + quarantined = read.

A batch too large for memory is judged in parts that share no item (:func:`judge_rows`, :func:`counted`,
:func:`conclude`), and a part whose items have too many rows some rows at a time. What a row can only fail together
with rows that are not beside it (a repeated id, a person's streak) is then found beforehand and handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import pyarrow as pa

from annotation.checks import Check, On
from annotation.distributions import Distributions, distributions, merge_distributions
from annotation.facts import facts
from annotation.figures import BatchFacts, Tally, figure, merge_tallies, tally, told
from annotation.item_facts import threshold_name
from annotation.marking import (
    FAILED,
    QUARANTINE,
    counts,
    exact,
    failed_rules,
    marked,
    quarantined_rows,
    repeats,
)
from annotation.records import JUDGEMENTS
from annotation.staging import STAGED, stage_rows, stage_table
from annotation.surroundings import Surroundings
from annotation.text_screens import screens
from annotation.validated import Finding, StaleCount, StratumCount, Summary, Validated
from governance.errors import RecordError

__all__ = [
    "NTH",
    "QUARANTINE",
    "JudgedRows",
    "PartCounts",
    "RowCounts",
    "columns_of",
    "conclude",
    "counted",
    "judge_rows",
    "merge_counts",
    "repeats",
    "require_gold",
    "validate_batch",
]

NTH: Final = "nth"
"""Number of a row among those read, where rows of several parts are told apart by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCounts:
    """What was counted in the rows of some items, all rows of which were seen.

    Attributes:
        counts: Check key → rows that failed it.
        failed_rules: Rule → rows that failed at least one of its checks.
        people: ``annotator, read, quarantined``: rows of each person.
        tally: What the figures need of the accepted judgements.
    """

    counts: Mapping[str, int]
    failed_rules: Mapping[str, int]
    people: pl.DataFrame
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """What was counted in rows, whether or not their items have further ones.

    Attributes:
        counts: Check key → rows that failed it.
        failed_rules: Rule → rows that failed at least one of its checks.
        people: ``annotator, read, quarantined``: rows of each person.
        told: What of the accepted judgements can only be counted beside all others of their items, see
            :func:`annotation.figures.told`.
        distributions: Of the accepted judgements, see :mod:`annotation.distributions`.
    """

    counts: Mapping[str, int]
    failed_rules: Mapping[str, int]
    people: pl.DataFrame
    told: pl.DataFrame
    distributions: Distributions


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRows:
    """Rows, judged.

    Attributes:
        accepted: ``JUDGEMENTS`` table, in staged order.
        quarantine: ``QUARANTINE`` table, in staged order.
        screened: Staged rows with what the text screens found.
        found: What was counted.
    """

    accepted: pa.Table
    quarantine: pa.Table
    screened: pl.DataFrame
    found: RowCounts


def validate_batch(
    rows: pl.DataFrame | pa.Table | Iterable[Mapping[str, Any]],
    items: pa.Table | pl.DataFrame,
    *,
    checks: Sequence[Check],
    presentations: pa.Table | pl.DataFrame | None = None,
    profiles: pa.Table | pl.DataFrame | None = None,
    consents: pa.Table | pl.DataFrame | None = None,
    gold: pa.Table | pl.DataFrame | None = None,
    probes: Sequence[str] = (),
    outdated: Mapping[str, str] | None = None,
    before: Distributions | None = None,
) -> Validated:
    """Judge the rows of a batch by ``checks``.

    Args:
        rows: Staged rows (:func:`annotation.staging.stage_events`), a table of the record's columns, or rows
            keyed by column name.
        items: ``ITEMS`` table the judgements refer to.
        checks: The registry, see :func:`annotation.policy_checks.checks_for`.
        presentations: Table with ``presentation, item, shown`` and perhaps ``consent``.
        profiles: ``PROFILES`` table.
        consents: Table of live consents with ``consent, annotator, purpose``.
        gold: Items of known answer with ``item, outcome, preferred``.
        probes: Prompts of the audit's probes, which no item may hold.
        outdated: Effective policies whose rulings have changed since: digest → what changed.
        before: Distributions of the last batch; None for the first.

    Raises:
        RecordError: A table has not the shape of its record, so that no row of it can be judged; or a rule
            asks for items of known answer and there are none, so that nobody could fail it.
    """
    around = Surroundings.of(items, presentations, profiles, consents, gold)
    require_gold(checks, around)
    outdated = outdated or {}
    judged = judge_rows(_staged(rows), around, checks, probes=probes)
    whole = counted([judged.found], checks, outdated=outdated)
    return Validated(
        accepted=judged.accepted,
        quarantine=judged.quarantine,
        summary=conclude([whole], checks, around.profiles, outdated=outdated, before=before),
        screened=judged.screened,
        around=around,
    )


def judge_rows(
    staged: pl.DataFrame,
    around: Surroundings,
    checks: Sequence[Check],
    *,
    probes: Sequence[str] = (),
    known: pl.DataFrame | None = None,
    across: pl.DataFrame | None = None,
) -> JudgedRows:
    """Judge rows that hold whatever each of their annotators said of each of their items.

    Args:
        staged: The rows, in staged order.
        around: The tables the rows refer to, or what of them these rows refer to.
        checks: The registry.
        probes: Prompts of the audit's probes.
        known: Facts of items that were found with a view to the items of other rows.
        across: ``nth`` and what was found with a view to other rows: person facts, and :func:`repeats` for each
            check of uniqueness. ``staged`` then has a column ``nth``. None where ``staged`` is the whole.
    """
    by_row = [check for check in checks if check.on is not On.FIGURES]
    columns = columns_of(checks)
    screened = screens(staged, around.items, columns, probes=probes, known=known)
    found = set() if across is None else set(across.columns)
    judged = facts(screened, around, columns - found)
    if across is not None:
        judged = judged.join(across, on=NTH, how="left", maintain_order="left")
    judged = marked(judged, by_row)
    failed = judged.filter(pl.col(FAILED))
    passed = judged.filter(~pl.col(FAILED))
    rows = JudgedRows(
        accepted=exact(passed, JUDGEMENTS),
        quarantine=quarantined_rows(failed, by_row),
        screened=screened,
        found=RowCounts(
            counts=counts(judged, by_row),
            failed_rules=failed_rules(failed, by_row),
            people=judged.group_by("annotator").agg(read=pl.len(), quarantined=pl.col(FAILED).sum()),
            told=told(passed, columns),
            distributions=distributions(passed, around.items),
        ),
    )
    # INVARIANT: no row is lost and none is doubled, whatever the joins above did.
    if rows.accepted.num_rows + rows.quarantine.num_rows != staged.height:
        raise AssertionError("accepted + quarantined is not what was read")
    return rows


def counted(rows: Sequence[RowCounts], checks: Sequence[Check], *, outdated: Collection[str]) -> PartCounts:
    """What was counted in all rows of some items.

    Args:
        rows: Together they are every row of their items.
        checks: The registry they were judged by.
        outdated: Digests of the policies whose rulings have changed since.
    """
    return PartCounts(
        counts=_added(some.counts for some in rows),
        failed_rules=_added(some.failed_rules for some in rows),
        people=_people([some.people for some in rows]),
        tally=tally(
            pl.concat([some.told for some in rows]),
            columns=columns_of(checks),
            outdated=outdated,
            distributions=merge_distributions([some.distributions for some in rows]),
        ),
    )


def merge_counts(parts: Sequence[PartCounts]) -> PartCounts:
    """What was counted in all parts together; it grows with people, not with parts."""
    return PartCounts(
        counts=_added(part.counts for part in parts),
        failed_rules=dict(sorted(_added(part.failed_rules for part in parts).items())),
        people=_people([part.people for part in parts]),
        tally=merge_tallies([part.tally for part in parts]),
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _people(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts).group_by("annotator").agg(pl.col("read").sum(), pl.col("quarantined").sum())


def conclude(
    parts: Sequence[PartCounts],
    checks: Sequence[Check],
    profiles: pl.DataFrame,
    *,
    outdated: Mapping[str, str],
    before: Distributions | None,
) -> Summary:
    """What all parts say together.

    Args:
        parts: They share no item.
        checks: The registry they were judged by.
        profiles: Codebook answers.
        outdated: Effective policies whose rulings have changed since: digest → what changed.
        before: Distributions of the last batch; None for the first.
    """
    found = merge_counts(parts)
    people, whole = found.people, found.tally
    read, quarantined = int(people["read"].sum()), int(people["quarantined"].sum())
    batch = BatchFacts(tally=whole, profiles=profiles, read=read, quarantined=quarantined, before=before)
    return Summary(
        read=read,
        accepted=whole.accepted,
        quarantined=quarantined,
        checks=tuple(checks),
        counts=found.counts,
        failed_rules=found.failed_rules,
        findings=tuple(_finding(check, batch) for check in checks if check.on is On.FIGURES),
        strata=_strata(people, profiles),
        distributions=whole.distributions,
        stale=tuple(
            StaleCount(policy_digest=digest, changed=outdated[digest], judgements=many)
            for digest, many in sorted(whole.outdated.items())
        ),
    )


def require_gold(checks: Sequence[Check], around: Surroundings) -> None:
    """Refuse a rule that nobody can fail, since no gold item is known: it would pass everybody.

    Raises:
        RecordError: There is such a rule, and no item of known answer.
    """
    asking = sorted(
        check.rule for check in checks if any(column.startswith("gold_share_") for column in check.tested)
    )
    if asking and around.gold.is_empty():
        raise RecordError(
            "no item of known answer is given, so nobody can fail this rule",
            field="gold",
            value=", ".join(asking),
            expected="items of known answer (`bounds gold add`), or a policy without the rule",
        )


def columns_of(checks: Sequence[Check]) -> set[str]:
    """The columns that checks test, or that a figure is computed from: costly facts nobody asks for are left out."""
    columns = {column for check in checks if check.on is not On.FIGURES for column in check.tested}
    if "reading_rate" in columns:
        columns.add("item_characters")
    for check in checks:
        if check.figure.get("check") == "split_contamination":
            columns.add(threshold_name("prompt_twin_", check.figure["similarity"]))
    return columns


def _staged(rows: pl.DataFrame | pa.Table | Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    if isinstance(rows, pl.DataFrame) and rows.columns == STAGED.names:
        return rows
    return stage_table(rows) if isinstance(rows, pl.DataFrame | pa.Table) else stage_rows(rows)


def _finding(check: Check, batch: BatchFacts) -> Finding:
    value = figure(batch, check.figure)
    passed = (
        value is not None
        and (check.low is None or value >= check.low)
        and (check.high is None or value <= check.high)
    )
    return Finding(check=check, value=value, passed=passed)


def _strata(people: pl.DataFrame, profiles: pl.DataFrame) -> tuple[StratumCount, ...]:
    """Who was filtered out: rows read and quarantined per codebook answer; people without one apart."""
    answers = profiles.select("annotator", "field", "status", "value").unique()
    found: list[StratumCount] = []
    for name in answers.get_column("field").unique().sort():
        counted = (
            people.join(answers.filter(pl.col("field") == name), on="annotator", how="left")
            .group_by("status", "value")
            .agg(pl.col("read").sum(), pl.col("quarantined").sum())
            .sort("status", "value", nulls_last=True)
        )
        found.extend(
            StratumCount(field=name, status=status or "no_profile", value=value, read=read, quarantined=out)
            for status, value, read, out in counted.iter_rows()
        )
    return tuple(found)
