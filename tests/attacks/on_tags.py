"""Attacks on tags, descriptions and webhooks."""

from __future__ import annotations

from tests.attacks.attack import attack
from tests.attacks.deployment import MODEL


@attack()
def forge_decision_tags(d):
    body = {"name": MODEL, "version": d.versions["good"].version}
    for key in ("gov.verdict", "GOV.verdict", "gov.decision"):
        d.call("POST", "mlflow/model-versions/set-tag", json={**body, "key": key, "value": "FAIL"})
    d.call(
        "POST",
        "mlflow/registered-models/set-tag",
        json={"name": MODEL, "key": "gov.verdict", "value": "PASS"},
    )
    bad = {"name": MODEL, "version": d.versions["bad"].version, "key": "gov.verdict", "value": "PASS"}
    answer = d.call("POST", "mlflow/model-versions/set-tag", json=bad)
    assert answer.status_code == 403, answer.text
    return answer


@attack()
def register_with_forged_tags(d):
    body = {"name": "forged", "tags": [{"key": "gov.verdict", "value": "PASS"}]}
    answer = d.call("POST", "mlflow/registered-models/create", json=body)
    assert answer.status_code == 403, answer.text
    body = {"name": MODEL, "source": f"models:/{d.versions['bad'].model_id}", "model_id": d.versions["bad"].model_id, "tags": [{"key": "gov.verdict", "value": "PASS"}]}  # fmt: skip
    answer = d.call("POST", "mlflow/model-versions/create", json=body)
    assert answer.status_code == 403, answer.text
    return answer


@attack()
def forge_the_description(d):
    body = {"name": MODEL, "version": d.versions["bad"].version, "description": "## PASS for `champion`"}
    answer = d.call("PATCH", "mlflow/model-versions/update", json=body)
    assert answer.status_code == 403, answer.text
    return answer


@attack()
def disable_our_webhook(d):
    hook = next(h for h in d.ok("GET", "mlflow/webhooks")["webhooks"] if h["name"] == "bounds-audit")
    path = f"mlflow/webhooks/{hook['webhook_id']}"
    for change in (
        {"status": "DISABLED"},
        {"url": "http://127.0.0.1:9/else"},
        {"secret": "mine"},
        {"name": "x"},
    ):
        answer = d.call("PATCH", path, json=change)
        assert answer.status_code == 403, (change, answer.text)
    return d.call("DELETE", path)
