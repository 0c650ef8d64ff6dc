"""The portal without a browser: the way from the invitation to thanks, and what a person may see and change."""

import json
from datetime import timedelta

import pytest

from infra import consents, enrolment
from infra.portal_judgements import given_judgements
from infra.settings import PaySettings, SiteSettings
from tests.support import portal
from tests.support.platform import NOW
from tests.support.portal import Browser, Site

AGREED = {
    "purpose.collection": "yes",
    "purpose.training": "yes",
    "purpose.publication": "no",
    "purpose.conversation": "no",
    "purpose.recontact": "no",
}


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.db.close()


def agree(browser, site, **over):
    return browser.post("/portal/consent", {"version": site.portal.consent_text.digest, **AGREED, **over})


class TestTheWay:
    def test_from_the_link_to_thanks(self, site):
        portal.items(site.db, 2)
        link = site.invite()
        browser = Browser(site.app)
        assert "You are invited" in browser.get(link).text
        page = browser.post(link, {"lang": "de"}, csrf=False)
        assert (page.status_code, 'lang="de"' in page.text) == (200, True)
        assert "Wozu Sie zustimmen" in page.text
        page = agree(browser, site)
        assert "Wie alt sind Sie?" in page.text
        page = browser.post("/portal/about-you", {"f.age": "25-34", "decline": "1"})
        assert "So geht es" in page.text
        page = browser.post("/portal/instructions", {"choice": "first_better"})
        for number in range(2):
            assert "Welche Antwort ist besser?" in page.text
            assert "model-" not in page.text
            fields = {"choice": "second_better", "rationale": f"weil {number}", "seconds": "3.5"}
            page = browser.post(f"/portal/work/{browser.presentation}", fields)
        assert "Sie haben 2 Texte beurteilt." in page.text
        who = enrolment.find_person(site.db, "main", "a-0001")
        given = given_judgements(site.db, site.keys, who)
        assert [one["answer"]["rationale"] for one in given] == ["weil 0", "weil 1"]
        said = site.portal.store.answers(who)
        assert (said["age"].value, said["gender"].status) == ("25-34", "prefer_not_to_say")

    @pytest.mark.parametrize("path", ["/portal", "/portal/work", "/portal/about-you", "/portal/instructions"])
    def test_every_page_leads_to_the_first_step_that_is_open(self, site, path):
        browser = Browser(site.app)
        link = site.invite()
        browser.post(link, {}, csrf=False)
        assert "What you agree to" in browser.get(path).text
        agree(browser, site)
        if path != "/portal/about-you":
            assert "How old are you?" in browser.get(path).text

    def test_consent_asks_for_every_line_and_nothing_is_ticked_beforehand(self, site):
        browser = Browser(site.app)
        page = browser.post(site.invite(), {}, csrf=False)
        assert "checked" not in page.text
        page = agree(browser, site, **{"purpose.training": ""})
        assert page.status_code == 422
        assert "Please decide about this line." in page.text
        assert consents.live_consents(site.db) == []

    def test_declining_what_is_needed_ends_kindly_and_can_be_changed(self, site):
        portal.items(site.db, 1)
        browser = Browser(site.app)
        browser.post(site.invite(), {}, csrf=False)
        assert "Then you cannot take part now" in agree(browser, site, **{"purpose.collection": "no"}).text
        assert "What you agree to" in browser.get("/portal/work").text
        assert "How old are you?" in agree(browser, site).text

    def test_a_new_text_is_asked_about_before_anything_else(self, site, tmp_path):
        portal.items(site.db, 1)
        browser = Browser(site.app, secret=site.ready())
        assert "Which answer is better?" in browser.get("/portal").text
        text = site.portal.consent_text.model_copy(update={"version": "2.0.0"})
        site.portal.consent_text = text
        site.portal.store._version = consents.record_version(site.db, text.document(), now=NOW)
        assert "What you agree to" in browser.get("/portal").text

    def test_a_form_of_another_text_decides_nothing(self, site):
        browser = Browser(site.app)
        browser.post(site.invite(), {}, csrf=False)
        page = agree(browser, site, version="sha256:" + "0" * 64)
        assert page.status_code == 422
        assert consents.live_consents(site.db) == []

    @pytest.mark.parametrize(
        ("field", "value", "says"),
        [
            ("f.age", "200", "not an answer of this question"),
            ("f.country_of_birth", "XXX", "not an answer of this question"),
            ("f.prefers_safety", "101", "not an answer of this question"),
            ("f.prefers_safety", "-1", "not an answer of this question"),
            ("f.languages", ["en", "klingon"], "not an answer of this question"),
            ("f.age", ["18-24", "25-34"], "not an answer of this question"),
            ("f.self_description", "x" * 2001, "not an answer of this question"),
            ("f.age", "", "Please answer"),
        ],
    )
    def test_what_is_no_answer_is_asked_again_and_the_rest_is_kept(self, site, field, value, says):
        browser = Browser(site.app)
        browser.post(site.invite(), {}, csrf=False)
        agree(browser, site)
        others = {f"p.{q.id}": "1" for q in site.portal.codebook.fields if f"f.{q.id}" != field}
        page = browser.post("/portal/about-you", {**others, field: value})
        assert page.status_code == 422
        assert says in page.text
        who = enrolment.find_person(site.db, "main", "a-0001")
        assert len(site.portal.store.answers(who)) == len(site.portal.codebook.fields) - 1

    def test_own_words_stand_beside_the_category(self, site):
        browser = Browser(site.app)
        browser.post(site.invite(), {}, csrf=False)
        agree(browser, site)
        fields = {
            "f.gender": "non_binary",
            "w.gender": "<i>myself</i>",
            "f.self_description": "a & b",
            "decline": "1",
        }
        browser.post("/portal/about-you", fields)
        browser.post("/portal/instructions", {"choice": "cannot_judge"})
        page = browser.get("/portal/my-data")
        assert "Non-binary or third gender <q>&lt;i&gt;myself&lt;/i&gt;</q>" in page.text
        assert "<q>a &amp; b</q>" in page.text

    def test_leaving_ends_the_session_and_the_link_brings_back(self, site):
        browser = Browser(site.app)
        link = site.invite()
        browser.post(link, {}, csrf=False)
        assert "You have left" in browser.post("/portal/leave", {}).text
        assert browser.cookies == {}
        assert browser.get("/portal").status_code == 401
        assert "What you agree to" in browser.post(link, {}, csrf=False).text

    def test_somebody_who_is_asked_nothing_is_told_why(self, site):
        browser = Browser(site.app, secret=site.ready())
        page = browser.get("/portal/work").text
        assert "There is nothing to judge for you at the moment." in page
        assert "You did nothing wrong" in page
        assert "nothing more" not in page
        portal.items(site.db, 1)
        browser.get("/portal/work")
        page = browser.post(f"/portal/work/{browser.presentation}", {"choice": "first_better"}).text
        assert "You did nothing wrong" not in page
        assert "You have judged one item. There is nothing more to judge for you now." in page

    def test_it_is_told_so_in_german(self, site):
        browser = Browser(site.app)
        browser.post(site.invite(), {"lang": "de"}, csrf=False)
        agree(browser, site)
        browser.post("/portal/about-you", {"decline": "1"})
        page = browser.post("/portal/instructions", {"choice": "first_better"}).text
        assert "Im Moment gibt es für Sie nichts zu beurteilen." in page
        assert "nichts mehr" not in page


