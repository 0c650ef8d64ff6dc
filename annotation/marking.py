"""How a row is marked: which checks it failed, as bits, and what quarantine then says of it.

Every test of :class:`annotation.checks.Test` as a polars expression; Great Expectations has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl
import pyarrow as pa

from annotation.checks import Check, On, Test
from annotation.staging import plain, row_text

__all__ = [
    "FAILED",
    "QUARANTINE",
    "counts",
    "exact",
    "failed_rules",
    "fails",
    "marked",
    "quarantined_rows",
    "repeats",
]

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
FAILED: Final = "_failed"
"""Column of marked rows: whether any check failed."""
_MASK: Final = "_mask"
_BITS: Final = 64


def repeats(check: Check) -> str:
    """The column that says whether another row, of whichever part, has the values of a check of uniqueness."""
    return f"repeats {check.key}"


def fails(check: Check, *, across: bool) -> pl.Expr:
    """Whether a row fails ``check``; null only ever fails ``NOT_NULL``. ``across``: see :func:`repeats`."""
    column = pl.col(check.column)
    match check.test:
        case Test.UNIQUE | Test.UNIQUE_TOGETHER if across:
            failed = pl.col(repeats(check))
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


def marked(judged: pl.DataFrame, checks: Sequence[Check]) -> pl.DataFrame:
    """``judged`` with its verdict: one mask of failed checks per 64 checks, and whether any failed."""
    found = set(judged.columns)
    masks = [
        pl.sum_horizontal(
            [
                fails(check, across=repeats(check) in found).cast(pl.UInt64) * (1 << bit)
                for bit, check in enumerate(checks[start : start + _BITS])
            ]
        )
        .cast(pl.UInt64)
        .alias(f"{_MASK}{start // _BITS}")
        for start in range(0, len(checks), _BITS)
    ]
    marked = judged.with_columns(masks)
    return marked.with_columns(pl.any_horizontal(pl.col(f"^{_MASK}[0-9]+$") != 0).alias(FAILED))


def _bit(number: int) -> pl.Expr:
    """Whether the check of this number failed."""
    mask, bit = divmod(number, _BITS)
    return (pl.col(f"{_MASK}{mask}") & pl.lit(1 << bit, dtype=pl.UInt64)) != 0


def counts(judged: pl.DataFrame, checks: Sequence[Check]) -> dict[str, int]:
    """Check key → rows that failed it."""
    sums = judged.select(_bit(bit).sum().alias(check.key) for bit, check in enumerate(checks))
    return {name: int(count) for name, count in sums.row(0, named=True).items()}


def failed_rules(failed: pl.DataFrame, checks: Sequence[Check]) -> dict[str, int]:
    """Rule → rows that failed at least one of its checks; rules without a failure left out."""
    bits: dict[str, list[pl.Expr]] = {}
    for bit, check in enumerate(checks):
        bits.setdefault(check.rule, []).append(_bit(bit))
    sums = failed.select(pl.any_horizontal(hit).sum().alias(rule) for rule, hit in bits.items())
    return {rule: int(count) for rule, count in sums.row(0, named=True).items() if count}


def quarantined_rows(failed: pl.DataFrame, checks: Sequence[Check]) -> pa.Table:
    """The ``QUARANTINE`` rows of rows that failed."""
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
        shown = pl.struct(plain(name, failed.schema) for name in check.shown_columns).struct.json_encode()
        values.append(pl.when(hit).then(shown))
    table = failed.select(
        *(name for name in QUARANTINE.names if name in failed.columns),
        rules=pl.concat_list(rules).list.drop_nulls(),
        reasons=pl.concat_list(reasons).list.drop_nulls(),
        values=pl.concat_list(values).list.drop_nulls(),
        row=row_text(failed.schema),
    )
    return exact(table, QUARANTINE)


def _reason(check: Check) -> pl.Expr:
    sentence = f"not so: {check.statement}"
    if check.column in {"problem", "misfits"}:
        return pl.format(
            f"{sentence.replace('{', '(').replace('}', ')')} ({{}})", pl.col(check.column).fill_null("")
        )
    return pl.lit(sentence)


def exact(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """``frame`` as a table of ``schema``, in one chunk, so that equal rows give equal bytes."""
    arrow = frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    return arrow.cast(schema).combine_chunks()
