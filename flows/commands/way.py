"""The steps of the way as commands: each runs the flow of its name, here, recorded by the Prefect server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from flows.commands.flow_runs import print_result, run_flow
from flows.commands.options import AsJson, Home
from governance.wording import many

__all__ = ["collect", "promote", "reaudit", "train", "validate"]


def collect(
    site: Annotated[str, typer.Option(help="The site.")] = "main",
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Pull judgements from every source of a site."""

    def flow() -> Callable[..., Any]:
        from flows.collect import collect

        return collect

    print_result(
        run_flow(home, flow, site=site),
        lambda r: [
            f"site [b]{r['site']}[/b]: {r['shown']} newly shown, {many(r['new'], 'new event')}; all events {r['events']}"
        ],
        as_json=as_json,
    )


def validate(
    site: Annotated[str | None, typer.Option(help="The site; every site by default.")] = None,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check what was collected; accept or quarantine each row. Exit 1 where a batch fails."""

    def flow() -> Callable[..., Any]:
        from flows.validate import validate

        return validate

    batches = run_flow(home, flow, site=site)
    print_result(batches, lambda rows: [line for row in rows for line in _batch(row)], as_json=as_json)
    if not batches or any(row["verdict"] != "PASSED" for row in batches):
        raise typer.Exit(1)


def _batch(row: Mapping[str, Any]) -> list[str]:
    colour = "green" if row["verdict"] == "PASSED" else "red"
    return [
        (
            f"site [b]{row['site']}[/b]: [{colour}]{row['verdict']}[/{colour}]  {row['read']} read = "
            f"{row['accepted']} accepted + {row['quarantined']} quarantined"
        ),
        *(f"  quarantined by {rule}: {count}" for rule, count in row["failed_rules"].items()),
        *(f"  [red]{escape(reason)}[/red]" for reason in row["stops"]),
        f"  batch {row['batch']}",
    ]


def train(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            help="bounded, unbounded, over-refuser, overfitted, one-manner; the first two by default."
        ),
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Digest (or its beginning); the newest by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Train example candidates from a release and register them."""

    def flow() -> Callable[..., Any]:
        from flows.train import train

        return train

    print_result(
        run_flow(home, flow, kinds=tuple(kinds or ("unbounded", "bounded")), release=release, seed=seed),
        lambda r: [f"{r['model']} version {version}: {kind}" for kind, version in r["versions"].items()],
        as_json=as_json,
    )


def promote(
    version: Annotated[str, typer.Argument(help="The version.")],
    alias: Annotated[str, typer.Option(help="The alias to move.")] = "champion",
    model: Annotated[
        str | None, typer.Option(help="Registered model; that of the settings by default.")
    ] = None,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Move an alias to a version, if a signed decision allows it. Exit 1 with every reason if not."""

    def flow() -> Callable[..., Any]:
        from flows.promote import promote

        return promote

    result = run_flow(home, flow, version=version, alias=alias, model=model)
    word = "[green]promoted[/green]" if result["promoted"] else "[red]refused[/red]"
    print_result(
        result,
        lambda r: [
            f"{r['model']} version {r['version']} as {r['alias']}: {word}",
            *(f"  - {escape(x)}" for x in r["reasons"]),
        ],
        as_json=as_json,
    )
    if not result["promoted"]:
        raise typer.Exit(1)


def _stands(row: Mapping[str, Any]) -> list[str]:
    head = f"{row['model']} version {row['version']} ({row['alias']}): "
    if not row["due"]:
        return [head + "[green]its decision stands[/green]"]
    passed = row["verdict"] == "PASS"
    left = [f"  [yellow]waits:[/yellow] {escape(why)}" for why in row["reasons"]] if passed else []
    if row["demoted"]:
        after = f"version {row['successor']}" if row["successor"] else "no version"
        left = [
            *(f"  {escape(why)}" for why in row["reasons"]),
            f"  [red]demoted[/red]: {row['alias']} is now carried by {after}",
        ]
    return [
        head + f"[{'green' if passed else 'red'}]{row['verdict']}[/]",
        *(f"  its decision no longer stood: {escape(why)}" for why in row["due"]),
        *left,
    ]


def reaudit(*, home: Home = None, as_json: AsJson = False) -> None:
    """Audit what was missed, judge again what holds a protected alias, demote what no longer passes. Exit 1 if any."""

    def flow() -> Callable[..., Any]:
        from flows.reaudit import reaudit

        return reaudit

    rows = run_flow(home, flow)
    print_result(
        rows,
        lambda found: (
            [line for row in found for line in _stands(row)] or ["no version carries a protected alias"]
        ),
        as_json=as_json,
    )
    if any(row["demoted"] or row["reasons"] for row in rows):
        raise typer.Exit(1)
