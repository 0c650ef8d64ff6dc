"""``bounds gold``: the items of known answer of a site, declared, listed and taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.options import Home, Site
from governance.errors import InputError
from governance.wording import many

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from annotation.gold import KnownAnswer
    from flows.wiring import Platform

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Items of known answer: declare, list and take back.")

By = Annotated[str, typer.Option(help="Who of the staff stands behind the answers.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace other answers that are there.")]


@app.command()
def sheet(
    out: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    origin: Annotated[str | None, typer.Option(help="Only items of this data set.")] = None,
    most: Annotated[int | None, typer.Option(help="At most so many items.", min=1)] = None,
    home: Home = None,
) -> None:
    """Write items with their texts into a CSV file: fill in `answer`, delete the other lines, `bounds gold add` it."""
    from annotation import gold
    from flows.wiring import open_platform
    from infra.given_files import write_whole

    if out.exists():
        raise InputError("the file is there already", file=str(out), expected="a new file")
    with open_platform(home) as platform:
        found = {name: row for name, row in _items(platform).items() if origin in {None, row["origin"]}}
    if not found:
        raise InputError(
            "no such items", field="--origin", value=origin, expected="run `bounds import` first"
        )
    kept = dict(list(found.items())[:most])
    write_whole(out, gold.sheet(kept).encode())
    typer.echo(f"{many(len(kept), 'item')} written to {out}")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="CSV with the columns item, answer and, if you like, kind.")],
    by: By,
    home: Home = None,
    site: Site = None,
    *,
    replace: Replace = False,
) -> None:
    """Declare known answers: `answer` is the place of the answer (1, 2 …), tie or neither; `kind` gold or attention.

    Where the site's plan says when, the portal asks them; a policy with a rule `gold` sets everything aside of
    whoever gets too many of them wrong. All lines count, or none.
    """
    from annotation.gold import read_gold
    from flows.wiring import open_platform
    from infra.given_files import read_text
    from infra.gold import asked_as

    text = read_text(file, encoding="utf-8-sig", expected="CSV in UTF-8")
    with open_platform(home) as platform:
        where = _site(platform, site)
        forms = asked_as(platform.db, where)
        known = read_gold(text, file=str(file), items=_items(platform), asked_as=forms)
        _declare(platform, where, known, by=by, replace=replace)


@app.command("from-label-studio")
def from_label_studio(
    by: By,
    kind: Annotated[
        Literal["gold", "attention"], typer.Option(help="What the items are there for.")
    ] = "gold",
    home: Home = None,
    site: Site = None,
    *,
    replace: Replace = False,
) -> None:
    """Take the answers that staff marked as ground truth in Label Studio, as they were collected last."""
    from annotation.gold import agreed
    from flows.wiring import open_platform

    with open_platform(home) as platform:
        where = _site(platform, site)
        known = list(agreed(_ground_truths(platform, where, kind)).values())
        if not known:
            raise InputError(
                "nothing collected is marked as ground truth",
                field="site",
                value=where,
                expected="answers with the star set in Label Studio, then `bounds collect`",
            )
        _declare(platform, where, known, by=by, replace=replace)


@app.command("list")
def list_gold(
    home: Home = None,
    site: Site = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """The known answers of a site: item, kind, answer, how the portal asks it, who declared it and when."""
    from flows.wiring import open_platform
    from infra.gold import asked_as, gold_items

    with open_platform(home) as platform:
        where = _site(platform, site)
        forms, items = asked_as(platform.db, where), _items(platform)
        rows = [
            {
                "item": each.known.item,
                "kind": str(each.known.role),
                "answer": _answer(each.known, items),
                "portal": forms.get(each.known.item),
                "by": each.added_by,
                "at": each.added_at.isoformat(timespec="seconds"),
            }
            for each in gold_items(platform.db, where)
        ]
    if as_json:
        typer.echo(json.dumps({"site": where, "items": rows}, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("item", "kind", "answer", "in the portal", "by", "at"):
        table.add_column(name, overflow="fold", no_wrap=name == "item")
    for row in rows:
        table.add_row(*(str(value or "no") for value in row.values()))
    Console().print(table if rows else f"no known answer is declared at {where}")


@app.command()
def remove(
    items: Annotated[list[str], typer.Argument(help="Ids of items.", metavar="ITEM…")],
    home: Home = None,
    site: Site = None,
) -> None:
    """Take items out of the known answers; the portal asks them as ordinary ones again."""
    from flows.wiring import open_platform
    from infra.gold import remove_gold

    with open_platform(home) as platform:
        where = _site(platform, site)
        count = remove_gold(platform.db, where, items)
    typer.echo(f"{many(count, 'known answer')} taken back at {where}; `bounds validate` counts without them")


def _site(platform: Platform, site: str | None) -> str:
    return platform.site(site).id if site else platform.settings.sites[0].id


def _items(platform: Platform) -> dict[str, Any]:
    """Items that may have a known answer: what people wrote themselves is put before nobody else."""
    from infra import catalogue

    own = catalogue.authored(platform.db)
    return {row["item"]: row for row in catalogue.items(platform.db) if row["item"] not in own}


def _declare(platform: Platform, site: str, known: Sequence[KnownAnswer], *, by: str, replace: bool) -> None:
    from flows.wiring import clock
    from infra.assignment_files import load_plan
    from infra.gold import add_gold, asked_as

    changed = add_gold(platform.db, site, known, by=by, now=clock(), replace=replace)
    typer.echo(
        f"{many(changed, 'known answer')} declared at {site} ({many(len(known) - changed, 'was', 'were')} there already)"
    )
    forms = asked_as(platform.db, site)
    beside = sum(each.item not in forms for each in known)
    if beside:
        typer.echo(
            f"{beside} of them are not in the portal; `bounds annotators ask` puts items there", err=True
        )
    plan = load_plan(platform.settings, site)
    for role in sorted({each.role for each in known if each.item in forms}):
        if plan is None:
            typer.echo("the site has no plan of assignment: they come like any other item", err=True)
        elif getattr(plan, str(role)) is None:
            typer.echo(f"the plan {plan.id} does not say when {role} items come: nobody is asked", err=True)


def _ground_truths(platform: Platform, site: str, kind: str) -> Iterator[KnownAnswer]:
    from annotation.assignment import Role
    from annotation.gold import KnownAnswer
    from annotation.records import Outcome, Source
    from infra.events import read_events

    for event in read_events(platform.store, platform.db, site, keys=platform.keys, newest=True):
        said = event.judgement
        if event.source != Source.LABEL_STUDIO or not event.raw.get("ground_truth") or said is None:
            continue
        if said["outcome"] != Outcome.CANNOT_JUDGE:
            yield KnownAnswer(
                item=said["item"],
                role=Role(kind),
                outcome=Outcome(said["outcome"]),
                preferred=said["preferred"],
            )


def _answer(known: KnownAnswer, items: dict[str, Any]) -> str:
    if known.preferred is None:
        return str(known.outcome)
    candidates = [each["candidate"] for each in items[known.item]["candidates"]]
    return str(candidates.index(known.preferred) + 1)
