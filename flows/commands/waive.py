"""``bounds waive``: a policy owner lets one version pass one waivable rule for a while, signed and in the log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.errors import InputError

if TYPE_CHECKING:
    from governance.policy.model import EffectivePolicy
    from governance.waiver import Waiver
    from infra.waivers import GivenWaiver

__all__ = ["waive"]


def waive(
    rule: Annotated[str | None, typer.Argument(help="Id of the rule, such as T2.enough-detail.")] = None,
    model: Annotated[str | None, typer.Option(help="Registered model.")] = None,
    version: Annotated[str | None, typer.Option(help="Its version; a waiver is about one.")] = None,
    days: Annotated[int, typer.Option(help="It ends after so many days.", min=1, max=366)] = 30,
    reason: Annotated[str | None, typer.Option(help="Why, in one line. It is published.")] = None,
    key: Annotated[Path | None, typer.Option(help="Your key file (`bounds trust key` makes one).")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the waiver here instead of handing it in.")] = None,
    take_from: Annotated[
        Path | None, typer.Option("--take", help="Hand in a waiver that was written by --out.")
    ] = None,
    *,
    show: Annotated[
        bool, typer.Option("--list", help="Every waiver, and whether it covers anything now.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")] = False,
    home: Annotated[Path | None, typer.Option(help="Data folder; BOUNDS_HOME or .bounds by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Sign that one version may carry an alias although one rule did not pass. Exit 1 where that is refused.

    Only a rule of Tier Two that its owner marked waivable; signed by somebody who is policy-owner in the trust. What was
    measured stays as it is. The next audit counts it; the decision ends no later than the waiver.
    """
    from flows.wiring import open_platform
    from infra import waivers
    from infra.given_files import write_whole

    now = datetime.now(UTC)
    with open_platform(home) as platform:
        policy, trust = platform.policy(now), platform.trust(now)
        if show:
            _print_all(waivers.given(platform.db, policy=policy, trust=trust, now=now, model=model), as_json)
            return
        if take_from is not None:
            envelope = _given(take_from)
        else:
            asked = {"RULE": rule, "--model": model, "--version": version, "--reason": reason, "--key": key}
            made = _asked(policy, asked, now, days)
            envelope = _signed(made, key, yes=yes)
        if out is not None:
            write_whole(out, envelope)
            typer.echo(f"written to {out}; hand it in with --take")
            return
        taken = waivers.take(platform.db, envelope, policy=policy, trust=trust, now=now)
    if as_json:
        typer.echo(json.dumps(_plain(taken), sort_keys=True))
    else:
        typer.echo(
            f"waived: {taken.waiver.rule} for {taken.waiver.model} version {taken.waiver.version} until "
            f"{taken.waiver.until:%Y-%m-%d %H:%M} UTC, by {taken.person}; the next audit counts it"
        )


def _given(file: Path) -> bytes:
    from governance.provenance import Envelope, EnvelopeError
    from governance.waiver import Waiver
    from infra.given_files import read_checked

    return read_checked(
        file,
        lambda envelope: Waiver.parse(Envelope.parse(envelope).payload),
        fault=EnvelopeError,
        kind="a waiver",
        written_by="what `bounds waive --out` wrote",
    )


def _asked(policy: EffectivePolicy, asked: dict[str, Any], now: datetime, days: int) -> Waiver:
    from governance.errors import RefusedError
    from governance.provenance import EnvelopeError
    from governance.waiver import Waiver, why_not

    for name, value in asked.items():
        if not value:
            raise InputError("is needed", field=name, expected="`bounds waive --help` names all")
    found = policy.rule(asked["RULE"])
    if found is None:
        raise InputError(
            "no such rule is in force",
            field="RULE",
            value=asked["RULE"],
            expected=" or ".join(sorted(each.id for each in policy.rules if each.waivable))
            or "a rule that its owner marked waivable; none is",
        )
    moment = now.replace(microsecond=0)
    made = Waiver(
        rule=asked["RULE"],
        document=found.document.digest,
        model=asked["--model"],
        version=asked["--version"],
        reason=asked["--reason"],
        issued=moment,
        until=moment + timedelta(days=days),
    )
    if reasons := why_not(made, policy=policy, model=made.model, version=made.version, now=now):
        raise RefusedError("the waiver", reasons)
    try:
        return Waiver.parse(made.payload())
    except EnvelopeError as error:
        raise InputError(str(error)) from error


def _signed(made: Waiver, key: Path | None, *, yes: bool) -> bytes:
    from flows.commands.passphrase import passphrase
    from governance.waiver import WAIVER_TYPE
    from infra.person_key import load_person_key
    from infra.trust import sign_payload

    for line in (
        f"{made.rule} for {made.model} version {made.version}, until {made.until:%Y-%m-%d %H:%M} UTC",
        f"  because: {made.reason}",
    ):
        typer.echo(line, err=True)
    if not yes and not typer.confirm("Waive this?", err=True):
        raise typer.Exit(1)
    file = Path(str(key))
    return sign_payload(made.payload(), WAIVER_TYPE, [load_person_key(file, passphrase(file))])


def _plain(given: GivenWaiver) -> dict[str, Any]:
    from governance.instants import stamp

    found = given.waiver
    return {
        "waiver": given.digest,
        "rule": found.rule,
        "model": found.model,
        "version": found.version,
        "reason": found.reason,
        "person": given.person,
        "issued": stamp(found.issued),
        "until": stamp(found.until),
        "covers": not given.reasons,
        "reasons": list(given.reasons),
    }


def _print_all(given: list[GivenWaiver], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_plain(each) for each in given], sort_keys=True))
        return
    if not given:
        typer.echo("no waiver was ever given")
    for each in given:
        found = each.waiver
        state = "covers it" if not each.reasons else f"covers nothing: {'; '.join(each.reasons)}"
        typer.echo(
            f"{found.rule}  {found.model} version {found.version}  until {found.until:%Y-%m-%d %H:%M} UTC  "
            f"by {each.person or 'nobody who counts'}  {state}\n  {found.reason}"
        )
