"""Tables that people keep in files, read as columns: CSV, TSV, JSON, JSON Lines, Parquet.

CSV cells arrive as the text they are; what is a number is decided by the reader of the column, not by
guessing from the first rows.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from annotation.sound_parquet import reading
from governance.errors import InputError

__all__ = ["read_table"]

_PARQUET: Final = b"PAR1"
_EXACT: Final = 2**53


def read_table(path: Path) -> pl.DataFrame:
    """The table in ``path``.

    The format follows the suffix (``.csv``, ``.tsv``, ``.json``, ``.jsonl``, ``.ndjson``, ``.parquet``), or the first
    bytes where the suffix says nothing. JSON is an array of objects, JSON Lines one object per line; a
    nested value is kept as its JSON text.

    Raises:
        InputError: The file is missing, unreadable, empty, cut short or not of its format; the line is named
            where there is one.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from error
    if not data.strip():
        raise InputError("the file is empty", file=str(path), expected="a table with a header or objects")
    return _reader(path, data)(path, data)


def _reader(path: Path, data: bytes) -> Callable[[Path, bytes], pl.DataFrame]:
    readers: dict[str, Callable[[Path, bytes], pl.DataFrame]] = {
        ".csv": _csv,
        ".tsv": _csv,
        ".tab": _csv,
        ".json": _json,
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
        ".parquet": _parquet,
        ".pq": _parquet,
    }
    known = readers.get(path.suffix.lower())
    if known is not None:
        return known
    head = data.lstrip()[:4]
    if head == _PARQUET:
        return _parquet
    return _json if head[:1] == b"[" else _jsonl if head[:1] == b"{" else _csv


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"is not UTF-8 (byte 0x{data[error.start]:02x})", file=str(path), line=line, expected="UTF-8 text"
        ) from error


def _csv(path: Path, data: bytes) -> pl.DataFrame:
    text = _text(path, data)
    if "\n" not in text:
        text = text.replace("\r", "\n")
    header_line = text.split("\n", 1)[0]
    separator = "\t" if path.suffix.lower() in {".tsv", ".tab"} else ","
    if separator not in header_line and ";" in header_line:
        separator = ";"
    header = next(_fields(text, separator))
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError("a column name is used twice", file=str(path), line=1, value=twice[0])
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False, separator=separator)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise _misfit(path, text, header, separator) or InputError(
            f"is not a CSV table: {error}", file=str(path)
        ) from error
    if frame[header[-1]].null_count():
        short = _misfit(path, text, header, separator)
        if short is not None:
            raise short
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    if frame.is_empty():
        raise InputError("holds no row", file=str(path))
    return frame


def _fields(text: str, separator: str) -> Any:
    """A reader of the rows, however long a cell is."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def _misfit(path: Path, text: str, header: Sequence[str], separator: str) -> InputError | None:
    """The first row with more or fewer fields than the header; an empty line is no row."""
    reader = _fields(text, separator)
    for row in reader:
        if row and len(row) != len(header):
            return InputError(
                f"{len(row)} fields in a row",
                file=str(path),
                line=reader.line_num,
                expected=f"{len(header)}, as in the header",
            )
    return None


def _parquet(path: Path, data: bytes) -> pl.DataFrame:
    with reading(str(path), error=InputError):
        return pl.read_parquet(data)


def _json(path: Path, data: bytes) -> pl.DataFrame:
    text = _text(path, data)
    try:
        rows = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise InputError(f"is not JSON: {error}", file=str(path), line=line) from error
    if not isinstance(rows, list):
        raise InputError("is not a JSON array", file=str(path), expected="an array of objects")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InputError("is not an object", file=str(path), field=f"[{number}]", value=row)
    return _frame(path, rows)


def _jsonl(path: Path, data: bytes) -> pl.DataFrame:
    rows = []
    for number, line in enumerate(_text(path, data).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"is not JSON: {error}", file=str(path), line=number) from error
        if not isinstance(row, Mapping):
            raise InputError("is not an object", file=str(path), line=number, value=row)
        rows.append(row)
    return _frame(path, rows)


def _frame(path: Path, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    if not rows:
        raise InputError("holds no row", file=str(path))
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: Sequence[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    # A whole number that a float would round stands as the text it is: ids of many digits stay apart.
    exact = all(abs(value) < _EXACT for value in values if type(value) is int)
    if kinds <= {int, float} and kinds and exact:
        return pl.Series([None if value is None else float(value) for value in values], dtype=pl.Float64)
    return pl.Series([None if value is None else _cell(value) for value in values], dtype=pl.String)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
