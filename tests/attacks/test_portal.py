"""Attacks on the portal: sessions of others, guesses, replays, forged forms, injection, and what leaks."""

import hashlib
import logging
import multiprocessing
import os
import re
import signal
from contextlib import suppress
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from annotation.web.guards import Bucket, Form, csrf_token
from annotation.web.markdown import render
from infra import collected, consents, enrolment
from infra.database import Database
from infra.identity import open_identity
from infra.portal_judgements import given_judgements, show, submit
from infra.portal_source import PortalSource
from infra.settings import SiteSettings
from tests.support import portal
from tests.support.platform import NOW
from tests.support.portal import Browser, Clock, Site

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://stranger.example/a.png)",
    "[x](javascript:alert(1))",
    "[x](http://stranger.example)",
    "<http://stranger.example>",
    '"><svg/onload=alert(1)>',
    "{{ 7*7 }}{% raw %}",
    "'; DROP TABLE annotators; --",
    "```<script>\n</script>```",
    "```html onmouseover=alert(1)\nx\n```",
    "<a href='javascript:alert(1)'>x</a>",
    "| a |\n|---|\n| <iframe src=//stranger.example> |",
    "\u202eevil\u202c \u0000 \ud7ff",
    "&lt;script&gt;",
    "[a]: http://stranger.example 'x'\n[a]",
]


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.db.close()


def all_judgements(site, *names):
    return [
        one
        for name in names
        for one in given_judgements(site.db, site.keys, enrolment.find_person(site.db, "main", name))
    ]


class TestSessions:
    PAGES = (
        "/portal",
        "/portal/work",
        "/portal/consent",
        "/portal/about-you",
        "/portal/instructions",
        "/portal/my-data",
        "/portal/my-data/download",
        "/portal/my-data/withdraw",
    )

    def test_without_a_session_there_is_nothing(self, site):
        site.ready()
        for path in self.PAGES:
            for secret in (None, "guess", "x" * 5000, '"', "a-0001"):
                answer = Browser(site.app, secret=secret).get(path)
                assert answer.status_code == 401, path
                assert "a-0001" not in answer.text

    def test_what_is_held_for_somebody_else_cannot_be_touched(self, site):
        portal.items(site.db, 1)
        one, other = Browser(site.app, secret=site.ready("a-1")), Browser(site.app, secret=site.ready("a-2"))
        one.get("/portal/work")
        mine = one.presentation
        other.get("/portal/work")
        fields = {"choice": "first_better", "kind": "pairwise", "places": "2"}
        for action in ("", "/draft", "/leave", "/show"):
            answer = other.post(f"/portal/work/{mine}{action}", fields, follow=False)
            assert answer.status_code in {303, 404}, action
        assert all_judgements(site, "a-1", "a-2") == []
        assert one.get("/portal/work").status_code == 200
        assert one.presentation == mine

    def test_guessed_presentations_are_not_there(self, site):
        browser = Browser(site.app, secret=site.ready())
        fields = {"choice": "first_better", "kind": "pairwise", "places": "2"}
        for guess in ("p-" + "0" * 24, "..%2f..", "p-%00", "' OR 1=1 --", "x" * 4000, "%F0%9F%99%82"):
            for action in ("", "/draft"):
                assert browser.post(f"/portal/work/{guess}{action}", fields).status_code in {404, 405}, guess

    def test_guessing_links_is_slowed_down_and_own_links_still_work(self, site):
        link = site.invite()
        browser = Browser(site.app)
        answers = [browser.get(f"/join/{number:043d}").status_code for number in range(15)]
        assert answers[:10] == [404] * 10
        assert set(answers[10:]) == {429}
        assert int(browser.page.headers["retry-after"]) >= 1
        site.clock.now += timedelta(minutes=1)
        assert browser.get(link).status_code == 200

    def test_a_session_that_asks_too_quickly_is_slowed_down(self, tmp_path):
        site = Site(tmp_path, per_minute=10)
        browser, other = (
            Browser(site.app, secret=site.ready("a-1")),
            Browser(site.app, secret=site.ready("a-2")),
        )
        codes = [browser.get("/portal/my-data").status_code for _ in range(8)]
        assert codes == [200] * 5 + [429] * 3
        assert other.get("/portal/my-data").status_code == 200
        site.db.close()

    def test_the_cookie_is_for_this_site_and_for_no_script(self, site, tmp_path):
        link = site.invite()
        answer = Browser(site.app).post(link, {}, csrf=False, follow=False)
        plain = answer.headers["set-cookie"].lower()
        assert "httponly" in plain
        assert "samesite=strict" in plain
        site.portal.secure = True
        answer = Browser(site.app).post(link, {}, csrf=False, follow=False)
        assert answer.headers["set-cookie"].startswith("__Host-bounds-portal=")
        assert "; secure" in answer.headers["set-cookie"].lower()
        assert "path=/;" in answer.headers["set-cookie"].lower()
        assert "domain" not in answer.headers["set-cookie"].lower()

    def test_a_link_opened_by_a_preview_changes_nothing(self, site):
        link = site.invite()
        for _ in range(3):
            answer = Browser(site.app).get(link)
            assert "set-cookie" not in answer.headers
        assert not enrolment.overview(site.db, "main")[0].used


