"""``bounds aggregate``: what many judgements come to, in several readings, none of which replaces them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.judgement_table import judgement_table, level_named, names_in
from governance.wording import many

if TYPE_CHECKING:
    import polars as pl

    from annotation.aggregates import Aggregates

__all__ = ["aggregate"]

_SHOWN = 30


def aggregate(
    file: Annotated[Path, typer.Argument(help="Table of judgements, or the folder of a release.")],
    columns: Annotated[
        list[str] | None, typer.Argument(help="Further annotator columns of --wide.", show_default=False)
    ] = None,
    *,
    item: Annotated[str | None, typer.Option(help="Column of the item.")] = None,
    annotator: Annotated[list[str] | None, typer.Option(help="Column of the annotator.")] = None,
    value: Annotated[str | None, typer.Option(help="Column of the judgement.")] = None,
    wide: Annotated[list[str] | None, typer.Option(help="Columns of values, one per annotator.")] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="Column to compare groups by; may be repeated.")
    ] = None,
    first: Annotated[str | None, typer.Option(help="Column naming the first thing compared.")] = None,
    second: Annotated[str | None, typer.Option(help="Column naming the second thing compared.")] = None,
    first_is: Annotated[str, typer.Option(help="Value that prefers the first.")] = "1",
    second_is: Annotated[str, typer.Option(help="Value that prefers the second.")] = "2",
    tie_is: Annotated[str, typer.Option(help="Value that is a tie.")] = "0",
    missing: Annotated[list[str] | None, typer.Option(help="Text that means no judgement.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write one row per item and category: .csv or .parquet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Soft labels, Dawid-Skene, Bradley-Terry with ties and reliability, rates and consensus by group.

    With --first and --second, values say which of two named things is preferred (--first-is, --second-is, --tie-is,
    or the thing's name itself).
    """
    from annotation.aggregates import aggregate as fit
    from governance.errors import InputError

    _check_out(out)
    if (first is None) != (second is None):
        raise InputError("--first and --second belong together", field="--first" if first else "--second")
    if file.is_dir():
        frame, people = _release(file, names_in(by))
    else:
        names = [*names_in(by), *([first, second] if first and second else [])]
        table = judgement_table(
            file,
            item=item,
            annotators=names_in(annotator),
            value=value,
            wide=[*names_in(wide), *names_in(columns)],
            level=level_named("nominal"),
            by=names,
            missing=missing or [],
            order=[],
        )
        frame, people = _judged(
            table, names_in(by), first, second, {first_is: "first", second_is: "second", tie_is: "tie"}
        )
    if frame.is_empty():
        raise InputError("holds no judgement", file=str(file))
    found = fit([frame], people=people, by=people.columns[1:])
    if out is not None:
        _write(found.items(frame), out)
    if as_json:
        typer.echo(json.dumps({"file": file.name, **found.figures}, ensure_ascii=False, indent=2))
    else:
        _show(file, found)


def _check_out(out: Path | None) -> None:
    from governance.errors import InputError

    if out is not None and out.suffix.lower() not in {".csv", ".parquet"}:
        raise InputError("no such format", field="--out", value=out.name, expected=".csv or .parquet")


def _release(folder: Path, by: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    from annotation.release_aggregates import compared_frame, group_columns
    from infra.release_folder import read_release

    release = read_release(folder)
    annotators = release.table("annotators")
    fields = by or [name for name in release.figures["people"] if name != "site"]
    frame = compared_frame(release.table("judgements"), release.table("items"))
    return frame, group_columns(annotators, fields)


def _judged(
    table: pl.DataFrame, by: list[str], first: str | None, second: str | None, words: dict[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table as it is aggregated, and each annotator's groups (the most frequent value of the annotator's rows)."""
    import polars as pl

    text = pl.col("value").cast(pl.String).str.strip_suffix(".0")
    known = table.filter(pl.all_horizontal(pl.col("item", "annotator", "value").is_not_null())).unique(
        ["item", "annotator"], keep="first", maintain_order=True
    )
    columns: list[Any] = ["item", "annotator", text.alias("value")]
    if first and second:
        outcome = (
            pl.when(text == pl.col(first))
            .then(pl.lit("first"))
            .when(text == pl.col(second))
            .then(pl.lit("second"))
            .otherwise(text.replace_strict(words, default=None, return_dtype=pl.String))
        )
        columns += [
            pl.col(first).alias("first"),
            pl.col(second).alias("second"),
            pl.when(pl.col(first) != pl.col(second)).then(outcome).alias("outcome"),
        ]
    people = known.group_by("annotator").agg(pl.col(name).drop_nulls().mode().sort().first() for name in by)
    return known.select(*columns), people.sort("annotator")


def _write(items: pl.DataFrame, out: Path) -> None:
    from io import BytesIO

    from infra.given_files import write_whole

    table = BytesIO()
    if out.suffix.lower() == ".csv":
        items.write_csv(table)
    else:
        items.write_parquet(table)
    write_whole(out, table.getvalue())


def _show(file: Path, found: Aggregates) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    figures = found.figures
    items = figures["items"]
    console.print(
        f"[bold]{file.name}[/bold]: {many(items['items'], 'item')}, {items['judged_again']:,} judged more than once, "
        f"{items['unanimous']:,} of these unanimous; mean entropy of the "
        f"shares {items['mean_entropy']:.3f} (0 unanimous, 1 evenly split)"
    )
    model = figures["dawid_skene"]
    table = Table("category", "items most probably so", "prior (Dawid-Skene)")
    for name, count in items["most_probable"].items():
        table.add_row(name, f"{count:,}", f"{model['priors'][name]:.3f}")
    console.print(table)
    console.print(
        f"Dawid-Skene differs from the most frequent judgement on {many(items['differs_from_most_votes'], 'item')}; it calls "
        "whoever differs wrong, so read it beside the agreement by group."
    )
    crowd = figures["bradley_terry"]
    if crowd is not None:
        _show_things(console, figures)
        if crowd["reason"]:
            console.print(f"no strength: {crowd['reason']}")


def _show_things(console: Any, figures: Any) -> None:
    from rich.table import Table

    crowd = figures["bradley_terry"]
    table = Table("thing", "strength ± error", "weighted by reliability", "preferred (95 %)", "comparisons")
    things = sorted(crowd["things"].items(), key=lambda entry: -(entry[1]["strength"] or 0))
    for name, thing in things[:_SHOWN]:
        strength, error = thing["strength"], thing["error"]
        table.add_row(
            name,
            "-" if strength is None else f"{strength:+.3f}" + ("" if error is None else f" ± {error:.3f}"),
            "-" if strength is None else f"{thing['weighted_by_reliability']:+.3f}",
            _rate(figures["rates"][name]),
            f"{thing['comparisons']:,}",
        )
    console.print(table)
    columns = list(next(iter(figures["rates"].values()))["by"])
    for column in columns:
        groups = sorted({group for rate in figures["rates"].values() for group in rate["by"][column]})
        shown = Table(column, *(name for name, _ in things[:6]))
        for group in groups:
            cells = [figures["rates"][name]["by"][column].get(group) for name, _ in things[:6]]
            shown.add_row(group, *("-" if cell is None else _rate(cell) for cell in cells))
        console.print(shown)


def _rate(rate: Any) -> str:
    if rate["rate"] is None:
        return "-"
    if rate["low"] is None:
        return f"{rate['rate']:.2f} (one person)"
    return f"{rate['rate']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]"
