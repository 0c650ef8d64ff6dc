"""The people's part of ``bounds demo``: who enrolled, who is missing, and how one of them leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from annotation.release import AlignmentTarget
    from flows.wiring import Platform

__all__ = ["Spoken", "leave", "settle", "show_people", "show_withdrawal", "speak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What the portal's people gave.

    Attributes:
        items: How many items there are, those in Label Studio included.
        people: How many enrolled.
        judgements: How many judgements the portal holds.
        cells: How many cells the plan has.
        missing: The cells that lack people, as ``name (done of quota)``.
    """

    items: int
    people: int
    judgements: int
    cells: int
    missing: tuple[str, ...]


def settle(home: Path, site: str) -> None:
    """Write the settings of the demonstration, its portal's among them, into a fresh data folder."""
    from infra.demo_files import demo_plan

    (home / "plan.yaml").write_text(demo_plan(), encoding="utf-8")
    # The story audits each version itself, in view; a webhook would audit each once more beside it.
    settings = f'[mlflow]\nwebhook = false\n\n[[sites]]\nid = "{site}"\nassignment = "plan.yaml"\n'
    (home / "settings.toml").write_text(settings, encoding="utf-8")


def speak(platform: Platform, site: str, *, seed: int) -> Spoken:
    """Invite everybody, let them enrol and judge by quota; afterwards, who is missing."""
    from flows import demonstration_people as people
    from flows.demonstration import stage_demo

    items = stage_demo(platform, site, through_portal=people.portal_items())
    people.put_in_portal(platform, site)
    with people.enrolled(platform, site) as visitors:
        given = people.judge_by_quota(platform, site, visitors, seed=seed)
    short, cells = people.under_filled(platform, site)
    return Spoken(
        items=items,
        people=len(visitors),
        judgements=given,
        cells=cells,
        missing=tuple(f"{each.cell} ({each.done} of {each.quota})" for each in short),
    )


def show_people(console: Console, spoken: Spoken) -> None:
    """Who spoke where, and who is missing."""
    console.print(
        f"   [dim]each followed a link, consented and described themselves at the portal, which gave out "
        f"{spoken.judgements} judgements by quota; the trusted panel judged the rest in Label Studio[/dim]"
    )
    console.print(
        f"   missing in {len(spoken.missing)} of {spoken.cells} cells of the target: "
        f"[yellow]{', '.join(spoken.missing)}[/yellow]"
    )


def leave(
    platform: Platform, site: str, before: Mapping[str, Any], target: AlignmentTarget
) -> dict[str, Any]:
    """One person withdraws at the portal; the withdrawal is carried out, and the next release built.

    Args:
        platform: Where.
        site: The site.
        before: The release that holds the person.
        target: The alignment target of the next release.

    Returns:
        The ``receipt``, the people of the release ``before`` and ``after``, and whether the person is ``gone``.
    """
    from flows import demonstration_people as people
    from flows.release import release
    from flows.withdraw import withdraw

    home = str(platform.settings.home)
    who = people.FROM_OUTSIDE
    people.withdraw_at_portal(platform, site, who)
    [receipt] = withdraw(home=home)
    after = release(target.better, target.asked, target.for_whom, home=home)
    counts = [people.people_in(platform, each) for each in (before, after)]
    gone = people.gone_from(platform, site, who, after) and counts[1] == counts[0] - 1
    return {"person": who, "receipt": receipt, "before": counts[0], "after": counts[1], "gone": gone}


def show_withdrawal(console: Console, withdrawn: Mapping[str, Any]) -> None:
    """The receipt in a few lines: what was done, what stays, whom the next release holds."""
    receipt = withdrawn["receipt"]
    done = sum(each["count"] > 0 for each in receipt["done"])
    places = len({each["where"] for each in receipt["done"] if each["count"]})
    console.print(
        f"\n[b]8  Withdraw[/b]  {withdrawn['person']} leaves by the portal's button: receipt {receipt['receipt']}"
    )
    console.print(
        f"   {done} kinds of traces erased in {places} stores, the key among them; "
        f"{len(receipt['batches'])} batch replaced"
    )
    console.print(
        f"   stays, and is flagged: {len(receipt['releases'])} release and {len(receipt['models'])} model "
        f"versions made before"
    )
    word = "[green]without them[/green]" if withdrawn["gone"] else "[red]still with them[/red]"
    console.print(f"   the next release: {withdrawn['after']} of {withdrawn['before']} people, {word}")
