"""A table of judgements in a file of somebody's own, as the options of a command name its columns."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from annotation.agreement import Level

__all__ = ["judgement_table", "level_named", "names_in"]


def names_in(given: list[str] | None) -> list[str]:
    """The names in options that may be repeated or hold several, with commas between."""
    return [name.strip() for entry in given or [] for name in entry.split(",") if name.strip()]


def level_named(word: str) -> Level:
    """The level of measurement of this name.

    Raises:
        InputError: There is none.
    """
    from annotation.agreement import Level
    from governance.errors import InputError

    try:
        return Level(word)
    except ValueError as error:
        raise InputError("no such level", field="--level", value=word, expected=", ".join(Level)) from error


def judgement_table(
    file: Path,
    *,
    item: str | None,
    annotators: list[str],
    value: str | None,
    wide: list[str],
    **settings: Any,
) -> pl.DataFrame:
    """The judgements of a file in long form (:mod:`annotation.long_form`).

    Args:
        file: CSV, TSV, JSON, JSON Lines or Parquet.
        item: Column of the item.
        annotators: One column of annotators in a long table, or the columns of a wide one.
        value: Column of the values in a long table.
        wide: Columns of the annotators in a wide table.
        settings: Passed on to the reader of the form.

    Raises:
        InputError: The file cannot be read, or columns are missing or contradict each other.
    """
    from annotation.long_form import from_long, from_wide
    from governance.errors import InputError
    from infra.tabular import read_table

    table = read_table(file)
    if not wide and len(annotators) > 1:
        wide, annotators = annotators, []
    if not wide and not annotators and value is None:
        wide = [name for name in table.columns if re.fullmatch(r"annotator[ _-]?\d+", name)]
        item = item or ("idx" if "idx" in table.columns else None)
    if wide:
        if value is not None or annotators:
            raise InputError(
                "a wide table has no column of annotators or values", field="--wide", expected="--wide alone"
            )
        if len(wide) == 1:
            raise InputError(
                "one annotator agrees with nobody",
                field="--wide",
                value=wide[0],
                expected="two columns or more",
            )
        return from_wide(table, annotators=wide, item=item, file=str(file), **settings)
    for name, given in (("--item", item), ("--annotator", annotators), ("--value", value)):
        if not given:
            raise InputError(
                "which column?", file=str(file), field=name, expected=f"one of {', '.join(table.columns)}"
            )
    return from_long(
        table, item=str(item), annotator=annotators[0], value=str(value), file=str(file), **settings
    )
