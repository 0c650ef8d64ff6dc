"""The start page against a data folder, without servers."""

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest

from infra.database import Database
from infra.ledger import Batch, Promotion, record_batch, record_promotion
from infra.settings import Settings, load_settings
from infra.stack.record import write_record
from infra.stack.secrets import ensure_secrets
from infra.web.app import create_app
from infra.web.start import STEPS


def visit(settings, path="/", *, host="127.0.0.1", **options):
    async def ask():
        transport = httpx.ASGITransport(create_app(settings, **options))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_the_page_says_where_the_password_lies_and_never_what_it_is(tmp_path):
    secrets = ensure_secrets(tmp_path, ["main"])
    text = visit(load_settings(tmp_path)).text
    assert str(secrets.path) in text
    assert secrets.label_studio_user in text
    for secret in (secrets.label_studio_password, secrets.label_studio_token, secrets.s3_secret_key):
        assert secret not in text


def test_a_part_that_does_not_answer_is_named(tmp_path):
    settings = {"mlflow_url": "http://127.0.0.1:9", "web_url": "http://127.0.0.1:9"}
    write_record(tmp_path, {"settings": settings})
    page = visit(load_settings(tmp_path))
    assert "2 of 2 parts need a look: mlflow, web." in page.text
    assert page.text.count("no answer") == 2
    health = visit(load_settings(tmp_path), "/health")
    assert health.status_code == 503
    assert health.json()["parts"]["mlflow"] == {"healthy": False, "says": "no answer", "restarts": 0}


def test_nothing_running_is_not_healthy(tmp_path):
    health = visit(Settings(home=tmp_path), "/health")
    assert (health.status_code, health.json()["says"]) == (503, "Nothing runs here yet.")


def test_figures_are_shown_where_they_are_known(tmp_path):
    text = visit(Settings(home=tmp_path), counts=lambda: {"raw_events": 12345, "releases": 0}).text
    assert "12,345" in text
    assert text.count('aria-label="not known"') == sum(len(step.figures) for step in STEPS) - 2


def test_figures_come_from_the_database_and_looking_does_not_make_it(tmp_path):
    settings = Settings(home=tmp_path)
    assert visit(settings).text.count('aria-label="not known"') == 8
    assert not (tmp_path / "platform.db").exists()
    with Database(settings.database, now=datetime.now(UTC)) as database:
        for hour, accepted in ((1, 100), (2, 1417)):  # the second holds what the first held
            at = datetime(2026, 1, 1, hour, tzinfo=UTC)
            batch = Batch(
                digest=f"b{hour}", inputs_digest="i", read=accepted + 3, accepted=accepted, quarantined=3,
                verdict="passed", created_at=at, site="uk",
            )  # fmt: skip
            record_batch(database, batch)
            outcome = "promoted" if hour == 1 else "refused"
            record_promotion(
                database, Promotion(model="m", alias="champion", version=str(hour), outcome=outcome, at=at)
            )
    text = visit(settings).text
    assert "not known" not in text
    for number, word in (("1,417", "accepted"), ("3", "set aside"), ("1", "promoted"), ("1", "refused")):
        assert f"<dd>{number}</dd>" in text
        assert word in text


@pytest.mark.parametrize("path", ["/", "/health", "/no-such-page", "/static/bounds.css", "/v1/nothing"])
def test_every_answer_forbids_what_comes_from_elsewhere(tmp_path, path):
    answer = visit(Settings(home=tmp_path), path)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_unknown_page_is_a_page_and_an_unknown_route_for_programs_is_json(tmp_path):
    page = visit(Settings(home=tmp_path), "/no-such-page")
    assert (page.status_code, "Back to the overview" in page.text) == (404, True)
    answer = json.loads(visit(Settings(home=tmp_path), "/v1/nothing").text)
    assert answer == {"title": "Not Found", "status": 404, "detail": "Not Found"}


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1", 200), ("localhost", 200), ("attacker.example", 400)]
)
def test_another_name_for_loopback_is_refused(tmp_path, host, status):
    assert visit(Settings(home=tmp_path), "/alive", host=host).status_code == status


def test_what_the_settings_say_is_escaped(tmp_path):
    home = tmp_path / "<b>home"
    home.mkdir()
    assert "<b>home" not in visit(Settings(home=home)).text
