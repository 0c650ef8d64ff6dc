"""The pins of a document rewritten in its text: new digests, everything else as its owner wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.errors import PolicyError
from governance.policy.source import Path, Source, read

__all__ = ["Pin", "repin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One entry of `extends`: the digest that stood there, and the one that is right."""

    number: int
    id: str
    old: str
    new: str


def repin(text: str, *, name: str, digests: Mapping[str, Sequence[str]]) -> tuple[str, tuple[Pin, ...]]:
    """``text`` with the right digests, and the pins that were not right.

    Args:
        text: A document; only its `extends` need be sound.
        name: Its name for messages.
        digests: For each id in the stack the digests there are.

    Raises:
        PolicyError: An entry names no document of the stack, or several, or has no digest to replace.
    """
    source = read(text, name=name)
    entries = source.data.get("extends") if isinstance(source.data, dict) else None
    found = [_pin(source, number, entry, digests) for number, entry in enumerate(entries or ())]
    stale = tuple(pin for pin in found if pin.old != pin.new)
    lines = text.splitlines(keepends=True)
    for pin in reversed(stale):  # from the end, so that earlier columns stay
        _replace(lines, source, pin)
    return "".join(lines), stale


def _pin(source: Source, number: int, entry: Any, digests: Mapping[str, Sequence[str]]) -> Pin:
    member = entry if isinstance(entry, dict) else {"id": entry}
    there = digests.get(str(member.get("id")), ())
    if len(there) != 1:
        message = (
            "several documents of the stack have this id" if there else "no document of the stack has this id"
        )
        known = f"one of {', '.join(sorted(digests)) or 'none'}"
        raise _error(source, ("extends", number, "id"), message, member.get("id"), None if there else known)
    if not isinstance(member.get("digest"), str):
        whole = f"{{id: {member['id']}, digest: {there[0]}}}"
        raise _error(source, ("extends", number), "no digest to replace", ..., whole)
    return Pin(number=number, id=member["id"], old=member["digest"], new=there[0])


def _replace(lines: list[str], source: Source, pin: Pin) -> None:
    path: Path = ("extends", pin.number, "digest")
    place = source.places[path]
    line = lines[place.line - 1]
    before, after = line[: place.column - 1], line[place.column - 1 :]
    written = re.match(rf"""(['"]?digest['"]?\s*:\s*['"]?){re.escape(pin.old)}(?=['"\s,}}]|$)""", after)
    if written is None:
        raise _error(source, path, "the digest does not stand beside its name", ..., f"digest: {pin.new}")
    lines[place.line - 1] = f"{before}{written.group(1)}{pin.new}{after[written.end() :]}"


def _error(source: Source, path: Path, message: str, value: Any, expected: str | None) -> PolicyError:
    place = source.place(path)
    return PolicyError(
        message,
        file=source.name,
        line=place.line if place else None,
        column=place.column if place else None,
        field=f"{path[0]}[{path[1]}]" + "".join(f".{step}" for step in path[2:]),
        value=value,
        expected=expected,
    )
