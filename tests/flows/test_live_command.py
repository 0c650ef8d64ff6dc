"""``bounds live``: models of the settings are tried, a campaign is opened and closed, and what it says holds no words."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import build
from infra.database import open_database
from infra.live_campaigns import opened
from infra.settings import load_settings
from infra.stack.secrets import ensure_secrets
from tests.support.endpoint import SeveralModels, stub_endpoint
from tests.support.platform import NOW


@pytest.fixture(scope="module")
def server():
    with stub_endpoint(kind=SeveralModels) as running:
        yield running


@pytest.fixture
def home(tmp_path, server):
    server.plan.clear()
    ensure_secrets(tmp_path, ["main"])
    tables = "".join(
        f'[live.{name}]\nurl = "{server.url}"\nmodel = "house-{name}-1"\n' for name in ("fern", "moss")
    )
    (tmp_path / "settings.toml").write_text(tables)
    return tmp_path


def run(home, *words, code=0):
    outcome = CliRunner().invoke(build("live"), ["live", *words, "--home", str(home)])
    raised = outcome.exception
    found = getattr(raised, "exit_code", None) or outcome.exit_code
    assert found == code, (outcome.output, raised)
    return outcome.output if code == 0 else str(raised)


def test_a_campaign_is_opened_once_told_and_closed(home):
    made = json.loads(run(home, "open", "--turns", "3", "--json"))
    assert ([one["name"] for one in made["models"]], made["turns"]) == (["fern", "moss"], 3)
    with open_database(load_settings(home), now=NOW) as db:
        assert opened(db, "main").id == made["campaign"]
    assert "open already" in run(home, "open", code=2)
    [told] = json.loads(run(home, "status", "--json"))["campaigns"]
    assert told["progress"] == {
        "conversations": 0,
        "ended": 0,
        "turns": 0,
        "judged": 0,
        "answers": {},
        "errors": {},
        "naming": {},
    }
    assert "fern: 0 answers" in run(home, "status")
    assert "is closed" in run(home, "close")
    assert "no campaign is open" in run(home, "close")


def test_a_key_comes_from_the_secrets_and_is_printed_nowhere(home):
    secrets = home / "secrets.json"
    held = json.loads(secrets.read_text())
    held["settings"]["live"] = {"fern": {"key": "sesame-of-fern"}}
    secrets.write_text(json.dumps(held))
    assert load_settings(home).live["fern"].key.get_secret_value() == "sesame-of-fern"
    assert "sesame" not in run(home, "open", "--json") + run(home, "status", "--json")


def test_a_model_that_does_not_answer_opens_nothing(home, server):
    server.plan["house-moss-1"] = "dead"
    assert "model moss" in run(home, "open", code=3)
    assert "no campaign" in run(home, "status")
    assert "is open" in run(home, "open", "--unchecked")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "fern"), "several models"),
        (("--model", "fern", "--model", "ivy"), "no such model"),
        (("--kind", "pairwise", "--answers", "3"), "pairs need two answers"),
    ],
)
def test_what_cannot_be_opened_is_refused(home, words, says):
    assert says in run(home, "open", *words, code=2)


def test_a_text_that_does_not_ask_for_it_opens_nothing(home):
    from importlib import resources

    text = yaml.safe_load((resources.files("annotation.data") / "consent.yaml").read_text())
    text["purposes"] = [each for each in text["purposes"] if each["id"] != "conversation"]
    (home / "consent.yaml").write_text(yaml.safe_dump(text))
    assert "nobody is asked" in run(home, "open", code=2)
