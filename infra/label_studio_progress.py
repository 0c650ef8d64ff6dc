"""How far a Label Studio site has been read, and what is known of it: the state of a pull, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self

from annotation.events import RawEvent
from annotation.ports import KnownEvents
from governance.digest import canonical
from governance.errors import RecordError

__all__ = ["Cursor", "Ledger", "Progress"]

_FORMAT: Final = "bounds.label-studio-cursor/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a project has been read.

    Attributes:
        watermark: Everything that changed before this was read; None before the first finished pass.
        started: Start of the pass under way, by the server's clock; None between pulls.
        after: Last task of the pass under way whose events were handed over.
    """

    watermark: datetime | None = None
    started: datetime | None = None
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Progress of each project of the site, as the text that is stored."""

    projects: Mapping[int, Progress]

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """The cursor of a stored text; nothing was read where there is none.

        Raises:
            RecordError: The text is not a cursor of this source.
        """
        if text is None:
            return cls(projects={})
        try:
            data = json.loads(text)
            if data["format"] != _FORMAT:
                raise ValueError(data["format"])
            return cls(
                projects={
                    int(project): Progress(
                        watermark=_time(entry["watermark"]),
                        started=_time(entry["started"]),
                        after=int(entry["after"]),
                    )
                    for project, entry in data["projects"].items()
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(
                "not a cursor of this source", field="cursor", value=text, expected=_FORMAT
            ) from error

    def moved(self, project: int, progress: Progress) -> Cursor:
        """This cursor with a project's progress put in."""
        return replace(self, projects={**self.projects, project: progress})

    def __str__(self) -> str:
        return canonical(
            {
                "format": _FORMAT,
                "projects": {
                    str(project): {
                        "watermark": None if entry.watermark is None else entry.watermark.isoformat(),
                        "started": None if entry.started is None else entry.started.isoformat(),
                        "after": entry.after,
                    }
                    for project, entry in self.projects.items()
                },
            }
        ).decode()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class Ledger:
    """What is known before this pull, and what the pull has handed over since.

    The caller may or may not have stored the pages so far; both must give the same events.
    """

    def __init__(self, known: KnownEvents) -> None:
        self._known = known
        self._versions = dict(known.versions())
        self._deleted: dict[str, int] = {}

    def __contains__(self, ref: str) -> bool:
        return ref in self._versions

    def refs(self, project: int) -> list[str]:
        """What stands of a project."""
        prefix = f"{project}/"
        return [ref for ref in self._versions if ref.startswith(prefix)]

    def new(self, ref: str, make: Callable[[str, int], RawEvent]) -> RawEvent | None:
        """The event that ``make`` gives, unless its content is the one already known."""
        held = self._versions.get(ref)
        event = make(ref, self._next(ref))
        if held is not None and held[1] == event.version:
            return None
        self._versions[ref] = (event.revision, event.version)
        return event

    def delete(self, ref: str) -> int:
        """Note that ``ref`` is gone; the revision of its deletion."""
        revision = self._next(ref)
        del self._versions[ref]
        self._deleted[ref] = revision
        return revision

    def _next(self, ref: str) -> int:
        if ref in self._versions:
            return self._versions[ref][0] + 1
        return self._deleted[ref] + 1 if ref in self._deleted else self._known.next_revision(ref)
