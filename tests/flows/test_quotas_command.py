"""``bounds quotas`` and ``bounds annotators list``: the time of people and what it comes to, by the plan's pay or the site's."""

import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from flows.cli import build
from infra.assignment_files import make_assigner
from infra.database import open_database
from infra.person_keys import open_person_keys
from infra.portal_judgements import show, submit
from infra.settings import load_settings
from infra.stack.secrets import ensure_secrets
from tests.annotation.test_assignment import TEXT
from tests.support import portal
from tests.support.platform import NOW


@pytest.fixture
def home(tmp_path):
    """One person of no cell who judged two items in four minutes, three of them on one."""
    ensure_secrets(tmp_path, ["main"])
    (tmp_path / "plan.yaml").write_text(TEXT.replace("outside: 0.1", "outside: 1.0"))
    (tmp_path / "settings.toml").write_text('[[sites]]\nid = "main"\nassignment = "plan.yaml"\n')
    settings = load_settings(tmp_path)
    with open_database(settings, now=NOW) as db:
        portal.items(db, 2)
        who = portal.person(db)
        assigner = make_assigner(settings, db, "main", codebook="core@1.0.0", policy=lambda _: None)
        for seconds in (180, 60):
            presentation = assigner.reserve(who.annotator, NOW)
            show(db, who, presentation, now=NOW)
            answer = {"choice": "first_better", "rationale": None}
            later = NOW + timedelta(seconds=seconds)
            keys = open_person_keys(settings, "main")
            submit(db, keys, who, presentation, answer, seconds=1.0, now=later)
            assigner.complete(presentation, later)
    return tmp_path


def run(home, command, *words):
    outcome = CliRunner().invoke(build(command), [command, *words, "--home", str(home)])
    assert outcome.exit_code == 0, (outcome.output, outcome.exception)
    return outcome.output


def test_the_plan_says_what_an_hour_is_worth_and_whether_pay_by_item_is_fair(home):
    time = json.loads(run(home, "quotas", "--json"))["time"]
    assert time == {
        "people": 1,
        "seconds": 240.0,
        "amount": "0.80",  # 240 s of 12 an hour
        "currency": "GBP",
        "per_hour_by_item": 15.0,  # 2 items of 0.50 in 240 s
        "missing": 0.0,
    }
    assert "4 min by 1 person, worth 0.80 GBP" in run(home, "quotas")


def test_the_sites_own_rate_goes_before_the_plans(home):
    settings = '[[sites]]\nid = "main"\nassignment = "plan.yaml"\nlongest_minutes = 2\npay = {per_hour = "36.00", currency = "EUR"}\n'
    (home / "settings.toml").write_text(settings)
    listed = json.loads(run(home, "annotators", "list", "--json"))
    [one] = listed["annotators"]
    assert (one["seconds"], one["amount"], listed["currency"]) == (180.0, "1.80", "EUR")
    table = run(home, "annotators", "list")
    assert "3 min" in table
    assert "1.80" in table
