"""The page of quotas in Chromium: who spoke, who is missing by name, and when, on a desk and on a phone."""

from datetime import timedelta

import pytest

from annotation.assignment_plan import parse_plan
from infra.database import Database
from infra.portal_judgements import show, submit
from infra.quota_assigner import QuotaAssigner
from infra.settings import Settings, SiteSettings
from infra.web.app import create_app
from infra.web.pages import Link, Pages
from infra.web.quotas import PATH, router
from tests.support import portal
from tests.support.browser import CHROMIUM, CONTRAST, HIDDEN, UNNAMED, picture
from tests.support.platform import NOW
from tests.support.served import served

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]
PLAN = """
format: bounds.assignment/1
id: two-by-two
version: 1.0.0
strata: [age, gender]
cells:
  - {stratum: {age: 18-34, gender: female}, share: 0.25}
  - {stratum: {age: 18-34, gender: male}, share: 0.15}
  - {stratum: {age: 35+, gender: female}, share: 0.35}
  - {stratum: {age: 35+, gender: male}, share: 0.25}
outside: 0.1
overlap: 2
"""
WHO = {
    "a-0001": {"age": "18-34", "gender": "female"},
    "a-0002": {"age": "18-34", "gender": "male"},
    "a-0003": {"age": "35+", "gender": None},
}
TURNS = {"a-0001": 2, "a-0002": 4, "a-0003": 1}
"""How many items each judges."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    home = tmp_path_factory.mktemp("quotas")
    (home / "plan.yaml").write_text(PLAN)
    site = SiteSettings(id="main", key="secret of the site", assignment="plan.yaml")
    settings = Settings(home=home, sites=(site, SiteSettings(id="unplanned")))
    with Database(f"sqlite:///{home / 'platform.db'}", now=NOW) as db:
        portal.items(db, 10)
        plan = parse_plan(PLAN, name="plan.yaml")
        give = QuotaAssigner(db, site, plan=plan, profile=WHO.__getitem__, policy=lambda _: None)
        for name, turns in TURNS.items():
            person = portal.person(db, name)
            for _ in range(turns):
                presentation = give.reserve(name, NOW)
                show(db, person, presentation, now=NOW)
                said = {"choice": "first_better", "rationale": None}
                later = NOW + timedelta(seconds=5)
                submit(db, portal.keys(home), person, presentation, said, seconds=4, now=later)
                give.complete(presentation, NOW)
        assert give.reserve("a-0001", NOW) is not None
    app = create_app(settings)
    # The real page, at the hour of the test's judgements.
    pages = Pages([Link(path=PATH, label="Quotas")])
    made = router(settings, pages, clock=lambda: NOW + timedelta(hours=1))
    app.router.routes[:0] = made.routes
    with served(app) as url:
        yield url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_person_sees_who_is_missing_by_name(address, look, width, scheme):
    page = look(f"{address}/quotas", width=width, scheme=scheme)
    picture(page, "quotas", width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
    # Whom nobody is filling comes first; the one who is under way is missing, too.
    assert page.locator(".missing").inner_text() == (
        "3 of 4 groups lack people: 35+ / female, 35+ / male, 18-34 / female"
    )
    assert page.evaluate(HIDDEN) == []
    assert page.get_by_role("columnheader").count() == 7
    cells = [
        [cell.inner_text() for cell in row.locator("th, td").all()] for row in page.locator("tbody tr").all()
    ]
    rows = {row[0]: row[2:] for row in cells}
    # Quotas are floor(share x 2 x 10) + 1; at two a day the four that are left take two days.
    assert rows["18-34 / female"] == ["2", "1", "6", "25.0 %", "filled by 2026-03-03 13:30"]
    assert rows["18-34 / male"][:3] == ["4", "0", "4"]
    assert rows["18-34 / male"][-1] == "filled"
    assert rows["35+ / female"] == ["0", "0", "8", "35.0 %", "nobody is coming"]
    assert rows["in no group"][:3] == ["1", "0", "2"]
    assert "unplanned" not in page.locator("main").inner_text()
    assert "a-000" not in page.content()
    assert page.complaints == []
    assert all(url.startswith((address, "data:")) for url in page.asked)


def test_without_a_plan_the_page_says_how_to_name_one(tmp_path, look):
    with served(create_app(Settings(home=tmp_path))) as url:
        page = look(f"{url}/quotas")
        assert "No site has a plan" in page.locator("main").inner_text()
