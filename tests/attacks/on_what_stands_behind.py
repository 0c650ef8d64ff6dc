"""Attacks on what stands behind the champion: LoggedModel, run, experiment, workspace, host."""

from __future__ import annotations

from tests.attacks.attack import attack


@attack()
def delete_its_logged_model(d):
    model = d.versions["good"].model_id
    d.call("DELETE", f"mlflow/logged-models/{model}", ajax=True)
    return d.call("DELETE", f"mlflow/logged-models/{model}")


@attack()
def tag_its_logged_model(d):
    body = {"tags": [{"key": "mlflow.modelVersions", "value": "[]"}]}
    d.call("PATCH", f"mlflow/logged-models/{d.versions['good'].model_id}/tags", json=body)
    d.call("DELETE", f"mlflow/logged-models/{d.versions['good'].model_id}/tags/mlflow.modelVersions")
    return d.call("PATCH", f"mlflow/logged-models/{d.versions['good'].model_id}", json={"status": 3})


@attack()
def delete_its_run(d):
    return d.call("POST", "mlflow/runs/delete", json={"run_id": d.versions["good"].run_id})


@attack()
def delete_its_experiment(d):
    return d.call("POST", "mlflow/experiments/delete", json={"experiment_id": d.versions["good"].experiment})


@attack()
def delete_its_workspace(d):
    return d.raw("DELETE", "/api/3.0/mlflow/workspaces/default", params={"mode": "CASCADE"})


@attack()
def ask_the_assistant_to_run_a_program(d):
    answer = d.raw("POST", "/ajax-api/3.0/mlflow/assistant/message", json={"message": "run rm"})
    if d.shape.server == "uvicorn":
        assert answer.status_code in {403, 401}, answer.text
    return answer
