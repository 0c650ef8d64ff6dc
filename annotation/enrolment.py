"""People of the portal as values: who they are to the platform, what they agreed to, what they said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["ConsentState", "Enrolled", "GivenAnswer", "Shown", "Submitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A person of a site, by pseudonym.

    Attributes:
        site: Place of collection.
        annotator: Random id.
        simulated: Whether this is a program that plays a person.
        locale: BCP 47 tag of the language the person reads.
        practised_at: When the practice item was done; None before.
        stopped_at: Since when the person is shown nothing any more; None while they take part.
    """

    site: str
    annotator: str
    simulated: bool
    locale: str
    created_at: datetime
    practised_at: datetime | None = None
    stopped_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentState:
    """What a person agrees to now.

    Attributes:
        consent: Id of the consent record that judgements are given under.
        version: Digest of the text agreed to.
        purposes: Purpose to whether it is agreed to now; a purpose never asked about is not in it.
        since: When the person last decided.
    """

    consent: str
    version: str
    purposes: Mapping[str, bool]
    since: datetime

    def is_live(self, purpose: str) -> bool:
        """Whether the person agrees to ``purpose`` now."""
        return self.purposes.get(purpose, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    """What a person said to one codebook question.

    Attributes:
        field: Codebook field.
        status: Why there is, or is not, a value (``annotation.records.AnswerStatus``).
        value: Category id, number as text, or ids separated by spaces; None unless answered.
        words: The person's own words beside the category; None if none.
        at: When it was said.
    """

    field: str
    status: str
    value: str | None
    words: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An item as it is held for one person.

    Attributes:
        presentation: Its id.
        kind: Kind of judgement asked for.
        item: ``ITEMS`` row.
        order: Candidate ids in the order shown.
        presented_at: When the person first saw it; None before (behind a content warning).
        draft: What was saved so far; None if nothing.
    """

    presentation: str
    kind: str
    item: Mapping[str, Any]
    order: tuple[str, ...]
    presented_at: datetime | None
    draft: Mapping[str, Any] | None


class Submitted(StrEnum):
    """What became of a submission."""

    STORED = "stored"
    SAME = "same"
    ANSWERED_BEFORE = "answered_before"
    GIVEN_AWAY = "given_away"
    NO_CONSENT = "no_consent"
    UNKNOWN = "unknown"
