"""The report as Markdown: for MLflow's version page, Prefect's artifact, a pull request."""

from __future__ import annotations

from governance.audit.people_tables import champion_tables, people_tables
from governance.audit.persona_tables import asking_sentences, persona_tables
from governance.audit.report import AuditReport
from governance.audit.sentences import (
    BOUNDS_NOTE,
    JUDGE_COLUMNS,
    JUDGE_LEAD,
    bounds_of,
    counted,
    evidence_sentence,
    found,
    headline,
    is_measured,
    judge_row,
    limit_of,
    notes,
    tried,
    untested,
    waived,
    worth,
)
from governance.audit.verdicts import Finding
from governance.digest import short

__all__ = ["as_markdown", "findings_table"]


def as_markdown(report: AuditReport) -> str:
    """The whole report; ids, counts and reasons only, never a prompt or an answer."""
    lines = [f"# {report.verdict}: {_text(report.subject)}", "", headline(report), ""]
    if report.is_demonstration:
        lines += ["**A demonstration: the evidence is simulated. It says nothing about any real model.**", ""]
    lines += [findings_table(report), ""]
    if any(map(is_measured, report.findings)):
        lines += [BOUNDS_NOTE, ""]
    for finding in report.findings:
        lines += [f"## {finding.rule}: {finding.verdict}", ""]
        lines += (
            [f"{_text(finding.statement)} (Owner: {_text(finding.owner)}.)", ""] if finding.statement else []
        )
        lines += [
            f"- {_text(sentence)}"
            for sentence in (
                *waived(report, finding),
                *finding.reasons,
                *notes(finding),
                evidence_sentence(finding),
            )
        ]
        lines.append("")
    for table in (*people_tables(report), *champion_tables(report), *persona_tables(report)):
        lines += [f"## {table.title}", "", _text(table.lead), "", f"| {' | '.join(table.columns)} |"]
        lines += ["|" + "---|" * len(table.columns)]
        lines += [f"| {' | '.join(map(_text, row))} |" for row in table.rows] + [""]
    if happened := asking_sentences(report):
        lines += [
            "## What happened while asking and judging",
            "",
            *(f"- {_text(each)}" for each in happened),
            "",
        ]
    if report.judge_errors:
        lines += [
            "## How wrong automatic judges are here",
            "",
            JUDGE_LEAD,
            "",
            f"| {' | '.join(JUDGE_COLUMNS)} |",
        ]
        lines += ["|" + "---|" * len(JUDGE_COLUMNS)]
        lines += [f"| {' | '.join(judge_row(*each))} |" for each in report.judge_errors.items()] + [""]
    lines += ["## What was not tested", "", *(f"- {_text(sentence)}" for sentence in untested(report)), ""]
    if report.assumptions:
        lines += ["## What was assumed", "", *(f"- {_text(sentence)}" for sentence in report.assumptions), ""]
    lines += ["## How often it was tried", "", _text(tried(report)), ""]
    lines += [
        "## What this rests on",
        "",
        f"- audit `{report.digest}`",
        f"- subject `{report.subject_digest}`",
        f"- plan `{report.plan_digest}` ({report.requests} requests, seed {report.seed})",
        f"- probes {_text(report.probe_set)} `{report.probe_set_digest}`",
        f"- policy `{report.policy_digest}`",
        *(f"  - {ref.id} {ref.version} (Tier {ref.tier}) `{ref.digest}`" for ref in report.policy),
        "",
    ]
    return "\n".join(lines)


def findings_table(report: AuditReport) -> str:
    """One row for each finding; short enough for a description field."""
    head = "| rule | counted | violating | rate within | limit | evidence | judge | verdict |\n|---|---|---|---|---|---|---|---|"
    return "\n".join([head, *(_row(report, finding) for finding in report.findings)])


def _row(report: AuditReport, finding: Finding) -> str:
    judge = f"{finding.judge} {short(finding.judge_digest or '', 8)}" if finding.judge else "-"
    beside = f" ({said})" if (said := worth(finding)) else ""
    return (
        f"| {finding.rule} | {counted(finding)} | {found(finding)} | {bounds_of(finding)} | {limit_of(finding)} | "
        f"{finding.grade or '-'} | {judge} | **{finding.verdict}**{', waived' if waived(report, finding) else ''}{beside} |"
    )


def _text(text: str) -> str:
    """Text from a policy or a file name, unable to become markup or another table cell."""
    cleaned = " ".join(text.split())
    for char in "\\`*_[]<>|#":
        cleaned = cleaned.replace(char, f"\\{char}")
    return cleaned
