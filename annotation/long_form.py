"""Judgements as people keep them, brought to the long form that agreement is computed on.

Long: one row per judgement, with columns for item, annotator and value. Wide: one row per item, with one
column of values per annotator (PandaLM's file). Numbers are numbers however they are written (``1``,
``1.0``); an empty cell, and what programs write for no value (``NA``, ``null``), is a missing judgement.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import polars as pl

from annotation.agreement import Level
from governance.errors import InputError

__all__ = ["from_long", "from_wide"]

NO_VALUE: Final = ("na", "n/a", "#n/a", "<na>", "nan", "null")
"""What programs write for no value, in any case of letters."""
EXACT: Final = 2.0**53
"""Whole numbers from here on are no longer told apart as floats: they stay the text they are."""


def from_long(
    frame: pl.DataFrame,
    *,
    item: str,
    annotator: str,
    value: str,
    by: Sequence[str] = (),
    level: Level,
    missing: Sequence[str] = (),
    categories: Sequence[str] = (),
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
        missing: Texts that mean a missing judgement, beside the empty cell and ``NO_VALUE``.
        categories: Texts that are categories although they stand in ``NO_VALUE``.
        order: Categories from lowest to highest, for the ordinal level on words.
        file: Name shown in errors.

    Raises:
        InputError: A column is absent, or a value does not suit the level.
    """
    _require(frame, [item, annotator, value, *by], file)
    columns = {
        "item": _label(frame[item], name=item, file=file),
        "annotator": _label(frame[annotator], name=annotator, file=file),
        "value": _values(frame[value], level, missing, categories, order, name=value, file=file),
    }
    clash = sorted(set(by) & set(columns) - {item, annotator, value})
    if clash:
        raise InputError("is a reserved name; rename the column", file=file, field="--by", value=clash[0])
    return pl.DataFrame(columns | {name: _label(frame[name], name=name, file=file) for name in by})


def from_wide(
    frame: pl.DataFrame,
    *,
    annotators: Sequence[str],
    item: str | None,
    by: Sequence[str] = (),
    level: Level,
    missing: Sequence[str] = (),
    categories: Sequence[str] = (),
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
        categories: Texts that are categories although they stand in ``NO_VALUE``.
        order: Categories from lowest to highest.
        file: Name shown in errors.

    Raises:
        InputError: A column is absent, an item has two rows, or a value does not suit the level.
    """
    _require(frame, [*annotators, *by, *([item] if item else [])], file)
    names = (
        _label(frame[item], name=item, file=file)
        if item
        else pl.Series(range(len(frame)), dtype=pl.Int64).cast(pl.String)
    )
    twice = names.filter(names.is_duplicated() & names.is_not_null())
    if len(twice):
        raise InputError(
            "an item has more than one row",
            file=file,
            field=item,
            value=twice[0],
            expected="one row per item in a wide table",
        )
    stacked = pl.concat([_text(frame[name], name=name, file=file) for name in annotators])
    columns = {
        "item": pl.concat([names] * len(annotators)),
        "annotator": pl.concat([pl.Series([name]).new_from_index(0, len(frame)) for name in annotators]),
        "value": _values(stacked, level, missing, categories, order, name=", ".join(annotators), file=file),
    }
    groups = {name: _label(frame[name], name=name, file=file) for name in by}
    return pl.DataFrame(
        columns | {name: pl.concat([group] * len(annotators)) for name, group in groups.items()}
    )


def _require(frame: pl.DataFrame, names: Sequence[str], file: str | None) -> None:
    for name in names:
        if name not in frame.columns:
            raise InputError(
                "no such column", file=file, field=name, expected=f"one of {', '.join(frame.columns)}"
            )


def _label(column: pl.Series, *, name: str, file: str | None) -> pl.Series:
    """Names as text; a number that is whole is written without its point; an empty cell is null."""
    if column.dtype.is_float():
        finite = column.filter(column.is_not_null() & column.is_finite())
        if bool((finite == finite.floor()).all()):
            column = column.fill_nan(None).cast(pl.Int64, strict=False)
    text = _text(column, name=name, file=file)
    return pl.select(pl.when(text.str.strip_chars() != "").then(text)).to_series()


def _text(column: pl.Series, *, name: str, file: str | None) -> pl.Series:
    """Cells as text; a nested one as its JSON."""
    if column.dtype.is_nested():
        cells = [None if cell is None else json.dumps(cell, default=str) for cell in column.to_list()]
        return pl.Series(column.name, cells, dtype=pl.String)
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"a column of type {column.dtype} cannot be read as text", file=file, field=name
        ) from error


def _values(
    column: pl.Series,
    level: Level,
    missing: Sequence[str],
    categories: Sequence[str],
    order: Sequence[str],
    *,
    name: str,
    file: str | None,
) -> pl.Series:
    text = _text(column, name=name, file=file).str.strip_chars()
    said = pl.select(pl.when((text != "") & ~text.is_in([*missing])).then(text)).to_series()
    means_nothing = said.str.to_lowercase().is_in(NO_VALUE) & ~said.is_in([*categories, *order])
    text = pl.select(pl.when(~means_nothing).then(said)).to_series()
    if order:
        return _ranks(text, order, name=name, file=file)
    numbers = text.cast(pl.Float64, strict=False)
    odd = text.is_not_null() & (numbers.is_null() | ~numbers.is_finite())
    if level is Level.NOMINAL:
        exact = bool(((numbers.abs() < EXACT) | odd).all())
        return numbers if exact and not bool(odd.any()) else _named(text, numbers)
    if not bool(odd.any()):
        return numbers
    row = odd.arg_true()[0]
    raise InputError(
        f"the {level} level needs numbers",
        file=file,
        field=f"row {row + 1}: {name}" if "," not in name else name,
        value=text[row],
        expected="a finite number, an empty cell, or a word of --missing or --order",
    )


def _ranks(text: pl.Series, order: Sequence[str], *, name: str, file: str | None) -> pl.Series:
    twice = sorted({word for word in order if order.count(word) > 1})
    if twice:
        raise InputError("a category stands twice in the order", field="--order", value=twice[0])
    ranks = {word: float(rank) for rank, word in enumerate(order)}
    unknown = text.filter(text.is_not_null() & ~text.is_in(list(ranks)))
    if len(unknown):
        raise InputError(
            "is not in the given order", file=file, field=name, value=unknown[0], expected=", ".join(order)
        )
    return text.replace_strict(ranks, return_dtype=pl.Float64)


def _named(text: pl.Series, numbers: pl.Series) -> pl.Series:
    """Categories among which some are words: what is a number is written in one way, ``1.0`` as ``1``."""
    whole = numbers.is_finite() & (numbers == numbers.floor()) & (numbers.abs() < EXACT)
    return pl.select(
        pl.when(whole)
        .then(numbers.cast(pl.Int64, strict=False).cast(pl.String))
        .when(numbers.is_finite() & (numbers.abs() < EXACT))
        .then(numbers.cast(pl.String))
        .otherwise(text)
    ).to_series()
