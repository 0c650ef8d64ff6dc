"""The control: the same attacks on the same MLflow without the gate, so that the suite is seen to be able to fail.

Twice: with its files in a folder, and (the attacks on an object store) on S3. Before each attack the plain server's database and files are put back. An attack succeeds when a protected fact
changes, or what it reaches for elsewhere does (``ELSEWHERE``); those that plain MLflow turns away too stand in
``TURNED_AWAY`` with the reason, and nothing else may fail.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
import requests

from tests.attacks.attacks import ATTACKS
from tests.attacks.deployment import BUCKET, MODEL, PREFIX, Deployment, Shape, served_path

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(600)]


FOLDER, OBJECTS = Shape(), Shape(s3=True)
CAST = ("good", "better", "bad", "new")


def _found(d: Deployment, question: str) -> bool:
    connection = sqlite3.connect(d.folder / "mlflow.db")
    try:
        return connection.execute(question).fetchone() is not None
    finally:
        connection.close()


def _some_file(d: Deployment, data: bytes) -> bool:
    return any(path.read_bytes() == data for path in (d.folder / "artifacts").rglob("MLmodel"))


def _newest_registered_file(d: Deployment, data: bytes) -> bool:
    """Whether the newest version's file in the object store is this one now."""
    connection = sqlite3.connect(d.folder / "mlflow.db")
    question = "SELECT storage_location FROM model_versions ORDER BY creation_time DESC LIMIT 1"
    try:
        [location] = connection.execute(question).fetchone()
    finally:
        connection.close()
    return d.files_at(served_path(location)).get("MLmodel") == data


# What these reach for is no protected fact of the champion: the attack's own assertion looks at it when gated.
ELSEWHERE = {
    "forge the description": lambda d, _: _found(
        d, "SELECT 1 FROM model_versions WHERE description LIKE '%PASS for%'"
    ),
    "register with forged tags": lambda d, _: _found(
        d, "SELECT 1 FROM registered_model_tags WHERE name = 'forged' AND key = 'gov.verdict'"
    ),
    "upload artifact of the run over them": lambda d, _: _some_file(d, b"changed"),
    "a slow upload begun before the version was registered": lambda d, _: _some_file(d, b"changed"),
    "a new version under latest": lambda d, _: (
        d.call("GET", "mlflow/registered-models/alias", params={"name": MODEL, "alias": "latest"}).json()[
            "model_version"
        ]["version"]
        == d.versions["newest"].version
    ),
    "a multipart upload begun before the version was registered": lambda d, _: _newest_registered_file(
        d, b"changed"
    ),
    # The only assertion of these two: no set of the refused version, no program, was answered otherwise than refused.
    "two setters racing": lambda _, said: said is not None,
    "ask the assistant to run a program": lambda _, said: said is not None,
}

TURNED_AWAY = {
    "set with double slashes": "308 to the plain path, where `set by rest` succeeds; the attack follows nothing",
    "set with dots in the path": "404: the server does not resolve dots",
    "set as plain text": "400: only application/json is read",
    "set as a form": "400: only application/json is read",
    "set with method override": "the headers are ignored (the GET reads) and PATCH is 405",
    "set and create through tags": "200, but the SQL store keeps aliases in a table of their own: the tag moves none",
    "delete the alias by query": "400: the name is read from the body only",
    "put a file where their folder is": "500: a local folder cannot be replaced by a file",
    "multipart upload over them": "501: a local folder as artifact store knows no multipart upload",
    "presigned upload over them": "400: not with proxied artifacts",
    "delete its workspace": "503: workspaces are off in this deployment",
    "a multipart upload aborted over them": "an abort takes away an upload, never a completed file",
    "a presigned download of their files": "nothing is written by the way that gives out addresses to read",
}


def _copy(source: Path, target: Path) -> None:
    """A database through SQLite's backup, below the running server."""
    with (
        contextlib.closing(sqlite3.connect(source)) as read,
        contextlib.closing(sqlite3.connect(target)) as written,
    ):
        read.backup(written)


