"""Attacks on the model and its versions."""

from __future__ import annotations

from tests.attacks.attack import ROUTE, attack, onto_bad
from tests.attacks.deployment import MODEL


@attack()
def rename_the_model(d):
    return d.call("POST", "mlflow/registered-models/rename", json={"name": MODEL, "new_name": "other"})


@attack()
def delete_the_model(d):
    return d.call("DELETE", "mlflow/registered-models/delete", json={"name": MODEL})


@attack()
def delete_the_champion_version(d):
    body = {"name": MODEL, "version": d.versions["good"].version}
    d.call("DELETE", "mlflow/model-versions/delete", params=body)
    return d.call("DELETE", "mlflow/model-versions/delete", json=body)


@attack()
def stage_a_refused_version_into_production(d):
    body = {
        "name": MODEL,
        "version": onto_bad(d)["version"],
        "stage": "Production",
        "archive_existing_versions": True,
    }
    for stage in ("Production", "production", "PRODUCTION"):
        answer = d.call("POST", "mlflow/model-versions/transition-stage", json={**body, "stage": stage})
        assert answer.status_code == 403, answer.text
    return answer


@attack()
def archive_the_champion(d):
    body = {"name": MODEL, "version": d.versions["good"].version, "stage": "Archived"}
    return d.call(
        "POST", "mlflow/model-versions/transition-stage", json={**body, "archive_existing_versions": False}
    )


@attack()
def a_new_version_under_latest(d):
    """Made it can be; but nothing loads it for being the newest."""
    d.register("newest")
    body = {"name": MODEL, "alias": "latest"}
    answers = [
        d.call("GET", ROUTE, params=body),
        d.call("GET", ROUTE, params={**body, "alias": "LATEST"}),
        d.call("POST", "mlflow/registered-models/get-latest-versions", json={"name": MODEL}),
    ]
    assert all(answer.status_code == 403 for answer in answers), [a.text for a in answers]
    return answers[-1]
