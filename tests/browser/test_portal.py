"""The portal in Chromium: every page by axe-core, by keyboard alone, on a phone, dark and light, right to left."""

import os
from importlib import resources
from pathlib import Path

import pytest

from annotation.web.texts import Language, Languages, shipped_languages
from infra import enrolment
from infra.portal_judgements import given_judgements
from tests.support.browser import CHROMIUM, CONTRAST, UNNAMED
from tests.support.portal import Site
from tests.support.served import served

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TAKES_PICTURES = bool(os.environ.get("BOUNDS_PICTURES"))
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """() => axe.run(document, {resultTypes: ["violations"]}).then(found =>
  found.violations.map(one => [one.id, one.nodes.map(node => node.html.slice(0, 120)).slice(0, 3)]))"""
CHAT = [
    {"role": "user", "content": "My neighbour plays the trumpet at night. What can I do?"},
    {"role": "assistant", "content": "That sounds tiring. Have you **talked** to them already?"},
    {"role": "user", "content": "Yes, twice. Nothing changed."},
]
ANSWERS = (
    "You could:\n\n1. write down the dates and times,\n2. ask the landlord to remind everybody of the quiet hours,\n3. offer a time at which the trumpet does not bother you.\n\nMost such quarrels end at the third step.",
    "Noise at night is forbidden. Call the police.",
    "I am sorry to hear that. Sleep is important. Perhaps earplugs help: `SNR 30` or more.",
)


def mirrored():
    """English under a right-to-left tag: shows whether the pages turn round, without claiming a translation."""
    english = shipped_languages().get("en")
    words = {**english.words, "direction": "rtl", "language": "Mirrored"}
    return Languages([*shipped_languages(), Language(tag="ar", direction="rtl", words=words)])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from datetime import UTC, datetime

    made = Site(
        tmp_path_factory.mktemp("portal"), overlap=1000, languages=mirrored(), clock=lambda: datetime.now(UTC)
    )
    with served(made.app) as address:
        made.address = address
        yield made
    made.db.close()


@pytest.fixture
def visit(site, look):
    def open_page(path, *, who=None, touch=False, **shape):
        known = [{"name": "bounds-portal", "value": who, "url": site.address}] if who is not None else []
        return look(site.address + path, cookies=known, locale="en-GB", has_touch=touch, **shape)

    return open_page


@pytest.fixture
def name(request):
    return "a-" + str(abs(hash(request.node.nodeid)))[:12]


def put(site, kind, candidates=2, **over):
    """One item of a kind before everybody, the only one that is left."""
    from sqlalchemy import delete

    from annotation.records import make_item
    from infra import catalogue
    from infra.reservations import add_portal_items
    from infra.tables.portal import PORTAL_ITEMS
    from tests.support.platform import import_record

    with site.db.write() as connection:
        connection.execute(delete(PORTAL_ITEMS))
    row = make_item(
        prompt=over.get("prompt", CHAT),
        candidates=[
            (f"secret-model-{n}", text)
            for n, text in enumerate((*ANSWERS, ANSWERS[0] + " Good luck!")[:candidates])
        ],
        language="en",
        topic=over.get("topic"),
        origin="test",
        licence="CC0-1.0",
        source_ref=over.get("ref", f"{kind}{candidates}"),
        simulated=True,
    )
    catalogue.add_items(site.db, [row], import_record(read=1, imported=1, refused=0))
    add_portal_items(site.db, "main", [row["item"]], kind=kind)
    return row


def sound(page, site):
    """Nothing that axe-core, the contrast formula or the console complains of; nobody else was asked."""
    # The page's own policy forbids scripts of others: axe comes in by the driver.
    page.evaluate(AXE)
    assert page.evaluate(VIOLATIONS) == []
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [url for url in page.asked if not url.startswith((site.address, "data:"))] == []
    assert [text for text in page.complaints if "422" not in text and "40" not in text] == []


SHAPES = [(1280, "light"), (390, "dark")]
MORE_SHAPES = [(390, "light"), (1280, "dark"), (768, "light")]


def shapes(visit, site, who, path, check, take=None):
    for width, scheme in SHAPES:
        page = visit(path, who=who, width=width, scheme=scheme)
        check(page)
        sound(page, site)
        if TAKES_PICTURES and take and (width, scheme) in {(1280, "light"), (390, "dark")}:
            page.screenshot(
                path=IMAGES / f"portal-{take}-{'desk' if width > 400 else 'phone'}.png",
                full_page=take not in {"about", "my-data"},
            )
        page.context.close()