class TestLabelling:
    @pytest.fixture
    def browser(self, site):
        return Browser(site.app, secret=site.ready())

    @pytest.mark.parametrize(
        ("kind", "candidates", "incomplete", "complete", "kept"),
        [
            ("pairwise", 2, {}, {"choice": "neither_acceptable"}, {"choice": "neither_acceptable"}),
            (
                "rating",
                4,
                {"score.1": "50"},
                {f"score.{n}": str(n * 20) for n in range(1, 5)},
                {"scores": [20, 40, 60, 80]},
            ),
            (
                "ranking",
                3,
                {"rank.1": "1", "rank.2": "1", "rank.3": "2"},
                {"rank.1": "3", "rank.2": "1", "rank.3": "2"},
                {"ranks": [3, 1, 2]},
            ),
            (
                "attributes",
                2,
                {"helpfulness.1": "1"},
                {f"{a}.{n}": "7" for a in ("helpfulness", "factuality", "fluency", "safety") for n in (1, 2)},
                {"attributes": {a: [7, 7] for a in ("helpfulness", "factuality", "fluency", "safety")}},
            ),
        ],
    )
    def test_every_kind_is_asked_whole(self, site, browser, kind, candidates, incomplete, complete, kept):
        portal.items(site.db, 1, candidates=candidates, kind=kind)
        page = browser.get("/portal/work")
        assert page.text.count("<article") == candidates
        path = f"/portal/work/{browser.presentation}"
        page = browser.post(path, {**incomplete, "rationale": "kept while wrong"})
        assert page.status_code == 422
        assert "Please complete your judgement." in page.text
        assert "kept while wrong" in page.text
        page = browser.post(path, {**complete, "rationale": "ok"})
        assert "Saved." in page.text
        who = enrolment.find_person(site.db, "main", "a-0001")
        assert given_judgements(site.db, site.keys, who)[0]["answer"] == {**kept, "rationale": "ok"}

    def test_untouched_values_are_not_in_the_page(self, site, browser):
        portal.items(site.db, 1, kind="rating")
        page = browser.get("/portal/work")
        assert page.text.count('name="score.1" min="1" max="100" value=""') == 1

    def test_a_form_sent_again_is_one_judgement(self, site, browser):
        portal.items(site.db, 2)
        browser.get("/portal/work")
        path = f"/portal/work/{browser.presentation}"
        fields = {"choice": "first_better", "kind": "pairwise", "places": "2"}
        assert "Saved." in browser.post(path, fields).text
        assert "Saved." in browser.post(path, fields).text
        page = browser.post(path, {**fields, "choice": "second_better"})
        assert "your first judgement stands" in page.text
        who = enrolment.find_person(site.db, "main", "a-0001")
        assert [one["answer"]["choice"] for one in given_judgements(site.db, site.keys, who)] == [
            "first_better"
        ]

    def test_a_draft_comes_back(self, site, browser):
        portal.items(site.db, 1)
        browser.get("/portal/work")
        path = f"/portal/work/{browser.presentation}/draft"
        fields = {"choice": "second_better", "rationale": "so <far>"}
        assert browser.post(path, {**fields, "quiet": "1"}).status_code == 204
        page = browser.get("/portal/work")
        assert 'value="second_better" data-key="6" checked' in page.text
        assert "so &lt;far&gt;" in page.text
        who = enrolment.find_person(site.db, "main", "a-0001")
        assert given_judgements(site.db, site.keys, who) == []

    def test_an_item_can_be_skipped_and_reported_and_is_not_seen_again(self, site, browser):
        portal.items(site.db, 2)
        browser.get("/portal/work")
        page = browser.post(f"/portal/work/{browser.presentation}/leave", {"kind": "skipped"})
        assert "Skipped." in page.text
        page = browser.post(
            f"/portal/work/{browser.presentation}/leave", {"kind": "reported", "reason": "not for me"}
        )
        assert "somebody looks at it" in page.text
        assert "Thank you" in page.text

    def test_a_warning_comes_before_the_item(self, site, browser):
        [row] = portal.items(site.db, 1, topic="tier-one:terrorism")
        page = browser.get("/portal/work")
        assert "This may be hard to read" in page.text
        assert row["candidates"][0]["text"] not in page.text
        presentation = browser.presentation
        browser.post(
            f"/portal/work/{presentation}", {"choice": "first_better"}
        )  # unseen, it cannot be judged
        who = enrolment.find_person(site.db, "main", "a-0001")
        assert given_judgements(site.db, site.keys, who) == []
        page = browser.post(f"/portal/work/{presentation}/show", {})
        assert row["candidates"][0]["text"] in page.text

    def test_a_break_is_suggested_after_long_work(self, site, browser):
        portal.items(site.db, 4)
        for _ in range(2):
            browser.get("/portal/work")
            site.clock.now += timedelta(minutes=14)
            page = browser.post(f"/portal/work/{browser.presentation}", {"choice": "first_better"})
        assert "You have been comparing for 28 minutes." in page.text

    def test_what_lay_open_too_long_is_told_kindly(self, site, browser):
        portal.items(site.db, 1)
        browser.get("/portal/work")
        mine = browser.presentation
        site.clock.now += timedelta(minutes=31)
        for name in ("a-2", "a-3", "a-4"):
            assert "Which answer" in Browser(site.app, secret=site.ready(name)).get("/portal/work").text
        page = browser.post(
            f"/portal/work/{mine}", {"choice": "first_better", "kind": "pairwise", "places": "2"}
        )
        assert "passed on to somebody else" in page.text


