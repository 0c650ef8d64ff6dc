"""``bounds gate``: what the registries are told, and how an MLflow host is set up behind the gate."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from flows.commands.options import AsJson, Home
from governance.wording import many

__all__ = ["app"]

app = typer.Typer(help="Tell MLflow's gates what holds now; set a host up behind one.", no_args_is_help=True)


@app.command()
def publish(home: Home = None, as_json: AsJson = False) -> None:
    """Publish the policy in force, the trust and the newest decisions; nothing new where nothing changed."""
    from flows.wiring import clock, open_platform

    with open_platform(home) as platform:
        terms = platform.publish(clock())
    if as_json:
        typer.echo(json.dumps(terms.predicate()))
        return
    count = sum(map(len, terms.decisions.values()))
    typer.echo(f"terms {terms.sequence}: {', '.join(terms.aliases)} on {', '.join(terms.models)}")
    typer.echo(
        f"{many(count, 'decided version')}, {many(len(terms.policies), 'policy document')}, until {terms.expires:%Y-%m-%d %H:%M} UTC"
    )


@app.command()
def pin(home: Home = None) -> None:
    """Print the pin: what an MLflow host is told once, as a file that BOUNDS_GATE names. No secret is in it."""
    from flows.wiring import clock, open_platform
    from infra.gate.publication import make_pin

    with open_platform(home) as platform:
        typer.echo(json.dumps(make_pin(platform.settings, platform.db, clock()).as_json(), indent=1))


@app.command()
def webhook(home: Home = None) -> None:
    """Register in MLflow the webhook that starts the audit of a new version; again changes nothing that is right."""
    from infra.settings import load_settings
    from infra.webhooks import ensure_webhook

    settings = load_settings(home)
    said = ensure_webhook(settings)
    typer.echo(f"{said}: {next(iter(settings.gate_webhooks.values()))['url']}")


@app.command()
def floor(
    owner_url: Annotated[
        str,
        typer.Argument(
            help="MLflow's database, as the owner of its tables.", envvar="BOUNDS_FLOOR_OWNER_URL"
        ),
    ],
    app_role: Annotated[str, typer.Option(help="Role as which MLflow's server connects.")] = "mlapp",
    writer_role: Annotated[str, typer.Option(help="Role as which grants are written.")] = "mlgrant",
    schema: Annotated[str, typer.Option(help="Where MLflow's tables are.")] = "public",
) -> None:
    """Install triggers and split privileges in MLflow's PostgreSQL database; again changes nothing."""
    from infra.gate.floor import install_floor

    install_floor(owner_url, app=app_role, writer=writer_role, schema=schema)
    typer.echo(
        f"{schema}: {app_role} reads and writes rows, {writer_role} writes grants ({datetime.now(UTC):%Y-%m-%d})"
    )
