"""The start page in Chromium: what a person sees, on a desk and on a phone, in both schemes."""

import httpx
import pytest

from infra.stack import Stack
from tests.support.browser import CHROMIUM, CONTRAST

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.servers,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Stack(
        tmp_path_factory.mktemp("start-page"), store="s3", parts=("web", "s3"), ports={"web": 0, "s3": 0}
    ) as it:
        yield it


@pytest.fixture
def open_page(stack, look):
    return lambda **shape: look(stack.settings.web_url, **shape)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_it_fits_is_legible_and_asks_nobody_else(open_page, stack, width, scheme):
    page = open_page(width=width, scheme=scheme)
    assert page.get_by_role("heading", level=1).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert [url for url in page.asked if not url.startswith((stack.settings.web_url, "data:"))] == []
    assert page.complaints == []


def test_the_ground_follows_the_scheme(open_page):
    grounds = {
        scheme: open_page(scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert grounds["light"] != grounds["dark"]


def test_the_keyboard_reaches_the_content_first(open_page):
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_the_lights_follow_while_the_page_is_open(open_page, stack):
    page = open_page()
    light = page.locator("[data-part=s3] .light")
    assert light.get_attribute("data-healthy") == "yes"
    stack.hold("s3")
    try:
        page.wait_for_selector("[data-part=s3] .light[data-healthy=no]", timeout=15_000)
        assert "parts need a look: s3" in page.locator("#verdict").text_content()
    finally:
        stack.release("s3")
    page.wait_for_selector("[data-part=s3] .light[data-healthy=yes]", timeout=15_000)


def test_every_link_of_ours_leads_somewhere(open_page, stack):
    page = open_page()
    links = page.eval_on_selector_all("a[href^='/']", "all => all.map(a => a.getAttribute('href'))")
    assert links
    for link in set(links):
        assert httpx.get(f"{stack.settings.web_url}{link}").status_code == 200
