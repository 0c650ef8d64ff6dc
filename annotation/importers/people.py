"""Collects files in which a row is a person, an answer or a check of another file, not an item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from annotation.importers.rows import FileJudgement, FileProfile, Import, Refusal, RowError
from governance.errors import InputError

__all__ = ["PeopleRows"]

Items = Iterable[tuple[Mapping[str, Any], Iterable[FileJudgement]]]


@dataclass(slots=True)
class PeopleRows:
    """What becomes of each row; several rows may judge one item.

    INVARIANT: a row is taken whole or refused whole, with its place and reason.
    """

    origin: str
    file_name: str
    file_digest: str
    _items: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _judgements: dict[str, FileJudgement] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)
    _profiles: dict[str, tuple[FileProfile, ...]] = field(default_factory=dict)
    _refused: list[Refusal] = field(default_factory=list)
    _taken: int = 0

    def add(self, place: str, read: Callable[[], Items]) -> bool:
        """Take in a row that judges items; whether it was taken."""

        def take() -> None:
            found = [(item, list(judgements)) for item, judgements in read()]
            refs: set[str] = set()
            for _, judgements in found:
                for judgement in judgements:
                    if (earlier := self._places.get(judgement.ref)) is not None:
                        raise RowError(f"{judgement.annotator} judged the same answers at {earlier}")
                    if judgement.ref in refs:
                        raise RowError(f"{judgement.annotator} judges the same answers twice in this row")
                    refs.add(judgement.ref)
            for item, judgements in found:
                self._items.setdefault(item["item"], item)
                for judgement in judgements:
                    self._judgements[judgement.ref] = judgement
                    self._places[judgement.ref] = place

        return self._take(place, take)

    def add_person(self, place: str, read: Callable[[], tuple[FileProfile, ...]]) -> bool:
        """Take in a row that describes a person; whether it was taken."""

        def take() -> None:
            answers = read()
            self.describe(answers[0].annotator, answers)

        return self._take(place, take)

    def add_check(self, place: str, read: Callable[[], None]) -> bool:
        """Take in a row that only repeats what another file says; whether it agrees."""
        return self._take(place, read)

    def describe(self, annotator: str, answers: tuple[FileProfile, ...]) -> None:
        """Keep what a row says of a person.

        Raises:
            RowError: An earlier row said something else.
        """
        earlier = self._profiles.setdefault(annotator, answers)
        if earlier != answers:
            [first, *_] = (
                f"{old.field} was {old.value or old.status}, here {new.value or new.status}"
                for old, new in zip(earlier, answers, strict=True)
                if old != new
            )
            raise RowError(f"contradicts an earlier row on {annotator}: {first}")

    def _take(self, place: str, take: Callable[[], None]) -> bool:
        try:
            take()
        except RowError as error:
            self._refused.append(Refusal(place=place, reason=str(error)))
            return False
        self._taken += 1
        return True

    def finish(self) -> Import:
        """The import, complete.

        Raises:
            InputError: There is no row.
        """
        if not self._taken and not self._refused:
            raise InputError("no rows", file=self.file_name)
        return Import(
            origin=self.origin,
            file_name=self.file_name,
            file_digest=self.file_digest,
            items=tuple(self._items.values()),
            judgements=tuple(self._judgements.values()),
            refused=tuple(self._refused),
            read=self._taken + len(self._refused),
            profiles=tuple(answer for answers in self._profiles.values() for answer in answers),
            taken=self._taken,
        )
