"""What every importer shares: the result, the accounting of rows, and strict reading of text and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from annotation.records import Outcome
from governance.digest import digest_bytes
from governance.errors import InputError

__all__ = [
    "FileJudgement",
    "Import",
    "Refusal",
    "RowError",
    "Rows",
    "decode_text",
    "parse_json",
    "require_columns",
    "text_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A row that was not imported.

    Attributes:
        place: Where it is (``line 3``, ``row 157``; both from 1).
        reason: Why, in words.
    """

    place: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileJudgement:
    """One annotator's pairwise answer on one item, as the file states it.

    Attributes:
        item: Item judged.
        item_digest: Its digest.
        annotator: Pseudonym; what the origin says of the person is nothing.
        shown: Candidate ids in the order of the file.
        raw: What the file says, positional.
        outcome: The answer; None where it cannot be read.
        preferred: Candidate id where the outcome is ``prefers``.
        problem: Why the answer cannot be read; None otherwise.
    """

    item: str
    item_digest: str
    annotator: str
    shown: tuple[str, ...]
    raw: Mapping[str, Any]
    outcome: Outcome | None = None
    preferred: str | None = None
    problem: str | None = None

    @property
    def ref(self) -> str:
        """Id within the source ``file``: whoever judges an item again, in a later file, changes the answer."""
        return f"{self.item}:{self.annotator}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A file as it was read. INVARIANT: ``read == len(items) + len(refused)``.

    Attributes:
        origin: Data set, as the items name it.
        file_name: Name of the file.
        file_digest: Digest of its bytes.
        items: ``ITEMS`` rows, in the order of the file.
        judgements: The judgements in it, in the order of the file.
        refused: Rows that were not imported.
        read: Rows in the file.
    """

    origin: str
    file_name: str
    file_digest: str
    items: Sequence[Mapping[str, Any]]
    judgements: Sequence[FileJudgement]
    refused: Sequence[Refusal]
    read: int

    def __post_init__(self) -> None:
        if self.read != len(self.items) + len(self.refused):
            raise ValueError(f"{self.read} rows read, {len(self.items)} + {len(self.refused)} accounted for")


class RowError(Exception):
    """Internal: a row is refused; the text is the reason."""


@dataclass(slots=True)
class Rows:
    """Collects what becomes of each row."""

    origin: str
    file_name: str
    data: bytes
    _items: list[Mapping[str, Any]] = field(default_factory=list)
    _judgements: list[FileJudgement] = field(default_factory=list)
    _refused: list[Refusal] = field(default_factory=list)
    _places: dict[str, str] = field(default_factory=dict)

    def add(self, place: str, read: Callable[[], tuple[Mapping[str, Any], Iterable[FileJudgement]]]) -> None:
        """Take in one row: what ``read`` gives, or the reason why it cannot."""
        try:
            item, judgements = read()
            if (earlier := self._places.get(item["item"])) is not None:
                raise RowError(f"the same prompt and answers as {earlier}")
        except RowError as error:
            self._refused.append(Refusal(place=place, reason=str(error)))
            return
        self._places[item["item"]] = place
        self._items.append(item)
        self._judgements.extend(judgements)

    def finish(self) -> Import:
        """The import, complete."""
        if not self._items and not self._refused:
            raise InputError("no rows", file=self.file_name)
        return Import(
            origin=self.origin,
            file_name=self.file_name,
            file_digest=digest_bytes(self.data),
            items=tuple(self._items),
            judgements=tuple(self._judgements),
            refused=tuple(self._refused),
            read=len(self._items) + len(self._refused),
        )


def decode_text(data: bytes, *, name: str) -> str:
    """The text of a file; a byte order mark is dropped.

    Raises:
        InputError: The file is empty or not UTF-8.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "not UTF-8",
            file=name,
            line=data.count(b"\n", 0, error.start) + 1,
            value=data[error.start : error.start + 1],
            expected="text in UTF-8",
        ) from error
    if not text.strip():
        raise InputError("the file is empty", file=name)
    return text


class _Doubled(dict[str, Any]):
    """An object that names a key twice: which value counts is anybody's guess."""

    key: str


def parse_json(text: str) -> Any:
    """A JSON value, strictly: NaN and Infinity are errors, doubled keys are marked for :func:`text_of`.

    Raises:
        json.JSONDecodeError: It is not JSON.
    """
    return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            doubled = _Doubled(pairs)
            doubled.key = key
            return doubled
        seen.add(key)
    return dict(pairs)


def _refuse_constant(word: str) -> NoReturn:
    raise json.JSONDecodeError(f"{word} is not JSON", word, 0)


def require_columns(rows: Iterable[Any], columns: Sequence[str], *, name: str) -> None:
    """See that the file is of the expected kind: a column that no row has is missing from the file.

    Raises:
        InputError: Columns are missing; the error names them and those there are.
    """
    found: set[str] = set()
    for row in rows:
        if isinstance(row, dict):
            found |= row.keys()
    missing = [column for column in columns if column not in found]
    if missing:
        raise InputError(
            f"wrong columns: no row has {', '.join(missing)}",
            file=name,
            value=sorted(found),
            expected=", ".join(columns),
        )


def text_of(row: Mapping[str, Any], column: str) -> str:
    """The text in a column.

    Raises:
        RowError: There is none, or it is not text that UTF-8 can hold.
    """
    if isinstance(row, _Doubled):
        raise RowError(f"the key {row.key!r} stands twice")
    if column not in row:
        raise RowError(f"no {column}")
    value = row[column]
    if not isinstance(value, str):
        kind = {bool: "a boolean", type(None): "null", dict: "an object", list: "a list"}.get(
            type(value), "a number"
        )
        raise RowError(f"{column} is {kind}, not text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowError(f"{column} holds half a surrogate pair") from error
    return value
