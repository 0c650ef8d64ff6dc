"""The pages of a model in Chromium: its history, its evidence, and an approval with a key that the browser keeps."""

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from governance.audit.page import as_page
from governance.audit.plan import make_plan
from governance.audit.run import conclude
from governance.audit.statistics import Verdict
from governance.decision import Approval
from governance.provenance import Trust
from governance.trust import KEEPER, TRUST_TYPE, TrustVersion
from infra.answers_kept import keep_answers
from infra.approvals import approve, given, take
from infra.database import open_database
from infra.objects import open_store
from infra.trust import add_version, current_trust, newest_version, sign_payload, start_chain
from infra.web.app import create_app
from tests.support.audits import answers_and_judge, policy, probe_set
from tests.support.browser import CHROMIUM, CONTRAST, HIDDEN, UNNAMED, picture
from tests.support.decisions import FINDING, decision, signing_key, trusted
from tests.support.record import decided, moved, settings_of
from tests.support.served import served

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed"),
]
NOW = datetime.now(UTC).replace(microsecond=0)
NEED = Approval(roles=frozenset({"model-reviewer", "policy-owner"}), threshold=2)
YEAR = {"begin": NOW - timedelta(days=100), "end": NOW + timedelta(days=300)}


def kept_report(settings):
    """A report in the object store, with the answers beside it as an audit leaves them."""
    probes = probe_set()
    responses, judge = answers_and_judge(probes, wrong={"harm-1", "help-1"})
    report = conclude(
        make_plan(policy(), probes),
        responses,
        {"*": judge},
        subject="chat version 3",
        subject_digest="sha256:" + "3" * 64,
    )
    store = open_store(settings)
    keep_answers(store, responses)
    files = {"report.json": json.dumps(report.as_json()).encode(), "report.html": as_page(report).encode()}
    store.put_tree("audits", files)
    return report


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    made = settings_of(tmp_path_factory.mktemp("models") / "home")
    keys = (
        trusted("auditor", person="audit office", **YEAR),
        trusted("ann", person="Ann Achebe", roles=("model-reviewer",), **YEAR),
        trusted("kim", roles=(KEEPER,), **YEAR),
    )
    version = TrustVersion(
        serial=1,
        previous=None,
        issued=NOW - timedelta(days=50),
        trust=Trust(keys=keys),
        change=Approval(roles=frozenset({KEEPER}), threshold=1),
    )
    with open_database(made, now=NOW) as db:
        start_chain(made, db, sign_payload(version.payload(), TRUST_TYPE, [signing_key("kim")]), NOW)
        for number, days in ((1, 20), (2, 10)):
            at = NOW - timedelta(days=days)
            row = decided(
                db, decision(version=str(number), issued=at, expires=NOW + timedelta(days=20)), at=at
            )
            moved(db, row, at=at + timedelta(hours=1))
        worse = FINDING | {
            "verdict": "FAIL",
            "violations": 9,
            "reasons": ["9 of 96 families violate, above 5 %"],
        }
        moved(
            db,
            row,
            "demoted",
            at=NOW - timedelta(days=3),
            reasons=(f"T1.harm (violation): FAIL: {worse['reasons'][0]}",),
        )
        first = next(each for each in _decisions(db) if each.version == "1")
        moved(db, first, at=NOW - timedelta(days=3) + timedelta(seconds=1))
        waiting = decided(
            db,
            decision(
                version="3",
                audit=kept_report(made).digest,
                approvals=(NEED,),
                issued=NOW - timedelta(days=1),
                expires=NOW + timedelta(days=20),
            ),
            at=NOW - timedelta(days=1),
        )
        moved(
            db,
            waiting,
            "refused",
            at=NOW - timedelta(hours=5),
            reasons=("0 of 2 approvals by model-reviewer or policy-owner",),
        )
        others(db)
        envelope = waiting.envelope.encode()
        take(db, envelope, approve(envelope, signing_key("ann")), trust=current_trust(made, db, NOW), now=NOW)
    return made


def others(db):
    """A model whose only decision failed, and one in use on a decision that expired, then judged again at another version."""
    decided(
        db,
        decision(
            model="essay-coach", version="1", verdict=Verdict.FAIL, findings=(FINDING | {"verdict": "FAIL"},),
            issued=NOW - timedelta(days=2), expires=NOW + timedelta(days=20),
        ),
        at=NOW - timedelta(days=2),
    )  # fmt: skip
    old = decided(
        db,
        decision(
            model="übersetzer der stadtverwaltung", version="7",
            issued=NOW - timedelta(days=40), expires=NOW - timedelta(days=1),
        ),
        at=NOW - timedelta(days=40),
    )  # fmt: skip
    moved(db, old, at=NOW - timedelta(days=39))


def _decisions(db):
    from infra import ledger

    return ledger.decisions(db)


@pytest.fixture(scope="module")
def address(settings):
    with served(create_app(settings)) as url:
        yield url


@pytest.fixture
def open_page(address, look):
    return lambda path, **shape: look(address + path, **shape)


