"""What every importer shares: the result, the accounting of rows, and strict reading of text and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from annotation.records import AnswerStatus, JudgementKind, Outcome
from governance.digest import digest_bytes
from governance.errors import InputError
from governance.strict_json import JsonError, read_json

__all__ = [
    "FileJudgement",
    "FileProfile",
    "Import",
    "Refusal",
    "RowError",
    "Rows",
    "decode_text",
    "json_array",
    "json_lines",
    "number_of",
    "require_columns",
    "text_of",
    "time_of",
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
    """One annotator's answer on one item, as the file states it.

    Attributes:
        item: Item judged.
        item_digest: Its digest.
        annotator: Pseudonym; what the origin says of the person is nothing.
        shown: Candidate ids in the order of the file.
        raw: What the file says, positional.
        outcome: The pairwise answer; None where it cannot be read, or is of another kind.
        preferred: Candidate id where the outcome is ``prefers``.
        problem: Why the answer cannot be read; None otherwise.
        kind: The form of the answer.
        strength: Pairwise: -3 to 3 in canonical order, where the file says so.
        scores: Rating and attributes: ``(candidate, attribute, score)``, each score from 1 to 100.
        rationale: The annotator's own words.
        consent: Consent that the judgement was given under, as the mapping of the file names it.
        submitted_at: When, as ISO 8601 text with an offset.
        seconds: Time spent, seconds.
    """

    item: str
    item_digest: str
    annotator: str
    shown: tuple[str, ...]
    raw: Mapping[str, Any]
    outcome: Outcome | None = None
    preferred: str | None = None
    problem: str | None = None
    kind: JudgementKind = JudgementKind.PAIRWISE
    strength: int | None = None
    scores: tuple[tuple[str, str, float], ...] = ()
    rationale: str | None = None
    consent: str | None = None
    submitted_at: str | None = None
    seconds: float | None = None

    @property
    def ref(self) -> str:
        """Id within the source ``file``: whoever judges an item again, in a later file, changes the answer."""
        return f"{self.item}:{self.annotator}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProfile:
    """One answer of one annotator to one question of the origin's codebook.

    Attributes:
        annotator: Pseudonym, as the judgements carry it.
        codebook: ``id@version`` of the codebook that the mapping leads to.
        field: Codebook field.
        status: Answered, or the typed reason why not.
        value: Category id where answered.
    """

    annotator: str
    codebook: str
    field: str
    status: AnswerStatus
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A file as it was read. INVARIANT: ``read == imported + len(refused)``.

    Attributes:
        origin: Data set, as the items name it.
        file_name: Name of the file.
        file_digest: Digest of its bytes.
        items: ``ITEMS`` rows, in the order of the file.
        judgements: The judgements in it, in the order of the file.
        refused: Rows that were not imported.
        read: Rows in the file.
        profiles: What the file says of the people, in its order.
        taken: Rows imported, where a row is not an item; None where each is.
    """

    origin: str
    file_name: str
    file_digest: str
    items: Sequence[Mapping[str, Any]]
    judgements: Sequence[FileJudgement]
    refused: Sequence[Refusal]
    read: int
    profiles: Sequence[FileProfile] = ()
    taken: int | None = None

    def __post_init__(self) -> None:
        if self.read != self.imported + len(self.refused):
            raise ValueError(f"{self.read} rows read, {self.imported} + {len(self.refused)} accounted for")

    @property
    def imported(self) -> int:
        """Rows that were imported."""
        return len(self.items) if self.taken is None else self.taken


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
        """The import, complete.

        Raises:
            InputError: There is no row.
        """
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
    """An object that names a key twice: which value counts is anybody's guess, so :func:`text_of` refuses the row."""

    key: str


def _doubled(found: dict[str, Any], key: str) -> _Doubled:
    doubled = _Doubled(found)
    doubled.key = key
    return doubled


def json_array(data: bytes, *, name: str, of: str) -> list[Any]:
    """The values of a file that is one JSON array.

    Args:
        data: The bytes of the file.
        name: Its name, for errors.
        of: What the array should hold, in the plural, for errors.

    Raises:
        InputError: The file is empty, not UTF-8, not JSON, or another JSON value.
    """
    expected = f"a JSON array of {of}"
    try:
        values = read_json(decode_text(data, name=name), twice=_doubled)
    except JsonError as error:
        raise InputError(
            f"not JSON: {error.reason}", file=name, line=error.line, column=error.column, expected=expected
        ) from error
    if not isinstance(values, list):
        raise InputError("not a JSON array", file=name, value=type(values).__name__, expected=expected)
    return values


def json_lines(data: bytes, *, name: str) -> list[tuple[str, Any]]:
    """``(place, value)`` of every line that is not blank; a line that is not JSON is a ``RowError`` value.

    Raises:
        InputError: The file is empty, not UTF-8, or a JSON array.
    """
    text = decode_text(data, name=name)
    if text.lstrip().startswith("["):
        raise InputError("a JSON array", file=name, line=1, expected="JSON Lines: one object a line")
    # Only \n and \r\n end a line: JSON texts may hold other line separators (U+2028) as they are.
    return [
        (f"line {number}", _parsed(line))
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    ]


def _parsed(line: str) -> Any:
    try:
        return read_json(line, twice=_doubled)
    except JsonError as error:
        at = "" if error.column is None else f" (column {error.column})"
        return RowError(f"not JSON: {error.reason}{at}")


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


def number_of(row: Mapping[str, Any], column: str) -> float:
    """The number in a column.

    Raises:
        RowError: There is none, or it is not finite.
    """
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RowError(f"{column} is {json.dumps(value, default=str)[:80]}, not a number")
    return float(value)


def time_of(value: Any) -> str | None:
    """A time as ISO 8601 text in UTC; None where the file gives none, or none with an offset."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(UTC).isoformat()
