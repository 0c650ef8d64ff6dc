"""YAML text of a policy document, read into plain values with the place of each.

A policy is read by people who review it, so the loader takes a small, unsurprising part of YAML: maps,
lists, plain and quoted scalars. Refused, with line and column: anchors, aliases, merge keys, tags, duplicate
keys, several documents, deep nesting, huge numbers, NaN and infinity. Words stay words: ``no``, ``on``,
``2026-12-02`` and ``1_000`` are text; only ``true``, ``false``, ``null`` and decimal numbers are not.

The events of the parser are consumed one by one, so time and memory are linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from governance.errors import PolicyError

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "Place", "Source", "read"]

MAX_CHARACTERS: Final = 4_000_000
MAX_DEPTH: Final = 24
_MAX_SCALAR: Final = 16_384
_MAX_DIGITS: Final = 16
_INTEGER = re.compile(r"^[-+]?(0|[1-9][0-9]*)$")
_DECIMAL = re.compile(r"^[-+]?((0|[1-9][0-9]*)?\.[0-9]+|(0|[1-9][0-9]*)\.?)([eE][-+]?[0-9]+)?$")
_NOT_FINITE = re.compile(r"^[-+]?\.?(inf|nan)$", re.IGNORECASE)
_WORDS: Final = {"true": True, "false": False, "null": None, "~": None, "": None}

Path = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Source:
    """The values of a text, and where each stands. A map's key and its value share the value's path."""

    name: str
    data: Any
    places: Mapping[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """Where ``path`` stands, or the nearest part of it that does."""
        for length in range(len(path), -1, -1):
            if (found := self.places.get(path[:length])) is not None:
                return found
        return None


def read(text: str, *, name: str) -> Source:
    """Read one YAML (or JSON) document.

    Raises:
        PolicyError: The text is not a document this loader takes; with file, line and column.
    """
    if len(text) > MAX_CHARACTERS:
        raise PolicyError(
            "the document is too long",
            file=name,
            value=len(text),
            expected=f"at most {MAX_CHARACTERS} characters",
        )
    try:
        return _Reader(text, name).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message, expected = f"not readable as YAML: {error.problem or error.context}", None
        if mark and _stands_at(text, mark.line, mark.column) == "\t":
            message, expected = "not readable as YAML: a tab", "spaces"
        raise PolicyError(
            message,
            file=name,
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
            expected=expected,
        ) from error
    except yaml.YAMLError as error:
        if (found := yaml.reader.Reader.NON_PRINTABLE.search(text)) is None:
            raise PolicyError(f"not readable as YAML: {' '.join(str(error).split())}", file=name) from error
        before = text[: found.start()]
        raise PolicyError(
            f"not readable as YAML: the character U+{ord(found.group()):04X}",
            file=name,
            line=before.count("\n") + 1,
            column=len(before) - before.rfind("\n"),
            expected="text without control characters",
        ) from error


def _stands_at(text: str, line: int, column: int) -> str:
    """The character at a place, both counted from 0; empty where there is none."""
    lines = text.split("\n")
    return lines[line][column : column + 1] if line < len(lines) else ""


class _Reader:
    """One pass over the parser's events."""

    def __init__(self, text: str, name: str) -> None:
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_Loader))
        self._name = name
        self._places: dict[Path, Place] = {}

    def document(self) -> Source:
        data: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, "a second document in the file", "one document in each file")
                data = self._value(next(self._events), ())
        if not documents:
            raise PolicyError("the document is empty", file=self._name, line=1, expected="a policy document")
        return Source(self._name, data, self._places)

    def _error(self, event: Any, message: str, expected: str, value: Any = ...) -> PolicyError:
        place = _place_of(event)
        return PolicyError(
            message,
            file=self._name,
            line=place.line,
            column=place.column,
            value=value,
            expected=expected,
        )

    def _value(self, event: Any, path: Path) -> Any:
        if len(path) > MAX_DEPTH:
            raise self._error(event, "nested too deeply", f"at most {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            raise self._error(event, "an alias (*name)", "the value written out", f"*{event.anchor}")
        if event.anchor is not None:
            raise self._error(event, "an anchor (&name)", "the value written out", f"&{event.anchor}")
        if event.tag is not None and event.tag != "!":
            raise self._error(event, "a tag", "a plain value", event.tag)
        self._places.setdefault(path, _place_of(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event)

    def _mapping(self, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag not in {None, "!"}:
                raise self._error(event, "a key that is not a word", "a word before the colon")
            if event.anchor is not None:
                raise self._error(event, "an anchor (&name)", "the value written out", f"&{event.anchor}")
            key = event.value
            if key == "<<":
                raise self._error(event, "a merge key (<<)", "the fields written out", key)
            if len(key) > 256:
                raise self._error(event, "a key that is too long", "at most 256 characters", key)
            if key in found:
                raise self._error(event, "the same key twice", "each key once", key)
            inner = (*path, key)
            self._places[inner] = _place_of(event)
            found[key] = self._value(next(self._events), inner)
        return found

    def _sequence(self, path: Path) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, (*path, len(found))))
        return found

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if len(text) > _MAX_SCALAR:
            raise self._error(
                event, "a text that is too long", f"at most {_MAX_SCALAR} characters", len(text)
            )
        if not event.implicit[0] or event.style in {"'", '"', "|", ">"}:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _NOT_FINITE.match(text):
            raise self._error(event, "not a finite number", "a decimal number", text)
        if not any(char.isdigit() for char in text):
            return text
        if not (_INTEGER.match(text) or _DECIMAL.match(text)):
            return text
        if len(text) > _MAX_DIGITS + 2:
            raise self._error(event, "a number with too many digits", f"at most {_MAX_DIGITS} digits", text)
        if _INTEGER.match(text):
            return int(text)
        number = float(text)
        if number in {float("inf"), float("-inf")}:
            raise self._error(event, "a number that is too large", "a finite number", text)
        return number


def _place_of(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)
