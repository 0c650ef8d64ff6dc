"""Shows parts while they start: a live table on a terminal, a line per change elsewhere; on standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from infra.stack import PartStatus, State

__all__ = ["Progress", "statuses_in"]

_STYLE = {
    State.WAITING: "dim",
    State.STARTING: "yellow",
    State.READY: "green",
    State.DONE: "green",
    State.RESTARTING: "red",
    State.FAILED: "bold red",
    State.STOPPED: "dim",
}


class Progress:
    """The display of one start.

    Args:
        title: Printed first.
    """

    def __init__(self, title: str) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._title = title
        self._last: dict[str, tuple[State, int]] = {}
        self._live = False

    def changed(self, parts: Sequence[PartStatus]) -> None:
        """Print a line for each part whose state is another than the last time; nothing while a table is shown."""
        for part in parts:
            now = (part.state, part.restarts)
            if self._last.get(part.name) == now:
                continue
            first = part.name not in self._last
            self._last[part.name] = now
            if not self._live and not (first and part.state is State.WAITING):
                self._console.print(_line(part), soft_wrap=True)

    @contextlib.contextmanager
    def shown(self, statuses: Callable[[], Sequence[PartStatus]]) -> Iterator[None]:
        """Show the table until the block ends, where standard error is a terminal."""
        self._console.print(self._title)
        if not self._console.is_terminal:
            yield
            return
        self._live = True
        try:
            with Live(
                console=self._console,
                get_renderable=lambda: _table(statuses()),
                refresh_per_second=5,
                transient=True,
            ):
                yield
        finally:
            self._live = False


def statuses_in(record: Mapping[str, Any]) -> list[PartStatus]:
    """The parts of a ``stack.json`` as statuses."""
    return [
        PartStatus(name=name, **{**part, "state": State(part["state"])})
        for name, part in record.get("parts", {}).items()
    ]


def _line(part: PartStatus) -> str:
    seconds = f" {part.seconds:.1f} s" if part.seconds is not None and part.state.is_up else ""
    reason = f" ({part.reason})" if part.reason and not part.state.is_up else ""
    return f"{part.name}: [{_STYLE[part.state]}]{part.state}[/]{seconds}{reason}"


def _table(parts: Sequence[PartStatus]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(min_width=22)
    table.add_column(min_width=11)
    table.add_column(justify="right", min_width=8)
    table.add_column(style="dim")
    for part in parts:
        seconds = "" if part.seconds is None else f"{part.seconds:.1f} s"
        note = part.reason or (part.url if part.state is State.READY else "") or ""
        table.add_row(part.name, f"[{_STYLE[part.state]}]{part.state}[/]", seconds, note)
    return table
