"""Annotations of a Label Studio site as events: incrementally, without loss, in bounded memory.

How a pull finds what changed since the last one, for each of the site's projects:

1. **Pass.** Tasks whose ``updated_at`` lies after the watermark less an overlap, by keyset over the id.
   Creating, editing and deleting annotations moves a task's ``updated_at``. The next watermark is the
   server's own time *before* the pass began: whatever changes while it runs is found by the next one.
2. **Orphans.** Deleting a user empties ``completed_by`` and moves nothing: tasks that hold an annotation
   without an annotator are read on every pull.
3. **Sweep.** The ids of all annotations: those no longer there were deleted, those never seen (committed
   late, or moved by nothing) are read now.

The overlap covers transactions that were open when the watermark was taken. What is read twice is left out
by comparing digests of the content, so an overlap costs time and never an event. A watermark moves only with
the cursor of a finished pass; a killed pull goes on behind the last page that was stored.

Events carry no identity: the annotator is a pseudonym, the server's e-mail addresses and names are dropped
before anything is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from annotation.decode import Annotator, decode
from annotation.events import EventKind, EventPage, RawEvent
from annotation.ports import KnownEvents
from annotation.records import Source
from governance.digest import canonical, digest, digest_bytes
from governance.errors import InputError, OutsideError
from infra.label_studio import LabelStudioError, LabelStudioSite, Project
from infra.label_studio_progress import Cursor, Ledger, Progress
from infra.label_studio_tasks import number_filter, tasks_of

__all__ = ["LabelStudioSource", "pseudonym"]

_OVERLAP: Final = timedelta(seconds=120)
_DATE: Final = "%Y-%m-%dT%H:%M:%S.%fZ"  # any other form is answered with 500
_IDS_SHOWN: Final = 500  # the server cuts the list of a task's annotation ids at so many characters
_DELETIONS: Final = 1000


def pseudonym(key: bytes, user: int) -> str:
    """Keyed pseudonym of a Label Studio user; without the site's key it cannot be traced or recomputed.

    Raises:
        InputError: The key is empty; such a pseudonym could be undone by trying all ids.
    """
    if not key:
        raise InputError("the site has no key for pseudonyms", field="key", expected="a secret")
    return "a-" + hmac.new(key, f"label-studio:{user}".encode(), hashlib.sha256).hexdigest()[:16]


class LabelStudioSource:
    """A site's Label Studio, read through the port ``JudgementSource``.

    Args:
        server: The site's server.
        presentations: Presentation id → row written before showing.
        items: Item id → ``ITEMS`` row.
        annotators: Label Studio user id → annotator, for people enrolled under an id of their own; everybody
            else gets a keyed pseudonym.
        overlap: How far before the watermark a pass begins.
        page_size: Tasks per request; bounds the memory of a pull.
        accept_missing: Projects that were deleted on the server on purpose: their judgements are reported
            as deleted instead of stopping the pull.
    """

    def __init__(
        self,
        server: LabelStudioSite,
        *,
        presentations: Mapping[str, Mapping[str, Any]],
        items: Mapping[str, Mapping[str, Any]],
        annotators: Mapping[int, Annotator] | None = None,
        overlap: timedelta = _OVERLAP,
        page_size: int = 200,
        accept_missing: frozenset[int] = frozenset(),
    ) -> None:
        self._server = server
        self._presentations = presentations
        self._items = items
        self._annotators = dict(annotators or {})
        self._overlap = overlap
        self._page_size = page_size
        self._accept_missing = accept_missing
        self._key = server.settings.key.get_secret_value().encode()

    @property
    def site(self) -> str:
        """Place of collection."""
        return self._server.id

    @property
    def name(self) -> str:
        """Kind of source."""
        return str(Source.LABEL_STUDIO)

    def pages(self, cursor: str | None, known: KnownEvents) -> Iterator[EventPage]:
        """Pages of events after ``cursor``; see the module's text for how and why.

        Raises:
            OutsideError: The server cannot be read, or a project that was read before is gone.
            RefusedError: Somebody has changed a project's labelling page on the server.
            RecordError: The cursor is not one of this source.
        """
        at = Cursor.parse(cursor)
        ledger = Ledger(known)
        present = {project.id: project for project in self._server.projects()}
        for number in sorted(present):
            for page in self._pull(present[number], at, ledger):
                at = Cursor.parse(page.cursor)
                yield page
        for project in sorted(set(at.projects) - set(present)):
            if project not in self._accept_missing:
                raise OutsideError(
                    f"site {self.site}: project {project} was read before and is gone from the Label Studio "
                    f"at {self._server.url}; restore it, or accept that its judgements were deleted"
                )
            for events in _batches(self._deletions(project, set(), ledger), _DELETIONS):
                yield EventPage(events=events, cursor=str(at))

    def _pull(self, of: Project, at: Cursor, ledger: Ledger) -> Iterator[EventPage]:
        project = of.id
        begun = at.projects.get(project, Progress())
        started, entry = self._server.now(f"api/projects/{project}/")
        self._server.require_page(entry, of.config)
        if begun.started is None:
            begun = replace(begun, started=started, after=0)
        changed = []
        if begun.watermark is not None:
            since = (begun.watermark - self._overlap).strftime(_DATE)
            changed.append(
                {
                    "filter": "filter:tasks:updated_at",
                    "operator": "greater",
                    "type": "Datetime",
                    "value": since,
                }
            )
        progress = begun
        read = tasks_of(
            self._server, project, after=begun.after, filters=changed, full=True, page_size=self._page_size
        )
        for tasks in read:
            progress = replace(progress, after=tasks[-1]["id"])
            events = tuple(self._stated(tasks, ledger))
            if events:
                yield EventPage(events=events, cursor=str(at.moved(project, progress)))
        for events in self._orphans(project, ledger):
            yield EventPage(events=events, cursor=str(at.moved(project, progress)))
        for events in self._sweep(project, ledger):
            yield EventPage(events=events, cursor=str(at.moved(project, progress)))
        done = Progress(watermark=begun.started)
        yield EventPage(events=(), cursor=str(at.moved(project, done)))

    def _stated(self, tasks: Iterable[Mapping[str, Any]], ledger: Ledger) -> Iterator[RawEvent]:
        for task in tasks:
            for annotation in sorted(task["annotations"], key=lambda entry: int(entry["id"])):
                event = ledger.new(
                    f"{task['project']}/{annotation['id']}",
                    partial(self._event, task, annotation),
                )
                if event is not None:
                    yield event

    def _event(
        self, task: Mapping[str, Any], annotation: Mapping[str, Any], ref: str, revision: int
    ) -> RawEvent:
        annotator = self._annotator(annotation["completed_by"])
        raw = _raw(task, annotation, None if annotator is None else annotator.annotator)
        presentation = self._presentations.get(raw["presentation"]) if raw["presentation"] else None
        found = decode(
            raw,
            site=self.site,
            ref=ref,
            annotator=annotator,
            presentation=presentation,
            item=None if presentation is None else self._items.get(presentation["item"]),
        )
        return RawEvent(
            site=self.site,
            source=self.name,
            ref=ref,
            kind=EventKind.STATED,
            revision=revision,
            raw=raw,
            judgement=found.judgement,
            problem=found.problem,
            annotator=raw["annotator"],
        )

    def _annotator(self, user: int | None) -> Annotator | None:
        if user is None:
            return None
        return self._annotators.get(user) or Annotator(annotator=pseudonym(self._key, user))

    def _orphans(self, project: int, ledger: Ledger) -> Iterator[tuple[RawEvent, ...]]:
        nobody = {"filter": "filter:tasks:annotators", "operator": "empty", "type": "List", "value": True}
        answered = number_filter("total_annotations", "greater", 0)
        for tasks in tasks_of(
            self._server, project, filters=(nobody, answered), full=True, page_size=self._page_size
        ):
            distinct = {task["id"]: task for task in tasks}  # listed once for each such annotation
            yield from _batches(self._stated(distinct.values(), ledger), self._page_size)

    def _sweep(self, project: int, ledger: Ledger) -> Iterator[tuple[RawEvent, ...]]:
        there: set[str] = set()
        unseen: list[int] = []
        for tasks in tasks_of(self._server, project, full=False, page_size=1000):
            for task in tasks:
                ids = _annotation_ids(task)
                refs = None if ids is None else {f"{project}/{id_}" for id_ in ids}
                if refs is None:
                    refs = self._annotation_refs(task["id"], project)
                there |= refs
                if not all(ref in ledger for ref in refs):
                    unseen.append(task["id"])
        for start in range(0, len(unseen), self._page_size):
            only = unseen[start : start + self._page_size]
            for tasks in tasks_of(self._server, project, only=only, full=True, page_size=self._page_size):
                yield from _batches(self._stated(tasks, ledger), self._page_size)
        yield from _batches(self._deletions(project, there, ledger), _DELETIONS)

    def _annotation_refs(self, task: int, project: int) -> set[str]:
        """Refs of one task's annotations, where the listing cannot be trusted."""
        try:
            entries = self._server.get(f"api/tasks/{task}/annotations/")
        except LabelStudioError as error:
            if error.status == 404:  # the task was deleted since it was listed
                return set()
            raise
        return {f"{project}/{entry['id']}" for entry in entries}

    def _deletions(self, project: int, there: set[str], ledger: Ledger) -> Iterator[RawEvent]:
        gone = [ref for ref in ledger.refs(project) if ref not in there]
        for ref in sorted(gone, key=_annotation_number):
            revision = ledger.delete(ref)
            yield RawEvent(
                site=self.site,
                source=self.name,
                ref=ref,
                kind=EventKind.DELETED,
                revision=revision,
                raw={"annotation": _annotation_number(ref), "project": project},
            )


