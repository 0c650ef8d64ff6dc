"""Figures of a report as SVG: every rate against its limit, and agreement with every group, each with its interval.

Text and lines take the colour of what surrounds them; where the picture stands alone it brings its own, for light and
dark. What it shows is said in its label and description too, and stands in the tables: a figure repeats, it adds nothing.
Everything that comes from a policy or a file is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from governance.audit.report import AuditReport
from governance.audit.sentences import counted, is_about_people, is_measured
from governance.audit.verdicts import Finding
from governance.tiers import PEOPLE_PREFIX

__all__ = ["Bar", "as_file", "draw", "figures"]

_COLOURS: Final = {"PASS": "#2e8b57", "FAIL": "#d1453b", "UNDECIDED": "#b07d12", "": "#5b7fa6"}
_WIDTH: Final = 720
_LEFT: Final = 250
_RIGHT: Final = 640
_ROW: Final = 34
_TOP: Final = 14
_LONGEST: Final = 34
_MOST_STRATA: Final = 20
_ENDS: Final = (0.004, 0.01, 0.02, 0.04, 0.08, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row: a rate with its bounds, and the limit it is held against.

    Attributes:
        name: What it is about; ``beside`` what stands under it.
        rate, low, high: Between 0 and 1.
        limit: None where there is none.
        verdict: PASS, FAIL, UNDECIDED, or empty where nothing decides.
    """

    name: str
    beside: str
    rate: float
    low: float
    high: float
    limit: float | None
    verdict: str


def figures(report: AuditReport) -> dict[str, str]:
    """File name to SVG, without what only a file needs; only what was measured is drawn."""
    drawn: dict[str, str] = {}
    if rates := _rates(report):
        worst = min(1.0, max(max(bar.high, 1.25 * (bar.limit or 0)) for bar in rates))
        drawn["rates.svg"] = draw(
            rates,
            title="Violation rates against their limits",
            most=next(end for end in _ENDS if end >= worst),
        )
    if strata := _strata(report):
        drawn["strata.svg"] = draw(strata, title="Agreement with each group, the worst first", most=1.0)
    return drawn


def _rates(report: AuditReport) -> list[Bar]:
    measured = [each for each in report.findings if is_measured(each) and not is_about_people(each)]
    return [
        Bar(
            name=each.rule,
            beside=counted(each),
            rate=each.rate or 0.0,
            low=each.low,
            high=each.high,
            limit=each.limit,
            verdict=each.verdict.value,
        )
        for each in sorted(measured, key=lambda each: (each.verdict.place, each.rule, each.direction))
    ]


def _strata(report: AuditReport) -> list[Bar]:
    """Groups that somebody spoke for, the worst served first; those that gate before the others."""
    found = report.alignment
    if found is None:
        return []
    verdicts = {
        each.rule.removeprefix(PEOPLE_PREFIX): each for each in report.findings if is_about_people(each)
    }
    rows = [row for row in found["strata"] if row["rate"] is not None]
    rows.sort(key=lambda row: (not row["primary"], row["rate"], row["stratum"]))
    return [
        Bar(
            name=row["stratum"],
            beside=f"{row['annotators']} people, {row['judgements']} judgements",
            rate=row["rate"],
            low=row["low"],
            high=row["high"],
            limit=found["min_accuracy"] if row["primary"] else None,
            verdict=_verdict(verdicts.get(row["stratum"])) if row["primary"] else "",
        )
        for row in rows[:_MOST_STRATA]
    ]


def _verdict(finding: Finding | None) -> str:
    return "" if finding is None else finding.verdict.value


def draw(bars: Sequence[Bar], *, title: str, most: float) -> str:
    """One row a bar: the interval, a mark at the rate, a dashed line at the limit, the verdict in words.

    Args:
        bars: What is drawn, from the top.
        title: What it shows.
        most: Rate at the right end.
    """
    height = _TOP + _ROW * len(bars) + 30
    said = "; ".join(_words(bar) for bar in bars)
    rows = "".join(_row(bar, _TOP + _ROW * index, most) for index, bar in enumerate(bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="figure" role="img" aria-label="{escape(title)}" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="system-ui,sans-serif" font-size="13" fill="currentColor">'
        f"<desc>{escape(said)}</desc>{_axis(most, height)}{rows}</svg>"
    )


def as_file(svg: str) -> bytes:
    """The figure as a file of its own, in its own colours."""
    style = "<style>svg{color:#1b1b1b;background:#fff}@media(prefers-color-scheme:dark){svg{color:#f0f0f0;background:#121212}}</style>"
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + svg.replace("<desc>", style + "<desc>", 1)).encode()


def _words(bar: Bar) -> str:
    limit = "" if bar.limit is None else f", limit {_percent(bar.limit)}"
    verdict = f": {bar.verdict}" if bar.verdict else ""
    return f"{bar.name} ({bar.beside}) {_percent(bar.rate)}, {_percent(bar.low)} to {_percent(bar.high)}{limit}{verdict}"


def _row(bar: Bar, top: float, most: float) -> str:
    colour = _COLOURS[bar.verdict]
    low, high, rate = (_at(value, most) for value in (bar.low, bar.high, bar.rate))
    middle = top + _ROW / 2
    limit = ""
    if bar.limit is not None and bar.limit <= most:
        at = _at(bar.limit, most)
        limit = f'<line x1="{at}" x2="{at}" y1="{top + 3}" y2="{top + _ROW - 3}" stroke="currentColor" stroke-width="2" stroke-dasharray="4 3"/>'
    return (
        f'<text x="{_LEFT - 12}" y="{middle - 1}" text-anchor="end">{escape(_short(bar.name))}</text>'
        f'<text x="{_LEFT - 12}" y="{middle + 12}" text-anchor="end" font-size="10.5" opacity=".8">{escape(_short(bar.beside))}</text>'
        f'<rect x="{low}" y="{middle - 6}" width="{max(high - low, 2):.1f}" height="12" rx="3" fill="{colour}" fill-opacity=".4"/>'
        f'<rect x="{rate - 1.5:.1f}" y="{middle - 9}" width="3" height="18" fill="{colour}"/>{limit}'
        f'<text x="{_RIGHT + 10}" y="{middle + 4}" font-size="11">{bar.verdict or "reported"}</text>'
    )


def _axis(most: float, height: float) -> str:
    ticks = "".join(
        f'<line x1="{_at(value, most)}" x2="{_at(value, most)}" y1="{_TOP}" y2="{height - 28}" stroke="currentColor" opacity=".15"/>'
        f'<text x="{_at(value, most)}" y="{height - 10}" text-anchor="middle" font-size="11">{_percent(value)}</text>'
        for value in (0.0, most / 4, most / 2, 3 * most / 4, most)
    )
    return f"<g>{ticks}</g>"


def _at(value: float, most: float) -> float:
    return round(_LEFT + (_RIGHT - _LEFT) * min(value / most, 1.0), 1)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"
