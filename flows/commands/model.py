"""``bounds model``: verify what carries an alias, and fetch it only if everything holds."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.options import AsJson, Home
from governance.errors import InputError

__all__ = ["app"]

app = typer.Typer(help="Verify or fetch the model that carries an alias.", no_args_is_help=True)

Uri = Annotated[str, typer.Argument(help="models:/NAME@ALIAS")]


@app.command()
def verify(uri: Uri, *, home: Home = None, as_json: AsJson = False) -> None:
    """Verify decision, approvals, inclusion in the log and every file of what carries the alias. Exit 1 if refused."""
    with ExitStack() as closing:
        found = _open(closing, uri, home)
        _say(found, as_json=as_json)


@app.command()
def load(
    uri: Uri,
    folder: Annotated[Path, typer.Argument(help="Folder to put the verified files into; must not exist.")],
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Verify, and only then put the files into a folder."""
    if folder.exists():
        raise InputError("there is something already", file=str(folder), expected="a new folder")
    with ExitStack() as closing:
        found = _open(closing, uri, home)
        shutil.copytree(found.folder, folder)
        _say(found, as_json=as_json)


def _open(closing: ExitStack, uri: str, home: Path | None) -> Any:
    from flows.wiring import approvals, open_platform
    from infra.models import verified

    platform = closing.enter_context(open_platform(home))
    now = datetime.now(UTC)
    policy = platform.policy(now)
    return closing.enter_context(
        verified(
            uri,
            settings=platform.settings,
            db=platform.db,
            registry=platform.registry(),
            policies={document.digest for document in policy.documents},
            approvals=approvals(policy),
            accept_demonstration=policy.promotion.is_demonstration,
            now=now,
        )
    )


def _say(found: Any, *, as_json: bool) -> None:
    document = {
        "model": found.model,
        "alias": found.alias,
        "version": found.version,
        "artifact": found.artifact,
        "verdict": found.decision.verdict.value,
        "expires": f"{found.decision.expires:%Y-%m-%dT%H:%M:%SZ}",
        "log_entry": found.position,
    }
    if as_json:
        typer.echo(json.dumps(document, sort_keys=True))
        return
    typer.echo("verified: decision, approvals, inclusion in the log, every file")
    for name, value in document.items():
        typer.echo(f"  {name:<9}  {value}")