class TestForms:
    FORMS = (
        ("/portal/consent", {"purpose.collection": "no"}),
        ("/portal/about-you", {"decline": "1"}),
        ("/portal/instructions", {"choice": "first_better"}),
        ("/portal/leave", {}),
        ("/portal/my-data/withdraw", {"sure": "1"}),
        ("/portal/my-data/language", {"lang": "de"}),
    )

    def test_a_form_without_the_sessions_token_is_refused(self, site):
        secret = site.ready()
        browser = Browser(site.app, secret=secret)
        for path, fields in self.FORMS:
            for token in (None, "", "x", csrf_token("another session"), "ü"):
                given = fields if token is None else {**fields, "csrf": token}
                assert browser.post(path, given, csrf=False).status_code == 403, (path, token)
        assert enrolment.withdrawal_requests(site.db) == []
        assert enrolment.session(site.db, secret, now=NOW).locale == "en"

    def test_a_form_from_another_origin_is_refused(self, site):
        browser = Browser(site.app, secret=site.ready())
        link = site.invite("a-2")
        for headers in (
            {"origin": "http://stranger.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            answer = browser.post("/portal/my-data/withdraw", {"sure": "1"}, headers=headers)
            assert answer.status_code == 403
            assert Browser(site.app).post(link, {}, csrf=False, headers=headers).status_code == 403
        assert enrolment.withdrawal_requests(site.db) == []

    def test_what_is_no_form_is_refused(self, site):
        browser = Browser(site.app, secret=site.ready())
        form = "application/x-www-form-urlencoded"
        for body, kind in (
            (b"\xff\xfe", form),
            (b"a=%ff%fe", form),
            (b"a=%00", form),
            (b"&".join(b"a=1" for _ in range(500)), form),
            (b'{"sure": 1}', "application/json"),
            (b"--x\r\n", "multipart/form-data; boundary=x"),
            (b"sure=1", "text/plain"),
        ):
            headers = {"content-type": kind}
            answer = browser.request("POST", "/portal/my-data/withdraw", content=body, headers=headers)
            assert answer.status_code == 400, (body, kind)
        assert enrolment.withdrawal_requests(site.db) == []

    def test_a_body_without_end_is_refused(self, site):
        browser = Browser(site.app, secret=site.ready())
        answer = browser.post("/portal/about-you", {"f.self_description": "x" * 2_000_000})
        assert answer.status_code == 413

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=300))
    def test_any_bytes_are_a_form_or_refused(self, data):
        with suppress(HTTPException):
            assert Form.parse(data).one("a") is None or b"a" in data or b"%61" in data

    def test_nobody_can_say_for_another_time_what_was_submitted(self, site):
        portal.items(site.db, 1)
        browser = Browser(site.app, secret=site.ready())
        browser.get("/portal/work")
        fields = {
            "choice": "first_better",
            "seconds": "99999",
            "submitted_at": "1999-01-01",
            "annotator": "a-2",
            "consent": "k-1",
        }
        site.clock.now += timedelta(seconds=9)
        browser.post(f"/portal/work/{browser.presentation}", fields)
        [one] = all_judgements(site, "a-0001")
        assert one["seconds"] == 9
        assert one["submitted_at"] == site.clock.now


class TestConsent:
    def test_a_forged_consent_of_another_purpose_or_person_is_not_recorded(self, site):
        portal.items(site.db, 1)
        browser = Browser(site.app)
        browser.post(site.invite(), {}, csrf=False)
        fields = {
            "version": site.portal.consent_text.digest,
            "purpose.collection": "YES",
            "purpose.everything": "yes",
            "annotator": "a-2",
            "consent": "k-1",
        }
        assert browser.post("/portal/consent", fields).status_code == 422
        assert consents.live_consents(site.db) == []

    @pytest.mark.parametrize("when", ["never", "declined", "withdrawn"])
    def test_labelling_without_live_consent_is_impossible(self, site, when):
        portal.items(site.db, 1)
        secret = site.ready()
        browser = Browser(site.app, secret=secret)
        browser.get("/portal/work")
        presentation = browser.presentation
        who = site.portal.store.session(secret, NOW)
        if when == "never":
            browser = Browser(site.app)
            browser.post(site.invite("a-2"), {}, csrf=False)
        elif when == "declined":
            site.portal.store.decide(who, {"collection": False}, NOW)
        else:
            site.portal.store.withdraw(who, NOW)
        answer = browser.post(
            f"/portal/work/{presentation}", {"choice": "first_better", "kind": "pairwise", "places": "2"}
        )
        assert "Which answer is better?" not in answer.text
        assert all_judgements(site, "a-0001") == []
        assert "Which answer is better?" not in browser.get("/portal/work").text


