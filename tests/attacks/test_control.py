"""The control: the same attacks on the same MLflow without the gate, so that the suite is seen to be able to fail.

Before each attack the plain server's database and files are put back. An attack succeeds when a protected fact
changes, or what it reaches for elsewhere does (``ELSEWHERE``); those that plain MLflow turns away too stand in
``TURNED_AWAY`` with the reason, and nothing else may fail.
"""

from __future__ import annotations

import shutil
import sqlite3

import pytest
import requests

from tests.attacks.attacks import ATTACKS
from tests.attacks.deployment import MODEL, Deployment, Shape

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(600)]


def _found(d: Deployment, question: str) -> bool:
    connection = sqlite3.connect(d.folder / "mlflow.db")
    try:
        return connection.execute(question).fetchone() is not None
    finally:
        connection.close()


def _some_file(d: Deployment, data: bytes) -> bool:
    return any(path.read_bytes() == data for path in (d.folder / "artifacts").rglob("MLmodel"))


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
}


def _reset(d: Deployment) -> None:
    """The database (through SQLite's backup, below the running server) and the files as they were."""
    source, target = sqlite3.connect(d.folder / "kept.db"), sqlite3.connect(d.folder / "mlflow.db")
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    shutil.rmtree(d.folder / "artifacts")
    shutil.copytree(d.folder / "kept", d.folder / "artifacts")


def _keep(d: Deployment) -> None:
    source, target = sqlite3.connect(d.folder / "mlflow.db"), sqlite3.connect(d.folder / "kept.db")
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
    shutil.copytree(d.folder / "artifacts", d.folder / "kept")


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
def servers(tmp_path_factory):
    """The same MLflow twice: (without the gate, behind it)."""
    both = []
    try:
        for gated in (False, True):
            folder = tmp_path_factory.mktemp("gated" if gated else "plain")
            one = Deployment(folder=folder, shape=Shape(), database=f"sqlite:///{folder / 'mlflow.db'}")
            both.append(one)
            one.publish()
            one.start(gated=gated)
            one.people()
        _keep(both[0])
        yield tuple(both)
    finally:
        for one in both:
            one.stop()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_succeeds_without_the_gate_and_is_held_by_it(servers, attack, held):
    if attack.needs_s3:
        pytest.skip("an attack on an object store, which shows in itself that it works elsewhere")
    plain, gated = servers
    _reset(plain)
    changed = _outcome(plain, attack)
    name = f"{attack.name} (by {attack.by})"
    held(name, "without the gate: what changed", changed)
    before = gated.state()
    attack.act(gated)
    assert gated.state() == before
    held(name, Shape().name, "held")
    if attack.name in TURNED_AWAY:
        assert changed == "nothing", "plain MLflow no longer turns this away: take it off the list"
    else:
        assert changed != "nothing", "this attack shows nothing about the gate, for plain MLflow holds too"


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
