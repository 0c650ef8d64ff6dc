"""Chromium, and a page opened in it that keeps what it asked for and what it complained of."""

import pytest

from tests.support.browser import CHROMIUM, QUIET

playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield launched
        launched.close()


@pytest.fixture
def look(browser):
    """Open an address in a context of its own; ``page.asked`` and ``page.complaints`` tell what came of it."""
    contexts = []

    def opened(url, *, width=1280, height=900, scheme="light", javascript=True, cookies=(), **context):
        made = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=javascript,
            **context,
        )
        contexts.append(made)
        made.add_cookies(list(cookies))
        page = made.new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
