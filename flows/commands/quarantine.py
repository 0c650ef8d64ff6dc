"""``bounds quarantine``: see what was set aside and why, and submit corrected rows again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import AsJson, Home
from governance.errors import InputError
from governance.wording import many

if TYPE_CHECKING:
    from flows.wiring import Platform

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See what was set aside and why; submit corrected rows again.")

Site = Annotated[str, typer.Option(help="The site.")]


def _newest(platform: Platform, site: str) -> str:
    from governance.errors import InputError
    from infra import ledger

    platform.site(site)
    digests = [batch.digest for batch in ledger.batches(platform.db) if batch.site == site]
    if not digests:
        raise InputError("nothing was validated", field="site", value=site, expected="run `bounds validate`")
    return digests[-1]


def _rows(platform: Platform, batch: str) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    data = platform.store.get_file("batches", batch, "quarantine.parquet")
    for row in pq.read_table(io.BytesIO(data)).to_pylist():
        yield row | {"row": json.loads(row["row"]), "values": [json.loads(value) for value in row["values"]]}


@app.command()
def show(
    site: Site = "main",
    rule: Annotated[str | None, typer.Option(help="Only rows that failed this rule.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 20,
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """The quarantine of a site's newest batch: each row with every rule it failed and the value.

    With --json each row is printed whole under "row", to be corrected and submitted again.
    """
    from flows.wiring import open_platform

    with open_platform(home) as platform:
        batch = _newest(platform, site)
        every = list(_rows(platform, batch))
    rows = [row for row in every if rule is None or rule in row["rules"]]
    if as_json:
        typer.echo(json.dumps({"site": site, "batch": batch, "rows": rows}, sort_keys=True))
        return
    of = f" of {len(every)}" if rule else ""
    typer.echo(
        f"site {site}, batch {batch}: {len(rows)}{of} {'row' if len(rows) == 1 and not of else 'rows'} set aside{f' by {rule}' if rule else ''}"
    )
    if rule and not rows and every:
        failed = sorted({name for row in every for name in row["rules"]})
        typer.echo(f"  rows failed {', '.join(failed)}")
    for row in rows[:limit]:
        typer.echo(f"  {row['source']}:{row['source_ref']}")
        for name, reason, value in zip(row["rules"], row["reasons"], row["values"], strict=True):
            typer.echo(f"    {name}: {reason}  {json.dumps(value, ensure_ascii=False)}")
    if len(rows) > limit:
        typer.echo(f"  and {len(rows) - limit} more (--limit)")


@app.command()
def resubmit(
    file: Annotated[Path, typer.Argument(help="JSON Lines: corrected rows, with source and source_ref.")],
    reason: Annotated[str, typer.Option(help="Why they were corrected.")],
    by: Annotated[str, typer.Option(help="Who corrected them.")],
    site: Site = "main",
    *,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Submit corrected rows again; the next `bounds validate` judges them by every rule.

    Each stays linked to its first attempt, which is kept. A column that is left out keeps its value.
    """
    from flows.wiring import clock, open_platform
    from infra.resubmissions import resubmit as take

    rows = list(_corrections(file))
    if not rows:
        raise InputError("holds no row", file=str(file), expected="corrected rows, one JSON object a line")
    with open_platform(home) as platform:
        batch = _newest(platform, site)
        failed = {(row["source"], row["source_ref"]): row["rules"] for row in _rows(platform, batch)}
        made = take(
            platform.store,
            platform.db,
            rows,
            failed,
            site=site,
            batch=batch,
            reason=reason,
            corrected_by=by,
            now=clock(),
            keys=platform.keys,
        )
    told = {
        "site": site,
        "batch": batch,
        "resubmitted": [
            {"source": each.source, "ref": each.ref, "revision": each.revision, "first": each.first_digest}
            for each in made
        ],
    }
    if as_json:
        typer.echo(json.dumps(told, sort_keys=True))
        return
    typer.echo(f"{len(made)} of {many(len(rows), 'row')} submitted again; the others already stand so")
    for each in made:
        typer.echo(f"  {each.source}:{each.ref} revision {each.revision}, first attempt {each.first_digest}")


def _corrections(file: Path) -> Iterator[dict[str, Any]]:
    from infra.given_files import read_text

    lines = read_text(file).splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"is not JSON: {error}", file=str(file), line=number) from error
        if not isinstance(row, dict):
            raise InputError("is not an object", file=str(file), line=number, value=row)
        # What staging added is no part of a judgement.
        yield {
            name: value for name, value in row.items() if name not in {"misfits", "problem", "source_digest"}
        }
