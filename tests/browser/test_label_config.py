"""The labelling page in a browser: only there does it show whether an answer can be given and is stored."""

import pytest
from playwright.sync_api import expect

from annotation.label_config import ANSWERS
from annotation.records import make_item
from infra.label_studio_tasks import import_presentations
from infra.stack.secrets import ensure_secrets
from tests.support.label_studio import Collection

pytestmark = [pytest.mark.servers, pytest.mark.browser]

HOSTILE = (
    "# A heading\n\nWith **bold** words. ![cat](http://stranger.example/c.png) "
    "<img src='http://stranger.example/d.png'><iframe src='http://stranger.example/e'></iframe>"
    "<script>fetch('http://stranger.example/f')</script>\n\n```rust\nvec![1, 2]\n```\n\n" + "word " * 400
)


@pytest.fixture
def page(look):
    return look("about:blank", width=1400, height=1000)


@pytest.fixture
def pairs(site):
    """Two presentations of one pair, a hostile long answer beside a short one."""
    pairs = Collection(site, items=1, overlap=2, imported=False)
    item = make_item(
        prompt=[{"role": "user", "content": "How is tea made?"}],
        candidates=[("hidden-model-one", HOSTILE), ("hidden-model-two", "Short. Very" + "long" * 60)],
        language="en",
        topic=None,
        origin="tests",
        licence="CC0-1.0",
        source_ref="hostile",
        simulated=True,
    )
    shown = [candidate["candidate"] for candidate in item["candidates"]]
    for row, order in zip(pairs.rows, (shown, shown[::-1]), strict=True):
        row.update(item=item["item"], item_digest=item["digest"], shown=order)
    pairs.items = {item["item"]: item}
    pairs.tasks = import_presentations(site, pairs.project, pairs.rows, pairs.items)
    return pairs


def log_in(page, stack, site):
    secrets = ensure_secrets(stack.home, ["main"])
    page.goto(f"{site.url}/user/login/")
    page.fill("input[name=email]", secrets.label_studio_user)
    page.fill("input[name=password]", secrets.label_studio_password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "login" not in url)


def test_a_person_can_judge_a_pair_and_nothing_is_fetched_from_strangers(
    page, pairs, site, annotation_server, tmp_path
):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    log_in(page, annotation_server, site)
    page.goto(f"{site.url}/projects/{pairs.project}/data?labeling=1")
    submit = page.get_by_test_id("bottombar-submit-button")
    expect(submit).to_be_disabled(timeout=30_000)  # an empty answer cannot be given
    panes = [pane.bounding_box() for pane in page.query_selector_all(".bounds-pair > .bounds-pane")]
    assert len(panes) == 2
    assert abs(panes[0]["width"] - panes[1]["width"]) <= 1  # width does not depend on the text
    for answer in ANSWERS.values():
        expect(page.get_by_text(answer.text, exact=False).first).to_be_visible()
    assert "hidden-model" not in page.content()
    expect(page.get_by_text("vec!").first).to_be_visible()

    page.keyboard.press("6")  # second better
    page.locator("textarea").first.fill("It is clearer")
    page.screenshot(path=tmp_path / "page.png")
    expect(submit).to_be_enabled()
    with page.expect_response(lambda answer: "/annotations" in answer.url and answer.status == 201):
        submit.click()

    (event,) = pairs.pull()
    assert event.problem is None
    row = pairs.presentations[event.judgement["presentation"]]
    assert event.judgement["outcome"] == "prefers"
    assert event.judgement["preferred"] == row["shown"][1]
    assert abs(event.judgement["strength"]) == 2
    assert event.judgement["rationale"] == "It is clearer"
    assert event.judgement["seconds"] > 0
    assert [url for url in asked if not url.startswith((site.url, "data:", "blob:"))] == []


def test_on_a_phone_the_answers_stand_one_below_the_other(page, pairs, site, annotation_server):
    page.set_viewport_size({"width": 390, "height": 844})
    log_in(page, annotation_server, site)
    page.goto(f"{site.url}/projects/{pairs.project}/data?labeling=1")
    page.wait_for_selector(".bounds-pair > .bounds-pane", timeout=30_000, state="attached")
    first, second = (pane.bounding_box() for pane in page.query_selector_all(".bounds-pair > .bounds-pane"))
    assert second["y"] >= first["y"] + first["height"]
