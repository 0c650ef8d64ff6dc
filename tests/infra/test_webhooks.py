"""Registering the webhook against a server that speaks as MLflow does; the real one is in the tests of the trigger."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from governance.errors import InputError, OutsideError, RefusedError
from infra import webhooks
from infra.settings import WEBHOOK_NAME, Settings
from infra.webhooks import ensure_webhook


@contextmanager
def mlflow(hooks, *, status=200):
    """A registry of webhooks in memory, one on a page; what was asked of it."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            asked.append((self.command, self.path.split("?")[0].rpartition("/")[2], body))
            value = {"message": "the gate has no terms"}
            if status == 200 and self.command == "GET":
                page = int(self.path.partition("page_token=")[2] or 0)
                value = {"webhooks": hooks[page : page + 1]}
                if page + 1 < len(hooks):
                    value["next_page_token"] = str(page + 1)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - as the server asks for it

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def settings(home, url, **changes):
    given = {"mlflow_url": url, "web_url": "http://127.0.0.1:8800", "webhook_secret": "a secret"} | changes
    return Settings(home=home, **given)


def hook(**changes):
    return {
        "webhook_id": "w1",
        "name": WEBHOOK_NAME,
        "url": "http://127.0.0.1:8800/hooks/mlflow",
        "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}],
        "status": "ACTIVE",
    } | changes


OTHER = hook(webhook_id="w0", name="somebody's own")


@pytest.mark.parametrize(
    ("hooks", "said", "last"),
    [
        ([], "made", ("POST", "webhooks")),
        ([OTHER], "made", ("POST", "webhooks")),
        ([OTHER, hook()], "as it was", ("PATCH", "w1")),
        ([hook(url="http://127.0.0.1:1/hooks/mlflow")], "changed", ("PATCH", "w1")),
        ([hook(status="DISABLED")], "changed", ("PATCH", "w1")),
        ([hook(events=[])], "changed", ("PATCH", "w1")),
    ],
)
def test_it_is_made_once_and_made_right(tmp_path, hooks, said, last):
    with mlflow(hooks) as (url, asked):
        assert ensure_webhook(settings(tmp_path, url)) == said
    assert asked[-1][:2] == last
    sent = asked[-1][2]
    assert sent["url"] == hook()["url"]
    assert sent["events"] == hook()["events"]
    assert (sent["secret"], sent["status"]) == ("a secret", "ACTIVE")


def test_a_refusal_is_said_and_does_not_keep_the_servers_from_starting(tmp_path, monkeypatch, capsys):
    with mlflow([], status=403) as (url, _):
        made = settings(tmp_path, url)
        with pytest.raises(RefusedError, match="the gate has no terms"):
            ensure_webhook(made)
        monkeypatch.setattr(webhooks, "load_settings", lambda: made)
        assert webhooks.main() == 0
    assert "the gate has no terms" in capsys.readouterr().err
    assert webhooks.main() == 3
    with pytest.raises(OutsideError):
        ensure_webhook(made)
    with mlflow([], status=500) as (url, _), pytest.raises(OutsideError, match="500"):
        ensure_webhook(settings(tmp_path, url))


@pytest.mark.parametrize("missing", [{"web_url": None}, {"webhook_secret": ""}, {"mlflow_url": None}])
def test_without_an_address_or_a_secret_nothing_is_registered(tmp_path, missing):
    with pytest.raises(InputError, match="all three"):
        ensure_webhook(settings(tmp_path, "http://127.0.0.1:1", **missing))
