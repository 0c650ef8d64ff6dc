"""Live conversations over the portal's pages, with models behind a real HTTP server that misbehaves on request."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from infra import consents
from infra.collected import known
from infra.live_campaigns import close_campaign, make_campaign, open_campaign
from infra.live_conversations import LEASE
from infra.portal_source import PortalSource
from infra.settings import LiveModelSettings, SiteSettings
from tests.support.endpoint import SeveralModels, stub_endpoint
from tests.support.portal import Browser, Clock, Site

MODELS = ("house-model-1", "house-model-2", "house-model-3")


@pytest.fixture(scope="module")
def server():
    with stub_endpoint(kind=SeveralModels) as running:
        yield running


@pytest.fixture
def stub(server):
    server.plan.clear()
    server.says.clear()
    server.bodies.clear()
    server.delay = 0.0
    return server


class RealClock(Clock):
    """The real time, moved forward by hand."""

    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def site(tmp_path, stub):
    live = {
        model[-1]: LiveModelSettings(url=stub.url, model=model, key="secret-of-the-endpoint", timeout=30)
        for model in MODELS
    }
    made = Site(tmp_path, live=live, clock=RealClock())
    open_campaign(made.db, "main", make_campaign(made.settings, turns=2), now=made.clock())
    yield made
    made.db.close()


@pytest.fixture
def browser(site):
    return Browser(site.app, secret=site.ready(conversation=True))


def begin(browser, text="What is fair?"):
    name = re.search(r'name="conversation" value="(t-[0-9a-f]{24})"', browser.get("/portal/live").text)[1]
    page = browser.post(
        "/portal/live", {"conversation": name, "turn": "1", "message": text, "seconds": "4.0"}
    )
    return f"/portal/live/{name}", page


def settled(browser, path):
    """The page once nobody is asked any more."""
    deadline = time.monotonic() + 60
    while browser.get(f"{path}/state").text == "wait":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return browser.get(path)


def collected(site):
    source = PortalSource(site.db, site.keys, "main")
    memory = known(site.db, "main", "portal")
    return [event for page in source.pages(None, memory) for event in page.events]


def test_several_models_answer_together_and_blind_and_the_best_goes_on(site, browser, stub):
    stub.delay = 1.0
    path, page = begin(browser)
    assert "The models are answering" in page.text
    page = settled(browser, path)
    assert stub.most_in_flight == 3
    assert all(body["stream"] is False for body in stub.bodies)
    stub.delay = 0.0
    texts = re.findall(r"Words 1 of (\d) on What is fair", page.text)
    assert sorted(texts) == ["1", "2", "3"]
    assert "house-model" not in page.text
    page = browser.post(f"{path}/1", {"score.1": "10", "score.2": "95", "score.3": "50", "seconds": "2.5"})
    assert "Your next message" in page.text
    assert page.text.count("Words 1 of") == 1
    assert f"Words 1 of {texts[1]} on" in page.text
    stub.bodies.clear()
    browser.post(f"{path}/say", {"turn": "2", "message": "And for whom?"})
    page = settled(browser, path)
    assert [body["model"] for body in stub.bodies] == [f"house-model-{texts[1]}"] * 2
    assert len({body["seed"] for body in stub.bodies}) == 2
    assert [one["role"] for one in stub.bodies[0]["messages"]] == ["user", "assistant", "user"]
    page = browser.post(f"{path}/2", {"score.1": "70", "score.2": "30", "rationale": "warmer"})
    assert "This conversation is over" in page.text
    events = sorted(collected(site), key=lambda event: event.raw["live"]["turn"])
    assert [(e.problem, e.judgement["rationale"], e.raw["live"]["turn"]) for e in events] == [
        (None, None, 1),
        (None, "warmer", 2),
    ]
    for name in site.settings.home.rglob("*"):
        assert not name.is_file() or b"secret-of-the-endpoint" not in name.read_bytes(), name


@pytest.mark.parametrize(
    "fault",
    [
        "dead",
        "slow",
        "nonsense",
        "empty",
        *(
            pytest.param(f, marks=pytest.mark.slow)
            for f in ("list", "cutstream", "forbidden", "huge", "null")
        ),
    ],
)
def test_a_model_that_fails_loses_nothing_and_is_asked_again(site, browser, stub, fault):
    stub.plan["house-model-2"] = fault
    patient = site.settings.live["2"]
    if fault == "slow":
        site.settings.live["2"] = patient.model_copy(update={"timeout": 0.5})
    path, _ = begin(browser)
    page = settled(browser, path)
    site.settings.live["2"] = patient
    assert "Not every model has answered" in page.text
    assert "Go on with the 2 answers that came" in page.text
    assert "house-model" not in page.text
    asked = len(stub.bodies)
    stub.plan.clear()
    browser.post(f"{path}/ask", {})
    page = settled(browser, path)
    assert page.text.count("<article") == 3
    assert {body["model"] for body in stub.bodies[asked:]} == {"house-model-2"}


def test_with_one_model_down_a_person_goes_on_with_two(site, browser, stub):
    stub.plan["house-model-2"] = "dead"
    path, _ = begin(browser)
    settled(browser, path)
    page = browser.post(f"{path}/go-on", {})
    assert page.text.count("<article") == 2
    page = browser.post(f"{path}/1", {"score.1": "10", "score.2": "95", "ends": "1"})
    assert "This conversation is over" in page.text
    [event] = collected(site)
    assert (event.raw["live"]["reduced"], len(event.judgement["scores"])) == (True, 2)


def test_a_portal_that_was_killed_while_it_asked_is_followed_by_the_next_one(site, browser, stub):
    stub.delay = 3.0
    with killed_portal(site) as address:
        name = "t-" + "a" * 24
        fields = {"csrf": browser.csrf, "conversation": name, "turn": "1", "message": "Still there?"}
        with httpx.Client(base_url=address, cookies=browser.cookies) as theirs:
            assert theirs.post("/portal/live", data=fields).status_code == 303
        deadline = time.monotonic() + 60
        while not stub.bodies and time.monotonic() < deadline:
            time.sleep(0.01)
    stub.delay = 0.0
    path = f"/portal/live/{name}"
    assert "The models are answering" in browser.get(path).text
    site.clock.ahead = LEASE
    page = browser.get(path)
    assert "Still there?" in page.text
    assert "Not every model has answered" in page.text
    browser.post(f"{path}/ask", {})
    page = settled(browser, path)
    assert page.text.count("<article") == 3
    browser.post(f"{path}/1", {"score.1": "10", "score.2": "20", "score.3": "30", "ends": "1"})
    assert len(collected(site)) == 1


@contextmanager
def killed_portal(site):
    """The address of a portal in a process of its own over the same data folder, killed without a warning at the end."""
    tables = "".join(
        f'[live.{name}]\nurl = "{one.url}"\nmodel = "{one.model}"\ntimeout = 30\n'
        for name, one in site.settings.live.items()
    )
    settings = f'[[sites]]\nid = "main"\nkey = "secret of the site"\n{tables}'
    (site.settings.home / "settings.toml").write_text(settings)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "infra.web", "--port", str(port)]
    environment = {**os.environ, "BOUNDS_HOME": str(site.settings.home)}
    process = subprocess.Popen(command, env=environment)
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/portal/live")
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def test_a_message_or_judgement_that_is_none_is_asked_for_again_and_kept(site, browser):
    name = re.search(r'value="(t-[0-9a-f]{24})"', browser.get("/portal/live").text)[1]
    page = browser.post("/portal/live", {"conversation": name, "turn": "1", "message": "  "})
    assert (page.status_code, "Please write something" in page.text) == (422, True)
    path, _ = begin(browser)
    settled(browser, path)
    page = browser.post(f"{path}/1", {"score.1": "10", "score.2": "", "score.3": "5", "rationale": "half"})
    assert (page.status_code, "Give every answer a value" in page.text) == (422, True)
    assert 'value="10"' in page.text
    assert ">half</textarea>" in page.text
    assert collected(site) == []


def test_a_form_sent_twice_is_one_judgement(site, browser):
    path, _ = begin(browser)
    settled(browser, path)
    fields = {"score.1": "10", "score.2": "20", "score.3": "30"}
    assert "Saved." in browser.post(f"{path}/1", fields).text
    assert "Saved." in browser.post(f"{path}/1", fields).text
    assert "your first judgement stands" in browser.post(f"{path}/1", {**fields, "score.1": "99"}).text
    assert len(collected(site)) == 1


def test_other_peoples_conversations_and_invented_ones_are_not_there(site, browser):
    path, _ = begin(browser)
    settled(browser, path)
    other = Browser(site.app, secret=site.ready("a-0002", conversation=True))
    for where in (path, f"{path}/state", "/portal/live/t-" + "0" * 24, "/portal/live/' OR 1=1"):
        assert other.get(where).status_code == 404
    for where in ("say", "ask", "go-on", "end", "1"):
        fields = {"turn": "2", "message": "x", "score.1": "1", "score.2": "2", "score.3": "3"}
        assert other.post(f"{path}/{where}", fields).status_code == 404
        assert browser.post(f"{path}/{where}", fields, csrf=False).status_code == 403
    assert browser.post("/portal/live", {"conversation": "t-1", "message": "x"}).status_code == 404


def test_what_people_and_models_write_runs_nowhere(site, browser, stub):
    bad = "<script>alert(1)</script> ![x](http://elsewhere.example/p.png) [y](javascript:alert(1))"
    stub.says = dict.fromkeys(MODELS, bad)
    path, _ = begin(browser, bad)
    page = settled(browser, path)
    assert "<script>alert" not in page.text
    assert "elsewhere.example" not in re.sub(r">[^<]*<", "><", page.text)
    assert 'href="javascript' not in page.text


class TestConsent:
    def test_without_the_purpose_nothing_is_sent_and_the_page_says_why(self, site, stub):
        browser = Browser(site.app, secret=site.ready(conversation=False))
        page = browser.get("/portal/live")
        assert "you would have to agree" in page.text
        assert "<textarea" not in page.text
        page = browser.post(
            "/portal/live", {"conversation": "t-" + "1" * 24, "turn": "1", "message": "words"}
        )
        assert "What you agree to" in page.text
        assert stub.bodies == []

    def test_taken_back_in_the_middle_nothing_more_is_sent(self, site, browser, stub):
        path, _ = begin(browser)
        settled(browser, path)
        who = site.portal.store.session(browser.cookies["bounds-portal"], site.clock())
        site.portal.store.decide(who, {"conversation": False}, site.clock())
        stub.bodies.clear()
        browser.post(f"{path}/1", {"score.1": "10", "score.2": "20", "score.3": "30"})
        page = browser.post(f"{path}/say", {"turn": "2", "message": "more"})
        assert "What you agree to" in page.text
        assert stub.bodies == []
        assert [c["purpose"] for c in consents.live_consents(site.db)].count("conversation") == 0

    def test_my_data_holds_the_conversation_without_models(self, site, browser):
        path, _ = begin(browser, "my own words")
        settled(browser, path)
        browser.post(f"{path}/1", {"score.1": "10", "score.2": "20", "score.3": "30"})
        assert "Conversation 1" in browser.get("/portal/my-data").text
        text = browser.get("/portal/my-data/download").text
        [talk] = json.loads(text)["conversations"]
        assert talk["turns"][0]["message"] == "my own words"
        assert (len(talk["turns"][0]["answers"]), talk["turns"][0]["went_on"]) == (3, 3)
        assert "house-model" not in text


def test_where_nothing_is_open_there_is_no_way_to_it(site, browser):
    assert "Talk with models" in browser.get("/portal/my-data").text
    close_campaign(site.db, "main", now=site.clock())
    assert "Talk with models" not in browser.get("/portal/my-data").text
    assert "no conversation for you" in browser.get("/portal/live").text


def test_a_model_whose_settings_changed_is_not_asked(site, browser, stub):
    changed = site.settings.live["2"].model_copy(update={"model": "another-model"})
    site.settings.live["2"] = changed
    path, _ = begin(browser)
    page = settled(browser, path)
    assert "Not every model has answered" in page.text
    assert {body["model"] for body in stub.bodies} == {"house-model-1", "house-model-3"}


def test_another_site_has_conversations_of_its_own(tmp_path, stub):
    sites = tuple(SiteSettings(id=name, key=f"secret of {name}") for name in ("main", "north"))
    live = {model[-1]: LiveModelSettings(url=stub.url, model=model) for model in MODELS}
    made = Site(tmp_path, live=live, clock=RealClock(), sites=sites)
    with made.db:
        open_campaign(made.db, "north", make_campaign(made.settings), now=made.clock())
        here = Browser(made.app, secret=made.ready("a-1", conversation=True))
        there = Browser(made.app, secret=made.ready("a-2", site="north", conversation=True))
        assert "no conversation for you" in here.get("/portal/live").text
        path, _ = begin(there)
        assert settled(there, path).text.count("<article") == 3
