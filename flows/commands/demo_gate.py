"""The gate's part of ``bounds demo``: refused by hand, demoted by a tighter policy, verified by an outsider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.wording import many

if TYPE_CHECKING:
    from rich.console import Console

    from flows.demonstration_gate import Checked
    from flows.wiring import Platform

__all__ = ["quote_foremost", "refused_by_hand", "show_demotion", "show_record", "show_return"]

_LONGEST = 330


def refused_by_hand(
    console: Console, platform: Platform, outcomes: Mapping[str, Mapping[str, Any]], alias: str = "champion"
) -> bool:
    """Give the alias to a refused version past the platform; whether MLflow's own server refused as well."""
    from flows.demonstration_gate import set_by_hand

    kind = next(kind for kind, outcome in outcomes.items() if not outcome["promoted"])
    said = set_by_hand(platform, outcomes[kind]["model"], outcomes[kind]["version"], alias)
    word = "[green]refused by MLflow itself[/green]" if said else "[red]was done: there is no gate[/red]"
    console.print(f"   {kind} as {alias}, set by hand with MLflow's own client: {word}")
    _quote(console, said)
    return bool(said)


def show_demotion(console: Console, swept: list[Mapping[str, Any]]) -> None:
    """Who lost which alias under the tighter policy, and why."""
    console.print(
        "\n[b]7  Policy tightens[/b]  the next version comes into force; the sweep judges every holder"
    )
    for each in swept:
        if not each["demoted"]:
            console.print(f"   version {each['version']} keeps {each['alias']}")
            continue
        after = f"version {each['successor']}" if each["successor"] else "nobody: none passes"
        console.print(
            f"   version {each['version']}: [red]demoted[/red] from {each['alias']}, which goes to {after}"
        )
        quote_foremost(console, each["reasons"])


def show_return(console: Console, kind: str, outcome: Mapping[str, Any]) -> None:
    """Who carries the alias when the tighter policy is taken back."""
    word = "[green]promoted[/green]" if outcome["promoted"] else "[red]refused[/red]"
    console.print(f"   its owner takes it back; {kind} is judged anew by the one before: {word} again")


def show_record(console: Console, checked: Checked) -> None:
    """What an outsider finds in the exported log."""
    import sys

    word = "[red]does not hold[/red]" if checked.faults else "[green]holds[/green]"
    console.print(
        f"\n[b]9  Record[/b]  {many(checked.entries, 'entry', 'entries')} exported; verified from the files alone: "
        f"{checked.checks} checks, {word}"
    )
    for fault in checked.faults:
        _quote(console, fault)
    command = Path(sys.prefix) / "bin" / "bounds"
    console.print(f"   [dim]check it again: {command} verify log {checked.folder}[/dim]")


def quote_foremost(console: Console, reasons: Sequence[str]) -> None:
    """The first reason that says more than what the verdict is, and how many more there are."""
    telling = [reason for reason in reasons if not reason.startswith("the verdict is")]
    for reason in telling[:1]:
        _quote(console, reason, f" (and {len(telling) - 1} more)" if len(telling) > 1 else "")


def _quote(console: Console, text: str, more: str = "") -> None:
    from rich.markup import escape
    from rich.padding import Padding

    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if shown:
        console.print(Padding(f"[dim]{escape(shown)}{more}[/dim]", (0, 0, 0, 5)))
