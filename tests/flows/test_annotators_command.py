"""``bounds annotators``: links once, people by pseudonym, and what the portal asks."""

import json
import stat
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from flows.cli import build
from infra import enrolment
from infra.database import open_database
from infra.enrolment import find_person, redeem
from infra.identity import open_identity
from infra.portal_judgements import given_judgements
from infra.settings import load_settings
from infra.stack.secrets import ensure_secrets
from tests.support import portal
from tests.support.platform import NOW
from tests.support.portal import Browser, Site

CONTACT = "ada@example.org"


@pytest.fixture
def home(tmp_path):
    ensure_secrets(tmp_path, ["main"])
    return tmp_path


def run(home, *words, code=0):
    outcome = CliRunner().invoke(build("annotators"), ["annotators", *words, "--home", str(home)])
    raised = outcome.exception
    found = getattr(raised, "exit_code", None) or outcome.exit_code
    assert found == code, (outcome.output, raised)
    return outcome.output if code == 0 else str(raised)


def test_what_is_no_address_or_no_language_is_refused_before_a_link_is_made(home, tmp_path):
    (tmp_path / "people.csv").write_text("contact\nada@example.org\n")
    refused = {
        (str(tmp_path / "people.csv"),): "--file",
        (" ",): "an address is missing",
        (CONTACT, "--locale", "tlh"): "en or de",
        ("--file", str(tmp_path / "nope.csv")): "No such file",
    }
    for words, said in refused.items():
        assert said in run(home, "invite", *words, code=2)
    assert "not an address" in run(home, "invite", CONTACT, "a" * 5000, code=2)
    assert "twice" in run(home, "invite", CONTACT, f"{CONTACT} ", code=2)
    assert "nobody was invited yet" in run(home, "list")


def test_an_invitation_is_printed_once_and_the_address_stays_in_the_identity_store(home):
    made = json.loads(run(home, "invite", CONTACT, "--simulated", "--json"))["invitations"]
    settings = load_settings(home)
    with open_database(settings, now=NOW) as db:
        who = redeem(db, made[0]["link"].removeprefix("/join/"), now=datetime.now(UTC))
    assert (who.annotator, who.simulated) == (made[0]["annotator"], True)
    listed = run(home, "list")
    assert who.annotator in listed
    assert "invited" in listed
    assert CONTACT not in listed
    again = json.loads(run(home, "invite", CONTACT, "--json"))["invitations"]
    assert again[0]["annotator"] == who.annotator
    assert again[0]["link"] != made[0]["link"]
    for path in home.rglob("*"):
        assert not path.is_file() or CONTACT.encode() not in path.read_bytes(), path
    with open_identity(settings, "main", now=NOW) as identities:
        assert [one.contact for one in identities.identities()] == [CONTACT]


def test_people_are_invited_from_a_file(home, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("contact,name\nada@example.org,Ada\nbob@example.org,\n")
    assert len(json.loads(run(home, "invite", "--file", str(file), "--json"))["invitations"]) == 2
    assert len(json.loads(run(home, "list", "--json"))["annotators"]) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\nAda\n", "no column contact"),
        ("contact\n \n,\n", "an address is missing"),
        ("contact\n", "nobody to invite"),
    ],
)
def test_a_file_without_people_is_refused(home, tmp_path, text, says):
    file = tmp_path / "people.csv"
    file.write_text(text)
    assert says in run(home, "invite", "--file", str(file), code=2)
    assert json.loads(run(home, "list", "--json"))["annotators"] == []


def test_who_withdrew_is_not_invited_again_and_nobody_else_is_either(home):
    [made] = json.loads(run(home, "invite", CONTACT, "--json"))["invitations"]
    with open_database(load_settings(home), now=NOW) as db:
        enrolment.request_withdrawal(db, "main", made["annotator"], via="command", now=NOW)
    assert "has withdrawn" in run(home, "invite", "bob@example.org", CONTACT, code=2)
    assert len(json.loads(run(home, "list", "--json"))["annotators"]) == 1
    assert "withdrawn" in run(home, "list")


def test_nobody_to_invite_and_no_items_to_ask_are_refused(home):
    assert "nobody to invite" in run(home, "invite", code=2)
    assert "no such items" in run(home, "ask", "rating", code=2)


def test_items_are_put_before_the_people_once(home):
    settings = load_settings(home)
    with open_database(settings, now=NOW) as db:
        portal.items(db, 3, site="elsewhere")
    assert "3 items" in run(home, "ask", "rating", "--origin", "test")
    assert "0 items" in run(home, "ask", "rating", "--origin", "test")


def test_an_export_has_no_names_and_no_own_words_and_is_private(home, tmp_path):
    site = Site(home, sites=load_settings(home).sites)
    browser = Browser(site.app, secret=site.ready())
    browser.get("/portal/my-data")
    browser.post("/portal/about-you", {"f.gender": "female", "w.gender": "my words", "decline": "1"})
    site.db.close()
    file = tmp_path / "people.json"
    run(home, "export", str(file))
    held = json.loads(file.read_text())
    assert {row["field"]: row["value"] for row in held["profiles"] if row["value"]} == {"gender": "female"}
    assert {row["purpose"] for row in held["consents"]} == {"collection", "training", "publication"}
    assert "my words" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_collect_takes_each_judgement_of_the_portal_once(tmp_path):
    from flows.collect import pull
    from flows.wiring import open_platform
    from infra.portal_source import PortalSource

    ensure_secrets(tmp_path, ["main"])
    (tmp_path / "settings.toml").write_text("")
    with open_platform(tmp_path) as platform:
        site = Site(tmp_path, db=platform.db, sites=platform.settings.sites)
        portal.items(platform.db, 3)
        browser = Browser(site.app, secret=site.ready())
        for _ in range(3):
            browser.get("/portal/work")
            browser.post(f"/portal/work/{browser.presentation}", {"choice": "first_better"})
        [source] = [each for each in platform.sources("main") if isinstance(each, PortalSource)]
        assert (source.name, pull.fn(platform, source), pull.fn(platform, source)) == ("portal", 3, 0)
        profiles = platform.profiles("main")
        assert {row["annotator"] for row in profiles} == {"a-0001"}
        assert {row["field"] for row in profiles} == {q.id for q in site.portal.codebook.fields}
        who = find_person(platform.db, "main", "a-0001")
        assert len(given_judgements(platform.db, site.keys, who)) == 3
