"""``bounds agreement``: how far annotators agree, with intervals, overall and by group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.judgement_table import judgement_table, level_named, names_in
from governance.wording import many

if TYPE_CHECKING:
    from rich.table import Table

    from annotation.agreement_report import AgreementReport, GroupReport

__all__ = ["agreement"]


def agreement(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSON, JSON Lines or Parquet.")],
    columns: Annotated[
        list[str] | None, typer.Argument(help="Further annotator columns of --wide.", show_default=False)
    ] = None,
    *,
    item: Annotated[str | None, typer.Option(help="Column of the item.")] = None,
    annotator: Annotated[
        list[str] | None,
        typer.Option(help="Column of the annotator; several, or with commas: one column per annotator."),
    ] = None,
    value: Annotated[str | None, typer.Option(help="Column of the judgement.")] = None,
    wide: Annotated[
        list[str] | None, typer.Option(help="Columns of values, one per annotator, in a table of items.")
    ] = None,
    level: Annotated[str, typer.Option(help="nominal, ordinal, interval or ratio.")] = "nominal",
    by: Annotated[
        list[str] | None, typer.Option(help="Column to compare groups by; may be repeated.")
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, max=1_000_000, help="Resamples of items; 0: none.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resamples.")] = 0,
    annotator_bootstrap: Annotated[
        int, typer.Option(min=0, max=100_000, help="Resamples of annotators, beside those of items.")
    ] = 0,
    top: Annotated[int, typer.Option(min=0, help="Name this many of the most disputed items.")] = 0,
    confidence: Annotated[float, typer.Option(help="Confidence of the intervals.")] = 0.95,
    missing: Annotated[
        list[str] | None, typer.Option(help="Text that means no judgement, beside NA, NaN, null and nothing.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Text that is a category, although it reads like one of these.")
    ] = None,
    order: Annotated[str | None, typer.Option(help="Categories from lowest to highest, with commas.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Agreement between annotators: Krippendorff's alpha, kappas, by group and across groups.

    Long tables have one row per judgement (--item, --annotator, --value); wide tables one row per item and
    one column per annotator (--wide A --wide B, or --annotator A,B). A table of items with the columns
    annotator1, annotator2, … needs no option.
    """
    from annotation.agreement_report import assess
    from governance.errors import RecordError

    frame = judgement_table(
        file,
        item=item,
        annotators=names_in(annotator),
        value=value,
        wide=[*names_in(wide), *names_in(columns)],
        level=level_named(level),
        by=names_in(by),
        missing=missing or [],
        categories=category or [],
        order=names_in([order] if order else None),
    )
    _check_confidence(confidence)
    try:
        report = assess(
            frame,
            level=level_named(level),
            by=names_in(by),
            replicates=bootstrap,
            seed=seed,
            confidence=confidence,
            annotator_replicates=annotator_bootstrap,
            top=top,
        )
    except RecordError as error:
        error.file = str(file)
        raise
    if as_json:
        typer.echo(json.dumps({"file": file.name, **report.as_json()}, ensure_ascii=False, indent=2))
    else:
        _show(file, report)


def _check_confidence(confidence: float) -> None:
    from governance.errors import InputError

    if not 0 < confidence < 1:
        raise InputError(
            "confidence is a share", field="--confidence", value=confidence, expected="between 0 and 1"
        )


def _figure(value: float | None, low: float | None = None, high: float | None = None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _show(file: Path, report: AgreementReport) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    sizes, interval = report.sizes, report.interval
    console.print(
        f"[bold]{file.name}[/bold]: {many(sizes.judgements, 'judgement')} by {many(sizes.annotators, 'annotator')} on "
        f"{many(sizes.items, 'item')} ({sizes.pairable_items:,} with two or more)"
    )
    if report.missing or report.repeated:
        console.print(
            f"left out: {many(report.missing, 'row')} without item, annotator or value; "
            f"{many(report.repeated, 'repeated judgement')} (the first of each annotator and item counts)"
        )
    head = Table("agreement", f"value [{interval.confidence:.0%} interval]")
    head.add_row(
        f"Krippendorff's alpha, {report.level}", _figure(report.alpha.value, interval.low, interval.high)
    )
    people = report.annotator_interval
    if people is not None:
        head.add_row(
            "  the same, had other annotators been asked",
            _figure(report.alpha.value, people.low, people.high),
        )
    head.add_row("Fleiss' kappa", _figure(report.fleiss_kappa.value))
    head.add_row("Gwet's AC1", _figure(report.ac1.value))
    head.add_row("percent agreement", _figure(report.percent_agreement.value))
    for pair in report.cohen:
        head.add_row(f"Cohen's kappa, {pair.first} and {pair.second}", _figure(pair.kappa))
    console.print(head)
    if report.alpha.reason:
        console.print(f"alpha has no value: {report.alpha.reason}")
    if report.disputed:
        disputed = Table("most disputed items", "judgements", "mean distance of two")
        for item in report.disputed:
            disputed.add_row(item.item, f"{item.judgements:,}", f"{item.disagreement:.3f}")
        console.print(disputed)
    for column, groups in report.by.items():
        console.print(_by_table(column, groups))
    if report.comparisons > 1:
        console.print(
            f"intervals of inside - across hold for all {report.comparisons} groups at once (Bonferroni); "
            "those of a single group are in --json"
        )


def _by_table(column: str, groups: Mapping[str, GroupReport]) -> Table:
    from rich.table import Table

    crossed = any(group.border is not None for group in groups.values())
    across = ("across", "inside - across") if crossed else ()
    table = Table(column, "annotators", "judgements", "alpha inside", *across)
    for name, group in groups.items():
        row = [
            name,
            f"{group.sizes.annotators:,}",
            f"{group.sizes.judgements:,}",
            _figure(group.alpha.value, group.interval.low, group.interval.high),
        ]
        if group.border is not None:
            span = group.border.simultaneous
            row += [
                _figure(group.border.across.value),
                _figure(group.border.difference, span.low, span.high),
            ]
        table.add_row(*row)
    return table
