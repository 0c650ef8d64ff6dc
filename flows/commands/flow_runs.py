"""How a command runs a flow in its own process, and prints what it found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

__all__ = ["print_result", "run_flow"]


def run_flow(home: Path | None, flow: Callable[[], Callable[..., Any]], **parameters: Any) -> Any:
    """Run a flow in this process, with the Prefect server of the data folder.

    The flow is given by a function that imports it: Prefect reads its settings when it is imported.
    """
    from flows.running import use_prefect
    from infra.settings import load_settings

    settings = load_settings(home)
    use_prefect(settings)
    return flow()(home=str(settings.home), **parameters)


def print_result(result: Any, lines: Callable[[Any], list[str]], *, as_json: bool) -> None:
    """Print the result as one JSON document, or the lines made of it for people."""
    if as_json:
        typer.echo(json.dumps(result, sort_keys=True))
        return
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for line in lines(result):
        console.print(line)
