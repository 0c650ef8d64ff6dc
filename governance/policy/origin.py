"""Where the parts of documents were written, for findings about a whole stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from governance.policy.source import Path, Source

__all__ = ["NOWHERE", "Origin", "Spot"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file; line and column from 1, where they are known."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True, slots=True)
class Origin:
    """The text a document was read from. Two origins are equal: where a document stands is no part of it."""

    source: Source | None = field(default=None, compare=False, repr=False)

    def spot(self, path: Path) -> Spot | None:
        """Where ``path`` stands, or the nearest part of it that does; None for a document made of values."""
        if self.source is None or not self.source.places:
            return None
        place = self.source.place(path)
        return Spot(self.source.name, place.line if place else None, place.column if place else None)

    def member(self, field_name: str, member_id: str, below: Sequence[str | int] = ()) -> Spot | None:
        """Where the member of a list with this id stands, or what is ``below`` it."""
        data = self.source.data if self.source is not None else None
        members = data.get(field_name, ()) if isinstance(data, dict) else ()
        for number, value in enumerate(members):
            if isinstance(value, dict) and value.get("id") == member_id:
                return self.spot((field_name, number, *(below or ("id",))))
        return None


NOWHERE: Final = Origin()
