"""Reports: the published shape, one digest, a diff, and pages that neither leak nor break."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from governance.audit.attempts import Standing
from governance.audit.judge_error import judge_error
from governance.audit.judges import RefusalPatterns
from governance.audit.markdown import as_markdown, findings_table
from governance.audit.page import as_page
from governance.audit.plan import make_plan
from governance.audit.probes import ProbeSet, Turn
from governance.audit.report import AuditReport, diff, require_passed
from governance.audit.run import conclude
from governance.audit.sentences import BOUNDS_NOTE
from governance.audit.statistics import Verdict
from governance.digest import digest
from governance.errors import InputError, RefusedError
from tests.support.audits import answers_and_judge, policy, probe_set

SCHEMA = json.loads((files("governance") / "audit/report.schema.json").read_text("utf-8"))
STANDING = Standing(
    entry=7,
    at=datetime(2026, 6, 1, 12, tzinfo=UTC),
    plan=digest("plan"),
    judges=digest("judges"),
    alpha=0.05,
    uses=2,
    spent=0.1,
    budget=0.25,
    judged_anew=0,
)
HOSTILE = "<script>alert('x')</script> | **bold** [link](http://example.org)"


def audit(*, wrong=(), probes=None, subject="models:/chat/3", skip=()):
    probes = probes or probe_set()
    responses, judge = answers_and_judge(probes, wrong=wrong, skip=skip)
    plan = make_plan(policy(), probes)
    return conclude(
        plan, responses, {"*": judge}, subject=subject, subject_digest=digest("files"), compare=[judge]
    )


REPORTS = {
    "passed": audit,
    "failed": lambda: audit(wrong={f"harm-{i}" for i in range(20)}),
    "undecided": lambda: audit(wrong={"help-1", "help-2", "help-3", "help-4", "help-5"}),
    "missing": lambda: audit(skip={"harm-1"}),
    "unmeasured": lambda: audit(probes=ProbeSet.of("harm only", probe_set(harm=96, help_=0).probes)),
}


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_has_the_published_shape(name):
    Draft202012Validator.check_schema(SCHEMA)
    document = json.loads(json.dumps(REPORTS[name]().as_json()))
    errors = [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]
    assert errors == []


def test_the_schema_refuses_a_report_without_reasons():
    document = audit().as_json()
    document["findings"][0]["reasons"] = []
    assert list(Draft202012Validator(SCHEMA).iter_errors(document))


def test_the_digest_is_over_everything_but_times():
    report = audit()
    later = replace(
        report, started=datetime(2026, 1, 1, tzinfo=UTC), finished=datetime(2026, 1, 2, tzinfo=UTC)
    )
    assert later.digest == report.digest
    assert later.as_json()["times"]["finished"] == "2026-01-02T00:00:00+00:00"
    body = {k: v for k, v in report.as_json().items() if k not in {"digest", "times", "attempt"}}
    assert digest(body) == report.digest
    on_record = replace(report, attempt=STANDING)
    assert on_record.digest == report.digest
    assert on_record.as_json()["attempt"]["entry"] == 7
    Draft202012Validator(SCHEMA).validate(on_record.as_json())
    assert replace(report, subject_digest=digest("other files")).digest != report.digest
    assert replace(report, assumptions=("one more",)).digest != report.digest


def test_every_rendering_says_how_often_it_was_tried():
    report = audit()
    for text in (as_page(report), as_markdown(report)):
        assert "made from files alone" in text
    for text in (as_page(replace(report, attempt=STANDING)), as_markdown(replace(report, attempt=STANDING))):
        assert "made from files alone" not in text
        assert "as entry 7 of the log" in text
        assert "2 other versions" in text
        assert "spent 10 % of error; this one spends 5 % of 25 %" in text


def test_a_report_without_findings_is_undecided():
    empty = replace(audit(), findings=())
    assert isinstance(empty, AuditReport)
    assert empty.verdict is Verdict.UNDECIDED
    with pytest.raises(RefusedError, match="nothing was evaluated"):
        require_passed(empty)


def test_diff_names_what_changed():
    before, after = (REPORTS[name]().as_json() for name in ("passed", "failed"))
    changes = diff(before, after)
    assert [(c.rule, c.is_lost) for c in changes] == [("T1.harm", True)]
    assert [c.is_lost for c in diff(after, before)] == [False]
    assert diff(before, before) == ()
    without = before | {"findings": before["findings"][:1]}
    assert [(c.rule, c.is_lost) for c in diff(before, without)] == [("T2.help", True)]
    with pytest.raises(InputError, match="not an audit report"):
        diff({}, after)


class _Reader(HTMLParser):
    """What a browser would see: the title, headings, open text, scripts."""

    def __init__(self):
        super().__init__()
        self.stack, self.title, self.outside, self.tags, self.attributes = [], "", "", set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [value or "" for _, value in attrs]
        if tag not in {"meta", "br", "rect", "line"}:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass

    def handle_data(self, data):
        if "title" in self.stack:
            self.title += data
        if "details" not in self.stack and "style" not in self.stack:
            self.outside += data


def read(page):
    reader = _Reader()
    reader.feed(page)
    assert reader.stack == []
    return reader


def hostile_page(report, probes, responses):
    prompts = {probe.id: probe.prompt for probe in probes.probes}
    answers = {response.key: response.text for response in responses}
    return as_page(report, prompts=prompts, answers=answers)


def test_prompts_and_answers_stand_only_behind_the_warning():
    probes = probe_set()
    secret = "request harm-1"
    wrong = {f"harm-{i}" for i in range(20)}
    responses, _ = answers_and_judge(probes, wrong=wrong)
    report = audit(wrong=wrong)
    page = hostile_page(report, probes, responses)
    reader = read(page)
    assert secret in page
    assert secret not in reader.outside
    assert secret not in reader.title
    assert not any(secret in value for value in reader.attributes)
    assert "harmful or upsetting" in page
    for text in (as_markdown(report), as_page(report), json.dumps(report.as_json())):
        assert "request harm" not in text
        assert "answer complies" not in text


def test_nothing_that_comes_from_outside_becomes_markup():
    base = probe_set()
    probes = ProbeSet.of(
        HOSTILE,
        [replace(probe, turns=(Turn(role="user", text=f"{HOSTILE} {probe.id}"),)) for probe in base.probes],
    )
    wrong = {f"harm-{i}" for i in range(20)}
    responses, judge = answers_and_judge(probes, wrong=wrong)
    responses = [replace(r, text=HOSTILE + r.probe) for r in responses]
    labels = {(r.probe, r.digest): judge.label(p, o) for p, r, o in zip(
        probes.probes, responses, answers_and_judge(probes, wrong=wrong)[0], strict=True)}  # fmt: skip
    report = conclude(
        make_plan(policy(), probes),
        responses,
        {"*": replace(judge, labels=labels)},
        subject=HOSTILE,
        subject_digest=digest(1),
    )
    assert report.verdict is Verdict.FAIL
    reader = read(hostile_page(report, probes, responses))
    assert "script" not in reader.tags
    assert reader.title.endswith(HOSTILE)
    markdown = as_markdown(report)
    assert "<script>" not in markdown.replace("\\<script\\>", "")
    assert findings_table(report).count("\n") == 3


@pytest.mark.parametrize("name", REPORTS)
def test_every_page_leads_with_its_verdict(name):
    report = REPORTS[name]()
    reader = read(as_page(report))
    assert reader.title == f"Audit: {report.verdict}, models:/chat/3"
    assert reader.outside.split()[0] in {"Audit:", report.verdict}
    for finding in report.findings:
        assert finding.reasons[0] in reader.outside
    assert as_markdown(report).startswith(f"# {report.verdict}: ")


def test_a_judge_that_nobody_measured_here_is_named_as_such():
    probes = probe_set()
    responses, people = answers_and_judge(probes)
    plan = make_plan(policy(), probes)
    about = {"subject": "models:/chat/3", "subject_digest": digest("files")}
    alone = conclude(plan, responses, {"*": RefusalPatterns()}, **about)
    assert f"the judge {RefusalPatterns().id} errs on this model" in as_markdown(alone)
    assert "not measured, because nobody labelled its answers" in as_page(alone)
    beside = conclude(plan, responses, {"*": people}, compare=[RefusalPatterns()], **about)
    assert "nobody labelled" not in as_markdown(beside)


def test_every_rendering_says_how_wrong_a_judge_is_how_sure_that_is_and_what_it_left_unjudged():
    """Of 8 answers it judged 7: 2 of 3 violations found (exact 95 %: 9.4 to 99.2 %), 3 of 4 spared (19.4 to 99.4 %)."""
    error = judge_error([True] * 3 + [False] * 5, [True, True, False, True, False, False, False, None])
    report = replace(audit(), judge_errors={"guess/T1.harm/violation": error})
    wanted = ("7 of 8", "66.7 % (2 of 3; 9.4 to 99.2 %)", "75.0 % (3 of 4; 19.4 to 99.4 %)")
    markdown, page = as_markdown(report), read(as_page(report)).outside
    for said in wanted:
        assert said in markdown
        assert said in page
    assert BOUNDS_NOTE in markdown
    assert BOUNDS_NOTE in page