def test_the_way_in_is_sound_in_every_shape(visit, site, name):
    link = site.invite(name)
    secret = site.portal.store.open_session(link.removeprefix("/join/"), "en", site.portal.clock())

    def headed(text):
        return lambda page: playwright.expect(page.get_by_role("heading", level=1)).to_have_text(text)

    shapes(visit, site, None, link, headed("You are invited"), "join")
    shapes(visit, site, secret, "/portal", headed("What you agree to"), "consent")
    who = site.portal.store.session(secret, site.portal.clock())
    agreed = {purpose.id: True for purpose in site.portal.consent_text.purposes}
    site.portal.store.decide(who, agreed, site.portal.clock())
    shapes(visit, site, secret, "/portal", headed("About you"), "about")
    declined = [(q.id, "prefer_not_to_say", None, None) for q in site.portal.codebook.fields]
    site.portal.store.give_answers(who, declined, site.portal.clock())
    shapes(visit, site, secret, "/portal", headed("How it works"), "instructions")


@pytest.mark.parametrize(
    ("kind", "candidates"), [("pairwise", 2), ("rating", 3), ("ranking", 3), ("attributes", 2)]
)
def test_every_kind_of_item_is_sound_in_every_shape(visit, site, name, kind, candidates):
    put(site, kind, candidates)
    secret = site.ready(name)

    def blind(page):
        playwright.expect(page.get_by_role("group", name="Your judgement").first).to_be_visible()
        assert "secret-model" not in page.content()

    shapes(visit, site, secret, "/portal/work", blind, kind)


def test_the_other_pages_are_sound_in_every_shape(visit, site, name):
    put(site, "pairwise", topic="tier-one:terrorism", ref="warned")
    secret = site.ready(name)

    def seen(text):
        return lambda page: playwright.expect(page.get_by_role("heading", level=1)).to_have_text(text)

    shapes(visit, site, secret, "/portal/work", seen("This may be hard to read"), "warning")
    shapes(visit, site, secret, "/portal/my-data", seen("My data"), "my-data")
    shapes(visit, site, secret, "/portal/my-data/withdraw", seen("Withdraw from the study"), "withdraw")
    shapes(visit, site, None, "/portal/my-data", seen("Please use your personal link"))
    shapes(visit, site, None, "/join/nothing", seen("This link leads nowhere"))
    page = visit("/portal/work", who=secret)
    page.get_by_role("button", name="Skip this item").click()
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    sound(page, site)
    page.goto(f"{site.address}/portal/my-data/withdraw")
    page.get_by_role("button", name="Yes, delete").click()
    playwright.expect(page.get_by_role("alert")).to_be_visible()
    sound(page, site)
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Yes, delete").click()
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("You have withdrawn")
    sound(page, site)
    assert page.context.cookies() == []


@pytest.mark.slow
def test_the_pages_are_sound_in_the_other_shapes(monkeypatch, visit, site, name):
    monkeypatch.setitem(globals(), "SHAPES", MORE_SHAPES)
    test_the_way_in_is_sound_in_every_shape(visit, site, f"{name}-in")
    for kind, candidates in (("pairwise", 2), ("rating", 4), ("ranking", 4), ("attributes", 3)):
        test_every_kind_of_item_is_sound_in_every_shape(visit, site, f"{name}-{kind}", kind, candidates)
    test_the_other_pages_are_sound_in_every_shape(visit, site, f"{name}-other")


def test_with_the_keyboard_alone_from_the_link_to_thanks_on_a_phone(visit, site, name):
    put(site, "pairwise", ref="keyboard")
    page = visit(site.invite(name), width=390, height=844)

    def reach(selector):
        for _ in range(400):
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid", selector
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    reach("main button")
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("What you agree to")
    for purpose in site.portal.consent_text.purposes:
        reach(f"[name='purpose.{purpose.id}']")
        page.keyboard.press("Space")
    reach("main form button:not(.plain)")
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("About you")
    reach("[name='f.age']")
    page.keyboard.press("Space")
    reach("[name='f.prefers_safety']")
    page.keyboard.type("80")
    reach("button[name=decline]")
    page.keyboard.press("Enter")
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("How it works")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("Which answer is better?")
    page.keyboard.press("6")
    assert page.locator("[value=second_better]").is_checked()
    reach("#rationale")
    page.keyboard.type("It has 7 reasons")  # keys while writing choose nothing
    assert page.locator("[value=second_better]").is_checked()
    page.keyboard.press("Control+Enter")
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    who = enrolment.find_person(site.db, "main", name)
    [given] = given_judgements(site.db, site.keys, who)
    assert given["answer"] == {"choice": "second_better", "rationale": "It has 7 reasons"}
    assert 0 < given["seconds"] < 60
    said = site.portal.store.answers(who)
    assert (said["age"].value, said["prefers_safety"].value, said["gender"].status) == (
        "18-24",
        "80",
        "prefer_not_to_say",
    )