class TestInjection:
    @pytest.mark.parametrize("text", HOSTILE)
    def test_nothing_in_a_strangers_text_is_active(self, text):
        shown = str(render(text))
        allowed = r"</?(p|strong|em|code|pre|ul|ol|li|blockquote|table|thead|tbody|tr|th|td|hr|br|s|del)( class=\"[\w -]*\"| style=\"text-align:\w+\")?\s*/?>"
        assert "<" not in re.sub(allowed, "", shown)
        assert "href" not in re.sub(r"&lt;.*?&gt;|<code>.*?</code>", "", shown)

    @settings(max_examples=150, deadline=None)
    @given(st.text(alphabet=st.sampled_from("<>[]()!`*_#|-\"'&/\\ \nabhref:script=onx1"), max_size=80))
    def test_no_text_makes_a_link_an_image_or_a_script(self, text):
        shown = str(render(text))
        assert not re.search(r"<(a|img|script|iframe|svg|object|embed|link|style|form|input)\b", shown)

    def test_every_field_takes_hostile_text_and_shows_it_as_text(self, site):
        for number, hostile in enumerate(HOSTILE):
            text, name = hostile.replace("\u0000", "").strip(), f"a-{number}"
            portal.items(site.db, 2, prefix=f"h{number}", words=text)
            browser = Browser(site.app, secret=site.ready(name))
            browser.get("/portal/work")
            safe(browser.page)
            path = f"/portal/work/{browser.presentation}"
            safe(browser.post(path, {"rationale": text, "choice": text}))
            browser.post(f"{path}/draft", {"rationale": text, "choice": "first_better"})
            safe(browser.page)
            browser.post(path, {"rationale": text, "choice": "first_better"})
            browser.post(f"/portal/work/{browser.presentation}/leave", {"kind": "reported", "reason": text})
            fields = {
                "f.self_description": text,
                "w.gender": text,
                "f.gender": "female",
                "f.age": text,
                "decline": "1",
            }
            safe(browser.post("/portal/about-you", fields))
            browser.post("/portal/about-you", {**fields, "f.age": "18-24"})
            safe(browser.get("/portal/my-data"))
            [one] = all_judgements(site, name)
            assert one["answer"]["rationale"] == text
        assert len(enrolment.overview(site.db, "main")) == len(HOSTILE)

    def test_every_answer_carries_the_headers_that_keep_others_out(self, site):
        browser = Browser(site.app, secret=site.ready())
        for path in (
            "/portal/my-data",
            "/portal/work",
            "/join/none",
            "/portal/static/portal.js",
            "/portal/none",
        ):
            headers = browser.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] in {"no-referrer", "same-origin"}
            if "static" not in path and path != "/portal/none":
                assert headers["cache-control"] == "no-store"


