"""``bounds coverage``: who speaks, and who is missing, against a population."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from governance.wording import many

if TYPE_CHECKING:
    from annotation.coverage import Coverage

__all__ = ["coverage"]

_SHOWN = 40


def coverage(
    observed: Annotated[
        Path, typer.Argument(help="People (one row each), or cells with a count, or a wide table.")
    ],
    *,
    target: Annotated[Path, typer.Option(help="Cells with a share (fraction or percent), or a wide table.")],
    size: Annotated[
        int | None, typer.Option(min=1, help="Sample size; by default the people observed.")
    ] = None,
    cap: Annotated[float, typer.Option(help="Largest weight in units of the mean weight.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Who speaks, against a population: cells that are short of people, distance, balanced size, weights."""
    from annotation.coverage import coverage as compare
    from annotation.coverage_tables import observed_cells, target_cells
    from annotation.weights import rake_cells
    from infra.tabular import read_table

    wanted = target_cells(read_table(target), file=str(target))
    have = observed_cells(read_table(observed), names=wanted.names, file=str(observed))
    found = compare(have.cells, wanted.cells, names=wanted.names, size=size)
    weighting = rake_cells(have.cells, wanted.cells, names=wanted.names, cap=cap)
    body = {
        **found.as_json(),
        "unit": wanted.unit,
        "observed_as": have.form,
        "target_total": found.total_share,
        "weights": None if weighting is None else weighting.as_json(),
    }
    if as_json:
        typer.echo(json.dumps(body, ensure_ascii=False, indent=2))
    else:
        _show(found, body)


def _show(found: Coverage, body: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"{many(found.observed, 'person', 'people')} in {many(len(found.cells), 'cell')} of {' x '.join(found.names)} "
        f"(target in {body['unit']}); {found.outside:,} in none of them"
    )
    before, after = found.total_variation_before, found.total_variation_after
    summary = Table("for a sample of", f"{found.size:,}")
    summary.add_row("balanced size", f"{found.balanced_size:,}")
    summary.add_row("under-filled cells", f"{len(found.under_filled)} of {len(found.cells)}")
    summary.add_row("distance before", "-" if before is None else f"{before:.4f}")
    summary.add_row("distance after", "-" if after is None else f"{after:.4f}")
    weights = body["weights"]
    if weights is not None:
        summary.add_row("effective size when weighted", f"{weights['effective_sample_size']:.1f}")
        summary.add_row("weights at the cap", f"{weights['capped']:,}")
    console.print(summary)
    if found.under_filled:
        table = Table(*found.names, "have", "need", "missing", title="under-filled")
        worst = sorted(found.under_filled, key=lambda cell: cell.have - cell.need)
        for cell in worst[:_SHOWN]:
            table.add_row(*cell.stratum, f"{cell.have:,}", f"{cell.need:,}", f"{cell.need - cell.have:,}")
        console.print(table)
        if len(worst) > _SHOWN:
            console.print(f"and {len(worst) - _SHOWN} more; see --json")