class TestMyData:
    def test_everything_held_can_be_taken_away(self, site):
        portal.items(site.db, 1)
        browser = Browser(site.app, secret=site.ready())
        browser.get("/portal/work")
        browser.post(
            f"/portal/work/{browser.presentation}", {"choice": "first_better", "rationale": "my words"}
        )
        answer = browser.get("/portal/my-data/download")
        held = json.loads(answer.text)
        assert "attachment" in answer.headers["content-disposition"]
        assert held["judgements"][0]["answer"]["rationale"] == "my words"
        assert {event["purpose"] for event in held["consent"]} == {
            "collection",
            "training",
            "publication",
            "conversation",
            "recontact",
        }
        assert len(held["answers"]) == len(site.portal.codebook.fields)

    def test_an_answer_and_a_consent_can_be_changed(self, site):
        browser = Browser(site.app, secret=site.ready())
        page = browser.post("/portal/about-you", {"f.age": "65+", "decline": "1", "from": "mine"})
        assert "65 years or older" in page.text
        page = agree(browser, site, **{"purpose.training": "no", "from": "mine"})
        assert "My data" in page.text
        assert {row["purpose"] for row in consents.live_consents(site.db)} == {"collection"}
        who = enrolment.find_person(site.db, "main", "a-0001")
        assert [
            e["kind"] for e in consents.history(site.db, "main", who.annotator) if e["purpose"] == "training"
        ] == ["given", "withdrawn"]

    def test_the_language_can_be_changed(self, site):
        browser = Browser(site.app, secret=site.ready())
        browser.get("/portal/my-data")
        assert "Meine Daten" in browser.post("/portal/my-data/language", {"lang": "de"}).text

    def test_withdrawing_asks_once_more_then_stops_everything(self, site):
        portal.items(site.db, 2)
        browser = Browser(site.app, secret=site.ready())
        browser.get("/portal/work")
        assert browser.post("/portal/my-data/withdraw", {}).status_code == 422
        assert enrolment.withdrawal_requests(site.db) == []
        page = browser.post("/portal/my-data/withdraw", {"sure": "1"})
        [request] = enrolment.withdrawal_requests(site.db, open_only=True)
        assert (request.annotator, request.via) == ("a-0001", "portal")
        assert request.request in page.text
        assert browser.get("/portal/work").status_code == 401
        assert consents.live_consents(site.db) == []


