"""What the pages say of a batch and of a model after somebody in them withdrew, or where much speaks against it."""

import pytest

from governance.audit.statistics import Verdict
from governance.digest import digest
from governance.promotion import verify_decision
from infra import ledger
from infra.tables.withdrawals import ERASED_BATCHES, FLAGGED_RELEASES, WITHDRAWALS
from infra.web.app import create_app
from tests.support import record
from tests.support.asgi import Client
from tests.support.decisions import ASKED, FINDING, NOW, decision

settings, db = record.settings, record.db
RELEASE = digest("release")


@pytest.fixture
def client(settings, db):
    record.start(settings, db)
    return Client(create_app(settings))


def withdraw(connection, request):
    row = {"request": request, "site": "main", "found": {}, "steps": {}, "begun_at": NOW}
    connection.execute(WITHDRAWALS.insert(), [row])


def batch(name):
    return ledger.Batch(
        digest=digest(name),
        inputs_digest=digest([name]),
        read=3,
        accepted=3,
        quarantined=0,
        verdict="PASSED",
        created_at=NOW,
        site="main",
    )


@pytest.mark.parametrize("successor", [digest("new"), None])
def test_an_erased_batch_is_no_dead_link_and_says_what_became_of_it(client, db, successor):
    for name in ("old", "new"):
        ledger.record_batch(db, batch(name))
    with db.write() as connection:
        row = {"batch": digest("old"), "request": "w-1", "successor": successor, "erased_at": NOW}
        withdraw(connection, "w-1")
        connection.execute(ERASED_BATCHES.insert(), [row])
    listed = client.get("/batches").text
    old, new = (digest(name).removeprefix("sha256:") for name in ("old", "new"))
    assert f'href="/batches/{new}"' in listed
    assert f'href="/batches/{old}"' not in listed
    assert "erased: somebody withdrew" in listed
    assert client.get(f"/batches/{digest('old')}").status_code == 410  # as the command line prints it
    page = client.get(f"/batches/{old}")
    assert page.status_code == 410
    assert "withdrew" in page.text
    assert ("replaced" in page.text) == (successor is not None)
    assert client.get(f"/batches/{new}").status_code == 404  # its files are missing for another reason


@pytest.mark.parametrize(
    ("people", "said"), [(0, None), (1, "1 of the people in it has"), (2, "2 of the people in it have")]
)
def test_a_version_says_who_of_its_release_withdrew(client, db, people, said):
    record.decided(db, decision(release=RELEASE))
    with db.write() as connection:
        for number in range(people):
            row = {"release": RELEASE, "request": f"w-{number}", "flagged_at": NOW}
            withdraw(connection, f"w-{number}")
            connection.execute(FLAGGED_RELEASES.insert(), [row])
    text = client.get("/models/chat/3").text
    assert said in text if said else "withdrawn" not in text


def test_only_a_rule_of_conduct_is_said_to_count_violations_and_what_failed_comes_first(client, db):
    rows = [
        FINDING,
        FINDING | {"rule": "A.age=65+", "grade": "S"},
        FINDING | {"rule": "A.age=18-24", "grade": "S", "verdict": "UNDECIDED"},
        FINDING | {"rule": "D.overlap", "verdict": "FAIL", "tier": 2},
    ]
    record.decided(db, decision(findings=tuple(rows), verdict=Verdict.FAIL))
    text = client.get("/models/chat/3").text
    shown = [
        text.index(f"<code>{rule}</code>") for rule in ("D.overlap", "A.age=18-24", "T1.harm", "A.age=65+")
    ]
    assert shown == sorted(shown)
    for rule, word in (("D.overlap", "data"), ("A.age=65+", "agreement"), ("T1.harm", "violation")):
        assert f'<code>{rule}</code> <span class="quiet">{word}</span>' in text


def test_a_refusal_names_what_failed_first_and_says_what_it_leaves_out(client, db):
    undecided = [
        FINDING | {"rule": f"T1.{name}", "verdict": "UNDECIDED", "reasons": ["too few"]}
        for name in ("five", "four", "one", "three", "two")
    ]
    failed = FINDING | {"rule": "T1.zeal", "verdict": "FAIL", "reasons": ["too many"]}
    made = decision(findings=(*undecided, failed), verdict=Verdict.FAIL)
    row = record.decided(db, made)
    found = verify_decision(row.envelope.encode(), **ASKED).reasons
    assert found[:2] == ("the verdict is FAIL", "T1.zeal (violation): FAIL: too many")
    record.moved(db, row, "refused", reasons=found)
    text = client.get("/models/chat").text
    assert "too many" in text
    assert f"and {len(found) - 5} more, on the page of" in text
