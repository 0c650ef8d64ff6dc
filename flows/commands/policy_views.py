"""What ``bounds policy`` shows to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from governance.wording import many

if TYPE_CHECKING:
    from governance.policy.cases import CaseResult
    from governance.policy.conflicts import CheckReport
    from governance.policy.diff import PolicyDiff
    from governance.policy.resolve import Resolution
    from governance.taxonomy import Coverage

__all__ = [
    "print_cases",
    "print_check",
    "print_coverage",
    "print_diff",
    "print_map",
    "print_resolution",
    "print_stack",
]

_COLOURS = {
    "error": "red",
    "warning": "yellow",
    "note": "dim",
    "tightened": "green",
    "loosened": "red",
    "added": "green",
    "removed": "red",
    "changed": "yellow",
}


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_said(inner)}" for name, inner in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value)) or "-"
    return "-" if value is None else escape(str(value))


def print_check(report: CheckReport) -> None:
    """Findings, worst first, each with its example; then the verdict."""
    console = _console()
    folded = [
        f for f in report.findings if f.severity == "note" and f.code == "limit-on-undeclared-dimension"
    ]
    for finding in report.findings:
        if finding in folded:
            continue
        colour = _COLOURS[finding.severity]
        place = f"{escape(str(finding.spot))}: " if finding.spot else ""
        console.print(
            f"{place}[{colour}]{finding.severity}[/] {finding.code} [bold]{escape(finding.where)}[/]: {escape(finding.message)}"
        )
        if finding.example:
            console.print(f"    example: {_said(finding.example)}")
    if folded:
        names = sorted({str((finding.example or {})["dimension"]) for finding in folded})
        console.print(
            f"[{_COLOURS['note']}]note[/] rules of law also limit what no document declares: {', '.join(names)}"
        )
    word = "[green]passed[/]" if report else "[red]failed[/]"
    console.print(f"{word}: {many(len(report.errors), 'error')}, {many(len(report.warnings), 'warning')}")


def print_diff(found: PolicyDiff) -> None:
    """Changes by kind, each with its witness."""
    from governance.policy.diff import Direction

    console = _console()
    if found.is_empty:
        console.print("no difference in meaning")
        return
    for direction in Direction:
        for change in found.of(direction):
            console.print(
                f"[{_COLOURS[direction]}]{direction}[/] {change.what} [bold]{escape(change.id)}[/]: {escape(change.detail)}"
            )
            if change.witness:
                console.print(f"    witness: {_said(change.witness)}")
    console.print(", ".join(f"{len(found.of(direction))} {direction}" for direction in Direction))


def print_resolution(answer: Resolution) -> None:
    """Settings, then what was not honoured and why, then the rules in force."""
    console = _console()
    table = _table("Setting", "Value", "From")
    for name, setting in answer.chosen.items():
        table.add_row(name, _said(setting.value), setting.source)
    for name in answer.unset:
        table.add_row(name, "[dim]not set[/]", "")
    console.print(table)
    for word, colour, wishes in (("denied", "red", answer.denied), ("clipped", "yellow", answer.clipped)):
        for wish in wishes:
            becomes = "" if wish.value is None else f" → {wish.value}"
            tier = "" if wish.tier is None else f" (tier {wish.tier}, {escape(wish.owner or '')})"
            console.print(
                f"[{colour}]{word}[/] {escape(wish.dimension)}: {_said(wish.wish)}{becomes}, wished by the {wish.source}"
            )
            console.print(f"    by {wish.rule}{tier}: {escape(wish.reason)}")
    for rule in answer.rules:
        console.print(f"{rule.kind} [bold]{rule.id}[/]: {escape(rule.statement)}")
    console.print(f"decided under {answer.policy_digest}")


def print_map(shown: Mapping[str, Any], *, indent: int = 0) -> None:
    """A map as lines of name and value."""
    console = _console()
    for name, value in shown.items():
        # names inside are ids of the policy and stay as they are
        label = f"{'  ' * indent}[bold]{escape(name if indent else name.replace('_', ' '))}[/]"
        if isinstance(value, Mapping) and value and indent == 0:
            console.print(label)
            print_map(value, indent=1)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            console.print(label)
            for member in value:
                console.print(f"{'  ' * (indent + 1)}- {_said(member)}")
        else:
            console.print(f"{label}: {_said(value)}")


def print_cases(results: Sequence[CaseResult], covered: Mapping[str, Sequence[str]]) -> None:
    """Each case's outcome; then which rules no case tries."""
    console = _console()
    for result in results:
        word = "[green]ok[/]  " if result else "[red]FAIL[/]"
        console.print(f"{word} {result.case.verdict}: {escape(result.case.sentence)}")
        for fault in result.faults:
            console.print(f"       {escape(fault)}")
    failed = sum(not result for result in results)
    console.print(f"{len(results) - failed} passed, {failed} failed")
    missing = [rule for rule, sentences in covered.items() if not sentences]
    console.print(f"{len(covered) - len(missing)} of {len(covered)} rules with limits are tried by a case")
    if missing:
        console.print(f"[yellow]tried by none:[/] {', '.join(missing)}")


def print_coverage(rows: Sequence[Coverage]) -> None:
    """Codes of the taxonomy and what speaks to each."""
    console = _console()
    table = _table("Code", "", "Name", "Rules", "Probes")
    for row in rows:
        none = "[red]none[/]" if row.entry.effect == "risk" else "[dim]none[/]"
        table.add_row(
            row.entry.code,
            row.entry.effect,
            row.entry.name + ("" if row.entry.verified else " [dim](name not verified)[/]"),
            ", ".join(row.rules) or none,
            ", ".join(row.probes) or none,
        )
    console.print(table)
    risks = [row for row in rows if row.entry.effect == "risk"]
    console.print(f"{sum(row.is_covered for row in risks)} of {len(risks)} risks are spoken to by a rule")


def print_stack(shown: Mapping[str, Any]) -> None:
    """Documents and rules of a composed stack, or the documents as parsed."""
    console = _console()
    if "rules" not in shown:
        for document in shown["documents"]:
            console.print(f"[bold]{document['id']}@{document['version']}[/] {document['digest']}")
        return
    table = _table("Document", "Tier", "Owner", "Digest")
    for ref in shown["documents"]:
        table.add_row(f"{ref['id']}@{ref['version']}", str(ref["tier"]), escape(ref["owner"]), ref["digest"])
    console.print(table)
    console.print()
    table = _table("Rule", "Tier", "", "Statement", "From")
    for rule in (*shown["rules"], *shown["pending"]):
        table.add_row(
            rule["id"],
            str(rule["tier"]),
            rule["kind"],
            escape(rule["statement"]),
            rule.get("from") or "in force",
        )
    console.print(table)
    console.print(f"stack {shown['digest']}; until {shown['valid_until'] or 'further notice'}")
