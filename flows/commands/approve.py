"""``bounds approve``: a person's signature over a decision, with a key the server never holds."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from governance.counted import finding_sentence
from governance.errors import InputError, OutsideError

__all__ = ["approve"]


def approve(
    model: Annotated[str, typer.Argument(help="Registered model.")],
    version: Annotated[str, typer.Argument(help="Its version.")],
    key: Annotated[Path | None, typer.Option(help="Your key file (`bounds trust key` makes one).")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the approval here instead of handing it in: for a key kept elsewhere."),
    ] = None,
    take_from: Annotated[
        Path | None, typer.Option("--take", help="Hand in an approval that was written by --out.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you have read it.")] = False,
    home: Annotated[Path | None, typer.Option(help="Data folder; BOUNDS_HOME or .bounds by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Sign the newest decision about a version, after showing what it says. Exit 1 where the signature does not count.

    The passphrase is read from BOUNDS_PASSPHRASE, or asked for.
    """
    from flows.wiring import newest_decision, open_platform
    from infra import approvals
    from infra.given_files import write_whole
    from infra.waiting import wake

    if (key is None) == (take_from is None):
        raise InputError("either a key or an approval to hand in", expected="--key FILE, or --take FILE")
    now = datetime.now(UTC)
    with open_platform(home) as platform:
        row = newest_decision(platform, model, version)
        if row is None:
            raise InputError("no decision about this version", field="version", value=f"{model} {version}")
        envelope = row.envelope.encode()
        if take_from is not None:
            approval = _given(take_from)
        else:
            _show(envelope)
            if not yes and not typer.confirm("Approve this?", err=True):
                raise typer.Exit(1)
            approval = approvals.approve(envelope, _key(key))
        if out is not None:
            write_whole(out, approval)
            typer.echo(f"written to {out}; hand it in with --take")
            return
        taken = approvals.take(platform.db, envelope, approval, trust=platform.trust(now), now=now)
        with contextlib.suppress(OutsideError):  # the approval is taken; the sweep wakes whoever waits for it
            wake(platform.settings.prefect_api_url, model, version)
    document = {
        "model": model,
        "version": version,
        "person": taken.person,
        "roles": sorted(taken.roles),
        "keyid": taken.id,
    }
    if as_json:
        typer.echo(json.dumps(document, sort_keys=True))
    else:
        typer.echo(
            f"approved: {model} version {version}, by {taken.person} as {', '.join(sorted(taken.roles))}"
        )


def _given(file: Path) -> bytes:
    from governance.provenance import Envelope, EnvelopeError
    from infra.given_files import read_checked

    return read_checked(
        file,
        Envelope.parse,
        fault=EnvelopeError,
        kind="an approval",
        written_by="what `bounds approve --out` wrote",
    )


def _key(path: Path | None) -> Any:
    from flows.commands.passphrase import passphrase
    from infra.person_key import load_person_key

    file = Path(str(path))
    return load_person_key(file, passphrase(file))


def _show(envelope: bytes) -> None:
    """What is about to be signed, from the very bytes."""
    from governance.log.record import inspect_decision

    said = inspect_decision(envelope)
    lines = [
        f"{said['model']} version {said['version']} for {', '.join(said['aliases'])}: {said['verdict']}",
        f"  files     {said['artifact']}",
        f"  audit     {said['audit']}",
        "  policies  " + ", ".join(f"{each['id']} {each['version']}" for each in said["policies"]),
        f"  from {said['issued']} until {said['expires']}",
        *(
            f"  waived: {each['rule']} until {each['until']}, {each['waiver']}"
            for each in said.get("waivers", ())
        ),
        *(
            f"  {finding_sentence(f['rule'], f['direction'], f['verdict'], f['reasons'])}"
            for f in said["findings"]
        ),
    ]
    for line in lines:
        typer.echo(line, err=True)
