"""Judgements of an imported file, collected like those of any other source.

A file has no clock and deletes nothing: what it states is stated, once. Reading it again, or another file
with the same answers, gives no events; another answer of the same annotator on the same item is a revision.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from annotation.decode import judgement_id
from annotation.events import EventKind, EventPage, RawEvent
from annotation.importers.rows import FileJudgement, Import
from annotation.ports import KnownEvents
from annotation.records import Outcome, Source

__all__ = ["FileSource"]


class FileSource:
    """The judgements of one import; implements ``annotation.ports.JudgementSource``.

    Args:
        site: Place of collection that the judgements are recorded under.
        imported: The file as it was read.
        page: Events per page.
    """

    def __init__(self, site: str, imported: Import, *, page: int = 5_000) -> None:
        self._site = site
        self._imported = imported
        self._page = page

    @property
    def site(self) -> str:
        """Place of collection."""
        return self._site

    @property
    def name(self) -> str:
        """Kind of source."""
        return str(Source.FILE)

    def pages(self, cursor: str | None, known: KnownEvents) -> Iterator[EventPage]:
        """Pages of the events that are not known yet; the cursor is the digest of the file.

        It decides nothing: a file is read whole, and what is known is left out.
        """
        del cursor
        held = known.versions()
        events: list[RawEvent] = []
        for judgement in self._imported.judgements:
            event = _event(judgement, site=self._site, revision=known.next_revision(judgement.ref))
            if held.get(event.ref, (0, ""))[1] == event.version:
                continue
            events.append(event)
            if len(events) == self._page:
                yield EventPage(events=tuple(events), cursor=self._imported.file_digest)
                events = []
        yield EventPage(events=tuple(events), cursor=self._imported.file_digest)


def _event(judgement: FileJudgement, *, site: str, revision: int) -> RawEvent:
    return RawEvent(
        site=site,
        source=str(Source.FILE),
        ref=judgement.ref,
        kind=EventKind.STATED,
        revision=revision,
        raw=judgement.raw,
        judgement=None if judgement.problem else _row(judgement, site=site),
        problem=judgement.problem,
        annotator=judgement.annotator,
    )


def _row(judgement: FileJudgement, *, site: str) -> dict[str, Any]:
    """A ``JUDGEMENTS`` row; a preference of unstated strength has none, a tie has strength 0."""
    outcome = judgement.outcome
    scores = [{"candidate": c, "attribute": a, "score": s} for c, a, s in judgement.scores]
    return {
        "judgement": judgement_id(site, Source.FILE, judgement.ref),
        "item": judgement.item,
        "item_digest": judgement.item_digest,
        "annotator": judgement.annotator,
        "site": site,
        "kind": str(judgement.kind),
        "shown": list(judgement.shown),
        "outcome": None if outcome is None else str(outcome),
        "preferred": judgement.preferred,
        "strength": 0 if outcome is Outcome.TIE else judgement.strength,
        "scores": scores or None,
        "ranking": None,
        "rationale": judgement.rationale,
        "presentation": None,
        "config_digest": None,
        "policy_digest": None,
        "consent": judgement.consent,
        "presented_at": None,
        "submitted_at": judgement.submitted_at,
        "seconds": judgement.seconds,
        "source": str(Source.FILE),
        "source_ref": judgement.ref,
        "simulated": False,
    }
