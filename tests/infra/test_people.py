"""Profiles, accounts and queues of a site."""

from datetime import UTC, datetime

import pytest

from annotation.records import make_item
from governance.errors import InputError, RecordError
from infra import catalogue, people, queues
from infra.database import Database

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def db(tmp_path):
    with Database(f"sqlite:///{tmp_path / 'platform.db'}", now=NOW) as database:
        yield database


def profile(annotator="a-1", field="age", status="answered", value="25-34", site="main"):
    return {
        "annotator": annotator,
        "site": site,
        "codebook": "demo@1.0.0",
        "field": field,
        "status": status,
        "value": value,
        "simulated": True,
    }


def test_a_later_answer_replaces_the_earlier(db):
    people.add_profiles(db, [profile()])
    people.add_profiles(
        db, [profile(status="prefer_not_to_say", value=None), profile(field="gender", value="woman")]
    )
    rows = people.profiles(db, "main")
    assert [(row["field"], row["status"], row["value"]) for row in rows] == [
        ("age", "prefer_not_to_say", None),
        ("gender", "answered", "woman"),
    ]
    assert people.profiles(db, "other") == []


def test_a_value_without_an_answer_and_an_answer_without_a_value_are_refused(db):
    for bad in (profile(status="not_asked"), profile(value=None)):
        with pytest.raises(InputError):
            people.add_profiles(db, [bad])
    with pytest.raises(RecordError, match="unknown column"):
        people.add_profiles(db, [{**profile(), "email": "x@example.org"}])
    assert people.profiles(db) == []


def test_an_account_keeps_its_first_annotator(db):
    people.add_accounts(db, "main", "label_studio", {"7": "a-1"})
    people.add_accounts(db, "main", "label_studio", {"7": "a-2", "8": "a-2"})
    assert people.accounts(db, "main", "label_studio") == {"7": "a-1", "8": "a-2"}


def test_a_queue_holds_each_item_once_and_only_items_that_exist(db):
    item = make_item(
        prompt=[{"role": "user", "content": "Hello?"}],
        candidates=[("m1", "Hi."), ("m2", "Good day.")],
        language="en",
        topic=None,
        origin="test",
        licence="Apache-2.0",
        source_ref="1",
    )
    record = catalogue.ImportRecord(
        origin="test", file_name="t", file_digest="d", read=1, imported=1, refused=0, object="o", at=NOW
    )
    catalogue.add_items(db, [item], record)
    queues.add_to_queue(db, "main", [item["item"]])
    queues.add_to_queue(db, "main", [item["item"], item["item"]])
    assert queues.queue(db, "main") == [item["item"]]
    assert queues.queue(db, "north") == []
    with pytest.raises(InputError):
        queues.add_to_queue(db, "main", ["i-unknown"])
