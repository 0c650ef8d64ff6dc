"""``bounds keys``: who may call the policy service, and for what."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from flows.commands.options import AsJson, Home

__all__ = ["app"]

app = typer.Typer(help="Make, list and take back API keys of the policy service.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it, such as chat-app.")],
    scope: Annotated[
        list[str],
        typer.Option("--scope", "-s", help="policies:read, resolve or feedback:write; may be repeated."),
    ],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from infra.settings import default_home
    from infra.web.keys import ApiKeys

    key = ApiKeys(home or default_home()).create(name, scopes=scope, now=datetime.now(UTC))
    typer.echo(json.dumps({"name": name, "scopes": sorted(set(scope)), "key": key}) if as_json else key)


@app.command("list")
def list_keys(home: Home = None, as_json: AsJson = False) -> None:
    """Who holds a key, for what, and since when."""
    from infra.settings import default_home
    from infra.web.keys import ApiKeys

    entries = ApiKeys(home or default_home()).entries()
    if as_json:
        shown = [{"name": e.name, "scopes": list(e.scopes), "created_at": e.created_at} for e in entries]
        typer.echo(json.dumps({"keys": shown}))
        return
    for entry in entries:
        typer.echo(f"{entry.name}  {', '.join(entry.scopes)}  since {entry.created_at}")
    if not entries:
        typer.echo("nobody holds a key")


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="Whose key.")], home: Home = None) -> None:
    """Take a key back; a running service refuses it from then on."""
    from infra.settings import default_home
    from infra.web.keys import ApiKeys

    ApiKeys(home or default_home()).revoke(name)
    typer.echo(f"{name} holds no key any more")