def _raw(task: Mapping[str, Any], annotation: Mapping[str, Any], annotator: str | None) -> dict[str, Any]:
    """What is kept of an annotation: blind, positional, without a name or an address."""
    presentation = task["data"].get("presentation")
    raw = {
        "annotation": annotation["id"],
        "task": task["id"],
        "project": task["project"],
        "presentation": presentation if isinstance(presentation, str) else None,
        "task_data_digest": _digest(task["data"]),
        "annotator": annotator,
        "result": annotation["result"],
        "was_cancelled": annotation["was_cancelled"],
        "ground_truth": annotation["ground_truth"],
        "created_at": annotation["created_at"],
        "updated_at": annotation["updated_at"],
        "lead_time": annotation["lead_time"],
    }
    try:
        canonical(raw)
    except ValueError:
        # A result that has no canonical form (an integer beyond 2**53, half a surrogate) is kept as text.
        raw["result"] = json.dumps(annotation["result"], sort_keys=True)
        raw["lead_time"] = str(annotation["lead_time"])
    return raw


def _digest(data: Any) -> str:
    try:
        return digest(data)
    except ValueError:
        return digest_bytes(json.dumps(data, sort_keys=True).encode())


def _annotation_ids(task: Mapping[str, Any]) -> set[int] | None:
    """Ids of a listed task's annotations; None where the listing does not add up."""
    text = str(task["annotations_ids"] or "")
    if len(text) >= _IDS_SHOWN:
        return None
    ids = {int(part) for part in text.replace(",", " ").split()}
    return ids if len(ids) == task["total_annotations"] + task["cancelled_annotations"] else None


def _annotation_number(ref: str) -> int:
    return int(ref.partition("/")[2])


def _batches(events: Iterable[RawEvent], size: int) -> Iterator[tuple[RawEvent, ...]]:
    batch: list[RawEvent] = []
    for event in events:
        batch.append(event)
        if len(batch) == size:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)
