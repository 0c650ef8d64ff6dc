"""``bounds trust``: who may sign as what; changed only by as many keepers as the version in force demands."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import Home
from governance.errors import InputError
from governance.wording import many

if TYPE_CHECKING:
    from governance.trust import TrustVersion

__all__ = ["app"]

app = typer.Typer(help="Who may sign as what: show, key, draft, sign, apply, revoke.", no_args_is_help=True)

KeyFile = Annotated[
    Path, typer.Option("--key", help="Your key file; passphrase from BOUNDS_PASSPHRASE, or asked.")
]


@app.command()
def show(
    *,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """The version in force: its digest, to be pinned by others; persons, roles, keys, validity; keys taken back."""
    from infra.database import open_database
    from infra.settings import load_settings
    from infra.trust import newest_version, revocations

    settings, now = load_settings(home), datetime.now(UTC)
    with open_database(settings, now=now) as db:
        version, revoked = newest_version(settings, db, now), revocations(db)
    if as_json:
        document = {
            "digest": version.digest,
            "revoked_since": sorted(revoked),
            "version": json.loads(version.payload()),
        }
        typer.echo(json.dumps(document, sort_keys=True))
        return
    roles = " or ".join(sorted(version.change.roles))
    typer.echo(f"version {version.serial}, {version.digest}")
    typer.echo(f"changed by {version.change.threshold} of those who are {roles}")
    for key in version.trust.keys:
        gone = "  TAKEN BACK" if key.id in {*revoked, *version.trust.revoked} else ""
        typer.echo(
            f"  {key.person}: {', '.join(sorted(key.roles))}, {key.not_before:%Y-%m-%d} to {key.not_after:%Y-%m-%d}{gone}"
        )
        typer.echo(f"    {key.id}")
    typer.echo(f"log: {version.log}")


@app.command()
def key(
    path: Annotated[Path, typer.Argument(help="New file for the private key, under a passphrase.")],
) -> None:
    """Make a person's key; print the public half, which goes into a draft."""
    from flows.commands.passphrase import passphrase
    from infra.person_key import create_person_key

    made = create_person_key(path, passphrase(path, is_new=True))
    typer.echo(base64.b64encode(made.public_key).decode())


@app.command()
def draft(
    out: Annotated[Path, typer.Argument(help="File for the unsigned next version.")],
    add: Annotated[
        list[str] | None, typer.Option(help="PERSON=ROLE[,ROLE]=PUBLIC_KEY: a key of a person; repeatable.")
    ] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Key id to leave out; repeatable.")] = None,
    threshold: Annotated[
        int | None, typer.Option(help="So many keepers change it from then on.", min=1)
    ] = None,
    days: Annotated[int, typer.Option(help="How long added keys count.", min=1)] = 365,
    *,
    home: Home = None,
) -> None:
    """Write the next version, to be signed by keepers; nothing is in force yet."""
    from dataclasses import replace

    from governance.decision import Approval
    from governance.provenance import EnvelopeError, Trust
    from governance.trust import TrustVersion
    from infra.database import open_database
    from infra.given_files import write_whole
    from infra.settings import load_settings
    from infra.trust import newest_version

    settings, now = load_settings(home), datetime.now(UTC).replace(microsecond=0)
    with open_database(settings, now=now) as db:
        before = newest_version(settings, db, now)
    for keyid in remove or ():
        _require_known(keyid, before, field="--remove")
    keys = [each for each in before.trust.keys if each.id not in (remove or ())]
    keys += [_key_of(text, now, days) for text in add or ()]
    made = replace(
        before,
        serial=before.serial + 1,
        previous=before.digest,
        issued=max(now, before.issued),
        trust=Trust(keys=tuple(keys), revoked=before.trust.revoked),
        change=Approval(roles=before.change.roles, threshold=threshold or before.change.threshold),
    )
    try:
        TrustVersion.parse(made.payload())
    except EnvelopeError as error:
        raise InputError(str(error), field="draft") from error
    write_whole(out, made.payload())
    keepers = many(before.change.threshold, "keeper signs", "keepers sign")
    typer.echo(f"version {made.serial} drafted in {out}; {keepers} it")


