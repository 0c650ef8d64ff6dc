"""Pairs of answers written for the demonstration, with the manner in which each was written.

The manner (``style``) is the author's intention; only the simulated people see it. It is never part of an
item's record, so nothing downstream can learn it except from judgements.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from annotation.records import make_item
from governance.errors import RecordError

__all__ = ["ORIGIN", "WITHHELD", "DemoItem", "Style", "parse_items"]

ORIGIN: Final = "bounds demo items"
WITHHELD: Final = "[withheld: complies]"
"""Stands for an answer that does what a harmful prompt asks; no such answer was ever written."""

_FIELDS: Final = ("ref", "family", "topic", "prompt", "language", "licence", "simulated", "candidates")
_HARMFUL: Final = "tier-one:"


class Style(StrEnum):
    """The manner in which an answer was written."""

    SHORT = "short"
    LONG = "long"
    WARM = "warm"
    LECTURE = "lecture"
    CURT = "curt"
    POLITE = "polite"
    REFUSE = "refuse"
    COMPLY = "comply"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoItem:
    """One pair of answers to one prompt.

    Attributes:
        ref: Stable name within the file.
        family: Prompts of one idea; no family of the items is a family of the probes.
        styles: Manner of each answer, in the order of the row's candidates.
        row: The ``ITEMS`` row.
    """

    ref: str
    family: str
    styles: tuple[Style, ...]
    row: Mapping[str, Any]

    @property
    def harmful(self) -> bool:
        """Whether the prompt asks for what a Tier One rule forbids."""
        return str(self.row["topic"]).startswith(_HARMFUL)

    @property
    def prompt(self) -> str:
        """The text of the prompt."""
        return str(self.row["prompt"][-1]["content"])


def parse_items(text: str, *, source: str = "items.jsonl") -> list[DemoItem]:
    """The items of a JSON Lines text.

    Raises:
        RecordError: A line is not an item, with file, line and field.
    """
    items: list[DemoItem] = []
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        item = _item(line, source, number)
        if item.ref in seen:
            raise RecordError("item occurs twice", file=source, line=number, field="ref", value=item.ref)
        seen.add(item.ref)
        items.append(item)
    return items


def _item(line: str, source: str, number: int) -> DemoItem:
    try:
        data = json.loads(line)
        styles = tuple(Style(answer["style"]) for answer in data["candidates"])
        row = make_item(
            prompt=[{"role": "user", "content": data["prompt"]}],
            candidates=[(answer["source"], answer["text"]) for answer in data["candidates"]],
            language=data["language"],
            topic=data["topic"],
            origin=ORIGIN,
            licence=data["licence"],
            source_ref=data["ref"],
            simulated=data["simulated"],
        )
        return DemoItem(ref=data["ref"], family=data["family"], styles=styles, row=row)
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"not an item: {error}", file=source, line=number, expected=", ".join(_FIELDS)
        ) from error
