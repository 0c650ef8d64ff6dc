"""The record in the forms of others: what is said is in the record, what is not is named as a gap."""

import json
import re
import uuid
from datetime import datetime

import pytest
from typer.testing import CliRunner

from flows.cli import build
from governance.errors import InputError
from governance.log.entry import Kind
from infra.database import open_database
from tests.support.acts import ACTS, prepare
from tests.support.decisions import ARTIFACT, NOW
from tests.support.record import fill, settings_of


@pytest.fixture
def home(tmp_path):
    settings = settings_of(tmp_path / "home")
    with open_database(settings, now=NOW) as db:
        fill(settings, db)
    return settings.home


def bounds(*words):
    run = CliRunner().invoke(build(words[0]), [str(word) for word in words])
    if run.exception and not isinstance(run.exception, SystemExit):
        raise run.exception
    assert run.exit_code == 0, run.output
    return run.stdout


def test_openlineage_events_have_the_fields_of_the_specification(home):
    events = [json.loads(line) for line in bounds("export", "openlineage", "--home", home).splitlines()]
    assert [event["job"]["name"] for event in events] == [
        "release", "decide", "approve", "approve", "promote", "decide", "promote",
    ]  # fmt: skip
    for event in events:
        assert {"eventType", "eventTime", "run", "job", "producer", "schemaURL", "inputs", "outputs"} == set(
            event
        )
        assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
        uuid.UUID(event["run"]["runId"])
        for dataset in (*event["inputs"], *event["outputs"]):
            assert dataset["namespace"]
            assert dataset["name"]
    assert [event["eventType"] for event in events if event["job"]["name"] == "promote"] == [
        "COMPLETE",
        "FAIL",
    ]
    assert len({event["run"]["runId"] for event in events}) == len(events)
    assert events == [
        json.loads(line) for line in bounds("export", "openlineage", "--home", home).splitlines()
    ]


def test_prov_names_only_what_it_declares(home):
    document = json.loads(bounds("export", "prov", "--home", home))
    for relation in ("used", "wasGeneratedBy"):
        assert document[relation]
        for each in document[relation].values():
            assert each["prov:activity"] in document["activity"]
            assert each["prov:entity"] in document["entity"]
    for each in document["wasAssociatedWith"].values():
        assert each["prov:agent"] in document["agent"]
    assert len(document["agent"]) == 2


def test_waivers_and_erasures_are_steps_too(tmp_path):
    home = tmp_path / "home"
    settings = prepare(Kind.WAIVER, home)
    with open_database(settings, now=NOW) as db:
        ACTS[Kind.WAIVER](settings, db)
        ACTS[Kind.ERASURE](settings, db)
    events = [json.loads(line) for line in bounds("export", "openlineage", "--home", home).splitlines()]
    last = {event["job"]["name"]: event for event in events[-2:]}
    assert [each["name"] for each in last["erase"]["inputs"]] == ["b1"]
    assert [each["name"] for each in last["erase"]["outputs"]] == ["b2"]
    assert last["waive"]["outputs"][0]["name"].startswith("sha256:")
    document = json.loads(bounds("export", "prov", "--home", home))
    assert len(document["agent"]) == 1


def test_the_card_and_the_draft_say_what_is_recorded_and_name_the_gaps(home):
    card = bounds("export", "model-card", "chat", "3", "--home", home)
    assert ARTIFACT in card
    assert (
        "| T1.harm | violation | 0 of 96 families violate, at most 3.07 %, limit 5.00 % | A | PASS |" in card
    )
    assert "ann (model-reviewer)" in card
    assert "**Gap.** No release is known behind the model" in card
    draft = bounds("export", "annex-iv", "chat", "3", "--home", home)
    assert [int(number) for number in re.findall(r"^## (\d)\.", draft, re.MULTILINE)] == list(range(1, 10))
    stated = int(re.search(r"^(\d+) gaps\.$", draft, re.MULTILINE)[1])
    assert stated == draft.count("**Gap.** ")
    assert "2 of model-reviewer or policy-owner" in draft
    assert "Version 4: PASS" in draft
    with pytest.raises(InputError, match="nothing was decided"):
        bounds("export", "annex-iv", "chat", "9", "--home", home)