class Tags(HTMLParser):
    """Every tag of a page and its attributes, as a browser reads them."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def safe(answer):
    """Nothing on the page is active but what is ours."""
    assert answer.status_code in {200, 422}
    for tag, attributes in Tags(answer.text).found:
        assert tag not in {"iframe", "svg", "object", "embed", "style", "base"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "action", "formaction"):
            assert re.match(r"(/portal|/join|#)|$", attributes.get(name) or ""), (tag, attributes)
        if tag == "script":
            assert attributes["src"] == "/portal/static/portal.js"


class TestBlindness:
    def test_nothing_of_a_candidate_but_its_text_reaches_the_page(self, site):
        rows = portal.items(site.db, 3)
        browser = Browser(site.app, secret=site.ready())
        for _ in range(3):
            page = browser.get("/portal/work").text
            for row in rows:
                for told in (
                    row["item"],
                    row["digest"],
                    *(c[k] for c in row["candidates"] for k in ("candidate", "model", "digest")),
                ):
                    assert told not in page
            browser.post(f"/portal/work/{browser.presentation}/leave", {"kind": "skipped"})


class TestCanaries:
    """Names and addresses that must stay in the identity database, and words that must lie sealed everywhere."""

    NAME, CONTACT, WORDS = "Canary Birdwhistle", "canary.birdwhistle@example.org", "canary-rationale-9431"

    def test_no_identity_leaves_its_store_and_no_word_lies_open(self, tmp_path, caplog):
        caplog.set_level(logging.DEBUG)
        sites = (
            SiteSettings(id="main", key="secret of the site", portal_overlap=2),
            SiteSettings(id="south", key="another secret", portal_overlap=2),
        )
        site = Site(tmp_path, sites=sites)
        answers = []
        with open_identity(site.settings, "main", now=NOW) as identities:
            identities.add("a-0001", contact=self.CONTACT, name=self.NAME, now=NOW)
        portal.items(site.db, 2)
        browser = Browser(site.app, secret=site.ready())
        answers += [browser.get(path) for path in TestSessions.PAGES]
        browser.get("/portal/work")
        answers.append(
            browser.post(
                f"/portal/work/{browser.presentation}", {"choice": "first_better", "rationale": self.WORDS}
            )
        )
        browser.post("/portal/about-you", {"w.gender": self.WORDS, "f.gender": "female", "decline": "1"})
        for text in [*(answer.text + str(answer.headers) for answer in answers), caplog.text]:
            assert self.NAME not in text
            assert self.CONTACT not in text
        site.db.close()
        marks = [mark.encode() for mark in (self.NAME, self.CONTACT, self.WORDS)]
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) >= 3
        # Not even the identity database holds a name in the open: everything is sealed under the person's key.
        for path in files:
            data = path.read_bytes()
            assert not [mark for mark in marks if mark in data], path
            if "identity" not in str(path):
                assert hashlib.sha256(self.CONTACT.encode()).hexdigest().encode() not in data

    def test_one_sites_store_does_not_know_the_others_people(self, tmp_path):
        sites = (SiteSettings(id="north", key="n"), SiteSettings(id="south", key="s"))
        site = Site(tmp_path, sites=sites)
        with (
            open_identity(site.settings, "north", now=NOW) as north,
            open_identity(site.settings, "south", now=NOW) as south,
        ):
            north.add("a-1", contact=self.CONTACT, name=self.NAME, now=NOW)
            assert south.identities() == []
            assert south.annotator_of(self.CONTACT) is None
        secret = site.ready("a-1", site="north")
        assert site.portal.store.session(secret, NOW).site == "north"
        assert enrolment.overview(site.db, "south") == []
        site.db.close()


def _submit_and_die(home, name, presentation, point):
    """In a process of its own: die by SIGKILL at one of the writes of a submission."""
    from sqlalchemy import event

    with Database(f"sqlite:///{home / 'platform.db'}", now=NOW) as db:
        who = enrolment.find_person(db, "main", name)
        writes = []

        @event.listens_for(db._engine, "after_cursor_execute")
        def count(connection, cursor, statement, *rest):
            if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
                writes.append(statement)
                if len(writes) == point:
                    os.kill(os.getpid(), signal.SIGKILL)

        @event.listens_for(db._engine, "commit")
        def last(connection):
            if writes and point == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        submit(db, portal.keys_at(home), who, presentation, {"choice": "first_better"}, seconds=1, now=NOW)


@pytest.mark.parametrize(
    "point", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow), 0]
)
def test_a_kill_in_the_middle_of_a_submission_loses_and_doubles_nothing(tmp_path, point):
    site = Site(tmp_path)
    portal.items(site.db, 1)
    browser = Browser(site.app, secret=site.ready())
    browser.get("/portal/work")
    presentation = browser.presentation
    child = multiprocessing.get_context("spawn").Process(
        target=_submit_and_die, args=(tmp_path, "a-0001", presentation, point)
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert all_judgements(site, "a-0001") == []
    page = browser.post(f"/portal/work/{presentation}", {"choice": "first_better"})
    assert "Saved." in page.text
    assert len(all_judgements(site, "a-0001")) == 1
    source = PortalSource(site.db, site.keys, "main")
    [page] = list(source.pages(None, collected.known(site.db, "main", "portal")))
    assert [event.ref for event in page.events] == [presentation]
    site.db.close()


def test_a_bucket_refills_and_forgets():
    clock = Clock()
    bucket = Bucket(burst=2, per_minute=60, clock=clock, most=2)
    bucket.take("a"), bucket.take("a")
    with pytest.raises(HTTPException) as refused:
        bucket.take("a")
    assert refused.value.headers == {"Retry-After": "2"}
    clock.now += timedelta(seconds=1)
    bucket.take("a")
    bucket.take("b"), bucket.take("c")
    assert len(bucket._levels) == 2


def test_show_needs_the_person(tmp_path):
    site = Site(tmp_path)
    portal.items(site.db, 1)
    one = Browser(site.app, secret=site.ready("a-1"))
    one.get("/portal/work")
    stranger = enrolment.enrol(site.db, "main", "a-2", locale="en", simulated=True, now=NOW)
    before = site.portal.store.held(enrolment.find_person(site.db, "main", "a-1"), one.presentation)
    show(site.db, stranger, one.presentation, now=NOW + timedelta(hours=1))
    after = site.portal.store.held(enrolment.find_person(site.db, "main", "a-1"), one.presentation)
    assert before == after
    site.db.close()
