"""The one reader of JSON that others wrote: a text means one value to every program, or it is refused.

The standard library takes ``NaN`` and, of a name given twice, the last; two programs that read such a text
differently see two different things.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from governance.errors import InputError

__all__ = ["JsonError", "json_lines", "read_json"]

_SHOWN = 80

Twice = Callable[[dict[str, Any], str], Any]
"""What becomes of an object in which a name stands twice, given what the last of each say and that name."""


class JsonError(ValueError):
    """It is not JSON (RFC 8259), or does not say one thing.

    Attributes:
        reason: Why, in words.
        line: Line where it is, from 1; None where the reader does not know.
        column: Column, from 1; None where the reader does not know.
    """

    def __init__(self, reason: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason if line is None else f"{reason} (line {line}, column {column})")
        self.reason = reason
        self.line = line
        self.column = column


def read_json(text: str | bytes, *, twice: Twice | None = None) -> Any:
    """The value of a JSON text in which every number is one and every name of an object stands once.

    Args:
        text: The text; bytes are UTF-8.
        twice: Makes something of an object in which a name stands twice, instead of an error.

    Raises:
        JsonError: It is none, or nested too deeply to be read.
    """

    def once(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        return found if len(found) == len(pairs) else (twice or _refused)(found, _repeated(pairs))

    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, object_pairs_hook=once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise JsonError(error.msg, line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    except JsonError:
        raise
    except ValueError as error:  # not UTF-8, or a number of thousands of digits
        raise JsonError(str(error)) from error


def json_lines(text: str, *, source: str) -> list[tuple[int, dict[str, Any]]]:
    """Line number and object of every line of a JSON Lines text; blank lines are skipped.

    Raises:
        InputError: A line is not a JSON object, names a field twice, or holds what cannot be written as UTF-8.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = read_json(line)
            json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair has no digest
        except (ValueError, RecursionError) as error:
            said = error.reason if isinstance(error, JsonError) else str(error)
            raise InputError(
                f"not JSON: {said}",
                file=source,
                line=number,
                column=error.column if isinstance(error, JsonError) else None,
                expected="one object a line",
            ) from error
        if not isinstance(row, dict):
            raise InputError(
                "not an object", file=source, line=number, value=row, expected="one object a line"
            )
        rows.append((number, row))
    return rows


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    return name


def _refused(_: dict[str, Any], name: str) -> NoReturn:
    raise JsonError(f"the name {name[:_SHOWN]!r} stands twice")


def _no_number(word: str) -> NoReturn:
    raise JsonError(f"{word} is no number")
