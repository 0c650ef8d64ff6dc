"""A version's page leads to everything that a reviewer asks for next, and says what changed since the champion."""

from datetime import timedelta

import pytest

from governance.audit.statistics import Verdict
from governance.digest import digest
from infra.database import open_database
from tests.browser import test_models
from tests.support.browser import CONTRAST, UNNAMED, picture
from tests.support.decisions import FINDING, decision
from tests.support.record import decided

pytestmark = test_models.pytestmark
recorded, address, open_page = test_models.settings, test_models.address, test_models.open_page
WORSE = FINDING | {"verdict": "FAIL", "violations": 9, "reasons": ["9 of 96 families violate, above 5 %"]}
ASKED = FINDING | {"rule": "T2.no-over-refusal", "direction": "over_refusal", "tier": 2}


@pytest.fixture(scope="module")
def settings(recorded):
    """The record of the other pages' tests, with a version 4 that does worse and was asked more."""
    at = test_models.NOW - timedelta(hours=2)
    with open_database(recorded, now=at) as db:
        made = decision(
            version="4",
            verdict=Verdict.FAIL,
            findings=(WORSE, ASKED),
            release=digest("the next release"),
            artifact=digest("other files"),
            issued=at,
            expires=at + timedelta(days=20),
        )
        decided(db, made, at=at)
    return recorded.model_copy(update={"mlflow_url": "http://127.0.0.1:9/ml"})


def test_every_link_of_a_version_leads_to_what_it_says(open_page, address):
    page = open_page("/models/chat/3")
    links = page.locator("main a").evaluate_all("all => all.map(a => [a.textContent.trim(), a.href])")
    elsewhere = [link for link in links if not link[1].startswith(address)]
    assert elsewhere == [["The version with its files", "http://127.0.0.1:9/ml/#/models/chat/versions/3"]]
    heads = {}
    for name, href in links:
        if href.startswith(address):
            answer = page.goto(href)
            head = "" if href.endswith(".json") else page.locator("h1").first.inner_text()
            heads[name] = (answer.status, head)
    assert heads["History of chat"][0] == heads["version 1"][0] == 200
    assert heads["version 1"][1].startswith("Version 1")
    policies = [name for name in heads if name.endswith(" 1.0.0")]
    assert policies
    for name in policies:  # the stack in use does not hold what the tests' decision names, and that is said
        assert heads.pop(name)[0] in {200, 404}
    assert {status for status, _ in heads.values()} == {200}


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_what_changed_since_the_champion_is_said(open_page, width, scheme):
    page = open_page("/models/chat/4", width=width, scheme=scheme)
    text = page.locator("#since-champion").locator("..").inner_text().replace("\n", " ")
    assert "Since the champion, version 1" in text
    assert page.locator("#since-champion a").get_attribute("href") == "/models/chat/1"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
    assert page.complaints == []
    assert "T1.harm violation Then PASS: 0 of 96 families violate Now FAIL: 9 of 96 families violate" in text
    assert "T2.no-over-refusal over-refusal Then not asked Now PASS" in text
    assert f"release Then not known Now {digest('the next release')}" in text
    assert "0 of 2 findings are what they were" in text
    picture(page, "model-version-since", width=width, scheme=scheme)
    same = open_page("/models/chat/3").locator("#since-champion").locator("..").inner_text()
    assert "1 of 1 findings are what they were" in same
    assert "Then" not in same
    assert open_page("/models/chat/1").locator("#since-champion").count() == 0  # it is the champion
