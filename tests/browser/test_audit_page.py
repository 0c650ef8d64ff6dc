"""An audit's page in Chromium: verdict first, examples closed and blurred until a reader wants them."""

from __future__ import annotations

import os
from importlib import resources

import pytest

from governance.audit.page import as_page
from governance.audit.personas import resolve_persona
from governance.audit.plan import make_plan
from governance.audit.responses import NO_PERSONA, Response
from infra.candidates import learn
from infra.demo_files import demo_probes
from infra.policy_files import load_pack
from tests.infra.test_candidates import POLICY, audited
from tests.support.browser import CHROMIUM, CONTRAST, HIDDEN, IMAGES, UNNAMED
from tests.support.demo_release import release

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]


def page_of(kind):
    """The page of one candidate, with examples."""
    ranker = learn(release(1), kind, seed=1)
    report = audited(ranker)
    resolved = [resolve_persona(POLICY, document.id, document) for document in load_pack("demo-profile")]
    plan = make_plan(
        POLICY,
        demo_probes(),
        personas=(NO_PERSONA, *(each.persona for each in resolved)),
        resolved=resolved,
        seed=1,
    )
    responses = [
        Response(
            probe=request.probe.id,
            persona=request.persona.id,
            text=ranker.answer(request.probe.prompt, request.persona.settings),
        )
        for request in plan.requests
    ]
    prompts = {probe.id: probe.prompt for probe in plan.probe_set.probes}
    return as_page(report, prompts=prompts, answers={each.key: each.text or "" for each in responses})


def axe(page):
    """What axe-core complains of. The page's own policy forbids scripts; axe comes in by the driver."""
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(
        "() => axe.run(document, {resultTypes: ['violations']}).then(run => run.violations)"
    )
    return [(each["id"], each["nodes"][0]["html"][:120]) for each in found]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit-page")
    for kind in ("unbounded", "one-manner", "bounded"):
        (folder / f"{kind}.html").write_text(page_of(kind), encoding="utf-8")
    return folder


@pytest.fixture
def visit(files, look):
    return lambda kind, **shape: look((files / f"{kind}.html").as_uri(), **shape)


@pytest.mark.parametrize("kind", ["unbounded", "one-manner", "bounded"])
@pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
)
def test_it_fits_is_legible_and_has_names_for_everything(visit, kind, width, scheme):
    page = visit(kind, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(HIDDEN) == []
    assert page.complaints == []
    assert axe(page) == []
    verdict = page.locator("header .v").first.inner_text()
    assert verdict == ("PASS" if kind == "bounded" else "FAIL")
    assert page.title().startswith(f"Audit: {verdict}")


@pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
)
def test_figures_fit_or_scroll_in_themselves_and_say_what_they_show(visit, width, scheme):
    page = visit("one-manner", width=width, scheme=scheme)
    for name in ("Rates and limits", "Groups"):
        region = page.get_by_role("region", name=name)
        figure = region.get_by_role("img")
        assert figure.get_attribute("aria-label")
        assert figure.locator("desc").text_content(timeout=2000)
        assert region.bounding_box()["width"] <= width
        room = region.evaluate("element => [element.scrollWidth, element.clientWidth]")
        assert (room[0] > room[1]) == (width == 390)
        region.focus()
        page.keyboard.press("ArrowRight")
        if width == 390:
            page.wait_for_function(
                "name => document.querySelector(`[aria-label='${name}']`).scrollLeft > 0", arg=name
            )
    if (width, scheme) == (1280, "light") and os.environ.get("BOUNDS_PICTURES"):
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=IMAGES / "audit-desk.png")


def test_examples_stay_closed_and_blurred_until_asked_for(visit):
    page = visit("unbounded")
    quote = page.locator("blockquote").first
    assert not quote.is_visible()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert quote.is_visible()
    blurred = "element => getComputedStyle(element).filter"
    assert "blur" in quote.evaluate(blurred)
    page.locator("input.see").first.focus()
    page.keyboard.press("Space")
    assert quote.evaluate(blurred) == "none"
    page.locator("input.see").first.click()
    assert "blur" in quote.evaluate(blurred)
    page.locator("input.see").first.click()
    assert quote.evaluate(blurred) == "none"
    # The next one stays blurred: each is a decision of its own.
    assert "blur" in page.locator("li:nth-child(2) > blockquote").first.evaluate(blurred)


def test_what_stands_in_the_way_leads_to_its_rule(visit):
    page = visit("one-manner")
    heading = page.get_by_role("heading", name="What stands in the way")
    assert heading.is_visible()
    page.locator("li a", has_text="A.age=65+").first.click()
    assert page.url.endswith("#f" + page.url.rpartition("#f")[2])
    assert page.get_by_role("heading", name="Who is affected: agreement with each group").count() == 1
