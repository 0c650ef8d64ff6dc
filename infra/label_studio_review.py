"""The project "audit review": answers of a model for people to judge, sent once and read back whenever asked.

It belongs to a site of its own name, so that collecting judgements never reads it. Sending is idempotent by the
task's opaque name, reading changes nothing: both may be killed and run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from annotation.review_page import CHOICE, review_config, review_task
from governance.audit.judges import Label
from governance.audit.review import ReviewTask
from governance.digest import digest
from infra.label_studio import LabelStudioSite
from infra.label_studio_tasks import import_tasks, tasks_of
from infra.settings import SiteSettings

__all__ = ["PROJECT", "ReviewProject", "site_of"]

PROJECT: Final = "audit review"


def site_of(settings: SiteSettings) -> SiteSettings:
    """The site under which reviews of audits stand, apart from its collections."""
    return settings.model_copy(update={"id": f"{settings.id}.audit"})


class ReviewProject:
    """The project on one server.

    Args:
        site: The server, opened with :func:`site_of` the site's settings.
    """

    def __init__(self, site: LabelStudioSite) -> None:
        self._site = site

    def send(self, tasks: Iterable[ReviewTask], *, seed: int) -> int:
        """Put the tasks into the project, each once, in an order drawn by ``seed``; how many were asked for."""
        ordered = sorted(tasks, key=lambda task: digest([seed, task.ref]))
        for of_property in (False, True):
            chosen = {task.ref: review_task(task) for task in ordered if bool(task.statement) is of_property}
            if chosen:
                import_tasks(self._site, self._project(of_property=of_property), chosen)
        return len(ordered)

    def read(self) -> dict[str, Label]:
        """Task name to what people said; people who disagree about one answer, or cannot judge it, say nothing."""
        said: dict[str, set[Label]] = defaultdict(set)
        known = {project.config: project.id for project in self._site.projects() if project.title == PROJECT}
        for project in known.values():
            for page in tasks_of(self._site, project, full=True):
                for task in page:
                    for label in _labels(task["annotations"]):
                        said[str(task["data"].get("presentation"))].add(label)
        return {ref: labels.pop() if len(labels) == 1 else Label.ABSTAINS for ref, labels in said.items()}

    def _project(self, *, of_property: bool) -> int:
        return self._site.ensure_project(PROJECT, review_config(of_property=of_property))


def _labels(annotations: Sequence[Mapping[str, Any]]) -> Iterable[Label]:
    for annotation in annotations:
        if annotation["was_cancelled"]:
            continue
        for part in annotation["result"]:
            if part.get("from_name") == CHOICE:
                for choice in part["value"].get("choices", ()):
                    yield Label(choice) if choice in set(Label) else Label.ABSTAINS
