"""A live conversation in Chromium: by keyboard from the first message to the end, sound on a desk and on a phone."""

import pytest

from annotation.web.texts import shipped_languages
from infra import enrolment
from infra.live_campaigns import make_campaign, open_campaign
from infra.portal_judgements import given_judgements
from infra.settings import LiveModelSettings
from tests.browser.test_portal import (
    CHROMIUM,
    IMAGES,
    TAKES_PICTURES,
    mirrored,
    name,
    playwright,
    sound,
    visit,
)
from tests.support.endpoint import SeveralModels, stub_endpoint
from tests.support.portal import Site
from tests.support.served import served

__all__ = ["name", "visit"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]
SAYS = {
    "house-model-1": "It depends on what you mean by **fair**. Equal shares are simple, but they ignore who did the work, and who needs more.",
    "house-model-2": "Everybody gets the same. Anything else starts quarrels.",
    "house-model-3": "You could ask each of them:\n\n1. what they put in,\n2. what they need,\n3. what they would accept if they did not know whose part is whose.",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from datetime import UTC, datetime

    with stub_endpoint(kind=SeveralModels) as stub:
        live = {name[-1]: LiveModelSettings(url=stub.url, model=name, timeout=5) for name in SAYS}
        made = Site(
            tmp_path_factory.mktemp("live"),
            languages=mirrored(),
            clock=lambda: datetime.now(UTC),
            live=live,
        )
        made.stub = stub
        open_campaign(made.db, "main", make_campaign(made.settings, turns=2), now=made.clock())
        with served(made.app) as address:
            made.address = address
            yield made
        made.db.close()


def picture(page, take):
    if TAKES_PICTURES:
        page.screenshot(path=IMAGES / f"portal-live-{take}.png", full_page=True)


def test_by_keyboard_on_a_phone_from_the_first_message_through_a_fault_to_the_end(visit, site, name):
    site.stub.says = dict(SAYS)
    site.stub.plan = {"house-model-2": "dead"}
    secret = site.ready(name, conversation=True)
    page = visit("/portal/live", who=secret, width=390, height=844)

    def reach(selector):
        for _ in range(200):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    sound(page, site)
    reach("#message")
    page.keyboard.type("How should three friends share what they earned together?")
    page.keyboard.press("Control+Enter")
    playwright.expect(page.get_by_text("Not every model has answered")).to_be_visible(timeout=15_000)
    sound(page, site)
    picture(page, "stuck-phone")
    site.stub.plan, site.stub.delay = {}, 60.0  # until it was looked at
    reach("main .row form:first-child button")
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_text("The models are answering")).to_be_visible()
    sound(page, site)
    site.stub.delay = 0.0
    playwright.expect(page.get_by_role("heading", name="Answer 3")).to_be_visible(timeout=15_000)
    sound(page, site)
    assert "house-model" not in page.content()
    for number, value in ((1, "20"), (2, "90"), (3, "55")):
        reach(f"[name='score.{number}']")
        page.keyboard.type(value)
    picture(page, "judge-phone")
    page.keyboard.press("Control+Enter")
    playwright.expect(page.get_by_label("Your next message")).to_be_visible()
    sound(page, site)
    site.stub.says.clear()
    reach("#message")
    page.keyboard.type("And if one of them was ill?")
    page.keyboard.press("Control+Enter")
    playwright.expect(page.get_by_role("heading", name="Answer 2")).to_be_visible(timeout=15_000)
    assert page.get_by_role("heading", name="Answer 3").count() == 0
    for number, value in ((1, "20"), (2, "90")):
        reach(f"[name='score.{number}']")
        page.keyboard.type(value)
    page.keyboard.press("Control+Enter")
    playwright.expect(page.get_by_text("This conversation is over")).to_be_visible()
    sound(page, site)
    who = enrolment.find_person(site.db, "main", name)
    given = given_judgements(site.db, site.keys, who)
    assert [one["answer"]["scores"] for one in given] == [[20, 90, 55], [20, 90]]
    assert all(0 < one["seconds"] < 60 for one in given)


def test_on_a_desk_in_the_dark_and_without_javascript(visit, site, name):
    site.stub.says, site.stub.plan, site.stub.delay = dict(SAYS), {}, 0.0
    secret = site.ready(name, conversation=True)
    page = visit("/portal/live", who=secret)
    sound(page, site)
    picture(page, "begin-desk")
    page.context.close()
    page = visit("/portal/live", who=secret, javascript=False)
    page.get_by_label("Your message").fill("How should three friends share what they earned together?")
    page.get_by_role("button", name="Send").click()
    for _ in range(50):
        if page.get_by_role("heading", name="Answer 3").count():
            break
        page.get_by_role("link", name="See whether").click()
    page.context.close()
    for scheme in ("dark", "light"):
        page = visit("/portal/live", who=secret, scheme=scheme)
        playwright.expect(page.get_by_role("heading", name="Answer 3")).to_be_visible()
        sound(page, site)
    picture(page, "judge-desk")
    who = site.portal.store.session(secret, site.portal.clock())
    for tag in ("de", "ar"):
        site.portal.store.set_locale(who, tag)
        page = visit("/portal/live", who=secret, width=390)
        sound(page, site)
        words = shipped_languages().get(tag if tag == "de" else "en")
        assert words("live_judge") in page.content()
    site.portal.store.set_locale(who, "en")
    page = visit("/portal/my-data", who=secret)
    page.get_by_role("link", name="Conversation 1").click()
    playwright.expect(page.get_by_role("heading", name="Answer 3")).to_be_visible()
