"""The attack suite: after each attack, on each deployment, the protected facts are what they were."""

import contextlib

import pytest
import requests
import sqlalchemy as sa

from tests.attacks.attacks import ATTACKS
from tests.attacks.deployment import ALIAS, MODEL

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_gate_holds(deployment, attack, held):
    if attack.needs_s3 and not deployment.shape.s3:
        pytest.skip("an attack on an object store; this deployment keeps its files in a folder")
    before = deployment.state()
    held(f"{attack.name} (by {attack.by})", deployment.shape, "FELL")
    attack.act(deployment)
    assert deployment.state() == before
    held(f"{attack.name} (by {attack.by})", deployment.shape, "held")


RAW = {
    "set by raw SQL": "UPDATE registered_model_aliases SET version = {bad} WHERE name = '{model}' AND alias = '{alias}'",
    "insert in another case by raw SQL": "INSERT INTO registered_model_aliases (workspace, name, alias, version) VALUES ('default', '{model}', 'CHAMPION', {bad})",
    "delete by raw SQL": "DELETE FROM registered_model_aliases WHERE name = '{model}'",
    "rename by raw SQL": "UPDATE registered_model_aliases SET alias = 'x' WHERE name = '{model}' AND alias = '{alias}'",
    "delete the model by raw SQL": "DELETE FROM registered_models WHERE name = '{model}'",
    "rename the model by raw SQL": "UPDATE registered_models SET name = 'x' WHERE name = '{model}'",
    "point the version elsewhere by raw SQL": "UPDATE model_versions SET storage_location = 'x' WHERE name = '{model}' AND version = {good}",
    "write a grant": "INSERT INTO bounds_gate.grants VALUES ('default', '{model}', '{alias}', {bad}, 'x', now() + interval '1 day')",
    "protect nothing": "DELETE FROM bounds_gate.protected",
    "disable the trigger": "ALTER TABLE registered_model_aliases DISABLE TRIGGER ALL",
    "drop the trigger": "DROP TRIGGER bounds_gate_alias ON registered_model_aliases",
    "replace the function": "CREATE OR REPLACE FUNCTION bounds_gate.is_protected(in_alias text) RETURNS boolean LANGUAGE sql AS 'SELECT false'",
    "act as a replica": "SET session_replication_role = replica",
    "truncate": "TRUNCATE registered_model_aliases",
    "become the owner": "SET ROLE mlowner",
    "shadow the grants": "CREATE TEMP TABLE grants (x int)",
}


def test_the_floor_holds_against_the_servers_own_database_role(deployment, held):
    """PostgreSQL: whoever has the server's password, without the server."""
    if deployment.shape.database != "postgresql":
        pytest.skip("SQLite has no roles; docs/threat-model.md says so")
    words = {
        "model": MODEL,
        "alias": ALIAS,
        "bad": deployment.versions["bad"].version,
        "good": deployment.versions["good"].version,
    }
    engine = sa.create_engine(deployment.database)
    before = deployment.state()
    fell = []
    for name, statement in RAW.items():
        with engine.connect() as connection, contextlib.suppress(sa.exc.DBAPIError):
            connection.exec_driver_sql(statement.format(**words))
            if name == "shadow the grants":
                connection.exec_driver_sql(RAW["set by raw SQL"].format(**words))
            connection.commit()
            fell.append(name)
        held(f"{name} (by the server's database role)", deployment.shape, "FELL" if name in fell else "held")
    engine.dispose()
    assert fell == []
    assert deployment.state() == before


def test_a_second_plain_server_on_postgresql_moves_nothing(deployment, held, tmp_path):
    if deployment.shape.database != "postgresql":
        pytest.skip("SQLite has no roles; docs/threat-model.md says so")
    from mlflow.exceptions import MlflowException
    from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
    from mlflow.utils.workspace_context import WorkspaceContext

    before = deployment.state()
    plain = WorkspaceAwareSqlAlchemyStore(
        deployment.database
    )  # what a second server would do, without its start
    bad = deployment.versions["bad"].version
    with WorkspaceContext("default"):
        for act in (
            lambda: plain.set_registered_model_alias(MODEL, ALIAS, bad),
            lambda: plain.delete_registered_model_alias(MODEL, ALIAS),
            lambda: plain.delete_registered_model(MODEL),
            lambda: plain.rename_registered_model(MODEL, "other"),
            lambda: plain.delete_model_version(MODEL, deployment.versions["good"].version),
        ):
            with pytest.raises((MlflowException, sa.exc.DBAPIError), match="protected alias"):
                act()
    plain._dispose_engine()
    assert deployment.state() == before
    held("a second plain server (by the server's database role)", deployment.shape, "held")


def test_a_passing_version_may_be_set_and_moved_and_a_failed_one_taken_off(deployment):
    """What the gate is for: with a decision in place the ordinary call works."""
    better, good = deployment.versions["better"], deployment.versions["good"]
    assert deployment.set_alias(better.version).status_code == 200
    assert deployment.champion() == better.version
    body = {"name": MODEL, "version": better.version, "key": "gov.verdict", "value": "PASS"}
    assert deployment.call("POST", "mlflow/model-versions/set-tag", json=body).status_code == 200
    kept = deployment.decisions[MODEL, better.version]
    deployment.decide(better, "FAIL")
    deployment.publish()
    try:
        answer = deployment.call(
            "DELETE", "mlflow/registered-models/alias", json={"name": MODEL, "alias": ALIAS}
        )
        assert answer.status_code == 200, answer.text
    finally:
        deployment.decisions[MODEL, better.version] = kept
        deployment.publish()
        assert deployment.set_alias(good.version).status_code == 200


def test_a_server_killed_in_the_middle_of_setting_ends_where_it_may(deployment, held):
    import threading

    stop = threading.Event()

    def hammer(version):
        while not stop.is_set():
            try:
                deployment.set_alias(version)
            except requests.RequestException:
                stop.wait(0.05)

    versions = deployment.versions
    threads = [
        threading.Thread(target=hammer, args=(versions[name].version,)) for name in ("better", "bad", "good")
    ]
    [thread.start() for thread in threads]
    stop.wait(1)
    port = int(deployment.url.rpartition(":")[2])
    deployment.stop(hard=True)
    deployment.start(port=port)
    stop.set()
    [thread.join(60) for thread in threads]
    assert deployment.champion() in {versions["better"].version, versions["good"].version}
    assert deployment.set_alias(versions["good"].version).status_code == 200
    held("server killed in the middle of a set (by the operator's hand)", deployment.shape, "held")


def test_older_terms_are_refused_after_a_restart_too(deployment, held):
    """The memory outlives the process; this runs after the restart above."""
    from tests.attacks.on_terms import older_terms_without_a_revocation

    older_terms_without_a_revocation(deployment)
    held("older terms after a restart (by older files of the gate's folder)", deployment.shape, "held")
