"""The passphrase of a person's key: from ``BOUNDS_PASSPHRASE``, or asked for at a terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from governance.errors import InputError

__all__ = ["passphrase"]


def passphrase(key: Path, *, is_new: bool = False) -> str:
    """The passphrase for a key file, asked for twice where the file is about to be made.

    Raises:
        InputError: The file is not there (or is, where it is to be new), or nobody can be asked.
    """
    if is_new and key.exists():
        raise InputError("there is a file already", file=str(key), expected="a new file")
    if not is_new and not key.is_file():
        raise InputError("the key cannot be read: no such file", file=str(key), expected="a key file")
    if given := os.environ.get("BOUNDS_PASSPHRASE"):
        return given
    if not sys.stdin.isatty():
        raise InputError(
            "the key's passphrase is not given and nobody can be asked",
            field="BOUNDS_PASSPHRASE",
            expected="the passphrase in this variable, or a terminal",
        )
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new, err=True))