def _require_known(keyid: str, version: TrustVersion, *, field: str) -> None:
    known = [each.id for each in version.trust.keys]
    if keyid not in known:
        raise InputError(
            "no such key in the version in force", field=field, value=keyid, expected=" or ".join(known)
        )


def _key_of(text: str, now: datetime, days: int) -> Any:
    from governance.provenance import TrustedKey

    expected = "PERSON=ROLE[,ROLE]=PUBLIC_KEY"
    person, _, rest = text.partition("=")
    roles, _, raw = rest.partition("=")
    try:
        public = base64.b64decode(raw, validate=True)
        made = TrustedKey(
            public_key=public,
            person=person.strip(),
            roles=frozenset(role for role in roles.split(",") if role),
            not_before=now,
            not_after=now + timedelta(days=days),
        )
        made.id  # noqa: B018 - says whether the key is one
    except ValueError as error:
        raise InputError(str(error), field="--add", value=text, expected=expected) from error
    if not made.person or not made.roles:
        raise InputError("no person or no role", field="--add", value=text, expected=expected)
    return made


@app.command()
def sign(
    path: Annotated[Path, typer.Argument(help="A draft, or one that others signed already.")],
    key_file: KeyFile,
) -> None:
    """Put a keeper's signature on a draft, in place."""
    from dataclasses import replace

    from governance.provenance import Envelope, EnvelopeError
    from governance.trust import TRUST_TYPE, TrustVersion
    from infra.given_files import read_bytes, write_whole
    from infra.trust import sign_payload

    data = read_bytes(path, expected="a draft")
    try:
        try:
            before = Envelope.parse(data)
        except EnvelopeError:
            before = Envelope(payload_type=TRUST_TYPE, payload=data, signatures=())
        TrustVersion.parse(before.payload)
    except EnvelopeError as error:
        raise InputError(f"not a draft: {error}", file=str(path), expected="`bounds trust draft`") from error
    mine = Envelope.parse(sign_payload(before.payload, TRUST_TYPE, [_load(key_file)]))
    signatures = dict(before.signatures) | dict(mine.signatures)
    write_whole(path, replace(mine, signatures=tuple(signatures.items())).to_bytes())
    typer.echo(f"{path}: {many(len(signatures), 'signature')}")


@app.command()
def apply(path: Annotated[Path, typer.Argument(help="A signed draft.")], *, home: Home = None) -> None:
    """Put a signed version into force, if enough keepers of the one before signed it. Exit 1 if not."""
    from governance.provenance import Envelope, EnvelopeError
    from governance.trust import TrustVersion
    from infra.database import open_database
    from infra.given_files import read_bytes
    from infra.settings import load_settings
    from infra.trust import add_version

    draft = read_bytes(path, expected="a signed draft")
    try:
        TrustVersion.parse(Envelope.parse(draft).payload)
    except EnvelopeError as error:
        raise InputError(
            f"not signed: {error}", file=str(path), expected="a draft that `bounds trust sign` signed"
        ) from error
    settings, now = load_settings(home), datetime.now(UTC)
    with open_database(settings, now=now) as db:
        version = add_version(settings, db, draft, now)
    typer.echo(f"version {version.serial} is in force: {version.digest}")


@app.command()
def revoke(
    keyid: Annotated[str, typer.Argument(help="Key id, ed25519:…")], key_file: KeyFile, *, home: Home = None
) -> None:
    """Take a key back at once and for good: by a keeper, or by the person whose key it is."""
    from infra import trust
    from infra.database import open_database
    from infra.settings import load_settings

    settings, now = load_settings(home), datetime.now(UTC)
    with open_database(settings, now=now) as db:
        _require_known(keyid, trust.newest_version(settings, db, now), field="KEYID")
        trust.revoke(settings, db, trust.revocation_of(keyid, _load(key_file), now), now)
    typer.echo(f"{keyid} counts no longer")


def _load(path: Path) -> Any:
    from cryptography.hazmat.primitives import serialization

    from flows.commands.passphrase import passphrase
    from infra.person_key import load_person_key

    phrase: str | None = None
    try:  # the embedded keeper's own file has no passphrase
        serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        phrase = passphrase(path)
    return load_person_key(path, phrase)
