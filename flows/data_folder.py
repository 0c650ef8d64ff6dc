"""A data folder that is not there is refused by every command that does not begin one.

A mistyped ``--home``, or the wrong working directory, would otherwise make a new installation with keys, a trust and a
log of its own, which then answers "nothing yet" as if it were the one that was meant.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any, Final

from governance.errors import InputError

__all__ = ["require_data_folder"]

_BEGIN: Final = {("up",), ("down",), ("status",), ("demo",), ("import",), ("keys", "create")}
"""Commands that make a data folder, or say themselves that nothing is there."""
_NOT_ALWAYS: Final = {("audit",), ("audit", "review"), ("release",), ("release", "diff")}
"""Commands that need a data folder for some of their work only: one that is named must be there."""
_MARKS: Final = ("settings.toml", "secrets.json", "stack.json", "platform.db", "api-keys.json")
_ELSEWHERE: Final = ("BOUNDS_SETTINGS", "BOUNDS_DATABASE_URL")


def require_data_folder(command: Any, path: tuple[str, ...] = ()) -> None:
    """Let ``--home`` of a command, and of each below it, name only a data folder that is there.

    Args:
        command: A click command or group, changed in place.
        path: Its words.
    """
    for name, below in getattr(command, "commands", {}).items():
        require_data_folder(below, (*path, name))
    if path in _BEGIN or path[:1] in _BEGIN:
        return
    for option in command.params:
        if option.name == "home":
            option.callback = partial(_existing, always=path not in _NOT_ALWAYS)


def _existing(_context: Any, _option: Any, value: Path | None, *, always: bool) -> Path | None:
    from infra.settings import default_home

    if any(os.environ.get(name) for name in _ELSEWHERE) or (value is None and not always):
        return value
    folder = value or default_home()
    if not _is_data_folder(folder):
        raise InputError(
            "no data folder is there",
            field="--home",
            value=str(folder),
            expected="one that `bounds up` made, named by --home or BOUNDS_HOME",
        )
    return value


def _is_data_folder(folder: Path) -> bool:
    try:
        return any((folder / name).exists() for name in _MARKS)
    except OSError:  # no name of a folder: too long, say
        return False
