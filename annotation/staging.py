"""Staging: rows as they came, brought into the record's columns without losing or judging any.

A value that has not the declared type becomes null and is named in ``misfits``; an event that could not be
decoded becomes a row with its ``problem``. INVARIANT: one row in, one row out; what to do with it is
decided by checks, not here. What becomes of a row does not depend on the rows beside it, and the order of the
result depends on the rows alone, not on their order of arrival: rows may be staged some at a time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
import pyarrow as pa

from annotation.events import EventKind, RawEvent
from annotation.records import JUDGEMENTS
from governance.digest import digest
from governance.errors import RecordError

__all__ = [
    "STAGED",
    "as_frame",
    "as_table",
    "ordered",
    "plain",
    "row_text",
    "stage_events",
    "stage_rows",
    "stage_table",
]

STAGED: Final = pa.schema(
    [
        *(pa.field(column.name, column.type, metadata=column.metadata) for column in JUDGEMENTS),
        pa.field("misfits", pa.string(), metadata={"doc": "values of another type, as JSON by column"}),
        pa.field("problem", pa.string(), metadata={"doc": "why the source's record could not be decoded"}),
    ]
)
"""The record's columns, all nullable, and what was wrong before any check."""

_SHOWN: Final = 200
_TIE: Final = "_tie"


def stage_events(events: Iterable[RawEvent]) -> pl.DataFrame:
    """Stage raw events, one row per stated event (see :func:`annotation.events.latest`).

    Raises:
        RecordError: An event is a deletion, which is no row.
    """
    rows = []
    for event in events:
        if event.kind is EventKind.DELETED:
            raise RecordError("a deletion is no judgement; fold the history first", field=event.ref)
        if event.judgement is None:
            rows.append(
                {
                    "judgement": digest([event.site, event.source, event.ref]),
                    "site": event.site,
                    "source": event.source,
                    "source_ref": event.ref,
                    "source_digest": event.digest,
                    "problem": event.problem,
                }
            )
        else:
            rows.append({**event.judgement, "source_digest": event.digest})
    return stage_rows(rows)


def stage_rows(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Stage rows keyed by column name; times may be ISO 8601 text with an offset.

    A key that is no column of the record is a misfit too: nothing a source said is dropped unseen.
    """
    listed = list(rows)
    misfits: list[dict[str, Any]] = [
        {name: repr(row[name])[:_SHOWN] for name in sorted(set(row) - set(STAGED.names))} for row in listed
    ]
    columns: list[pa.Array[Any]] = []
    for field in STAGED:
        if field.name == "misfits":
            columns.append(
                pa.array(
                    [json.dumps(found, sort_keys=True) if found else None for found in misfits], pa.string()
                )
            )
            continue
        values = [row.get(field.name) for row in listed]
        columns.append(_column(field, values, misfits))
    return ordered(as_frame(pa.Table.from_arrays(columns, schema=STAGED)))


def stage_table(table: pa.Table | pl.DataFrame) -> pl.DataFrame:
    """Stage a table of the record's columns, cast where Arrow can do so without loss.

    Raises:
        RecordError: A column is missing or not of the record: the file has another shape, and no row of it
            can be judged.
    """
    given = as_table(table)
    for name in sorted(set(given.column_names) - set(STAGED.names)):
        raise RecordError("unknown column", field=name, expected=", ".join(JUDGEMENTS.names))
    for name in JUDGEMENTS.names:
        if name not in given.column_names:
            raise RecordError("missing column", field=name, expected=str(JUDGEMENTS.field(name).type))
    columns = []
    for field in STAGED:
        if field.name not in given.column_names:
            columns.append(pa.nulls(len(given), field.type))
            continue
        column = given.column(field.name)
        if _is_text(column.type) and not _is_text(field.type):
            # Arrow would read a number out of a text, as long as no text beside it is none.
            return stage_rows(given.to_pylist())
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return stage_rows(given.to_pylist())
    staged = pa.Table.from_arrays(columns, schema=STAGED)
    # NaN is no number of seconds; let the slow path name it as a misfit.
    frame = as_frame(staged)
    if frame.select((pl.col("seconds").is_nan() | pl.col("seconds").is_infinite()).any()).item():
        return stage_rows(staged.to_pylist())
    return ordered(frame)


def as_table(table: pa.Table | pl.DataFrame) -> pa.Table:
    """The Arrow form of a table with plain (not view or dictionary) columns."""
    return table.to_arrow(compat_level=pl.CompatLevel.oldest()) if isinstance(table, pl.DataFrame) else table


def as_frame(table: pa.Table) -> pl.DataFrame:
    """The frame of an Arrow table."""
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a table becomes a frame")
    return frame


def _column(field: pa.Field[Any], values: list[Any], misfits: Sequence[dict[str, Any]]) -> pa.Array[Any]:
    """The column of ``values``; what does not fit becomes null and is put into ``misfits``."""
    if pa.types.is_timestamp(field.type):
        values = [_time(value) for value in values]
        simple = all(value is None or getattr(value, "tzinfo", None) is not None for value in values)
    else:
        simple = not (pa.types.is_floating(field.type) or pa.types.is_nested(field.type))
    if simple and not any(isinstance(value, bool) for value in values if not pa.types.is_boolean(field.type)):
        try:
            quick: pa.Array[Any] = pa.array(values, type=field.type)
            return quick
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError):
            pass
    fitting = []
    for number, value in enumerate(values):
        if _fits(value, field.type):
            fitting.append(value)
        else:
            misfits[number][field.name] = repr(value)[:_SHOWN]
            fitting.append(None)
    column: pa.Array[Any] = pa.array(fitting, type=field.type)
    return column


def _time(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return value
    # A time without an offset is not a point in time; it stays text and becomes a misfit.
    return value if time.tzinfo is None else time.astimezone(UTC)


def _fits(value: Any, kind: pa.DataType) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) and not pa.types.is_boolean(kind):
        return False
    if _has_wild_number(value):
        return False
    if pa.types.is_timestamp(kind) and not (isinstance(value, datetime) and value.tzinfo is not None):
        return False
    try:
        pa.array([value], type=kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError):
        return False
    return True


def _has_wild_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(_has_wild_number(member) for member in value.values())
    if isinstance(value, list | tuple):
        return any(_has_wild_number(member) for member in value)
    return False


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Staged rows by judgement id; only where ids repeat (or lack) does the text of the row decide."""
    ids = frame.get_column("judgement")
    repeated = ids.is_duplicated()
    if not repeated.any():
        return frame if ids.is_sorted() else frame.sort("judgement", nulls_last=True)
    tied = frame.filter(repeated).with_columns(row_text(frame.schema).alias(_TIE))
    alone = frame.filter(~repeated).with_columns(pl.lit(None, dtype=pl.String).alias(_TIE))
    return pl.concat([tied, alone]).sort("judgement", _TIE, nulls_last=True).drop(_TIE)


def row_text(schema: pl.Schema) -> pl.Expr:
    """The whole staged row as JSON (times in UTC)."""
    return pl.struct(plain(name, schema) for name in STAGED.names).struct.json_encode()


def plain(name: str, schema: pl.Schema) -> pl.Expr:
    """A column as something JSON can hold."""
    if isinstance(schema[name], pl.Datetime):
        return pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return pl.col(name)
