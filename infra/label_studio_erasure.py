"""Erases one person from a Label Studio: annotations, the user with their drafts, and the copies that exports left.

The server knows no roles and keeps copies: every export leaves a file below its data folder, and snapshots
are kept as objects of their own. All of them go, for they cannot be taken apart; whoever needs one exports anew.
Drafts are shown to nobody but their author, so they cannot be listed; the server deletes them with the account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from infra.label_studio import LabelStudioError, LabelStudioSite
from infra.label_studio_pull import pseudonym
from infra.label_studio_tasks import tasks_of
from infra.simulated_panel import enrolled

__all__ = ["belongings", "erase_belongings", "erase_export_files", "export_files", "users_of"]

_ACCOUNTS: Final = "accounts, each with its drafts"


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


def belongings(server: LabelStudioSite, annotator: str) -> dict[str, list[str]]:
    """What a server holds of a person now: what → the address of each thing, in the order in which they are to go."""
    found: dict[str, list[str]] = {"annotations": [], "export snapshots": [], _ACCOUNTS: []}
    users = users_of(server, annotator)
    for project in server.projects() if users else ():
        for task in _tasks(server, project.id):
            for annotation in task["annotations"]:
                if _who(annotation["completed_by"]) in users:
                    found["annotations"].append(f"api/annotations/{annotation['id']}/")
        found["export snapshots"] += (
            f"api/projects/{project.id}/exports/{each['id']}"
            for each in server.get(f"api/projects/{project.id}/exports/")
        )
    # The account last: while it is there a run that was killed finds the person again.
    found[_ACCOUNTS] += (f"api/users/{user}/" for user in users)
    return found


def erase_belongings(server: LabelStudioSite, found: Mapping[str, Iterable[str]]) -> None:
    """Delete what :func:`belongings` found; what is gone already is no error."""
    for path in (path for paths in found.values() for path in paths):
        try:
            server.send("DELETE", path)
        except LabelStudioError as error:
            if error.status != 404:
                raise


def _tasks(server: LabelStudioSite, project: int) -> Iterator[Mapping[str, Any]]:
    for tasks in tasks_of(server, project, full=True, page_size=200):
        yield from tasks


def _who(user: Any) -> int | None:
    if isinstance(user, Mapping):
        user = user.get("id")
    return None if user is None else int(user)


def export_files(data_folder: Path) -> list[str] | None:
    """The files that exports left below a server's data folder; None where it is not on this machine."""
    if not data_folder.is_dir():
        return None
    return [
        file.relative_to(data_folder).as_posix()
        for folder in (data_folder / "export", data_folder / "media" / "export")
        if folder.is_dir()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    ]


def erase_export_files(data_folder: Path, names: Iterable[str]) -> None:
    """Delete files of :func:`export_files`."""
    for name in names:
        (data_folder / name).unlink(missing_ok=True)
