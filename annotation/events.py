"""Raw events: what a source said, kept as it was said, in the order-free way the platform stores it.

A source (Label Studio, the portal, the feedback API, a file) is read through the port
:class:`annotation.ports.JudgementSource` as pages of :class:`RawEvent`. One event is one version of one
judgement: ``created`` and ``updated`` carry the decoded judgement or the reason it cannot be decoded,
``deleted`` says that the source no longer holds it. The newest event of each ``(site, source, ref)``
counts; :func:`latest` folds a history to what stands now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from governance.digest import digest
from governance.errors import RecordError

__all__ = ["EventKind", "EventPage", "RawEvent", "latest"]


class EventKind(StrEnum):
    """What happened to the judgement in its source."""

    STATED = "stated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """One version of one judgement in one source.

    Attributes:
        site: Place of collection.
        source: Kind of source (``label_studio``, ``portal``, ``feedback``, ``file``).
        ref: Id within the source; stable over versions.
        kind: Stated (created or changed) or deleted.
        revision: Counts the versions of ``ref`` seen at this site, from 1; the largest counts.
        raw: The source's own record, blind and positional, as JSON.
        judgement: The decoded, unblinded judgement: a ``JUDGEMENTS`` row as JSON (timestamps as ISO text)
            without ``source_digest``; None if deleted or undecodable.
        problem: Why ``raw`` cannot be decoded; None otherwise.
        annotator: Whose answer it is, where no judgement says so; not part of the event's identity.
    """

    site: str
    source: str
    ref: str
    kind: EventKind
    revision: int
    raw: Mapping[str, Any]
    judgement: Mapping[str, Any] | None = None
    problem: str | None = None
    annotator: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.kind is EventKind.DELETED and (self.judgement is not None or self.problem is not None):
            raise RecordError("a deletion carries no judgement", field=self.ref)
        if self.kind is EventKind.STATED and (self.judgement is None) == (self.problem is None):
            raise RecordError("an event carries either a judgement or a problem", field=self.ref)

    def as_json(self) -> dict[str, Any]:
        """The JSON object that is stored and digested."""
        return {
            "format": "bounds.raw/1",
            "site": self.site,
            "source": self.source,
            "ref": self.ref,
            "kind": str(self.kind),
            "revision": self.revision,
            "raw": dict(self.raw),
            "judgement": None if self.judgement is None else dict(self.judgement),
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The event of a stored JSON object.

        Raises:
            RecordError: The object is not a raw event of a known format.
        """
        if data.get("format") != "bounds.raw/1":
            raise RecordError(
                "not a raw event", field="format", value=data.get("format"), expected="bounds.raw/1"
            )
        return cls(
            site=data["site"],
            source=data["source"],
            ref=data["ref"],
            kind=EventKind(data["kind"]),
            revision=data["revision"],
            raw=data["raw"],
            judgement=data["judgement"],
            problem=data["problem"],
        )

    @property
    def digest(self) -> str:
        """Identity of the event."""
        return digest(self.as_json())

    @property
    def person(self) -> str | None:
        """The pseudonym of whoever answered; None where the source does not say."""
        return self.annotator if self.judgement is None else str(self.judgement["annotator"])

    @property
    def version(self) -> str:
        """Digest of what the source said, without revision: equal versions are the same statement."""
        return digest({"kind": str(self.kind), "raw": dict(self.raw)})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events of one read, and the cursor from which the next read goes on.

    Storing the events and then the cursor in one transaction is what makes collection exactly-once.
    """

    events: tuple[RawEvent, ...]
    cursor: str


def latest(events: Iterable[RawEvent]) -> list[RawEvent]:
    """The newest event of each ``(site, source, ref)`` that is not a deletion, sorted by that key."""
    newest: dict[tuple[str, str, str], RawEvent] = {}
    for event in events:
        key = (event.site, event.source, event.ref)
        if key not in newest or event.revision > newest[key].revision:
            newest[key] = event
    return [newest[key] for key in sorted(newest) if newest[key].kind is EventKind.STATED]
