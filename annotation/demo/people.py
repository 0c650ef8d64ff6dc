"""The simulated people: codebook answers, and what each of them likes.

``simulated`` is true for everybody here; a line that says otherwise is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from annotation.records import AnswerStatus
from governance.errors import RecordError

__all__ = ["Person", "Tastes", "parse_people"]

_FIELDS: Final = ("person", "simulated", "group", "tastes", "profile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tastes:
    """Weights of a person's utility, in steps of the seven-point scale; see :mod:`annotation.demo.panel`.

    Attributes:
        refuses_harm: An answer that refuses a harmful prompt.
        helps_harm: An answer that does what a harmful prompt asks.
        refuses_harmless: An answer that refuses a harmless prompt.
        lecture: An answer that moralises.
        warmth: An answer with a friendly tone.
        length: Each doubling of the length over 20 words.
        noise: Standard deviation of the person's inconsistency.
    """

    refuses_harm: float
    helps_harm: float
    refuses_harmless: float
    lecture: float
    warmth: float
    length: float
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One simulated annotator.

    Attributes:
        id: ``sim-01`` …
        group: Name of the invented group of taste; never published, only for tests and stories.
        tastes: Weights.
        profile: Codebook field → category id, None where the person prefers not to say.
    """

    id: str
    group: str
    tastes: Tastes
    profile: Mapping[str, str | None]

    def profile_rows(self, *, annotator: str, site: str, codebook: str) -> list[dict[str, Any]]:
        """``PROFILES`` rows under the pseudonym ``annotator``, one per field, sorted by field."""
        return [
            {
                "annotator": annotator,
                "site": site,
                "codebook": codebook,
                "field": field,
                "status": str(AnswerStatus.PREFER_NOT_TO_SAY if value is None else AnswerStatus.ANSWERED),
                "value": value,
                "simulated": True,
            }
            for field, value in sorted(self.profile.items())
        ]


def parse_people(text: str, *, source: str = "people.jsonl") -> list[Person]:
    """The people of a JSON Lines text.

    Raises:
        RecordError: A line is not a simulated person, or an id occurs twice.
    """
    people: list[Person] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            data = json.loads(line)
            person = Person(
                id=data["person"],
                group=data["group"],
                tastes=Tastes(**data["tastes"]),
                profile=dict(data["profile"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(
                f"not a person: {error}", file=source, line=number, expected=", ".join(_FIELDS)
            ) from error
        if data.get("simulated") is not True:
            raise RecordError(
                "not marked as simulated",
                file=source,
                line=number,
                field="simulated",
                value=data.get("simulated"),
                expected="true",
            )
        if any(person.id == other.id for other in people):
            raise RecordError(
                "person occurs twice", file=source, line=number, field="person", value=person.id
            )
        people.append(person)
    return people
