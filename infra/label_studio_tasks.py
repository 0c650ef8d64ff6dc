"""Tasks of a project: read by keyset, imported exactly once.

Reading by page number loses rows that shift while others delete or answer. A keyset (``id`` greater than the
last one seen, in order of ``id``) cannot: a task that exists during the whole read is seen.

Importing is not repeatable on the server (the same file twice gives two tasks), so it is made so here: what
is already there is found by the presentation id in the task's data, only the rest is sent, and the result is
read back and compared before it counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from annotation.presentations import task_data
from governance.errors import OutsideError
from infra.label_studio import LabelStudioError, LabelStudioSite

__all__ = ["import_presentations", "import_tasks", "number_filter", "tasks_by_presentation", "tasks_of"]

_PAGE: Final = 200
_CHUNK: Final = 500
_ATTEMPTS: Final = 4
# The server computes these columns per task unless they are hidden; ids and annotators are not hidden.
_COSTLY_COLUMNS: Final = [
    f"tasks:{name}"
    for name in (
        "avg_lead_time",
        "completed_at",
        "annotations_results",
        "predictions_results",
        "predictions_model_versions",
        "predictions_score",
        "file_upload",
        "draft_exists",
        "storage_filename",
        "state",
    )
]


def number_filter(field: str, operator: str, value: float) -> dict[str, Any]:
    """A data-manager filter on a number column of tasks."""
    return {"filter": f"filter:tasks:{field}", "operator": operator, "type": "Number", "value": value}


def tasks_of(
    site: LabelStudioSite,
    project: int,
    *,
    after: int = 0,
    filters: Sequence[Mapping[str, Any]] = (),
    only: Sequence[int] | None = None,
    full: bool,
    page_size: int = _PAGE,
) -> Iterator[list[dict[str, Any]]]:
    """Tasks with an id greater than ``after``, in order of id, page by page.

    Args:
        site: The server.
        project: The project.
        after: Id of the last task already seen.
        filters: Further conditions, all of which must hold.
        only: If given, these task ids alone.
        full: With annotations; else only with their ids (``annotations_ids``).
        page_size: Tasks per request.

    Raises:
        OutsideError: The server cannot be read, has no such project, or does not keep to the order.
    """
    while True:
        query: dict[str, Any] = {
            "filters": {"conjunction": "and", "items": [number_filter("id", "greater", after), *filters]},
            "ordering": ["tasks:id"],
        }
        if only is not None:
            query["selectedItems"] = {"all": False, "included": list(only)}
        if not full:
            query["hiddenColumns"] = {"explore": _COSTLY_COLUMNS, "labeling": _COSTLY_COLUMNS}
        answer = site.get(
            "api/tasks/",
            {
                "project": project,
                "page": 1,
                "page_size": page_size,
                "fields": "all" if full else "task_only",
                "resolve_uri": "false",
                "query": json.dumps(query),
            },
        )
        rows: list[dict[str, Any]] = answer["tasks"]
        ids = [row["id"] for row in rows]
        if ids and (ids != sorted(ids) or ids[0] <= after):
            raise OutsideError(f"site {site.id}: project {project}: the server does not list in order of id")
        if rows:
            yield rows
            after = ids[-1]
        # INVARIANT: the server may cap the page size, so a short page does not end the list; its total does.
        if not rows or answer["total"] <= len(rows):
            return


def tasks_by_presentation(site: LabelStudioSite, project: int) -> dict[str, list[dict[str, Any]]]:
    """Presentation id → its tasks (one, unless an import was doubled), without annotations."""
    found: dict[str, list[dict[str, Any]]] = {}
    for page in tasks_of(site, project, full=False, page_size=1000):
        for task in page:
            presentation = task["data"].get("presentation")
            if isinstance(presentation, str):
                found.setdefault(presentation, []).append(task)
    return found


def import_presentations(
    site: LabelStudioSite,
    project: int,
    presentations: Iterable[Mapping[str, Any]],
    items: Mapping[str, Mapping[str, Any]],
) -> dict[str, int]:
    """Put presentations into a project, each exactly once. Returns presentation id → task id.

    Safe to run again after a kill at any point, and while people answer.

    Args:
        site: The server.
        project: A project of :meth:`LabelStudioSite.ensure_project`.
        presentations: Presentation rows.
        items: Item id → ``ITEMS`` row.

    Raises:
        OutsideError: The server does not hold all of them after bounded attempts.
    """
    data = {row["presentation"]: {"data": task_data(row, items[row["item"]])} for row in presentations}
    return import_tasks(site, project, data)


def import_tasks(
    site: LabelStudioSite, project: int, tasks: Mapping[str, Mapping[str, Any]]
) -> dict[str, int]:
    """Put tasks, named by presentation id, into a project, each exactly once. Returns their ids.

    Raises:
        OutsideError: The server does not answer, or does not hold them all afterwards.
    """
    here: dict[str, list[dict[str, Any]]] = {}
    failed: LabelStudioError | None = None
    for _ in range(_ATTEMPTS):
        here = tasks_by_presentation(site, project)
        missing = [task for presentation, task in tasks.items() if presentation not in here]
        if not missing:
            break
        try:
            for start in range(0, len(missing), _CHUNK):
                site.send("POST", f"api/projects/{project}/import", json=missing[start : start + _CHUNK])
        except LabelStudioError as error:
            # Perhaps stored before the connection broke: read again before sending again.
            if not error.is_passing:
                raise
            failed = error
    else:
        absent = sum(presentation not in here for presentation in tasks)
        raise OutsideError(
            f"site {site.id}: project {project}: {absent} of {len(tasks)} tasks are not stored"
        ) from failed
    _remove_doubles(site, project, here, tasks)
    return {presentation: _kept(here[presentation])["id"] for presentation in tasks}


def _kept(tasks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of doubled tasks the one that stays: an answered one before an empty one, then the oldest."""
    return min(tasks, key=lambda task: (not _is_answered(task), task["id"]))


def _is_answered(task: Mapping[str, Any]) -> bool:
    return bool(task["annotations_ids"] or task["total_annotations"] or task["cancelled_annotations"])


def _remove_doubles(
    site: LabelStudioSite,
    project: int,
    here: Mapping[str, Sequence[dict[str, Any]]],
    wanted: Mapping[str, Any],
) -> None:
    doubled = (tasks for presentation, tasks in here.items() if presentation in wanted and len(tasks) > 1)
    for tasks in doubled:
        kept = _kept(tasks)
        for task in tasks:
            if task["id"] == kept["id"] or _is_answered(task):
                continue
            current = site.get(f"api/tasks/{task['id']}/", {"project": project})
            if not current.get("annotations"):
                site.attempt(
                    f"removing doubled task {task['id']}",
                    partial(site.client.tasks.delete, id=str(task["id"])),
                )
