"""``bounds export``: the record in the forms of others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.options import Home

__all__ = ["app"]

app = typer.Typer(
    help="The record in the forms of others: OpenLineage, PROV, a model card, a draft for Annex IV.",
    no_args_is_help=True,
)

Model = Annotated[str, typer.Argument(help="Registered model.")]
Version = Annotated[str, typer.Argument(help="Its version.")]


@app.command("openlineage")
def export_openlineage(*, home: Home = None) -> None:
    """Every step of the log as an OpenLineage run event, one JSON document a line."""
    from infra import log
    from infra.database import open_database
    from infra.lineage import openlineage
    from infra.settings import load_settings
    from infra.trust import log_verifier

    settings = load_settings(home)
    with open_database(settings, now=datetime.now(UTC)) as db:
        for event in openlineage(log.entries(db), namespace=log_verifier(settings).name):
            typer.echo(json.dumps(event, sort_keys=True))


@app.command("prov")
def export_prov(*, home: Home = None) -> None:
    """The log as W3C PROV-JSON."""
    from infra import log
    from infra.database import open_database
    from infra.lineage import prov
    from infra.settings import load_settings
    from infra.trust import log_verifier

    settings = load_settings(home)
    with open_database(settings, now=datetime.now(UTC)) as db:
        typer.echo(json.dumps(prov(log.entries(db), namespace=log_verifier(settings).name), sort_keys=True))


@app.command("model-card")
def export_card(model: Model, version: Version, *, home: Home = None) -> None:
    """A model card in Markdown, from the record only; gaps are named."""
    from infra.dossier import model_card

    typer.echo(model_card(_gather(model, version, home)), nl=False)


@app.command("annex-iv")
def export_annex(model: Model, version: Version, *, home: Home = None) -> None:
    """A draft of the EU AI Act's technical documentation (Annex IV), from the record only; gaps are named."""
    from infra.dossier import annex_iv

    typer.echo(annex_iv(_gather(model, version, home)), nl=False)


def _gather(model: str, version: str, home: Path | None) -> Any:
    from infra.database import open_database
    from infra.dossier import gather
    from infra.objects import open_store
    from infra.settings import load_settings
    from infra.trust import current_trust

    settings, now = load_settings(home), datetime.now(UTC)
    with open_database(settings, now=now) as db:
        trust = current_trust(settings, db, now)
        return gather(db, open_store(settings), model, version, trust=trust, now=now)
