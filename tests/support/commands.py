"""A command called as a person at the terminal calls it; its errors are raised, its exit code is held against one."""

from pathlib import Path

import typer
from typer.testing import CliRunner


def run_command(app: typer.Typer, *words: str | Path, code: int = 0) -> str:
    """What the command wrote to its standard output."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout
