"""Tables of people and of populations, brought to cells.

A target has one row per cell with its ``share`` (or ``percent``), an observation one row per person or one
row per cell with its ``count``. Both may be wide: the first column holds the values of one stratum, the
other columns are the values of a second, as census tables are printed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from governance.errors import InputError

__all__ = ["Observed", "Target", "observed_cells", "target_cells"]

_SHARES: Final = {
    "share": None,
    "proportion": None,
    "fraction": "fractions",
    "percent": "percent",
    "percentage": "percent",
}
_COUNTS: Final = ("count", "n", "people")
WIDE_COLUMN: Final = "column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Population shares.

    Attributes:
        names: Stratum columns.
        cells: Share of each cell, as fractions.
        unit: ``fractions`` or ``percent``: how the file gave them, by its header or else by their sum.
    """

    names: tuple[str, ...]
    cells: dict[tuple[str, ...], float]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """People per cell, and how the file gave them (``people``, ``counts``, ``wide counts``)."""

    cells: dict[tuple[str, ...], int]
    form: str


def target_cells(frame: pl.DataFrame, *, file: str | None = None) -> Target:
    """The target of a table.

    Raises:
        InputError: There is no share, a share is no number, or a cell is given twice.
    """
    header = next((name for name in frame.columns if name.strip().lower() in _SHARES), None)
    unit: str | None
    if header is not None:
        names = tuple(name for name in frame.columns if name != header)
        if not names:
            raise InputError(
                "a target needs a stratum column", file=file, expected="columns beside the share"
            )
        labels = [_labels(frame[name]) for name in names]
        shares = _numbers(frame[header], header, file)
        cells = _unique(zip(*labels, strict=True), shares, file)
        unit = _SHARES[header.strip().lower()]
    else:
        names, cells = _wide(frame, file, "a share column, or a wide table of shares")
        unit = None
    total = math.fsum(cells.values())
    if unit is None:
        unit = "percent" if total > 2 else "fractions"
    scale = 100 if unit == "percent" else 1
    return Target(names=names, cells={cell: share / scale for cell, share in cells.items()}, unit=unit)


def observed_cells(frame: pl.DataFrame, *, names: Sequence[str], file: str | None = None) -> Observed:
    """People per cell of ``names``.

    Args:
        frame: One row per person, or per cell with a count, or a wide table of counts.
        names: Stratum columns of the target.
        file: Name shown in errors.

    Raises:
        InputError: A stratum column is missing, or a count is no whole number.
    """
    if tuple(names[1:]) == (WIDE_COLUMN,) and WIDE_COLUMN not in frame.columns:
        found, cells = _wide(frame, file, "a wide table of counts like the target")
        if found != tuple(names):
            raise InputError(
                "has another first column than the target", file=file, value=found[0], expected=names[0]
            )
        return Observed(cells=_whole(cells, file), form="wide counts")
    for name in names:
        if name not in frame.columns:
            raise InputError(
                "the target's stratum is no column here",
                file=file,
                field=name,
                expected=", ".join(frame.columns),
            )
    labels = [_labels(frame[name]) for name in names]
    header = next((name for name in frame.columns if name.strip().lower() in _COUNTS), None)
    sums: dict[tuple[str, ...], float] = {}
    counts = _numbers(frame[header], header, file) if header is not None else [1.0] * frame.height
    for cell, count in zip(zip(*labels, strict=True), counts, strict=True):
        sums[cell] = sums.get(cell, 0) + count
    return Observed(cells=_whole(sums, file), form="people" if header is None else "counts")


def _wide(
    frame: pl.DataFrame, file: str | None, expected: str
) -> tuple[tuple[str, ...], dict[tuple[str, ...], float]]:
    first, *others = frame.columns
    if not others:
        raise InputError("one column alone is no table of cells", file=file, expected=expected)
    cells: dict[tuple[str, ...], float] = {}
    for name in others:
        if (
            frame[name].cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False).null_count()
            == frame.height
        ):
            raise InputError(
                "is neither a share nor a column of numbers", file=file, field=name, expected=expected
            )
        numbers = _numbers(frame[name], name, file)
        for label, number in zip(_labels(frame[first]), numbers, strict=True):
            if (label, name) in cells:
                raise InputError("the cell is given twice", file=file, value=f"{label} / {name}")
            cells[label, name] = number
    return (first, WIDE_COLUMN), cells


def _labels(column: pl.Series) -> list[str]:
    return [(value or "").strip() for value in column.cast(pl.String).to_list()]


def _numbers(column: pl.Series, name: str, file: str | None) -> list[float]:
    text = column.cast(pl.String).str.strip_chars().str.strip_suffix("%")
    numbers = text.cast(pl.Float64, strict=False)
    bad = (numbers.is_null() | ~numbers.is_finite() | (numbers < 0)).fill_null(value=True).arg_true()
    if len(bad):
        raise InputError(
            "is not a number from 0",
            file=file,
            line=bad[0] + 2,
            field=name,
            value=text[bad[0]],
            expected="a number",
        )
    return [float(number) for number in numbers.to_list()]


def _unique(
    cells: Sequence[tuple[str, ...]] | zip[tuple[str, ...]], shares: list[float], file: str | None
) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for cell, share in zip(cells, shares, strict=True):
        if cell in found:
            raise InputError("the cell is given twice", file=file, value=" / ".join(cell))
        found[cell] = share
    return found


def _whole(cells: dict[tuple[str, ...], float], file: str | None) -> dict[tuple[str, ...], int]:
    for cell, count in cells.items():
        if not count.is_integer():
            raise InputError(
                "is not a whole number of people", file=file, field=" / ".join(cell), value=count
            )
    return {cell: int(count) for cell, count in cells.items()}
