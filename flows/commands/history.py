"""``bounds history``: which version carried which alias from when to when, by whom, on what evidence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from governance.errors import InputError

if TYPE_CHECKING:
    from infra.database import Database

__all__ = ["history"]


def history(
    model: Annotated[
        str | None, typer.Argument(help="Registered model; that of the settings by default.")
    ] = None,
    alias: Annotated[str | None, typer.Option(help="Only this alias.")] = None,
    *,
    home: Annotated[Path | None, typer.Option(help="Data folder; BOUNDS_HOME or .bounds by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Which version carried which alias from when to when, by whose signatures, on what evidence."""
    from infra.database import open_database
    from infra.history import history as stays_of
    from infra.settings import load_settings
    from infra.trust import current_trust

    settings, now = load_settings(home), datetime.now(UTC)
    name = model or settings.registered_model
    with open_database(settings, now=now) as db:
        if model is not None:
            _require_known(db, name)
        stays = stays_of(db, name, trust=current_trust(settings, db, now))
    aliases = sorted({stay.alias for stay in stays})
    if alias is not None and aliases and alias not in aliases:
        raise InputError(
            f"no version of {name} has carried it",
            field="--alias",
            value=alias,
            expected=" or ".join(aliases),
        )
    stays = [stay for stay in stays if alias in (None, stay.alias)]
    if as_json:
        typer.echo(json.dumps({"model": name, "stays": [stay.as_json() for stay in stays]}, sort_keys=True))
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    if not stays:
        console.print(f"no version of {escape(name)} has carried an alias yet")
    for stay in stays:
        end = f"{stay.until:%Y-%m-%d %H:%M} ({stay.ended_by})" if stay.until else "[green]now[/green]"
        console.print(
            f"[b]{escape(stay.alias)}[/b]  version {stay.version}  {stay.since:%Y-%m-%d %H:%M} to {end}"
        )
        console.print(f"   signed by {escape(', '.join(stay.signed_by) or 'nobody known')}")
        console.print(f"   [dim]decision {stay.decision}  audit {stay.audit}[/dim]")
        console.print(f"   [dim]policies {escape(', '.join(stay.policies))}  release {stay.release}[/dim]")
        for reason in stay.reasons:
            console.print(f"   [red]{escape(reason)}[/red]")


def _require_known(db: Database, model: str) -> None:
    from infra import ledger

    decided, moved = ledger.decisions(db), ledger.promotions(db)
    known = sorted({row.model for row in decided} | {row.model for row in moved})
    if model not in known:
        raise InputError(
            "nothing is recorded about this model",
            field="MODEL",
            value=model,
            expected=" or ".join(known) or "a model that was audited; none was yet",
        )
