"""MLflow's webhook: signed as MLflow signs, once each, refused otherwise."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from mlflow.webhooks.delivery import _generate_hmac_signature

from governance.errors import OutsideError
from infra.settings import WEBHOOK_PATH, Settings
from infra.web.hooks import router
from tests.support.asgi import Client

NOW = datetime(2026, 6, 2, 12, tzinfo=UTC)
SECRET = "of the tests"
BODY = {"entity": "model_version", "action": "created", "data": {"name": "demo", "version": "3"}}


@pytest.fixture
def started():
    return []


@pytest.fixture
def client(tmp_path, started):
    def start(model, version, *, key):
        started.append((model, version, key))
        return "run-1"

    app = FastAPI()
    app.include_router(router(Settings(home=tmp_path, webhook_secret=SECRET), start, clock=lambda: NOW))
    return Client(app)


def delivery(body=BODY, *, at=NOW, secret=SECRET, id_="delivery-0001", **changes):
    text = body if isinstance(body, str) else json.dumps(body)
    timestamp = str(int(at.timestamp()))
    headers = {
        "X-MLflow-Signature": _generate_hmac_signature(secret, id_, timestamp, text),
        "X-MLflow-Delivery-Id": id_,
        "X-MLflow-Timestamp": timestamp,
        **changes,
    }
    return {"content": text, "headers": headers}


def test_a_delivery_signed_by_mlflow_starts_the_audit_under_its_id(client, started):
    answer = client.post(WEBHOOK_PATH, **delivery())
    assert (answer.status_code, answer.json()) == (202, {"started": "run-1"})
    assert started == [("demo", "3", "mlflow-delivery-0001")]


@pytest.mark.parametrize(
    "odd",
    [
        delivery(secret="another"),
        delivery(**{"X-MLflow-Signature": ""}),
        delivery(**{"X-MLflow-Delivery-Id": "delivery-0002"}),
        delivery(at=NOW - timedelta(minutes=6)),
        delivery(at=NOW + timedelta(minutes=6)),
        delivery(id_="x"),
        {**delivery(), "content": json.dumps({**BODY, "data": {"name": "demo", "version": "4"}})},
        delivery(**{"X-MLflow-Signature": "v1,é".encode()}),
    ],
)
def test_a_bad_signature_an_old_time_or_another_body_is_refused(client, started, odd):
    assert client.post(WEBHOOK_PATH, **odd).status_code == 401
    assert started == []


@pytest.mark.parametrize(
    "body", [{**BODY, "data": {}}, {**BODY, "data": {"name": "d", "version": "03"}}, "{"]
)
def test_a_delivery_without_a_version_is_refused(client, started, body):
    assert client.post(WEBHOOK_PATH, **delivery(body)).status_code == 422
    assert started == []


def test_another_event_starts_nothing(client, started):
    assert client.post(WEBHOOK_PATH, **delivery({**BODY, "action": "deleted"})).json() == {"started": None}
    assert started == []


def test_without_a_secret_nobody_is_believed(tmp_path):
    app = FastAPI()
    app.include_router(router(Settings(home=tmp_path), lambda *_, **__: "run", clock=lambda: NOW))
    assert Client(app).post(WEBHOOK_PATH, **delivery(secret="")).status_code == 401


def test_mlflow_is_asked_to_come_again_when_prefect_is_away(tmp_path):
    def start(*_, **__):
        raise OutsideError("Prefect is away")

    app = FastAPI()
    app.include_router(router(Settings(home=tmp_path, webhook_secret=SECRET), start, clock=lambda: NOW))
    assert Client(app).post(WEBHOOK_PATH, **delivery()).status_code == 503
