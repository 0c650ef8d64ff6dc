"""Figures: only what was measured, every mark where its figure says, nothing that a name could break."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from governance.audit.figures import Bar, as_file, draw, figures
from governance.audit.page import as_page
from governance.audit.statistics import Verdict
from tests.governance.audit.test_report import HOSTILE, audit

SVG = "{http://www.w3.org/2000/svg}"
STRATUM = {
    "stratum": "age=65+", "primary": True, "rate": 0.6, "low": 0.5, "high": 0.7, "judgements": 100, "effective": 80.0,
    "annotators": 20, "items": 30, "against_champion": None,
}  # fmt: skip


def bar(**fields):
    base = {
        "name": "T1.x",
        "beside": "harm",
        "rate": 0.1,
        "low": 0.05,
        "high": 0.2,
        "limit": 0.15,
        "verdict": "FAIL",
    }
    return Bar(**base | fields)


def with_strata(*rows):
    table = {
        "source": "a panel", "simulated": False, "confidence": 0.95, "min_accuracy": 0.62, "min_annotators": 5,
        "worst": None, "strata": list(rows),
    }  # fmt: skip
    return replace(audit(), alignment=table)


def test_marks_lie_where_the_figures_say():
    root = ET.fromstring(draw([bar()], title="t", most=0.4))
    interval, rate = root.findall(f"{SVG}rect")
    (limit,) = root.findall(f"{SVG}line")
    scale = (640 - 250) / 0.4
    assert abs(float(interval.get("x")) - (250 + 0.05 * scale)) < 0.2
    assert abs(float(interval.get("width")) - 0.15 * scale) < 0.2
    assert abs(float(rate.get("x")) + 1.5 - (250 + 0.1 * scale)) < 0.2
    assert abs(float(limit.get("x1")) - (250 + 0.15 * scale)) < 0.2
    assert root.find(f"{SVG}desc").text == "T1.x (harm) 10 %, 5 % to 20 %, limit 15 %: FAIL"


def test_a_report_draws_its_rates_with_what_failed_on_top():
    report = audit(wrong={f"help-{i}" for i in range(30)})
    assert report.verdict is Verdict.FAIL
    drawn = figures(report)
    assert list(drawn) == ["rates.svg"]
    texts = [each.text for each in ET.fromstring(drawn["rates.svg"]).findall(f"{SVG}text")]
    assert texts.index("T2.help") < texts.index("T1.harm")
    assert {"FAIL", "PASS"} <= set(texts)
    assert drawn["rates.svg"] in as_page(report)


def test_groups_stand_worst_first_and_those_nobody_spoke_for_are_left_out():
    better = STRATUM | {"stratum": "age=18-24", "rate": 0.9, "low": 0.8, "high": 0.95}
    silent = STRATUM | {"stratum": "age=45-54", "rate": None, "low": 0.0, "high": 1.0}
    pooled = STRATUM | {"stratum": "2 small strata pooled", "primary": False, "rate": 0.1}
    report = with_strata(better, silent, pooled, STRATUM)
    root = ET.fromstring(figures(report)["strata.svg"])
    texts = [each.text for each in root.findall(f"{SVG}text")]
    assert [name for name in texts if "=" in name or "pooled" in name] == [
        "age=65+",
        "age=18-24",
        "2 small strata pooled",
    ]
    # A limit is drawn for groups that gate alone.
    assert len(root.findall(f"{SVG}line")) == 2


def test_names_cannot_break_out_and_nothing_measured_draws_nothing():
    svg = draw([bar(name=HOSTILE, beside=HOSTILE)], title=HOSTILE, most=1.0)
    assert "<script" not in svg
    ET.fromstring(as_file(svg))
    assert figures(replace(audit(), findings=())) == {}
