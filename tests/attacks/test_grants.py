"""What the platform publishes is what the floor on PostgreSQL grants: no more, and not for longer."""

import shutil
from datetime import timedelta

import pytest
import sqlalchemy as sa
from mlflow.exceptions import MlflowException

from flows.wiring import approvals, clock, open_platform
from governance.audit.statistics import Verdict
from governance.digest import digest_bytes
from infra import ledger
from infra.policy_files import POLICIES
from infra.signing import load_or_create_key, sign
from tests.attacks.deployment import Shape
from tests.attacks.floor import prepared
from tests.support.decisions import FINDING, decision

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(600)]
MODEL = "granted"


@pytest.fixture
def floor(postgres, tmp_path):
    if postgres is None:
        pytest.skip("PostgreSQL is not installed")
    return prepared(tmp_path, Shape(database="postgresql"), postgres)


@pytest.fixture
def platform(floor, tmp_path):
    shutil.copytree(POLICIES / "demo", tmp_path / "policy")
    (tmp_path / "policy/profile.yaml").unlink()
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.toml").write_text(
        f'policy = "{tmp_path / "policy"}"\n[gate]\ngrants = "{floor.grants_database}"\n'
    )
    with open_platform(home) as opened:
        opened.settings.keys_folder.mkdir(mode=0o700)
        yield opened


def decide(platform, version, verdict, *, days=30):
    now = clock().replace(microsecond=0)
    policy = platform.policy(now)
    platform.trust(now)
    made = decision(
        model=MODEL,
        version=version,
        verdict=Verdict(verdict),
        findings=(FINDING | {"verdict": verdict},),
        policies=tuple(
            {"id": ref.id, "version": ref.version, "digest": ref.digest, "tier": int(ref.tier)}
            for ref in policy.documents
        ),
        approvals=tuple(approvals(policy)),
        demonstration=True,
        issued=now,
        expires=now + timedelta(days=days),
    )
    data = sign(made.statement(), load_or_create_key(platform.settings.keys_folder, "auditor"))
    row = ledger.Decision(
        digest=digest_bytes(data),
        model=MODEL,
        version=version,
        verdict=verdict,
        envelope=data.decode(),
        created_at=now,
    )
    ledger.record_decision(platform.db, row)


def granted(floor, workspace="default"):
    engine = sa.create_engine(floor.owner_database)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT model, alias, version, expires, workspace FROM bounds_gate.grants")
        )
        found = {tuple(row[:3]): row[3] for row in rows if row[4] == workspace}
    engine.dispose()
    return found


def test_the_floor_is_told_what_the_gate_is_told(floor, platform):
    from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
    from mlflow.utils.workspace_context import WorkspaceContext

    for version, verdict, days in (("1", "PASS", 2), ("2", "FAIL", 30), ("3", "PASS", 30)):
        decide(platform, version, verdict, days=days)
    terms = platform.publish(clock())
    found = granted(floor)
    assert set(found) == {(MODEL, "champion", 1), (MODEL, "champion", 3)}
    assert found[MODEL, "champion", 1] < found[MODEL, "champion", 3] == terms.expires
    plain = WorkspaceAwareSqlAlchemyStore(floor.database)  # as a server without the gate would
    with WorkspaceContext("default"):
        plain.create_registered_model(MODEL)
        for _ in range(3):
            plain.create_model_version(MODEL, "mlflow-artifacts:/0/x")
        plain.set_registered_model_alias(MODEL, "champion", 1)
        with pytest.raises((MlflowException, sa.exc.DBAPIError), match="protected alias"):
            plain.set_registered_model_alias(MODEL, "champion", 2)
        # Another policy comes into force: nothing was audited under it, so that nothing is granted.
        shutil.copy(POLICIES / "demo-next/provider.yaml", platform.settings.policy)
        platform.publish(clock())
        assert granted(floor) == {}
        with pytest.raises((MlflowException, sa.exc.DBAPIError), match="protected alias"):
            plain.set_registered_model_alias(MODEL, "champion", 3)
        plain.delete_registered_model_alias(MODEL, "champion")
    plain._dispose_engine()


def test_a_grant_holds_in_every_workspace_that_has_the_version(floor, platform, monkeypatch):
    from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
    from mlflow.utils.workspace_context import WorkspaceContext

    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    plain = WorkspaceAwareSqlAlchemyStore(floor.database)
    for workspace, versions in (("default", 2), ("team", 2), ("short", 1)):
        with WorkspaceContext(workspace):
            plain.create_registered_model(MODEL)
            for _ in range(versions):
                plain.create_model_version(MODEL, "mlflow-artifacts:/0/x")
    decide(platform, "2", "PASS")
    platform.publish(clock())
    champion = {(MODEL, "champion", 2)}
    assert set(granted(floor)) == set(granted(floor, "team")) == champion
    assert granted(floor, "short") == {}
    with WorkspaceContext("team"):
        plain.set_registered_model_alias(MODEL, "champion", 2)
        with pytest.raises((MlflowException, sa.exc.DBAPIError), match="protected alias"):
            plain.set_registered_model_alias(MODEL, "champion", 1)
        with pytest.raises((MlflowException, sa.exc.DBAPIError), match="protected alias"):
            plain.delete_registered_model_alias(MODEL, "champion")
    with WorkspaceContext("short"):
        plain.create_model_version(MODEL, "mlflow-artifacts:/0/x")  # not there yet when grants were written
        with pytest.raises((MlflowException, sa.exc.DBAPIError), match="protected alias"):
            plain.set_registered_model_alias(MODEL, "champion", 2)
        platform.publish(clock())
        plain.set_registered_model_alias(MODEL, "champion", 2)
    plain._dispose_engine()
