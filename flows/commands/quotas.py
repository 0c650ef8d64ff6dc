"""``bounds quotas``: who has spoken at a site, against whom its plan asks for, and when that will be reached."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.errors import InputError
from governance.wording import many

if TYPE_CHECKING:
    from annotation.assignment import Achieved, Plan
    from annotation.pay import Meter

__all__ = ["as_rows", "quotas"]


def as_rows(plan: Plan, found: tuple[Achieved, ...]) -> list[dict[str, Any]]:
    """One row per cell, for tables and for JSON."""
    from annotation.assignment import OUTSIDE

    return [
        {
            "stratum": None if each.cell == OUTSIDE else dict(zip(plan.strata, each.cell, strict=True)),
            "share": each.share,
            "quota": each.quota,
            "done": each.done,
            "in_flight": each.in_flight,
            "missing": each.missing if each.is_under_filled else 0,
            "under_filled": each.is_under_filled,
            "per_day": each.per_day,
            "forecast": each.forecast.isoformat(timespec="minutes") if each.forecast else None,
        }
        for each in found
    ]


def quotas(
    site: Annotated[str | None, typer.Option(help="The site; the first by default.")] = None,
    *,
    home: Annotated[Path | None, typer.Option(help="Data folder; BOUNDS_HOME or .bounds by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Achieved against target, cell by cell, with the cells that lack people and when they will be filled."""
    from flows.wiring import clock
    from infra.assignment_files import quotas_of, rate_of
    from infra.database import open_database
    from infra.pay import meters
    from infra.settings import load_settings

    settings = load_settings(home)
    place = settings.site(site).id if site else settings.sites[0].id
    now = clock()
    with open_database(settings, now=now) as db:
        made = quotas_of(settings, db, place)
        if made is None:
            raise InputError(
                "the site has no plan of assignment",
                field=f"sites.{place}.assignment",
                expected="a file of the form bounds.assignment/1",
            )
        plan, assigner = made
        rows = as_rows(plan, assigner.achieved(now))
        spent = meters(db, settings.site(place), rate=rate_of(settings, place))
        time = _time(spent.values(), plan, sum(row["done"] for row in rows))
    if as_json:
        document = {
            "site": place,
            "plan": f"{plan.id}@{plan.version}",
            "digest": plan.digest,
            "cells": rows,
            "time": time,
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    _show(plan, rows, place)
    typer.echo(_in_words(time))


def _time(spent: Iterable[Meter], plan: Plan, judgements: int) -> dict[str, Any]:
    """The time of all people that counts, the sum of what each is owed, and what the plan's pay comes to."""
    found = list(spent)
    amounts = [meter.amount for meter in found if meter.amount is not None]
    rate = next((meter.rate for meter in found if meter.rate is not None), None)
    seconds = round(sum(meter.seconds for meter in found), 3)
    return {
        "people": len(found),
        "seconds": seconds,
        "amount": str(sum(amounts)) if rate is not None else None,
        "currency": rate.currency if rate is not None else None,
        "per_hour_by_item": plan.pay.per_hour(items=judgements, seconds=seconds) if plan.pay else None,
        "missing": round(plan.pay.missing(items=judgements, seconds=seconds), 2) if plan.pay else None,
    }


def _in_words(time: dict[str, Any]) -> str:
    from annotation.pay import in_words

    line = f"time that counts: {in_words(time['seconds'])} by {many(time['people'], 'person', 'people')}"
    if time["amount"] is not None:
        line += f", worth {time['amount']} {time['currency']}"
    if time["per_hour_by_item"] is not None:
        line += f"; pay by item comes to {time['per_hour_by_item']:.2f} an hour, {time['missing']:.2f} are missing"
    return line


def _show(plan: Plan, rows: list[dict[str, Any]], site: str) -> None:
    from rich.console import Console
    from rich.table import Table

    short = [row for row in rows if row["under_filled"]]
    table = Table(
        *plan.strata,
        "share",
        "quota",
        "done",
        "in flight",
        "missing",
        "filled by",
        title=f"site {site}, plan {plan.id}@{plan.version}: {len(short)} of {len(rows) - 1} cells lack people",
        title_justify="left",
    )
    for row in rows:
        names = ["outside", *[""] * (len(plan.strata) - 1)]
        if row["stratum"] is not None:
            names = list(row["stratum"].values())
        filled = "yes" if not row["under_filled"] else row["forecast"] or "nobody is coming"
        table.add_row(
            *names,
            f"{100 * row['share']:.1f} %",
            f"{row['quota']:,}",
            f"{row['done']:,}",
            f"{row['in_flight']:,}",
            f"{row['missing']:,}",
            "-" if row["stratum"] is None else filled,
        )
    Console().print(table)