def _keep(d: Deployment) -> None:
    _copy(d.folder / "mlflow.db", d.folder / "kept.db")
    for name, version in d.versions.items() if d.objects else ():
        for path, data in d.files_at(version.path).items():
            file = d.folder / "kept" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    if not d.objects:
        shutil.copytree(d.folder / "artifacts", d.folder / "kept")


def _reset(d: Deployment) -> None:
    """The database and the files as they were."""
    _copy(d.folder / "kept.db", d.folder / "mlflow.db")
    if not d.objects:
        shutil.rmtree(d.folder / "artifacts")
        shutil.copytree(d.folder / "kept", d.folder / "artifacts")
        return
    for name in CAST:
        path, kept = d.versions[name].path, d.folder / "kept" / name
        files = {f.relative_to(kept).as_posix(): f for f in kept.rglob("*") if f.is_file()}
        for added in set(d.files_at(path)) - set(files):
            d.s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{path}/{added}")
        for inner, file in files.items():
            d.write(f"{path}/{inner}", file.read_bytes())


def _outcome(d: Deployment, attack) -> str:
    """What changed, or ``nothing``."""
    before, said = d.state(), None
    try:
        attack.act(d)
    except AssertionError as error:
        said = str(error)
    after = d.state()
    changed = [name for name in before if before[name] != after[name]]
    if attack.name in ELSEWHERE and ELSEWHERE[attack.name](d, said):
        changed.append("what it reaches for")
    return ", ".join(changed) or "nothing"


@pytest.fixture(scope="module")
def servers(request, tmp_path_factory):
    """The same MLflow twice: (without the gate, behind it)."""
    shape, both = request.param, []
    try:
        for gated in (False, True):
            folder = tmp_path_factory.mktemp("gated" if gated else "plain")
            one = Deployment(folder=folder, shape=shape, database=f"sqlite:///{folder / 'mlflow.db'}")
            one.objects = request.getfixturevalue("objects") if shape.s3 else None
            both.append(one)
            one.publish()
            one.start(gated=gated)
            one.people()
        _keep(both[0])
        yield tuple(both)
    finally:
        for one in both:
            one.stop()


@pytest.mark.parametrize(
    ("servers", "attack"),
    [
        pytest.param(shape, attack, id=f"{shape.name}-{attack.name}")
        for shape in (FOLDER, OBJECTS)
        for attack in ATTACKS
        if attack.needs_s3 == shape.s3
    ],
    indirect=["servers"],
    scope="module",
)
def test_an_attack_succeeds_without_the_gate_and_is_held_by_it(servers, attack, held):
    plain, gated = servers
    _reset(plain)
    changed = _outcome(plain, attack)
    name = f"{attack.name} (by {attack.by})"
    held(name, "without the gate: what changed", changed)
    before = gated.state()
    attack.act(gated)
    assert gated.state() == before
    held(name, "behind it", "held")
    if attack.name in TURNED_AWAY:
        assert changed == "nothing", "plain MLflow no longer turns this away: take it off the list"
    else:
        assert changed != "nothing", "this attack shows nothing about the gate, for plain MLflow holds too"


@pytest.mark.parametrize("servers", [pytest.param(FOLDER, id=FOLDER.name)], indirect=True)
def test_the_control_is_the_server_without_the_gate(servers):
    """A refused version may be set on the one and not on the other, and both still answer."""
    plain, gated = servers
    _reset(plain)
    assert plain.set_alias(plain.versions["bad"].version).status_code == 200
    assert plain.champion() == plain.versions["bad"].version
    assert gated.set_alias(gated.versions["bad"].version).status_code == 403
    assert gated.champion() == gated.versions["good"].version
    assert requests.get(f"{plain.root}/health", timeout=5).status_code == 200


def test_every_exception_names_an_attack():
    names = {attack.name for attack in ATTACKS}
    assert set(TURNED_AWAY) | set(ELSEWHERE) <= names
