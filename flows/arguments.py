"""What no command takes for an argument: an empty text, and bytes that are no text.

An empty ``--home`` (of a shell variable that is not set) would be the working directory, an empty name of a model the one of
the settings, an empty digest the beginning of every digest: each a guess about something that was not said.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from governance.errors import InputError

__all__ = ["is_named", "require_said"]


def require_said(command: Any) -> None:
    """Let a command, and each below it, refuse arguments and options that are empty or no text.

    Args:
        command: A click command or group, changed in place.
    """
    for below in getattr(command, "commands", {}).values():
        require_said(below)
    for parameter in command.params:
        parameter.process_value = partial(_said, parameter, parameter.process_value)


def _said(parameter: Any, process: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    for text in value if isinstance(value, (list, tuple)) else [value]:
        if not isinstance(text, str):
            continue
        name = parameter.opts[0]
        name = name if name.startswith("-") else name.upper()
        if not text.strip():
            raise InputError("is empty", field=name, value=text, expected="a value, or leave it out")
        if not _is_text(text) and not os.path.lexists(text):
            raise InputError("is no text in UTF-8", field=name, value=text)
    return process(context, value)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_named(file: Any, words: list[str]) -> bool:
    """Whether a file is one that stands on the command line as it is, as a word of its own or after ``=``."""
    if not isinstance(file, (str, Path)):
        return False
    wanted = str(file)
    return any(wanted in {word, word.partition("=")[2], str(Path(word))} for word in words if word)
