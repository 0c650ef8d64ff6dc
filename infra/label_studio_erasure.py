"""Erases one person from a Label Studio: annotations, drafts, the user, and the copies that exports left.

The server knows no roles and keeps copies: every export leaves a file below its data folder, and snapshots
are kept as objects of their own. All of them go, for they cannot be taken apart; whoever needs one exports anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.label_studio import LabelStudioError, LabelStudioSite
from infra.label_studio_pull import pseudonym
from infra.label_studio_tasks import tasks_of
from infra.simulated_panel import enrolled

__all__ = ["erase_export_files", "erase_person", "users_of"]


def users_of(server: LabelStudioSite, annotator: str) -> list[int]:
    """The accounts under which a person answers on a server."""
    known = enrolled(server)
    key = server.settings.key.get_secret_value().encode()
    found = []
    for user in server.get("api/users/"):
        number = int(user["id"])
        name = known[number].annotator if number in known else pseudonym(key, number) if key else None
        if name == annotator:
            found.append(number)
    return found


def erase_person(server: LabelStudioSite, annotator: str) -> dict[str, int]:
    """Delete a person's annotations, drafts, snapshots and accounts; what → how many. Again does nothing."""
    users = users_of(server, annotator)
    gone = {"annotations": 0, "drafts": 0, "export snapshots": 0, "accounts": 0}
    if not users:
        return gone
    for project in server.projects():
        for task in _tasks(server, project.id):
            for draft in task.get("drafts") or []:
                if isinstance(draft, dict) and _who(draft.get("user_id", draft.get("user"))) in users:
                    gone["drafts"] += _delete(server, f"api/drafts/{draft['id']}/")
            for annotation in task["annotations"]:
                if _who(annotation["completed_by"]) in users:
                    gone["annotations"] += _delete(server, f"api/annotations/{annotation['id']}/")
        for snapshot in server.get(f"api/projects/{project.id}/exports/"):
            gone["export snapshots"] += _delete(server, f"api/projects/{project.id}/exports/{snapshot['id']}")
    # The account last: while it is there a run that was killed finds the person again.
    for user in users:
        gone["accounts"] += _delete(server, f"api/users/{user}/")
    return gone


def _tasks(server: LabelStudioSite, project: int) -> Iterator[Mapping[str, Any]]:
    for tasks in tasks_of(server, project, full=True, page_size=200):
        yield from tasks


def _who(user: Any) -> int | None:
    if isinstance(user, Mapping):
        user = user.get("id")
    return None if user is None else int(user)


def _delete(server: LabelStudioSite, path: str) -> int:
    try:
        server.send("DELETE", path)
    except LabelStudioError as error:
        if error.status == 404:
            return 0
        raise
    return 1


def erase_export_files(data_folder: Path) -> int | None:
    """Delete the files that exports left below a server's data folder; None where it is not on this machine."""
    if not data_folder.is_dir():
        return None
    gone = 0
    for folder in (data_folder / "export", data_folder / "media" / "export"):
        for file in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if file.is_file():
                file.unlink(missing_ok=True)
                gone += 1
    return gone
