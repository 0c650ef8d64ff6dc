"""``POST /v1/feedback``: who may, what is kept and when it counts as kept, how often, and what of it is readable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from infra import collected, erasure, events
from infra.database import Database
from infra.feedback import FeedbackSource
from infra.feedback_client import FeedbackClient, FeedbackRefusedError
from infra.objects_directory import DirectoryStore
from infra.person_keys import open_person_keys
from infra.settings import Settings, load_settings
from infra.stack.secrets import ensure_site_key
from infra.web.app import create_app
from infra.web.feedback_api import Rate
from infra.web.keys import ApiKeys, Scope
from tests.support.asgi import Client
from tests.support.feedback import said
from tests.support.keys import keys_of
from tests.support.platform import NOW
from tests.support.served import served


@pytest.fixture
def home(tmp_path: Path) -> Path:
    ensure_site_key(tmp_path, "main")
    return tmp_path


def key_of(home: Path, *scopes: Scope, name: str = "app") -> str:
    return ApiKeys(home).create(name, scopes=scopes or [Scope.FEEDBACK_WRITE], now=NOW)


@pytest.fixture
def client(home: Path) -> Client:
    return Client(create_app(load_settings(home)), headers={"Authorization": f"Bearer {key_of(home)}"})


def thumb(number: int, **over):
    return said(number=number, kind="thumbs", up=True, answers=1, **over)


def outcomes(response):
    assert response.status_code == 200, response.text
    return [each["outcome"] for each in response.json()["results"]]


def collect(home: Path, db: Database):
    store, keys = DirectoryStore(home / "o"), keys_of(home)
    source = FeedbackSource(db, keys("main"), "main")
    known = collected.known(db, "main", source.name)
    new = 0
    for page in source.pages(collected.cursor(db, "main", source.name), known):
        new += events.write_events(store, db, page, site="main", source=source.name, now=NOW, keys=keys)
    return new, list(events.read_events(store, db, "main", keys=keys))


def platform(home: Path) -> Database:
    return Database(f"sqlite:///{home / 'platform.db'}", now=NOW)


def test_an_event_counts_once_however_often_it_is_sent(home, client):
    batch = {"events": [thumb(1), thumb(2)]}
    assert outcomes(client.post("/v1/feedback", json=batch)) == ["stored", "stored"]
    assert outcomes(client.post("/v1/feedback", json=batch)) == ["duplicate", "duplicate"]
    # The same id with another content is not the same event, and changes nothing.
    changed = {"events": [thumb(1) | {"up": False}, thumb(3), thumb(3)]}
    assert outcomes(client.post("/v1/feedback", json=changed)) == ["conflict", "stored", "duplicate"]
    with platform(home) as db:
        assert collect(home, db)[0] == 3
        assert collect(home, db)[0] == 0
        client.post("/v1/feedback", json={"events": [thumb(4)]})
        new, found = collect(home, db)
    assert new == 1
    assert {e.ref: e.judgement["scores"][0]["score"] for e in found}["event-000001"] == 100


def test_nothing_of_a_batch_is_kept_where_one_event_cannot_be_used(home, client):
    answer = client.post("/v1/feedback", json={"events": [thumb(1), thumb(2, consent="")]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "events.1.consent"
    assert outcomes(client.post("/v1/feedback", json={"events": [thumb(1)]})) == ["stored"]
    assert client.post("/v1/feedback", json={"site": "mars", "events": [thumb(9)]}).status_code == 422
    assert client.post("/v1/feedback", json={"events": []}).status_code == 422


def test_only_holders_of_a_key_with_the_scope(home, client):
    batch = {"events": [thumb(1)]}
    other = key_of(home, Scope.RESOLVE, name="other")
    assert client.post("/v1/feedback", json=batch, headers={"Authorization": ""}).status_code == 401
    assert client.post("/v1/feedback", json=batch, headers={"Authorization": "Bearer no"}).status_code == 401
    refused = client.post("/v1/feedback", json=batch, headers={"Authorization": f"Bearer {other}"})
    assert refused.status_code == 403
    assert "feedback:write" in refused.json()["detail"]


def test_what_end_users_say_and_who_they_are_to_the_application_is_not_readable(home, client):
    event = thumb(1, user="canary-user-name", comment="canary-comment")
    assert outcomes(client.post("/v1/feedback", json={"events": [event]})) == ["stored"]
    stored = b"".join(path.read_bytes() for path in home.rglob("platform.db*"))
    for word in (b"canary-user-name", b"canary-comment", b"question 1"):
        assert word not in stored
    with platform(home) as db:
        [found] = collect(home, db)[1]
    assert found.person.startswith("u-")
    assert "canary-user-name" not in repr(found)
    second = Client(
        create_app(load_settings(home)), headers={"Authorization": f"Bearer {key_of(home, name='second')}"}
    )
    second.post("/v1/feedback", json={"events": [thumb(2, user="canary-user-name")]})
    with platform(home) as db:
        people = {e.person for e in collect(home, db)[1]}
    # The same name in two applications is two people.
    assert len(people) == 2


def test_who_withdrew_is_told_of_and_their_words_go(home, client):
    client.post("/v1/feedback", json={"events": [thumb(1), thumb(2, user="u-2")]})
    with platform(home) as db:
        found = {e.ref: e for e in collect(home, db)[1]}
        gone = found["event-000001"].person
        open_person_keys(load_settings(home), "main").destroy(gone)
        assert erasure.erase_rows(db, "main", gone)["items that only the person brought"] == 1
        assert set(erasure.erase_rows(db, "main", gone).values()) == {0}
        assert outcomes(client.post("/v1/feedback", json={"events": [thumb(3)]})) == ["withdrawn"]
        assert {e.ref for e in collect(home, db)[1]} == {"event-000002"}
        from infra import catalogue

        assert [row["prompt"][0]["content"] for row in catalogue.items(db)] == ["question 2"]


def test_a_key_above_its_rate_is_told_when_to_come_back(home):
    from fastapi import FastAPI

    from infra.web import feedback_api

    ticks = [0.0]
    app = FastAPI()
    rate = Rate(per_minute=6, burst=2, clock=lambda: ticks[0])
    app.include_router(feedback_api.router(load_settings(home), ApiKeys(home), rate))
    client = Client(app, headers={"Authorization": f"Bearer {key_of(home)}"})
    sent = [client.post("/v1/feedback", json={"events": [thumb(n)]}).status_code for n in range(3)]
    assert sent == [200, 200, 429]
    answer = client.post("/v1/feedback", json={"events": [thumb(3)]})
    assert answer.headers["Retry-After"] == "10"
    ticks[0] += 10
    assert client.post("/v1/feedback", json={"events": [thumb(2)]}).status_code == 200
    assert (rate.wait("another key"), rate.wait("app") > 0) == (0, True)


def test_what_cannot_be_kept_is_not_acknowledged(home):
    broken = load_settings(home).model_copy(update={"database_url": "postgresql+psycopg2://127.0.0.1:1/x"})
    client = Client(create_app(broken), headers={"Authorization": f"Bearer {key_of(home)}"})
    answer = client.post("/v1/feedback", json={"events": [thumb(1)]})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_every_answer_keeps_to_the_document(home):
    key = key_of(home)
    with served(create_app(Settings(home=home))) as url:
        schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")

        @given(case=schema["/v1/feedback"]["post"].as_strategy())
        @settings(
            max_examples=30,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        def keeps(case):
            case.call_and_validate(
                headers={"Authorization": f"Bearer {key}"},
                checks=[not_a_server_error, content_type_conformance, response_schema_conformance],
            )

        keeps()


def test_the_client_keeps_what_it_is_given_until_it_is_acknowledged(home, tmp_path):
    pauses: list[float] = []
    down = FeedbackClient("http://127.0.0.1:1", "bk", tmp_path / "buffer", pause=pauses.append)
    for number in range(3):
        down.give(thumb(number))
    down.give(thumb(4, consent=""))
    assert down.flush(attempts=3) == 0
    assert (len(down.waiting()), pauses) == (4, [0.5, 1.0])
    with served(create_app(load_settings(home))) as url:
        wrong = FeedbackClient(url, "bk_none", tmp_path / "buffer")
        with pytest.raises(FeedbackRefusedError, match="401"):
            wrong.flush()
        assert len(wrong.waiting()) == 4
        up = FeedbackClient(url, key_of(home), tmp_path / "buffer")
        # The one that cannot be used is put aside with its reason; it does not stop the others.
        assert up.flush() == 3
        assert up.waiting() == []
        [reason] = (tmp_path / "buffer" / "refused").glob("*.reason")
        assert "consent" in reason.read_text()
    with platform(home) as db:
        assert collect(home, db)[0] == 3


_KILLED = """
import os, signal, sys
from pathlib import Path
from infra.feedback_client import FeedbackClient
url, key, folder, step = sys.argv[1:]
real, calls = Path.unlink, 0
def killing(self, **options):
    global calls
    calls += 1
    if calls == int(step):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, **options)
Path.unlink = killing
FeedbackClient(url, key, Path(folder)).flush()
"""


def test_a_client_killed_between_acknowledgement_and_forgetting_doubles_nothing(home, tmp_path):
    key, folder = key_of(home), tmp_path / "buffer"
    with served(create_app(load_settings(home))) as url:
        client = FeedbackClient(url, key, folder)
        for number in range(5):
            client.give(thumb(number))
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, url, key, str(folder), "3"],
            cwd=Path(__file__).resolve().parents[3],
            check=False,
            capture_output=True,
        )
        assert killed.returncode == -9
        assert len(client.waiting()) == 3
        assert client.flush() == 3
        assert client.waiting() == []
    with platform(home) as db:
        assert collect(home, db)[0] == 5
