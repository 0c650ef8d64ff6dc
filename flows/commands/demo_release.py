"""The release's part of ``bounds demo``: what better means, how far people agree, within groups and across, and the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from annotation.suppression import SUPPRESSED

if TYPE_CHECKING:
    from rich.console import Console

    from annotation.release import AlignmentTarget
    from flows.wiring import Platform

__all__ = ["ANSWERS", "keep_card", "show_release"]

ANSWERS: Final = {
    "pay": "Nobody was paid: the people of this demonstration are simulated.",
    "selection": "By nothing: they were made up to differ in age, gender, country and taste.",
    "limits_of_use": "They show how the platform works, and nothing about any person or model.",
}


def keep_card(platform: Platform, released: Mapping[str, Any], folder: Path) -> Path:
    """The card of a release as a file of ``folder``, for a person to read."""
    card = folder / "release-card.md"
    card.write_bytes(platform.store.get_file("releases", released["tree"], "card.md"))
    return card


def show_release(console: Console, released: Mapping[str, Any], target: AlignmentTarget, card: Path) -> None:
    """The release in some lines."""
    figures = released["figures"]
    console.print(
        f"\n[b]4  Release[/b]  {released['release']}"
        + ("  [red]for study only[/red]" if released["for_study"] else "")
    )
    console.print(f"   better means  {target.better}\n   for whom      {target.for_whom}")
    preference = figures["agreement"]["preference"]
    if preference.get("alpha") is not None:
        console.print(f"   agreement     alpha {_with_interval(preference, 'alpha', 'low', 'high')}")
    for line in _groups(preference["by"]):
        console.print(f"     {line}")
    console.print(f"   documented    {100 * figures['documented_share']:.0f} % of the people")
    console.print(f"   card          [dim]{card}[/dim]")


def _groups(by: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    if not by:
        yield "within and across groups: no answer is published that enough people share"
    for field, groups in by.items():
        for value, found in groups.items():
            who = f"{field} {value}" if value != SUPPRESSED else f"{field} not published"
            if found["alpha"] is None or found["difference"] is None:
                yield f"{who} ({found['annotators']}): too few judgements of the same items"
                continue
            low, high = found.get("difference_simultaneous", (None, None))
            yield (
                f"{who} ({found['annotators']}): {found['alpha']:.2f} within, {found['across']:.2f} across: "
                f"{_with_interval({**found, 'low': low, 'high': high}, 'difference', 'low', 'high', '')}"
            )


def _with_interval(
    found: Mapping[str, Any], value: str, low: str, high: str, name: str = "95 % interval "
) -> str:
    ends = [found.get(low), found.get(high)]
    if None in ends:
        return f"{found[value]:.2f}"
    return f"{found[value]:.2f} ({name}{ends[0]:.2f} to {ends[1]:.2f})"
