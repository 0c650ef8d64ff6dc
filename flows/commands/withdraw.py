"""``bounds withdraw``: erase a person, and print the receipt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from governance.errors import InputError

__all__ = ["withdraw"]


def withdraw(
    annotator: Annotated[str | None, typer.Argument(help="Pseudonym of the person.")] = None,
    site: Annotated[str | None, typer.Option(help="The person's site; the first by default.")] = None,
    receipt: Annotated[str | None, typer.Option(help="Print a receipt again (w-…).", metavar="ID")] = None,
    *,
    pending: Annotated[
        bool, typer.Option("--pending", help="Carry out every withdrawal that people have asked for.")
    ] = False,
    home: Annotated[Path | None, typer.Option(help="Data folder; BOUNDS_HOME or .bounds by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Erase a person who withdraws: serving stops at once, every store is emptied, a receipt says what was done."""
    from annotation.receipt import receipt_lines
    from flows.running import use_prefect
    from infra.database import open_database
    from infra.settings import load_settings
    from infra.withdrawals import ask, receipt_of

    if sum((annotator is not None, receipt is not None, pending)) != 1:
        raise InputError(
            "say who withdraws", field="ANNOTATOR", expected="a pseudonym, --pending or --receipt"
        )
    settings = load_settings(home)
    from flows.wiring import clock

    if receipt is not None:
        with open_database(settings, now=clock()) as db:
            kept = receipt_of(db, receipt)
        if kept is None:
            raise InputError(
                "the withdrawal is not finished", field="--receipt", value=receipt, expected="--pending"
            )
        found = [dict(kept)]
    else:
        request = None
        if annotator is not None:
            place = settings.site(site).id if site else settings.sites[0].id
            with open_database(settings, now=clock()) as db:
                # Durable before anything else happens: from here on nothing is shown to the person.
                request = ask(db, place, annotator, via="command", now=clock()).request
        use_prefect(settings)
        from flows.withdraw import withdraw as run

        found = run(request=request, home=str(settings.home))
    if as_json:
        typer.echo(json.dumps(found if pending else found[0], ensure_ascii=False, indent=2))
        return
    for number, each in enumerate(found):
        typer.echo(("\n" if number else "") + "\n".join(receipt_lines(each)))
    if not found:
        typer.echo("nobody has asked to withdraw")
