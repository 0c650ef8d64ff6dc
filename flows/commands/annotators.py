"""``bounds annotators``: invite the people of the portal, see how far they are, say what they are asked."""

from __future__ import annotations

import csv
import json
import os
import secrets
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.options import AsJson, Home, Site
from governance.errors import InputError
from governance.wording import many

if TYPE_CHECKING:
    from annotation.pay import Meter
    from infra.database import Database
    from infra.settings import Settings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Invite the people of the portal, and see how far they are.")

_MOST_DAYS = 366


@app.command()
def invite(
    contact: Annotated[
        list[str] | None,
        typer.Argument(help="Addresses of people; each gets a personal link.", metavar="CONTACT…"),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A CSV file with a column contact, and name if you like.")
    ] = None,
    locale: Annotated[str, typer.Option(help="Language that the person reads first.")] = "en",
    days: Annotated[int, typer.Option(help="Days for which the link works.", min=1, max=_MOST_DAYS)] = 30,
    home: Home = None,
    site: Site = None,
    *,
    simulated: Annotated[bool, typer.Option("--simulated", help="Programs that play people.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make personal links. They are printed this once; only their hashes are kept.

    Names and addresses go to the site's identity database and nowhere else. An address that was invited before
    keeps its pseudonym and gets a new link.
    """
    from infra import enrolment
    from infra.identity import check_contact, open_identity

    people = _people(contact or [], file)
    _check_locale(locale)
    seen: set[str] = set()
    for address, _ in people:  # all of them before anything is made: a link is printed once
        contact_kept = check_contact(address)
        if contact_kept in seen:
            raise InputError("the same address twice", field="contact", value=address, expected="each once")
        seen.add(contact_kept)
    settings, db, now = _open(home)
    where = site or settings.sites[0].id
    made = []
    with db, open_identity(settings, where, now=now) as identities:
        stopped = {one.annotator for one in enrolment.overview(db, where) if one.stopped}
        for address, _ in people:
            if identities.annotator_of(address) in stopped:
                # Before anything is made: a link is printed once, and an error would swallow those made so far.
                raise InputError(
                    "this person has withdrawn and cannot be invited again", field="contact", value=address
                )
        for address, name in people:
            fresh = identities.annotator_of(address) or "a-" + secrets.token_hex(8)
            annotator = identities.add(fresh, contact=address, name=name, now=now)
            who = enrolment.enrol(db, where, annotator, locale=locale, simulated=simulated, now=now)
            token = enrolment.invite(db, who, life=timedelta(days=days), now=now)
            link = f"{(settings.web_url or '').rstrip('/')}/join/{token}"
            made.append({"contact": address, "annotator": annotator, "link": link})
    if as_json:
        typer.echo(json.dumps({"site": where, "invitations": made}))
        return
    for one in made:
        typer.echo(f"{one['contact']}  {one['link']}")
    if not settings.web_url:
        typer.echo("put the portal's address before each link: none is set (web_url)", err=True)


@app.command("list")
def list_people(home: Home = None, site: Site = None, as_json: AsJson = False) -> None:
    """Everybody of a site by pseudonym: how far they are, and how much they judged. No names."""
    from annotation.pay import in_words
    from infra import enrolment
    from infra.assignment_files import rate_of
    from infra.pay import meters

    settings, db, _ = _open(home)
    where = settings.site(site) if site else settings.sites[0]
    with db:
        found = enrolment.overview(db, where.id)
        rate = rate_of(settings, where.id)
        spent = meters(db, where, rate=rate)
    if as_json:
        rows = [
            {
                **asdict(one),
                "invited_at": one.invited_at.isoformat(),
                "seconds": spent[one.annotator].seconds if one.annotator in spent else 0.0,
                "amount": _amount(spent.get(one.annotator)),
            }
            for one in found
        ]
        currency = rate.currency if rate else None
        typer.echo(json.dumps({"annotators": rows, "currency": currency}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    columns = ["annotator", "invited", "language", "so far", "judgements", "time"]
    for name in [*columns, rate.currency] if rate else columns:
        table.add_column(name, justify="left" if name in columns[:4] else "right")
    for one in found:
        name = f"{one.annotator} (simulated)" if one.simulated else one.annotator
        meter = spent.get(one.annotator)
        row = [name, f"{one.invited_at:%Y-%m-%d}", one.locale, _so_far(one), str(one.judgements)]
        row.append(in_words(meter.seconds if meter else 0.0))
        table.add_row(*row, *([_amount(meter) or "0.00"] if rate else []))
    Console().print(table if found else "nobody was invited yet")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The file to write, readable by you only.")],
    home: Home = None,
    site: Site = None,
) -> None:
    """Write codebook answers and consents of a site by pseudonym, as JSON. Own words and names are not in it."""
    from infra.answers import portal_profiles
    from infra.consents import live_consents
    from infra.given_files import cannot_be_written, is_special
    from infra.person_keys import open_person_keys
    from infra.stack.secrets import write_private

    if is_special(out):
        raise InputError("is no file", file=str(out), expected="a new file, or one to be replaced")
    settings, db, _ = _open(home)
    where = site or settings.sites[0].id
    with db:
        profiles = portal_profiles(db, open_person_keys(settings, where), where)
        held = {
            "format": "bounds.annotators/1",
            "site": where,
            "profiles": profiles,
            "consents": live_consents(db, where),
        }
    try:
        write_private(out, json.dumps(held, indent=1) + "\n")
    except OSError as error:
        raise cannot_be_written(out, error) from error
    typer.echo(f"{many(len({row['annotator'] for row in profiles}), 'person', 'people')} written to {out}")


@app.command()
def ask(
    kind: Annotated[
        Literal["pairwise", "rating", "ranking", "attributes"],
        typer.Argument(help="How the items are judged."),
    ],
    origin: Annotated[str | None, typer.Option(help="Only items of this data set.")] = None,
    most: Annotated[int | None, typer.Option(help="At most so many items.", min=1)] = None,
    home: Home = None,
    site: Site = None,
) -> None:
    """Put imported items before the people of the site's portal. An item already there keeps its form."""
    from infra import catalogue
    from infra.reservations import add_portal_items

    settings, db, _ = _open(home)
    where = settings.site(site).id if site else settings.sites[0].id
    with db:
        # What people wrote in conversations and applications is put before nobody else.
        own = catalogue.authored(db)
        rows = [
            row for row in catalogue.items(db) if origin in {None, row["origin"]} and row["item"] not in own
        ][:most]
        if not rows:
            raise InputError(
                "no such items", field="--origin", value=origin, expected="run `bounds import` first"
            )
        new = add_portal_items(db, where, [row["item"] for row in rows], kind=kind)
    typer.echo(
        f"{many(new, 'item')} put before the people of {where} ({many(len(rows) - new, 'was', 'were')} there already)"
    )


def _open(home: Path | None) -> tuple[Settings, Database, datetime]:
    from infra.database import open_database
    from infra.settings import load_settings

    settings, now = load_settings(home), datetime.now(UTC)
    return settings, open_database(settings, now=now), now


def _check_locale(locale: str) -> None:
    from annotation.web.texts import shipped_languages

    known = [language.tag for language in shipped_languages()]
    if locale not in known:
        raise InputError(
            "the portal does not speak this language",
            field="--locale",
            value=locale,
            expected=" or ".join(known),
        )


def _people(contacts: list[str], file: Path | None) -> list[tuple[str, str | None]]:
    from infra.given_files import read_text

    people: list[tuple[str, str | None]] = [(contact, None) for contact in contacts]
    for contact, _ in people:
        if not contact.strip():
            raise InputError("an address is missing", field="CONTACT", value=contact, expected="an address")
        if not contact.isprintable():
            raise InputError(
                "an address on more than one line", field="CONTACT", value=contact, expected="an address"
            )
        if os.path.isfile(contact):  # noqa: PTH113 - asks also of what can be no path
            raise InputError(
                "a file is no person",
                field="CONTACT",
                value=contact,
                expected=f"an address, or --file {contact}",
            )
    if file is not None:
        text = read_text(file, encoding="utf-8-sig", expected="CSV in UTF-8")
        rows = csv.DictReader(text.splitlines())
        if "contact" not in (rows.fieldnames or ()):
            raise InputError("no column contact", file=str(file), line=1, expected="contact,name")
        for number, row in enumerate(rows, start=2):
            if not (row["contact"] or "").strip():
                raise InputError("an address is missing", file=str(file), line=number, field="contact")
            people.append((row["contact"].strip(), (row.get("name") or "").strip() or None))
    if not people:
        raise InputError("nobody to invite", field="CONTACT", expected="an address, or --file")
    return people


def _amount(meter: Meter | None) -> str | None:
    return None if meter is None or meter.amount is None else str(meter.amount)


def _so_far(one: Any) -> str:
    if one.stopped:
        return "withdrawn"
    if one.practised:
        return "judging"
    if one.consented:
        return "consented"
    return "link opened" if one.used else "invited"
