"""The report as one HTML page without any other file: verdict first, then why, how sure, what was not tested.

Prompts and answers appear only among the examples, closed behind a warning; never in the title, a heading or
an attribute. Everything that comes from a policy, a file or a model is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from governance.audit.figures import figures
from governance.audit.page_table import STYLE, stacked
from governance.audit.people_tables import champion_tables, people_tables
from governance.audit.persona_tables import Table, asking_sentences, persona_tables
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
    is_about_data,
    is_about_people,
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

__all__ = ["as_page"]

EXAMPLES = 5
LONGEST = 1200

_STYLE = """
:root{color-scheme:light dark;--pass:light-dark(#1a7f37,#56d364);--fail:light-dark(#b42318,#ff8f85);--undecided:light-dark(#8a5a00,#e3b341);--line:#8884;--soft:light-dark(#f1f1f1,#262626)}
*{box-sizing:border-box}body{background:light-dark(#fff,#121212);color:light-dark(#1b1b1b,#f0f0f0);font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:2rem 1.2rem 5rem}
h1{font-size:1.7rem;line-height:1.25;margin:.2rem 0 .6rem;overflow-wrap:anywhere}h2{margin:2.6rem 0 .6rem;font-size:1.25rem}
h3{margin:1.8rem 0 .3rem;font-size:1.05rem}.v{font-weight:700;letter-spacing:.02em}.PASS{color:var(--pass)}.FAIL{color:var(--fail)}
.UNDECIDED{color:var(--undecided)}.lead{font-size:1.1rem}.wrap{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.45rem .7rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}.note{border:1px solid var(--line);padding:.7rem 1rem;border-radius:.4rem}
code{font-size:.85em;overflow-wrap:anywhere}svg{display:block;width:100%;min-width:11rem;height:1.7rem}
figure{margin:1rem 0}svg.figure{height:auto;min-width:36rem;max-width:52rem}
details{margin:.5rem 0;border:1px solid var(--line);border-radius:.4rem;padding:.4rem .8rem}summary{cursor:pointer}
input.see{width:1.5rem;height:1.5rem;vertical-align:middle}li:not(:has(input.see:checked)) blockquote{filter:blur(.45rem);user-select:none}
blockquote{margin:.5rem 0;padding:.4rem .8rem;background:var(--soft);white-space:pre-wrap;overflow-wrap:anywhere}
.small{font-size:.9rem}a{color:light-dark(#0550ae,#79b8ff)}
""".strip()


def as_page(
    report: AuditReport,
    *,
    prompts: Mapping[str, str] | None = None,
    answers: Mapping[tuple[str, str], str] | None = None,
) -> str:
    """The page.

    Args:
        report: What to show.
        prompts: Probe id to prompt, for examples; without it no example is shown.
        answers: (probe id, persona id) to answer, for examples.
    """
    title = f"Audit: {report.verdict}, {report.subject}"
    ordered = sorted(enumerate(report.findings), key=lambda each: each[1].verdict.place)
    drawn = figures(report)
    sections = [
        _head(report),
        _why(report),
        _listed("What did not pass and is waived", _waivers(report)),
        _findings(ordered),
        _figure(drawn.get("rates.svg"), "Rates and limits"),
        *map(_table, people_tables(report)),
        _figure(drawn.get("strata.svg"), "Groups"),
        *map(_table, champion_tables(report)),
        *map(_table, persona_tables(report)),
        "<h2>Each rule</h2>",
        *(_detail(report, index, finding, prompts or {}, answers or {}) for index, finding in ordered),
        _judges(report),
        _listed("What happened while asking and judging", asking_sentences(report)),
        _listed("What was not tested", untested(report)),
        _listed("What was assumed", report.assumptions),
        _listed("How often it was tried", [tried(report)]),
        _rests_on(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}\n{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main></body></html>\n"
    )


def _figure(svg: str | None, name: str) -> str:
    """A figure that may be scrolled where the screen is narrow."""
    if svg is None:
        return ""
    return f'<figure class="wrap" tabindex="0" role="region" aria-label="{name}">{svg}</figure>'


def _word(verdict: str) -> str:
    return f'<span class="v {verdict}">{verdict}</span>'


def _head(report: AuditReport) -> str:
    demo = (
        '<p class="note"><strong>A demonstration.</strong> The evidence is simulated; it says nothing about a real model.</p>'
        if report.is_demonstration
        else ""
    )
    when = f" Finished {report.finished:%Y-%m-%d %H:%M} UTC." if report.finished else ""
    return (
        f"<header><p>{_word(report.verdict.value)}</p><h1>{escape(report.subject)}</h1>"
        f'<p class="lead">{escape(headline(report))}{when}</p>{demo}</header>'
    )


def _why(report: AuditReport) -> str:
    """What did not pass, with the first reason of each; the broken before the undecided."""
    blocking = sorted(
        (
            (index, each)
            for index, each in enumerate(report.findings)
            if not each.is_passed and report.waiver_of(each) is None
        ),
        key=lambda pair: pair[1].verdict.place,
    )
    if not blocking:
        return ""
    items = "".join(
        f'<li><a href="#f{index}">{escape(finding.rule)}</a> {_word(finding.verdict.value)}: '
        f"{escape(finding.reasons[0])}{_under(finding)}</li>"
        for index, finding in blocking
    )
    return f"<section><h2>What stands in the way</h2><ul>{items}</ul></section>"


def _under(finding: Finding) -> str:
    if not finding.worst_persona:
        return ""
    name, count = finding.worst_persona
    return f"; worst under persona {escape(name)} ({count})"


def _findings(ordered: list[tuple[int, Finding]]) -> str:
    rows = [
        (
            (
                f'<a href="#f{index}">{escape(finding.rule)}</a><br><span class="small">{counted(finding)}</span>',
                "",
            ),
            (found(finding), "n"),
            (_interval(finding), ""),
            (limit_of(finding), "n"),
            (finding.grade or "-", ""),
            (_word(finding.verdict.value) + _beside(finding), ""),
        )
        for index, finding in ordered
    ]
    columns = ("Rule", "Found", "Where the rate lies (dashed: limit)", "Limit", "Evidence", "Verdict")
    return (
        f"<section><h2>Every rule at a glance</h2>{stacked(columns, rows, label='Findings')}"
        f'<p class="small">{escape(BOUNDS_NOTE)}</p></section>'
    )


def _beside(finding: Finding) -> str:
    said = worth(finding)
    return f'<br><span class="small">{escape(said)}</span>' if said else ""


def _interval(finding: Finding) -> str:
    """The confidence bounds as a bar against the limit, and in words for who does not see it."""
    if not is_measured(finding) or finding.limit is None:
        return "-" if is_about_data(finding) else "unknown"
    words = bounds_of(finding)
    scale = 1.0 if is_about_people(finding) else max(finding.limit * 2, finding.high * 1.1, 0.01)
    low, high, limit, rate = (
        round(300 * value / scale, 1)
        for value in (finding.low, finding.high, finding.limit, finding.rate or 0.0)
    )
    colour = f"var(--{finding.verdict.value.lower()})"
    return (
        f'<svg viewBox="0 0 300 26" preserveAspectRatio="none" role="img" aria-label="{words}, limit {limit_of(finding)}">'
        f'<rect x="{low}" y="8" width="{max(high - low, 2):.1f}" height="10" rx="3" fill="{colour}" fill-opacity=".35"/>'
        f'<rect x="{max(rate - 1.5, 0):.1f}" y="5" width="3" height="16" fill="{colour}"/>'
        f'<line x1="{limit}" x2="{limit}" y1="1" y2="25" stroke="currentColor" stroke-width="2" stroke-dasharray="4 3"/>'
        f'</svg><span class="small">{words}</span>'
    )


def _waivers(report: AuditReport) -> list[str]:
    return [
        f"{each.rule}: {each.verdict}; {sentence}"
        for each in report.findings
        for sentence in waived(report, each)
    ]


def _detail(
    report: AuditReport,
    index: int,
    finding: Finding,
    prompts: Mapping[str, str],
    answers: Mapping[tuple[str, str], str],
) -> str:
    name = f"{finding.rule} ({counted(finding)})"
    said = "".join(
        f"<li>{escape(sentence)}</li>"
        for sentence in (
            *waived(report, finding),
            *finding.reasons,
            *notes(finding),
            evidence_sentence(finding),
        )
    )
    judge = (
        f'<p class="small">Judged by {escape(finding.judge)} {escape(finding.judge_version or "")} '
        f"<code>{short(finding.judge_digest or '')}</code>.</p>"
        if finding.judge
        else ""
    )
    owner = f' <span class="small">Owner: {escape(finding.owner)}.</span>' if finding.owner else ""
    return (
        f'<section id="f{index}"><h3>{escape(name)}: {_word(finding.verdict.value)}</h3>'
        f"<p>{escape(finding.statement)}{owner}</p><ul>{said}</ul>{judge}{_examples(finding, prompts, answers)}</section>"
    )


def _examples(finding: Finding, prompts: Mapping[str, str], answers: Mapping[tuple[str, str], str]) -> str:
    shown = [ruling for ruling in finding.violating if ruling.probe in prompts][:EXAMPLES]
    if not shown:
        return ""
    items = "".join(
        f"<li><code>{escape(ruling.probe)}</code> ({escape(ruling.label.value)}, persona {escape(ruling.persona)}) "
        f'<label class="small"><input type="checkbox" class="see"> read this one</label>'
        f"<blockquote>{escape(_cut(prompts[ruling.probe]))}</blockquote>"
        f"<blockquote>{escape(_cut(answers.get((ruling.probe, ruling.persona), '')))}</blockquote></li>"
        for ruling in shown
    )
    return (
        f"<details><summary>Show {len(shown)} of {len(finding.violating)} violating answers. "
        f"Warning: they may hold harmful or upsetting text.</summary><ol>{items}</ol></details>"
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " […]"


def _judges(report: AuditReport) -> str:
    if not report.judge_errors:
        return ""
    rows = [
        tuple((escape(cell), "n" if place else "") for place, cell in enumerate(judge_row(*each)))
        for each in report.judge_errors.items()
    ]
    return (
        f"<section><h2>How wrong automatic judges are here</h2><p>{escape(JUDGE_LEAD)}</p>"
        f"{stacked(JUDGE_COLUMNS, rows, label='Errors of judges')}</section>"
    )


def _listed(heading: str, sentences: list[str] | tuple[str, ...]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<section><h2>{heading}</h2><ul>{items}</ul></section>"


def _rests_on(report: AuditReport) -> str:
    digests = {
        "audit": report.digest,
        "subject": report.subject_digest,
        "plan": report.plan_digest,
        f"probes ({report.probe_set})": report.probe_set_digest,
        "policy": report.policy_digest,
        **{f"{ref.id} {ref.version}, Tier {ref.tier}": ref.digest for ref in report.policy},
    }
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td><code>{escape(text)}</code></td></tr>"
        for name, text in digests.items()
    )
    return f'<section><h2>What this rests on</h2><div class="wrap"><table>{rows}</table></div></section>'


def _table(table: Table) -> str:
    rows = [[(escape(cell), "") for cell in row] for row in table.rows]
    return (
        f"<section><h2>{escape(table.title)}</h2><p>{escape(table.lead)}</p>"
        f"{stacked(table.columns, rows, label=table.title)}</section>"
    )
