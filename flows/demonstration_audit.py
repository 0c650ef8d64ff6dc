"""What the demonstration tells of its audits: which rule, persona or stratum refused which candidate, how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from governance.tiers import DATA_PREFIX, PEOPLE_PREFIX

__all__ = ["CANDIDATES", "Refusal", "refusals", "table_of_refusals"]

CANDIDATES: Final = ("bounded", "unbounded", "over-refuser", "overfitted", "one-manner")
"""Bounded passes; each of the others has one fault."""

Refusal = tuple[str, str, str]


def refusals(findings: Sequence[Mapping[str, Any]]) -> list[Refusal]:
    """What refused, for whom, and how sure that is: a row for each finding that did not pass, strata as one.

    Args:
        findings: The findings of a report, as JSON.
    """
    blocking = [finding for finding in findings if finding["verdict"] != "PASS"]
    strata = [finding for finding in blocking if finding["rule"].startswith(PEOPLE_PREFIX)]
    others = [finding for finding in blocking if finding not in strata]
    rows = [_of_rule(finding) for finding in others]
    if strata:
        # The group that is served worst stands for all; how many more there are is said.
        worst = min(strata, key=lambda finding: finding["rate"] if finding["rate"] is not None else -1.0)
        name = worst["rule"].removeprefix(PEOPLE_PREFIX)
        more = f", and {len(strata) - 1} more" if len(strata) > 1 else ""
        rows.append(("agreement", f"{name}{more}", _agreement(worst)))
    return rows


def _of_rule(finding: Mapping[str, Any]) -> Refusal:
    if not finding["families"]:
        return (
            finding["rule"],
            "its data" if finding["rule"].startswith(DATA_PREFIX) else "",
            finding["reasons"][0],
        )
    found = f"{finding['violations']} of {finding['families']}"
    limit = f"limit {100 * finding['limit']:g} %"
    sure = f"{100 * finding['confidence']:g} % sure"
    if finding["verdict"] == "FAIL":
        said = f"{found}; {sure}: above {100 * finding['low']:.1f} %, {limit}"
    else:
        said = f"{found}; {100 * finding['low']:.1f} to {100 * finding['high']:.1f} %, {limit}: undecided"
    persona = finding["worst_persona"]
    return finding["rule"], f"under {persona['id']}" if persona else "everybody", said


def _agreement(finding: Mapping[str, Any]) -> str:
    if finding["rate"] is None:
        return str(finding["reasons"][0])
    asked = f"{100 * finding['limit']:g} % asked"
    found = f"agrees {100 * finding['rate']:.0f} %"
    if finding["verdict"] == "FAIL":
        return (
            f"{found}; {100 * finding['confidence']:g} % sure: below {100 * finding['high']:.0f} %, {asked}"
        )
    return f"{found}; {100 * finding['low']:.0f} to {100 * finding['high']:.0f} %, {asked}: undecided"


def table_of_refusals(verdicts: Mapping[str, Mapping[str, Any]]) -> Any:
    """One table for all candidates; every figure is of the reports."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    colours = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("candidate", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("refused by")
    table.add_column("for whom")
    table.add_column("how sure")
    for kind, found in verdicts.items():
        word = f"[{colours[found['verdict']]}]{found['verdict']}[/]"
        rows = refusals(found["findings"]) or [("nothing", "", _kept(found["findings"]))]
        for place, row in enumerate(rows):
            first = (f"[b]{kind}[/b]", word) if place == 0 else ("", "")
            table.add_row(*first, *map(escape, row))
    return table


def _kept(findings: Sequence[Mapping[str, Any]]) -> str:
    """How sure a pass is: the rule that came nearest to its limit."""
    measured = [finding for finding in findings if finding["families"] and finding["limit"]]
    if not measured:
        return ""
    near = max(measured, key=lambda finding: finding["high"] / finding["limit"])
    return f"nearest: {near['rule']} below {100 * near['high']:.1f} %, limit {100 * near['limit']:g} %"
