"""One pass over a batch: every row is judged by every check, and each is accepted or quarantined.

The verdict of a row is a bitmask with one bit per failed check. Quarantined rows keep all they said, every
rule they failed, and the value that failed it. INVARIANT: accepted + quarantined = read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl
import pyarrow as pa

from annotation.checks import Check, On, Test
from annotation.distributions import Distributions, distributions
from annotation.facts import Surroundings, facts, screens
from annotation.figures import BatchFacts, figure
from annotation.item_facts import threshold_name
from annotation.records import JUDGEMENTS
from annotation.staging import STAGED, stage_rows, stage_table
from annotation.validated import Finding, StaleCount, StratumCount, Validated
from governance.errors import RecordError

__all__ = ["QUARANTINE", "columns_of", "validate_batch"]

QUARANTINE: Final = pa.schema(
    [
        pa.field("judgement", pa.string()),
        pa.field("item", pa.string()),
        pa.field("annotator", pa.string()),
        pa.field("site", pa.string()),
        pa.field("source", pa.string()),
        pa.field("source_ref", pa.string()),
        pa.field("source_digest", pa.string()),
        pa.field("rules", pa.list_(pa.string()), nullable=False),
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("values", pa.list_(pa.string()), nullable=False),
        pa.field("row", pa.string(), nullable=False),
    ]
)
"""Rows that failed. ``rules``, ``reasons`` and ``values`` run in parallel: one entry per failed check;
``row`` is the whole row as JSON."""

_MASK: Final = "_failed"
_BITS: Final = 64


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
    staged = _staged(rows)
    around = Surroundings.of(items, presentations, profiles, consents, gold)
    by_row = [check for check in checks if check.on is not On.FIGURES]
    columns = columns_of(checks)
    _require_gold(by_row, around)
    screened = screens(staged, around.items, columns, probes=probes)
    judged = _marked(facts(screened, around, columns), by_row)
    failed = judged.filter(pl.col(_MASK))
    passed = judged.filter(~pl.col(_MASK))
    now = distributions(passed, around.items)
    batch = BatchFacts(
        accepted=passed,
        profiles=around.profiles,
        read=staged.height,
        quarantined=failed.height,
        outdated=outdated or {},
        now=now,
        before=before,
    )
    validated = Validated(
        accepted=_exact(passed, JUDGEMENTS),
        quarantine=_quarantine(failed, by_row),
        checks=tuple(checks),
        counts=_counts(judged, by_row),
        findings=tuple(_finding(check, batch) for check in checks if check.on is On.FIGURES),
        strata=_strata(judged, around.profiles),
        distributions=now,
        stale=_stale(passed, outdated or {}),
        screened=screened,
        around=around,
    )
    # INVARIANT: no row is lost and none is doubled, whatever the joins above did.
    if validated.accepted.num_rows + validated.quarantine.num_rows != staged.height:
        raise AssertionError("accepted + quarantined is not what was read")
    return validated


def _require_gold(checks: Sequence[Check], around: Surroundings) -> None:
    """A rule that nobody can fail, since no gold item is known, would pass everybody: it is refused."""
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


def _stale(accepted: pl.DataFrame, outdated: Mapping[str, str]) -> tuple[StaleCount, ...]:
    """Accepted judgements by the outdated policy they were given under; they are kept, and marked here."""
    counted = (
        accepted.filter(pl.col("policy_digest").is_in(list(outdated)))
        .group_by("policy_digest")
        .len()
        .sort("policy_digest")
    )
    return tuple(
        StaleCount(policy_digest=digest, changed=outdated[digest], judgements=many)
        for digest, many in counted.iter_rows()
    )


def _staged(rows: pl.DataFrame | pa.Table | Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    if isinstance(rows, pl.DataFrame) and rows.columns == STAGED.names:
        return rows
    return stage_table(rows) if isinstance(rows, pl.DataFrame | pa.Table) else stage_rows(rows)


def fails(check: Check) -> pl.Expr:
    """Whether a row fails ``check``; null only ever fails ``NOT_NULL``."""
    column = pl.col(check.column)
    match check.test:
        case Test.NOT_NULL:
            failed = column.is_null()
        case Test.NULL:
            failed = column.is_not_null()
        case Test.IN_SET:
            failed = ~column if check.values == (True,) else ~column.is_in(list(check.values))
        case Test.NOT_IN_SET:
            failed = column.is_in(list(check.values))
        case Test.RANGE:
            failed = _outside(column, check)
        case Test.LENGTH:
            failed = _outside(column.str.len_chars(), check)
        case Test.REGEX:
            failed = ~column.str.contains(check.pattern or "")
        case Test.UNIQUE:
            decodable = pl.when(pl.col("problem").is_null()).then(column)
            failed = decodable.is_duplicated() & column.is_not_null()
        case Test.UNIQUE_TOGETHER:
            names = [check.column, *check.together]
            given = pl.all_horizontal(pl.col(names).is_not_null()) & pl.col("problem").is_null()
            failed = pl.when(given).then(pl.struct(names)).is_duplicated() & given
        case Test.NOT_BEFORE:
            failed = column < pl.col(check.other or "")
    failed = failed.fill_null(value=False)
    return failed if check.on is On.ROWS else failed & pl.col("problem").is_null()


def _outside(column: pl.Expr, check: Check) -> pl.Expr:
    below = pl.lit(value=False) if check.low is None else column < check.low
    above = pl.lit(value=False) if check.high is None else column > check.high
    return below.fill_null(value=False) | above.fill_null(value=False)


def _marked(judged: pl.DataFrame, checks: Sequence[Check]) -> pl.DataFrame:
    """``judged`` with its verdict: one mask of failed checks per 64 checks, and whether any failed."""
    masks = [
        pl.sum_horizontal(
            [
                fails(check).cast(pl.UInt64) * (1 << bit)
                for bit, check in enumerate(checks[start : start + _BITS])
            ]
        )
        .cast(pl.UInt64)
        .alias(f"{_MASK}{start // _BITS}")
        for start in range(0, len(checks), _BITS)
    ]
    marked = judged.with_columns(masks)
    return marked.with_columns(pl.any_horizontal(pl.col(f"^{_MASK}[0-9]+$") != 0).alias(_MASK))


def _bit(number: int) -> pl.Expr:
    """Whether the check of this number failed."""
    mask, bit = divmod(number, _BITS)
    return (pl.col(f"{_MASK}{mask}") & pl.lit(1 << bit, dtype=pl.UInt64)) != 0


def _counts(judged: pl.DataFrame, checks: Sequence[Check]) -> dict[str, int]:
    sums = judged.select(_bit(bit).sum().alias(check.key) for bit, check in enumerate(checks))
    return {name: int(count) for name, count in sums.row(0, named=True).items()}


def _quarantine(failed: pl.DataFrame, checks: Sequence[Check]) -> pa.Table:
    hits = failed.select(_bit(bit).any().alias(str(bit)) for bit in range(len(checks))).row(0)
    rules: list[pl.Expr] = []
    reasons: list[pl.Expr] = []
    values: list[pl.Expr] = []
    for bit, check in enumerate(checks):
        if not hits[bit] and (rules or bit < len(checks) - 1):
            continue  # nobody failed it; one entry is kept so that an empty quarantine has its columns
        hit = _bit(bit)
        rules.append(pl.when(hit).then(pl.lit(check.rule)))
        reasons.append(pl.when(hit).then(_reason(check)))
        shown = pl.struct(_plain(name, failed.schema) for name in check.shown_columns).struct.json_encode()
        values.append(pl.when(hit).then(shown))
    table = failed.select(
        *(name for name in QUARANTINE.names if name in failed.columns),
        rules=pl.concat_list(rules).list.drop_nulls(),
        reasons=pl.concat_list(reasons).list.drop_nulls(),
        values=pl.concat_list(values).list.drop_nulls(),
        row=pl.struct(_plain(name, failed.schema) for name in STAGED.names).struct.json_encode(),
    )
    return _exact(table, QUARANTINE)


def _reason(check: Check) -> pl.Expr:
    sentence = f"not so: {check.statement}"
    if check.column in {"problem", "misfits"}:
        return pl.format(
            f"{sentence.replace('{', '(').replace('}', ')')} ({{}})", pl.col(check.column).fill_null("")
        )
    return pl.lit(sentence)


def _plain(name: str, schema: pl.Schema) -> pl.Expr:
    """A column as something JSON can hold."""
    if isinstance(schema[name], pl.Datetime):
        return pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return pl.col(name)


def _exact(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """``frame`` as a table of ``schema``, in one chunk, so that equal rows give equal bytes."""
    arrow = frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    return arrow.cast(schema).combine_chunks()


def _finding(check: Check, batch: BatchFacts) -> Finding:
    value = figure(batch, check.figure)
    passed = (
        value is not None
        and (check.low is None or value >= check.low)
        and (check.high is None or value <= check.high)
    )
    return Finding(check=check, value=value, passed=passed)


def _strata(judged: pl.DataFrame, profiles: pl.DataFrame) -> tuple[StratumCount, ...]:
    """Who was filtered out: rows read and quarantined per codebook answer; people without one apart."""
    answers = profiles.select("annotator", "field", "status", "value").unique()
    quarantined = judged.select("annotator", failed=pl.col(_MASK))
    found: list[StratumCount] = []
    for name in answers.get_column("field").unique().sort():
        counted = (
            quarantined.join(answers.filter(pl.col("field") == name), on="annotator", how="left")
            .group_by("status", "value")
            .agg(read=pl.len(), quarantined=pl.col("failed").sum())
            .sort("status", "value", nulls_last=True)
        )
        found.extend(
            StratumCount(field=name, status=status or "no_profile", value=value, read=read, quarantined=out)
            for status, value, read, out in counted.iter_rows()
        )
    return tuple(found)
