"""The pages of batches in Chromium: what failed and why, nobody's identity, on a desk and on a phone."""

from datetime import UTC, datetime, timedelta

import pytest

from annotation.policy_checks import checks_for
from annotation.quarantine import validate_batch
from flows.wiring import open_platform
from governance.digest import digest
from infra import ledger
from infra.settings import load_settings
from infra.web.app import create_app
from tests.support.batches import REQUIREMENTS, Batch
from tests.support.browser import CHROMIUM, CONTRAST, HIDDEN, UNNAMED, picture
from tests.support.faults import FAULTS
from tests.support.served import served

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]
PLANTED = (
    "too fast",
    "an e-mail address",
    "unknown item",
    "two answers with the same words",
    "a value of another type",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    home = tmp_path_factory.mktemp("batches") / "home"
    checks = checks_for(REQUIREMENTS)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    with open_platform(home) as platform:
        for number in range(5):
            batch = Batch(items=10 + number, annotators=4, seed=number)
            for name in PLANTED[: number + 1]:
                FAULTS[name].plant(batch)
                batch.rows = batch.rows[9:] + batch.rows[:9]
            found = validate_batch(batch.rows, checks=checks, **batch.surroundings())
            ledger.record_batch(
                platform.db,
                ledger.Batch(
                    digest=platform.store.put_tree("batches", found.tables()),
                    inputs_digest=digest(number),
                    read=found.summary.read,
                    accepted=found.accepted.num_rows,
                    quarantined=found.quarantine.num_rows,
                    verdict="PASSED" if found.summary else "FAILED",
                    created_at=start + timedelta(days=number),
                    site="main",
                ),
            )
    with served(create_app(load_settings(home))) as url:
        yield url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_person_finds_what_failed_and_no_identity(address, look, width, scheme):
    page = look(f"{address}/batches", width=width, scheme=scheme)
    for name in ("batches", "batch"):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []
        assert page.evaluate(HIDDEN) == []
        picture(page, name, width=width, scheme=scheme)
        if name == "batches":
            assert page.get_by_role("row").count() == 6
            page.get_by_role("link", name="Batches").wait_for()
            page.locator("tbody a").first.click()
            page.get_by_role("heading", name="What failed", exact=True).wait_for()
    text = page.locator("main").inner_text()
    for rule in ("D.duration", "D.personal-data", "R.known.item", "D.diversity", "R.types"):
        assert rule in text
    assert "seconds 1.9" in text
    assert "i-unknown" in text
    assert "example.org" not in page.content()
    assert "a-0000" not in page.content()
    assert page.complaints == []
    assert all(url.startswith((address, "data:")) for url in page.asked)


def test_an_unknown_batch_is_not_found(address, look):
    page = look(f"{address}/batches")
    for name in ("0" * 64, "nothing"):
        assert page.goto(f"{address}/batches/{name}").status == 404
