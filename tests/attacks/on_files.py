"""Attacks on the files of the version that carries the alias."""

from __future__ import annotations

import threading

import requests

from tests.attacks.attack import attack
from tests.attacks.deployment import MODEL, served_path


@attack()
def overwrite_its_files(d):
    path = f"mlflow-artifacts/artifacts/{d.versions['good'].path}/MLmodel"
    d.call("PUT", path, data=b"changed", ajax=True)
    d.raw("PUT", f"/api/2.0/{path}".replace("artifacts/MLmodel", "artifacts//MLmodel"), data=b"changed")
    d.raw(
        "PUT",
        f"/api/2.0/{path}".replace("models", "%6Dodels").replace("MLmodel", "%254DLmodel"),
        data=b"changed",
    )
    return d.call("PUT", path, data=b"changed")


@attack()
def add_a_file_to_them(d):
    return d.call("PUT", f"mlflow-artifacts/artifacts/{d.versions['good'].path}/extra.py", data=b"import os")


@attack()
def overwrite_them_without_the_static_prefix(d):
    address = f"{d.url}/api/2.0/mlflow-artifacts/artifacts/{d.versions['good'].path}/MLmodel"
    return requests.put(address, data=b"changed", timeout=30)


@attack()
def put_a_file_where_their_folder_is(d):
    return d.call("PUT", f"mlflow-artifacts/artifacts/{d.versions['good'].path}", data=b"changed")


@attack()
def delete_its_files(d):
    path = d.versions["good"].path
    d.call("DELETE", f"mlflow-artifacts/artifacts/{path}/MLmodel")
    d.call("DELETE", f"mlflow-artifacts/artifacts/{path}", ajax=True)
    return d.call("DELETE", f"mlflow-artifacts/artifacts/{path}")


@attack()
def delete_the_folders_above_them(d):
    parts = d.versions["good"].path.split("/")
    for many in range(len(parts) - 1, 0, -1):
        answer = d.call("DELETE", f"mlflow-artifacts/artifacts/{'/'.join(parts[:many])}")
    # Object stores delete whatever begins like this.
    return d.call("DELETE", f"mlflow-artifacts/artifacts/{d.versions['good'].path[:-4]}"), answer


@attack()
def multipart_upload_over_them(d):
    path = d.versions["good"].path
    body = {"path": "MLmodel", "num_parts": 1}
    answers = [
        d.call("POST", f"mlflow-artifacts/mpu/create/{path}", json=body),
        d.call("POST", f"mlflow-artifacts/mpu/create/{path}/MLmodel", json=body),
        d.call("POST", f"mlflow-artifacts/mpu/complete/{path}", json={**body, "upload_id": "x", "parts": [{"part_number": 1, "etag": "x"}]}),
    ]  # fmt: skip
    assert all(answer.status_code == 403 for answer in answers), [a.text for a in answers]
    return answers[-1]


@attack()
def presigned_upload_over_them(d):
    answer = d.call(
        "POST",
        "mlflow/artifacts/presigned-upload-url",
        json={"model_id": d.versions["good"].model_id, "path": "MLmodel"},
    )
    assert answer.status_code == 403, answer.text
    return answer


@attack()
def upload_artifact_of_the_run_over_them(d):
    """A version whose source is a folder of its run, as MLflow 2 makes them."""
    run = d.versions["good"].run_id
    place = d.ok("GET", "mlflow/runs/get", params={"run_id": run})["run"]["info"]["artifact_uri"]
    root = served_path(place)
    if "of a run" not in d.versions:
        d.ok("PUT", f"mlflow-artifacts/artifacts/{root}/model/MLmodel", data=b"first")
        body = {"name": "of-a-run", "source": f"{place}/model", "run_id": run}
        d.ok("POST", "mlflow/registered-models/create", json={"name": "of-a-run"})
        d.ok("POST", "mlflow/model-versions/create", json=body)
        d.versions["of a run"] = d.versions["good"]
    path = "/ajax-api/2.0/mlflow/upload-artifact"
    answer = d.raw("POST", path, params={"run_uuid": run, "path": "model/MLmodel"}, data=b"changed")
    assert answer.status_code == 403, answer.text
    assert d.read(f"{root}/model/MLmodel") == b"first"
    return answer


@attack()
def a_slow_upload_begun_before_the_version_was_registered(d):
    """The body's last piece comes when the files are already frozen."""
    experiment = d.versions["good"].experiment
    logged = d.ok("POST", "mlflow/logged-models", json={"experiment_id": experiment, "name": "slow"})[
        "model"
    ]["info"]
    root = served_path(logged["artifact_uri"])
    d.ok("PUT", f"mlflow-artifacts/artifacts/{root}/MLmodel", data=b"first")
    opened, registered = threading.Event(), threading.Event()

    def body():
        yield b"chan"
        opened.set()
        registered.wait(20)
        yield b"ged"

    answers = []
    path = f"mlflow-artifacts/artifacts/{root}/MLmodel"
    thread = threading.Thread(target=lambda: answers.append(d.call("PUT", path, data=body())))
    thread.start()
    opened.wait(20)
    d.ok(
        "POST",
        "mlflow/model-versions/create",
        json={"name": MODEL, "source": f"models:/{logged['model_id']}", "model_id": logged["model_id"]},
    )
    registered.set()
    thread.join(30)
    assert d.read(f"{root}/MLmodel") == b"first", answers
    return answers[0]
