"""The catalogue page in Chromium: moving wishes by mouse and keyboard, with and without JavaScript."""

import os
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from infra.policy_cache import PolicyCache
from infra.policy_files import POLICIES, packs
from infra.settings import Settings
from infra.web.app import create_app
from tests.support.browser import CHROMIUM, CONTRAST, UNNAMED
from tests.support.served import served

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]
IMAGES = Path(__file__).parents[2] / "docs" / "images"
# Set to take the pictures of the manual anew.
TAKES_PICTURES = bool(os.environ.get("BOUNDS_PICTURES"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("catalogue") / "policies"
    target.mkdir()
    for file in packs()["demo"]:
        shutil.copy(POLICIES / file, target)
    return target


@pytest.fixture(scope="module")
def address(folder, tmp_path_factory):
    cache = PolicyCache(folder, seconds_between_looks=0)
    with served(create_app(Settings(home=tmp_path_factory.mktemp("home")), policies=cache)) as url:
        yield url


@pytest.fixture(scope="module")
def companion(tmp_path_factory):
    home = tmp_path_factory.mktemp("companion")
    with served(create_app(Settings(home=home, policy="companion"))) as url:
        yield url


@pytest.fixture
def open_page(look):
    return partial(look, reduced_motion="reduce")


def becomes(page, states):
    """Waits until the outcome is this: name of the wish → its state."""
    rows = page.locator("#outcome .outcomes li")
    playwright.expect(rows).to_have_count(len(states))
    for name, state in states.items():
        row = rows.filter(has=page.locator(".wished strong", has_text=name))
        playwright.expect(row).to_have_attribute("data-state", state)


STARTING = {"Tone": "honoured", "Moralising": "honoured", "Detail": "clipped", "Companionship": "denied"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_it_fits_is_legible_named_and_asks_nobody_else(open_page, companion, width, scheme):
    for path in ("/policies", "/policies/example-model-provider/1.0.0"):
        page = open_page(companion + path, width=width, scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.evaluate("document.querySelectorAll('details').forEach(at => at.open = true)")
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []
        assert [url for url in page.asked if not url.startswith((companion, "data:"))] == []
        assert page.complaints == []


def test_the_outcome_follows_a_wish_that_is_moved(open_page, address):
    page = open_page(f"{address}/policies")
    becomes(page, STARTING)
    page.get_by_label("Age band").select_option("adult")
    becomes(page, {**STARTING, "Companionship": "honoured"})
    assert page.url == f"{address}/policies"
    page.get_by_role("group", name="Companionship").get_by_role("radio", name="no wish").check()
    becomes(page, {"Tone": "honoured", "Moralising": "honoured", "Detail": "clipped"})
    playwright.expect(page.get_by_role("status")).to_have_text("2 honoured, 1 clipped and 0 denied.")
    playwright.expect(page.locator("#prompt")).to_contain_text("Companionship: none")
    assert page.complaints == []


def test_a_denial_names_the_rule_its_tier_and_whom_to_ask(open_page, address):
    page = open_page(f"{address}/policies")
    denied = page.locator("#outcome li[data-state=denied]")
    playwright.expect(denied).to_contain_text(
        "Do not offer romantic role play to anyone who is not an adult."
    )
    playwright.expect(denied).to_contain_text("Tier One, Example law (stands in for law)")
    playwright.expect(denied).to_contain_text("demo-law@example.org")
    denied.get_by_role("link").click()
    assert page.url.endswith("#rule-T1.no-romance-for-children")


def test_a_slider_is_moved_with_the_keyboard_and_shows_what_is_left(open_page, address):
    page = open_page(f"{address}/policies?example=none")
    becomes(page, {})
    slider = page.get_by_role("slider", name="Detail")
    slider.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    becomes(page, {"Detail": "clipped"})
    playwright.expect(page.locator("#v-detail")).to_have_text("1")
    assert page.get_by_role("checkbox", name="I wish").is_checked()
    left = page.locator("#bar-detail .bar-left")
    assert (left.get_attribute("x"), left.get_attribute("width")) == ("25.0", "75.0")
    page.keyboard.press("End")
    becomes(page, {"Detail": "honoured"})


def test_marks_on_choices_follow_the_context(open_page, address):
    page = open_page(f"{address}/policies")
    romantic = page.locator("label", has_text=re.compile("^romantic$"))
    playwright.expect(romantic).to_have_attribute("data-out", "yes")
    page.get_by_label("Age band").select_option("adult")
    playwright.expect(romantic).to_have_attribute("data-out", "no")
    rule = page.locator("[id='rule-T1.no-romance-for-children']")
    playwright.expect(rule).to_contain_text("not in this context")


def test_an_unfolded_rule_stays_so_while_wishes_move(open_page, address):
    page = open_page(f"{address}/policies")
    rule = page.locator("[id='rule-T1.terrorism']")
    rule.locator("summary").click()
    page.get_by_label("Age band").select_option("adult")
    becomes(page, {**STARTING, "Companionship": "honoured"})
    assert rule.locator("details").get_attribute("open") is not None


def test_everything_can_be_done_with_the_keyboard(open_page, address):
    page = open_page(f"{address}/policies")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.name ?? document.activeElement.id"))
    assert {"c.age_band", "w.tone", "w.moralising", "on.detail", "w.detail", "w.companionship"} <= reached
    assert "prompt" in reached
    page.locator("[name='w.tone'][value=warm]").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("[name='w.tone'][value=neutral]").is_checked()
    outline = page.evaluate("getComputedStyle(document.activeElement.nextElementSibling).outlineStyle")
    assert outline == "solid"


def test_without_javascript_the_button_does_the_same(open_page, address):
    page = open_page(f"{address}/policies", javascript=False)
    becomes(page, STARTING)
    page.get_by_label("Age band").select_option("adult")
    page.get_by_role("button", name="Show what is in force").click()
    becomes(page, {**STARTING, "Companionship": "honoured"})
    assert "romantic" not in page.url
    assert page.locator("[name='w.companionship'][value=romantic]").is_checked()


def test_a_changed_file_shows_at_the_next_move(open_page, address, folder):
    file = folder / "provider.yaml"
    good = file.read_text()
    page = open_page(f"{address}/policies")
    becomes(page, STARTING)
    try:
        file.write_text(good.replace("detail: {at_least: 2}", "detail: {at_least: 1}"))
        page.get_by_role("group", name="Tone").get_by_role("radio", name="neutral").check()
        becomes(page, {**STARTING, "Detail": "honoured"})
        file.write_text("tier: [")
        page.goto(f"{address}/policies")
        playwright.expect(page.get_by_role("alert")).to_contain_text("cannot be used")
        becomes(page, {**STARTING, "Detail": "honoured"})
    finally:
        file.write_text(good)


def test_a_server_that_is_gone_is_told(open_page, address):
    page = open_page(f"{address}/policies")
    page.route("**/policies", lambda route: route.abort())
    page.get_by_label("Age band").select_option("adult")
    playwright.expect(page.get_by_role("status")).to_contain_text("No answer from the server")
    playwright.expect(page.get_by_role("button", name="Show what is in force")).to_be_visible()


@pytest.mark.skipif(not TAKES_PICTURES, reason="set BOUNDS_PICTURES to take them")
def test_pictures_for_the_manual(open_page, address, companion):
    IMAGES.mkdir(exist_ok=True)
    for name, width, height, scheme in (
        ("desk", 1280, 900, "light"),
        ("dark", 1280, 900, "dark"),
        ("phone", 390, 844, "light"),
    ):
        page = open_page(f"{address}/policies", width=width, height=height, scheme=scheme)
        page.screenshot(path=IMAGES / f"catalogue-{name}.png", full_page=name != "phone")
        page.locator("#try").scroll_into_view_if_needed()
        if name == "phone":
            page.evaluate("document.querySelector('#try').scrollIntoView()")
            page.screenshot(path=IMAGES / "catalogue-phone-wishes.png")
    page = open_page(f"{companion}/policies/example-companion-chat/1.0.0")
    page.screenshot(path=IMAGES / "catalogue-document.png", full_page=True)