class TestPay:
    @pytest.fixture
    def paid(self, tmp_path):
        pay = PaySettings(per_hour="12.50", currency="EUR")
        made = Site(tmp_path, sites=(SiteSettings(id="main", key="secret of the site", pay=pay),))
        yield made
        made.db.close()

    def test_time_and_what_it_comes_to_are_shown_and_in_the_download(self, paid):
        portal.items(paid.db, 2)
        browser = Browser(paid.app, secret=paid.ready())
        page = browser.get("/portal/work")
        assert "Time that counts" not in page.text  # nothing was done yet
        paid.clock.now += timedelta(minutes=6)
        page = browser.post(f"/portal/work/{browser.presentation}", {"choice": "first_better"})
        assert "Time that counts: 6 min. That is 1.25 EUR, at 12.50 EUR an hour." in page.text
        assert "1.25 EUR" in browser.get("/portal/my-data").text
        held = json.loads(browser.get("/portal/my-data/download").text)
        assert held["time"] == {"seconds": 360.0, "per_hour": "12.50", "currency": "EUR", "amount": "1.25"}

    def test_where_no_rate_is_stated_only_the_time_is_shown(self, site):
        portal.items(site.db, 1)
        browser = Browser(site.app, secret=site.ready())
        browser.get("/portal/work")
        site.clock.now += timedelta(minutes=2)
        page = browser.post(f"/portal/work/{browser.presentation}", {"choice": "first_better"})
        assert "Time that counts: 2 min." in page.text
        assert "an hour" not in page.text
