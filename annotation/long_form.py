"""Judgements as people keep them, brought to the long form that agreement is computed on.

Long: one row per judgement, with columns for item, annotator and value. Wide: one row per item, with one
column of values per annotator (PandaLM's file). Numbers are numbers however they are written (``1``,
``1.0``), and an empty cell is a missing judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from annotation.agreement import Level
from governance.errors import InputError

__all__ = ["from_long", "from_wide"]

_ROW: Final = "row"


def from_long(
    frame: pl.DataFrame,
    *,
    item: str,
    annotator: str,
    value: str,
    by: Sequence[str] = (),
    level: Level,
    missing: Sequence[str] = (),
    order: Sequence[str] = (),
    file: str | None = None,
) -> pl.DataFrame:
    """``item``, ``annotator``, ``value`` and the ``by`` columns of a table in long form.

    Args:
        frame: The table.
        item: Column that names the item.
        annotator: Column that names the annotator.
        value: Column of values.
        by: Columns to compare by.
        level: Level of measurement; above nominal the values must be numbers or stand in ``order``.
        missing: Texts that mean a missing judgement, beside the empty cell.
        order: Categories from lowest to highest, for the ordinal level on words.
        file: Name shown in errors.

    Raises:
        InputError: A column is absent, or a value does not suit the level.
    """
    _require(frame, [item, annotator, value, *by], file)
    columns = {
        "item": _label(frame[item]),
        "annotator": _label(frame[annotator]),
        "value": _values(frame[value], level, missing, order, name=value, file=file),
    }
    clash = sorted(set(by) & set(columns) - {item, annotator, value})
    if clash:
        raise InputError("is a reserved name; rename the column", file=file, field="--by", value=clash[0])
    return pl.DataFrame(columns | {name: _label(frame[name]) for name in by})


def from_wide(
    frame: pl.DataFrame,
    *,
    annotators: Sequence[str],
    item: str | None,
    by: Sequence[str] = (),
    level: Level,
    missing: Sequence[str] = (),
    order: Sequence[str] = (),
    file: str | None = None,
) -> pl.DataFrame:
    """The same of a table with one row per item and one column per annotator.

    Args:
        frame: The table.
        annotators: Columns of values; the annotator is called like the column.
        item: Column that names the item, or None for the row's number.
        by: Columns of the item to compare by.
        level: Level of measurement.
        missing: Texts that mean a missing judgement.
        order: Categories from lowest to highest.
        file: Name shown in errors.

    Raises:
        InputError: A column is absent, an item has two rows, or a value does not suit the level.
    """
    _require(frame, [*annotators, *by, *([item] if item else [])], file)
    names = _label(frame[item]) if item else pl.Series(range(len(frame)), dtype=pl.Int64).cast(pl.String)
    twice = names.filter(names.is_duplicated() & names.is_not_null())
    if len(twice):
        raise InputError(
            "an item has more than one row",
            file=file,
            field=item,
            value=twice[0],
            expected="one row per item in a wide table",
        )
    stacked = pl.concat([frame[name].cast(pl.String) for name in annotators])
    columns = {
        "item": pl.concat([names] * len(annotators)),
        "annotator": pl.concat([pl.Series([name]).new_from_index(0, len(frame)) for name in annotators]),
        "value": _values(stacked, level, missing, order, name=", ".join(annotators), file=file),
    }
    return pl.DataFrame(columns | {name: pl.concat([_label(frame[name])] * len(annotators)) for name in by})


def _require(frame: pl.DataFrame, names: Sequence[str], file: str | None) -> None:
    for name in names:
        if name not in frame.columns:
            raise InputError(
                "no such column", file=file, field=name, expected=f"one of {', '.join(frame.columns)}"
            )


def _label(column: pl.Series) -> pl.Series:
    """Names as text; a number that is whole is written without its point; an empty cell is null."""
    if column.dtype.is_float():
        finite = column.filter(column.is_not_null() & column.is_finite())
        if bool((finite == finite.floor()).all()):
            column = column.fill_nan(None).cast(pl.Int64, strict=False)
    text = column.cast(pl.String)
    return pl.select(pl.when(text.str.strip_chars() != "").then(text)).to_series()


def _values(
    column: pl.Series,
    level: Level,
    missing: Sequence[str],
    order: Sequence[str],
    *,
    name: str,
    file: str | None,
) -> pl.Series:
    text = column.cast(pl.String).str.strip_chars()
    text = pl.select(pl.when((text != "") & ~text.is_in([*missing])).then(text)).to_series()
    if order:
        ranks = {word: float(rank) for rank, word in enumerate(order)}
        unknown = text.filter(text.is_not_null() & ~text.is_in(list(ranks)))
        if len(unknown):
            raise InputError(
                "is not in the given order",
                file=file,
                field=name,
                value=unknown[0],
                expected=", ".join(order),
            )
        return text.replace_strict(ranks, return_dtype=pl.Float64)
    numbers = text.cast(pl.Float64, strict=False)
    odd = text.is_not_null() & (numbers.is_null() | numbers.is_infinite())
    if not bool(odd.any()):
        return numbers.fill_nan(None)
    if level is Level.NOMINAL:
        return text
    row = odd.arg_true()[0]
    raise InputError(
        f"the {level} level needs numbers",
        file=file,
        field=f"row {row + 1}: {name}" if "," not in name else name,
        value=text[row],
        expected="a finite number, an empty cell, or a word of --missing or --order",
    )