@pytest.mark.parametrize("path", ["/models", "/models/chat", "/models/chat/3", "/models/chat/3/report.html"])
@pytest.mark.parametrize(
    ("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
)
def test_it_fits_is_legible_and_named(open_page, path, width, scheme):
    page = open_page(path, width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(UNNAMED) == []
    assert page.complaints == []
    assert page.evaluate(HIDDEN) == []
    name = {"/models": "models", "/models/chat": "model", "/models/chat/3": "model-version"}.get(path)
    if name:
        picture(page, name, width=width, scheme=scheme)


def test_every_model_says_what_is_in_use_and_what_its_audit_said(open_page):
    page = open_page("/models")

    def cells(model):
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=model, exact=True))
        return [text.replace("\n", " ") for text in row.get_by_role("cell").all_inner_texts()]

    def day(days):
        return (NOW - timedelta(days=days)).strftime("%-d %b %Y")

    used, verdict, judged, since, last = cells("chat")
    assert (used, verdict) == ("version 1 as champion", "PASS")
    assert (judged[:-7], since[:-7], last[:-7]) == (day(20), day(3), f"version 3 PASS {day(1)}")
    used, *_, last = cells("essay-coach")
    assert (used, last[:-7]) == ("no version", f"version 1 FAIL {day(2)}")
    used, verdict, *_, last = cells("übersetzer der stadtverwaltung")
    assert (used, verdict, last) == ("version 7 as champion", "PASS, expired", "the version in use")
    page.get_by_role("link", name="version 7").press("Enter")
    # the page of the version says it in the same words
    assert page.locator("h1 .verdict").inner_text() == "PASS"
    assert "(expired)" in page.locator(".lead").inner_text()


def test_the_history_says_who_when_and_why(open_page):
    page = open_page("/models")
    page.get_by_role("link", name="chat", exact=True).click()
    stays = page.locator(".stay")
    assert stays.count() == 3
    assert "version 1 as champion" in stays.nth(0).inner_text().replace("\n", " ")
    assert "now" in stays.nth(0).inner_text()
    assert "demoted" in stays.nth(1).inner_text()
    assert "9 of 96 families violate" in stays.nth(1).inner_text()
    assert "audit office (auditor)" in stays.nth(2).inner_text()
    assert "0 of 2 approvals" in page.locator("#refused").locator("..").inner_text()


def test_the_decision_leads_to_its_report_and_figures(open_page, address):
    page = open_page("/models/chat/3")
    assert page.get_by_role("link", name="JSON").get_attribute("href") == "/models/chat/3/report.json"
    page.get_by_role("link", name="Read the whole report, with its figures").press("Enter")
    page.get_by_role("region", name="Rates and limits").wait_for()
    assert page.locator("svg.figure[role=img]").first.get_attribute("aria-label")
    assert page.get_by_role("heading", name="chat version 3").is_visible()
    # Its style counts, and nothing else is loaded or run.
    assert page.locator(".wrap").first.evaluate("element => getComputedStyle(element).overflowX") == "auto"
    assert page.complaints == []
    assert "script" not in httpx.get(page.url).headers["content-security-policy"]
    assert httpx.get(f"{address}/models/chat/3/report.json").json()["subject"]["name"] == "chat version 3"
    for path in ("chat/3/answers.jsonl", "chat/1/report.html", "chat/9/report.html", "other/3/report.html"):
        assert httpx.get(f"{address}/models/{path}").status_code == 404
    without = open_page("/models/chat/1")
    assert without.get_by_role("link", name="Read the whole report").count() == 0
    assert without.get_by_text("The report of this audit is not kept here").is_visible()


def test_a_person_approves_with_a_key_that_never_leaves_the_browser(open_page, settings):
    page = open_page("/models/chat/3")
    assert "1 of 2 by model-reviewer or policy-owner" in page.locator("#approvals").locator("..").inner_text()
    assert page.get_by_role("button", name="Sign this decision").is_hidden()
    page.get_by_role("button", name="Make a key in this browser").press("Enter")
    page.get_by_text("The key is made.").wait_for()
    public = page.locator("#public-key").inner_text()
    exported = page.evaluate(
        """async () => {
          const db = await new Promise(r => { const o = indexedDB.open("bounds-keys", 1); o.onsuccess = () => r(o.result); });
          const keys = db.transaction("keys").objectStore("keys").get("mine");
          const pair = await new Promise(r => { keys.onsuccess = () => r(keys.result); });
          try { await crypto.subtle.exportKey("pkcs8", pair.privateKey); return "out"; } catch (error) { return error.name; }
        }"""
    )
    assert exported == "InvalidAccessError"
    page.get_by_role("button", name="Sign this decision").click()
    page.get_by_text("Not taken: signed by a key that is not trusted").wait_for()
    page.complaints.clear()
    with open_database(settings, now=NOW) as db:
        before = newest_version(settings, db, NOW)
        mine = trusted("bo", person="Bo Berg", roles=("policy-owner",), **YEAR)
        from dataclasses import replace

        mine = replace(mine, public_key=base64.b64decode(public))
        after = replace(
            before,
            serial=2,
            previous=before.digest,
            issued=NOW,
            trust=Trust(keys=(*before.trust.keys, mine)),
        )
        add_version(settings, db, sign_payload(after.payload(), TRUST_TYPE, [signing_key("kim")]), NOW)
    page.reload()
    page.get_by_role("button", name="Sign this decision").click()
    page.get_by_text("Approved by Bo Berg as policy-owner").wait_for()
    page.reload()
    assert "2 of 2 by model-reviewer or policy-owner" in page.locator("#approvals").locator("..").inner_text()
    assert page.complaints == []
    with open_database(settings, now=NOW) as db:
        waiting = [row for row in _decisions(db) if row.version == "3"][-1]
        assert len(given(db, waiting.envelope.encode())) == 2


def test_nothing_but_a_right_signature_is_taken(address):
    url = f"{address}/models/chat/1/approvals"
    for body in (b"", b"{}", b"x" * 100):
        answer = httpx.post(url, content=body)
        assert answer.status_code == 409
        assert answer.json()["reasons"]
    assert httpx.post(f"{address}/models/chat/9/approvals", content=b"{}").status_code == 404
    assert httpx.get(f"{address}/models/nobody").status_code == 404
    assert httpx.get(f"{address}/models/chat/9").status_code == 404