def test_without_javascript_a_judgement_can_be_given(visit, site, name):
    put(site, "rating", 3, ref="noscript")
    page = visit("/portal/work", who=site.ready(name), javascript=False)
    assert page.locator("input[type=range]:visible").count() == 0
    page.get_by_role("button", name="Submit").click()
    playwright.expect(page.get_by_role("alert")).to_contain_text("Give every answer a value")
    for number, value in ((1, "90"), (2, "5"), (3, "40")):
        page.locator(f"[name='score.{number}']").fill(value)
    page.get_by_role("button", name="Submit").click()
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")


def test_a_slider_has_no_value_until_it_is_touched(visit, site, name):
    put(site, "rating", 2, ref="slider")
    page = visit("/portal/work", who=site.ready(name))
    slider = page.get_by_role("slider", name="Answer 1")
    assert slider.get_attribute("aria-valuetext") == "not rated yet"
    assert page.locator("[name='score.1']").input_value() == ""
    page.get_by_role("button", name="Submit").click()
    playwright.expect(page.get_by_role("alert")).to_be_visible()
    slider = page.get_by_role("slider", name="Answer 1")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") is None
    assert page.locator("[name='score.1']").input_value() == slider.input_value()
    assert page.locator("[name='score.2']").input_value() == ""


def test_a_ranking_gives_each_place_once_and_untouched_is_not_submitted(visit, site, name):
    put(site, "ranking", 3, ref="ranked")
    page = visit("/portal/work", who=site.ready(name))
    page.get_by_role("button", name="Submit").click()
    playwright.expect(page.get_by_role("alert")).to_contain_text("each place once")
    page.locator("[name='rank.1'][value='1']").check()
    page.locator("[name='rank.2'][value='1']").check()
    assert not page.locator("[name='rank.1'][value='1']").is_checked()
    page.locator("[name='rank.1'][value='2']").check()
    page.locator("[name='rank.3'][value='3']").check()
    page.get_by_role("button", name="Submit").click()
    playwright.expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")


def test_a_draft_is_saved_while_working_and_comes_back(visit, site, name):
    put(site, "pairwise", ref="draft")
    secret = site.ready(name)
    page = visit("/portal/work", who=secret)
    page.keyboard.press("3")
    page.locator("#rationale").fill("half a thought")
    playwright.expect(page.locator("#draft")).to_have_text("Draft saved")
    again = visit("/portal/work", who=secret)
    assert again.locator("[value=first_slightly_better]").is_checked()
    assert again.locator("#rationale").input_value() == "half a thought"
    again.route("**/draft", lambda route: route.abort())
    again.locator("#rationale").fill("more")
    playwright.expect(again.locator("#draft")).to_contain_text("could not be saved")


def test_right_to_left_the_page_turns_round(visit, site, name):
    put(site, "pairwise", ref="mirrored")
    secret = site.ready(name)
    who = site.portal.store.session(secret, site.portal.clock())
    site.portal.store.set_locale(who, "ar")
    for width in (390, 1280):
        page = visit("/portal/work", who=secret, width=width)
        assert page.locator("html").get_attribute("dir") == "rtl"
        sound(page, site)
        mark, leave = page.locator(".wordmark").bounding_box(), page.locator(".leave").bounding_box()
        assert leave["x"] < mark["x"]
        if width == 1280:
            first, second = (page.locator("article").nth(n).bounding_box() for n in (0, 1))
            assert first["x"] > second["x"]
            assert abs(first["width"] - second["width"]) <= 1
            if TAKES_PICTURES:
                page.screenshot(path=IMAGES / "portal-right-to-left.png", full_page=True)


def test_on_a_phone_targets_are_big_and_answers_stand_one_below_the_other(visit, site, name):
    put(site, "pairwise", ref="phone")
    page = visit("/portal/work", who=site.ready(name), width=390, height=844, touch=True)
    first, second = (page.locator("article").nth(n).bounding_box() for n in (0, 1))
    assert second["y"] >= first["y"] + first["height"]
    for target in page.locator(".choices label, main button:visible").all():
        assert target.bounding_box()["height"] >= 44


def test_in_german_every_page_speaks_german(visit, site, name):
    put(site, "pairwise", ref="german")
    secret = site.ready(name)
    who = site.portal.store.session(secret, site.portal.clock())
    site.portal.store.set_locale(who, "de")
    for path, title in (
        ("/portal/work", "Welche Antwort ist besser?"),
        ("/portal/my-data", "Meine Daten"),
        ("/portal/about-you", "Über Sie"),
        ("/portal/consent", "Wozu Sie zustimmen"),
        ("/portal/my-data/withdraw", "Teilnahme zurückziehen"),
    ):
        page = visit(path, who=secret)
        assert page.locator("html").get_attribute("lang") == "de"
        playwright.expect(page.get_by_role("heading", level=1)).to_have_text(title)
        sound(page, site)
