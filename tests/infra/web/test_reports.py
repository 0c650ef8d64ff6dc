"""From a decision's page to the report that it rests on, and to nothing else of the object store."""

import json
from datetime import UTC, datetime

import pytest

from governance.audit.figures import figures
from governance.audit.page import as_page
from governance.audit.plan import make_plan
from governance.audit.run import conclude
from infra.answers_kept import keep_answers
from infra.database import open_database
from infra.objects import open_store
from infra.web.app import create_app
from tests.support.asgi import Client
from tests.support.audits import answers_and_judge, policy, probe_set
from tests.support.decisions import decision
from tests.support.record import decided, settings_of, start

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def report():
    probes = probe_set()
    answers, judge = answers_and_judge(probes, wrong={"harm-1", "help-1"})
    plan = make_plan(policy(), probes)
    made = conclude(plan, answers, {"*": judge}, subject="chat 3", subject_digest="sha256:" + "3" * 64)
    return made, answers


@pytest.fixture(scope="module")
def site(tmp_path_factory, report):
    settings = settings_of(tmp_path_factory.mktemp("reports") / "home")
    made, answers = report
    store = open_store(settings)
    tree = keep_answers(store, answers)
    files = {"report.json": json.dumps(made.as_json()).encode(), "report.html": as_page(made).encode()}
    store.put_tree("audits", files)
    with open_database(settings, now=NOW) as db:
        start(settings, db)
        decided(db, decision(version="3", audit=made.digest))
        decided(db, decision(version="4"))
        decided(db, decision(version="5", audit=tree))  # what is named is answers, no report
    return Client(create_app(settings))


def test_the_decision_leads_to_its_report_and_figures(site, report):
    made, answers = report
    assert 'href="/models/chat/3/report.html"' in site.get("/models/chat/3").text
    page = site.get("/models/chat/3/report.html")
    assert page.text == as_page(made)
    assert figures(made)["rates.svg"] in page.text
    assert not any(each.text in page.text for each in answers)
    allowed = page.headers["content-security-policy"]
    assert "style-src 'unsafe-inline'" in allowed
    assert "script" not in allowed
    assert site.get("/models/chat/3/report.json").json()["digest"] == made.digest


def test_where_no_report_is_kept_the_page_says_so(site):
    text = site.get("/models/chat/4").text
    assert "The report of this audit is not kept here" in text
    assert "report.html" not in text


@pytest.mark.parametrize("path", ["chat/3/answers.jsonl", "chat/4/report.html", "chat/5/report.html", "chat/9/report.html", "other/3/report.html", "chat/3/..%2Freport.json"])  # fmt: skip
def test_nothing_else_is_given_out(site, path):
    assert site.get(f"/models/{path}").status_code == 404
