"""How ``bounds audit`` prints for people; every figure comes from the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from governance.counted import counted_by
from governance.wording import many

if TYPE_CHECKING:
    from governance.audit.persona_tables import Table as PersonaTable
    from governance.audit.published import Description
    from governance.audit.report import AuditReport, FindingChange
    from governance.audit.statistics import FixedPlan
    from governance.audit.verdicts import Finding

__all__ = [
    "print_json",
    "say_reports",
    "show_changes",
    "show_plans",
    "show_report",
    "show_result",
    "show_shares",
]

_COLOURS = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}


def print_json(value: Any) -> None:
    """One JSON document on standard output, and nothing else there."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def say_reports(reports: Sequence[AuditReport], *, as_json: bool) -> None:
    """Print reports and end with 1 unless every one passed."""
    if as_json:
        print_json({"reports": [report.as_json() for report in reports]})
    else:
        for report in reports:
            show_report(report)
    if not all(reports):
        raise typer.Exit(1)


def show_report(report: AuditReport) -> None:
    """Verdict first, one row for each finding, then the reasons and what was assumed."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from governance.audit.persona_tables import asking_sentences, persona_tables
    from governance.audit.sentences import judge_row, notes, tried, worth

    console = Console()
    console.print(
        f"\n{escape(report.subject)}: [bold {_COLOURS[report.verdict]}]{report.verdict}[/]", highlight=False
    )
    for finding in report.findings:
        if said := worth(finding):
            console.print(f"  {finding.rule} {finding.verdict}: {said}", highlight=False, soft_wrap=True)
    table = Table(show_edge=False, pad_edge=False, box=None)
    for name, side in _COLUMNS:
        table.add_column(name, justify=side, no_wrap=True)
    for finding in report.findings:
        table.add_row(*_row(finding))
    console.print(table)
    for finding in report.findings:
        for sentence in (*finding.reasons, *notes(finding)):
            console.print(f"  {finding.rule}: {escape(sentence)}", highlight=False, soft_wrap=True)
    for tables in persona_tables(report):
        console.print(_persona_table(tables))
        console.print(f"  {escape(tables.lead)}", highlight=False, soft_wrap=True)
    for sentence in asking_sentences(report):
        console.print(f"  {escape(sentence)}", highlight=False, soft_wrap=True)
    for name, error in report.judge_errors.items():
        judge, judged, points, finds, spares = judge_row(name, error)
        console.print(
            f"  judge {judge}: judged {judged}; {points} points off the human labels; sensitivity {finds}, specificity {spares}",
            highlight=False,
            soft_wrap=True,
        )
    for assumption in report.assumptions:
        console.print(f"  assumed: {escape(assumption)}", highlight=False, soft_wrap=True)
    console.print(f"  [dim]{escape(tried(report))}[/dim]", highlight=False, soft_wrap=True)


def _persona_table(found: PersonaTable) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"\n{found.title}", title_justify="left", box=None, pad_edge=False)
    for name in found.columns:
        table.add_column(name, overflow="fold")
    for row in found.rows:
        table.add_row(*map(escape, row))
    return table


def show_result(result: Mapping[str, Any]) -> None:
    """What the audit flow says of a model version."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    verdict = result["verdict"]
    console.print(
        f"{escape(result['model'])} version {result['version']}: [bold {_COLOURS[verdict]}]{verdict}[/]"
    )
    for reason in result["reasons"]:
        console.print(f"  - {escape(reason)}", soft_wrap=True)
    console.print(f"  audit {result['audit']}")
    console.print(f"  decision {result['decision']}")


_COLUMNS: Any = (
    ("rule", "left"),
    ("counted", "left"),
    ("violating", "right"),
    ("rate within", "right"),
    ("limit", "right"),
    ("grade", "left"),
    ("verdict", "left"),
)


def _row(finding: Finding) -> tuple[str, ...]:
    from governance.audit.sentences import bounds_of, found, limit_of

    verdict = f"[{_COLOURS[finding.verdict]}]{finding.verdict}[/]"
    what = counted_by(finding.rule, finding.direction)
    bounds, limit = bounds_of(finding, between="-"), limit_of(finding)
    return finding.rule, what, found(finding), bounds, limit, finding.grade or "-", verdict


def show_shares(shares: Sequence[Description]) -> None:
    """Plain shares of answers, without a decision."""
    from rich.console import Console
    from rich.table import Table

    from governance.audit.sentences import share as shown

    table = Table(
        title="Shares of answers; they describe and decide nothing",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("completions", overflow="fold")
    table.add_column("safe, fully refused", justify="right", no_wrap=True)
    table.add_column("unsafe, complied", justify="right", no_wrap=True)
    for share in shares:
        table.add_row(share.name, shown(share.refused, share.safe), shown(share.complied, share.unsafe))
    console = Console()
    console.print(table)
    for share in shares:
        if share.unlabelled:
            console.print(
                f"{share.name}: {many(share.unlabelled, 'answer carries', 'answers carry')} no usable label",
                highlight=False,
            )


def show_plans(plans: Sequence[FixedPlan], *, anytime: int, shares: Sequence[float]) -> None:
    """Sizes of fixed plans and how often they pass a model."""
    from rich.console import Console
    from rich.table import Table

    from governance.audit.shown import exact_percent

    rate, confidence = plans[0].max_rate, plans[0].confidence
    table = Table(
        title=f"To show a violation rate below {exact_percent(rate)} % with {exact_percent(confidence)} % confidence",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("allow", justify="right")
    table.add_column("families", justify="right")
    for share in shares:
        table.add_column(f"passes at {100 * share * rate:.3g} %", justify="right")
    for plan in plans:
        power = (f"{100 * float(plan.power(share * rate)):.0f} %" for share in shares)
        table.add_row(str(plan.allow), f"{plan.families:,}", *power)
    console = Console()
    console.print(table)
    console.print(
        f"Anytime (e-value, declared beforehand): without any violation it passes after {anytime:,} families.",
        highlight=False,
        soft_wrap=True,
    )


def show_changes(changes: Sequence[FindingChange]) -> None:
    """What differs between two audits."""
    from rich.console import Console
    from rich.table import Table

    table = Table("rule", "counted", "before", "after", box=None, pad_edge=False)
    for change in changes:
        what = counted_by(change.rule, change.direction)
        table.add_row(change.rule, what, _brief(change.before), _brief(change.after))
    Console().print(table if changes else "no finding changed")


def _brief(finding: Any) -> str:
    return (
        "—" if finding is None else f"{finding['verdict']} ({finding['violations']} of {finding['families']})"
    )
