"""Attacks on files in an object store: multipart uploads, and addresses that the store itself lets somebody use.

Each shows first, at a place that nothing is registered from, that what it does works there.
"""

from __future__ import annotations

import requests

from tests.attacks.attack import attack
from tests.attacks.deployment import MODEL, Deployment, served_path

FREE = "free/to/write"


def _open(d: Deployment, folder: str):
    """The place of a new LoggedModel with one file, that nothing is registered from yet."""
    experiment = d.versions["good"].experiment
    body = {"experiment_id": experiment, "name": folder}
    info = d.ok("POST", "mlflow/logged-models", json=body)["model"]["info"]
    root = served_path(info["artifact_uri"])
    d.ok("PUT", f"mlflow-artifacts/artifacts/{root}/MLmodel", data=b"first")
    return info["model_id"], root


def _register(d: Deployment, model_id: str) -> str:
    body = {"name": MODEL, "source": f"models:/{model_id}", "model_id": model_id}
    return str(d.ok("POST", "mlflow/model-versions/create", json=body)["model_version"]["version"])


def _create(d: Deployment, folder: str, name: str = "MLmodel"):
    body = {"path": name, "num_parts": 1}
    return d.call("POST", f"mlflow-artifacts/mpu/create/{folder}", json=body)


def _begun(created, data: bytes, name: str = "MLmodel") -> dict[str, object]:
    """A multipart upload whose one part is there: what completes it."""
    assert created.status_code == 200, created.text
    made = created.json()
    [part] = made["credentials"]
    sent = requests.put(part["url"], data=data, timeout=30)
    assert sent.status_code == 200, sent.text
    parts = [{"part_number": 1, "etag": sent.headers["ETag"]}]
    return {"path": name, "upload_id": made["upload_id"], "parts": parts}


def _complete(d: Deployment, folder: str, begun, **options):
    return d.call("POST", f"mlflow-artifacts/mpu/complete/{folder}", json=begun, **options)


def _whole(d: Deployment, folder: str, name: str = "MLmodel"):
    """A multipart upload from its beginning to its end, as far as the server lets it."""
    created = _create(d, folder, name)
    if created.status_code != 200:
        return created
    return _complete(d, folder, _begun(created, b"changed", name))


def _refused(*answers):
    assert all(answer.status_code == 403 for answer in answers), [a.text for a in answers]
    return answers[-1]


@attack(needs_s3=True)
def a_multipart_upload_completed_over_them(d):
    """An upload to the protected place, and one to a free place that is completed under the protected one."""
    begun = _begun(_create(d, FREE), b"changed")
    path = d.versions["good"].path
    answers = [
        _complete(d, path, begun),
        _complete(d, path, begun, ajax=True),
        _complete(d, f"{path}/MLmodel", begun),
        _complete(d, path.rpartition("/")[0], begun | {"path": "artifacts/MLmodel"}),
        _whole(d, path),
        _whole(d, path, "extra.py"),
    ]
    assert _complete(d, FREE, begun).status_code == 200
    assert b"changed" in d.files_at(FREE).values()  # so it works, where nothing is registered from
    return _refused(*answers)


@attack(needs_s3=True)
def a_multipart_upload_begun_before_the_version_was_registered(d):
    model_id, root = _open(d, "multipart")
    begun = _begun(_create(d, root), b"changed")
    _register(d, model_id)
    answer = _refused(_complete(d, root, begun), _complete(d, root, begun, ajax=True))
    assert d.read(f"{root}/MLmodel") == b"first"
    return answer


@attack(needs_s3=True)
def a_multipart_upload_aborted_over_them(d):
    """What is registered stays, whatever upload is named; elsewhere an abort goes through."""
    path = d.versions["good"].path
    begun = _begun(_create(d, FREE), b"changed")
    body = {"path": "MLmodel", "upload_id": begun["upload_id"]}
    answer = _refused(
        d.call("POST", f"mlflow-artifacts/mpu/abort/{path}", json=body),
        d.call("POST", f"mlflow-artifacts/mpu/abort/{path}/MLmodel", json=body),
        d.call("POST", f"mlflow-artifacts/mpu/abort/{path}", json=body | {"upload_id": "x"}),
    )
    assert d.call("POST", f"mlflow-artifacts/mpu/abort/{FREE}", json=body).status_code == 200
    assert _complete(d, FREE, begun).status_code >= 400
    return answer


def _presigned(d: Deployment, **body):
    return d.call("POST", "mlflow/artifacts/presigned-upload-url", json=body)


def _used(d: Deployment, **body):
    """Ask for an address and, where one is given, write to it."""
    answer = _presigned(d, **body)
    if answer.status_code == 200:
        requests.put(answer.json()["presigned_url"], data=b"changed", timeout=30)
    return answer


@attack(needs_s3=True)
def a_presigned_upload_for_their_place(d):
    """By the LoggedModel, by its run, and by another run with a path that leads there."""
    model_id, root = _open(d, "presigned")
    free = _presigned(d, model_id=model_id, path="MLmodel")
    assert free.status_code == 200, free.text
    assert requests.put(free.json()["presigned_url"], data=b"second", timeout=30).status_code == 200
    assert d.read(f"{root}/MLmodel") == b"second"  # so it works, where nothing is registered from
    good = d.versions["good"]
    inner = good.path.partition("/")[2]
    escapes = [
        _used(d, run_id=good.run_id, path=f"../../{inner}/MLmodel"),
        _used(d, run_id=good.run_id, path=f"..%2F..%2F{inner}/MLmodel"),
        _used(d, model_id=model_id, path=f"../../../{inner}/MLmodel"),
    ]
    direct = [
        _used(d, model_id=good.model_id, path=path) for path in ("MLmodel", "extra.py", "data//weights.bin")
    ]
    assert all(answer.status_code in {400, 403} for answer in escapes), [a.text for a in escapes]
    return _refused(*direct)


@attack(needs_s3=True)
def a_presigned_upload_kept_until_the_version_is_registered(d):
    """The address was right when it was given out, and the store believes it; what it changes is seen."""
    model_id, root = _open(d, "kept")
    kept = _presigned(d, model_id=model_id, path="MLmodel").json()["presigned_url"]
    lasting = _presigned(
        d, model_id=model_id, path="MLmodel", expiration=901
    )  # one that outlives the default is not given
    version = d.adopt("kept", _register(d, model_id), model_id, root, {"MLmodel": b"first"})
    d.decide(version)
    assert requests.put(kept, data=b"changed", timeout=30).status_code == 200
    try:
        d.publish()
        return _refused(lasting, d.set_alias(version.version))
    finally:
        del d.decisions[MODEL, version.version]
        d.publish()


@attack(needs_s3=True)
def a_presigned_download_of_their_files(d):
    """Reading is free; an address to read is for the method that it was signed for, and for that file."""
    good = d.versions["good"]
    answer = d.call("GET", f"mlflow-artifacts/presigned/{good.path}/MLmodel")
    assert answer.status_code == 200, answer.text
    asked = requests.get(answer.json()["url"], timeout=30)
    assert asked.content == good.files["MLmodel"]
    for method in ("PUT", "DELETE", "POST"):
        tried = d.call(method, f"mlflow-artifacts/presigned/{good.path}/MLmodel", data=b"changed")
        assert tried.status_code in {403, 404, 405}, tried.text
    return answer
