"""The sweep against a real MLflow: who is due, who loses the alias, who gets it back, and what a kill leaves."""

import json
import shutil
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
import pytest
from sqlalchemy import insert, text

from flows import demotion
from flows.demotion import standing, sweep_alias, unaudited
from flows.wiring import approvals, clock, open_platform
from governance.audit.statistics import Verdict
from governance.digest import digest, digest_bytes
from governance.errors import InputError, RefusedError
from governance.log.entry import Kind
from infra import ledger, log
from infra.artifacts import artifact_digest
from infra.log_export import export_bundle
from infra.models import load, verified
from infra.notices import send_notice
from infra.policy_files import POLICIES
from infra.signing import load_or_create_key, sign
from infra.stack import Stack
from infra.tables.withdrawals import FLAGGED_RELEASES, WITHDRAWALS
from tests.support.decisions import FINDING, decision

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    home = tmp_path_factory.mktemp("demotion")
    # Each test judges by a data folder of its own, whose terms this server's gate does not read: it runs without one.
    (home / "settings.toml").write_text('[mlflow]\nregistry_store_uri = ""\napp_name = ""\n')
    with Stack(home, parts=("mlflow",), ports={"mlflow": 0}) as it:
        yield it


@pytest.fixture
def platform(stack, tmp_path, monkeypatch):
    """A data folder of its own on the shared registry, with a policy that a test may change."""
    shutil.copytree(POLICIES / "demo", tmp_path / "policy")
    (tmp_path / "policy/profile.yaml").unlink()
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.toml").write_text(
        f'policy = "{tmp_path / "policy"}"\nmlflow_url = "{stack.settings.mlflow_url}"\n'
    )
    with open_platform(home) as opened:
        opened.settings.keys_folder.mkdir(mode=0o700)
        yield opened


@pytest.fixture
def model(request, stack, platform):
    """A registered model with three versions; its name."""
    mlflow.set_tracking_uri(stack.settings.mlflow_url)
    mlflow.set_registry_uri(stack.settings.mlflow_url)
    client = mlflow.MlflowClient(tracking_uri=stack.settings.mlflow_url)
    name = f"m-{digest(request.node.name)[7:17]}"
    client.create_registered_model(name)
    for number in range(3):
        with mlflow.start_run() as run:
            mlflow.log_text(f"weights {number}", "model/weights.txt")
        client.create_model_version(name, source=f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    return name


class Auditor:
    """Signs what it is told about each version, with the platform's own key and policy; counts how often."""

    def __init__(self, verdicts):
        self.verdicts, self.calls = verdicts, []

    def __call__(self, platform, model, version):
        self.calls.append(version)
        verdict = Verdict(self.verdicts[version])
        now = clock()
        policy = platform.policy(now)
        platform.trust(now)
        made = decision(
            model=model,
            version=version,
            artifact=artifact_digest(f"models:/{model}/{version}"),
            verdict=verdict,
            findings=(FINDING | {"verdict": verdict.value},),
            policies=tuple(
                {"id": ref.id, "version": ref.version, "digest": ref.digest, "tier": int(ref.tier)}
                for ref in policy.documents
            ),
            approvals=tuple(approvals(policy)),
            audit=digest([version, len(self.calls)]),
            demonstration=True,
            issued=now.replace(microsecond=0),
            expires=now.replace(microsecond=0) + timedelta(days=30),
        )
        data = sign(made.statement(), load_or_create_key(platform.settings.keys_folder, "auditor"))
        ledger.record_decision(
            platform.db,
            ledger.Decision(
                digest=digest_bytes(data),
                model=model,
                version=version,
                verdict=verdict.value,
                envelope=data.decode(),
                created_at=now,
            ),
        )
        return {"verdict": verdict.value}


def promoted(platform, registry, model, version, auditor):
    auditor(platform, model, version)
    registry.set_alias(model, "champion", version)
    assert sweep_alias(platform, registry, model, "champion", audit=auditor).due == ()


def tighten(platform):
    """The next version of the provider's document comes into force."""
    from pathlib import Path

    shutil.copy(POLICIES / "demo-next/provider.yaml", Path(platform.settings.policy) / "provider.yaml")


def moves(platform):
    return [(row.version, row.outcome) for row in ledger.promotions(platform.db)]


def test_a_decision_that_stands_is_left_alone(platform, model):
    registry, auditor = platform.registry(), Auditor({"1": "PASS"})
    promoted(platform, registry, model, "1", auditor)
    calls = len(auditor.calls)
    for _ in range(2):
        swept = sweep_alias(platform, registry, model, "champion", audit=auditor)
        assert (swept.version, swept.due, swept.demoted) == ("1", (), False)
    assert len(auditor.calls) == calls
    assert moves(platform) == [("1", "promoted")]
    assert sweep_alias(platform, registry, model, "candidate", audit=auditor) is None


def test_a_tightened_policy_brings_back_the_last_version_that_passes(platform, model, tmp_path):
    registry, auditor = platform.registry(), Auditor({"1": "PASS", "2": "PASS", "3": "PASS"})
    for version in ("1", "2", "3"):
        promoted(platform, registry, model, version, auditor)
    tighten(platform)
    auditor.verdicts |= {"3": "FAIL", "2": "UNDECIDED"}
    swept = sweep_alias(platform, registry, model, "champion", audit=auditor)
    assert any("not in force" in why for why in swept.due)
    assert (swept.version, swept.verdict, swept.demoted, swept.successor) == ("3", "FAIL", True, "1")
    assert registry.holder(model, "champion").version == "1"
    assert moves(platform)[-2:] == [("3", "demoted"), ("1", "promoted")]
    [(_, entry)] = log.entries(platform.db, kinds=[Kind.DEMOTION])
    assert entry.body["version"] == "3"
    again = sweep_alias(platform, registry, model, "champion", audit=auditor)
    assert (again.version, again.due) == ("1", ())
    from infra.bundle import Bundle, verifier, verify_bundle

    export_bundle(platform.settings, platform.db, platform.store, tmp_path / "b", clock())
    bundle = Bundle(folder=tmp_path / "b")
    keys = bundle.keys()
    found, _ = verify_bundle(bundle, log=verifier(keys["log"]), pinned=keys["trust"])
    wrong = [fault for check in found.checks for fault in check.faults if "(audit)" not in fault]
    assert wrong == []


def test_nobody_carries_the_alias_where_nobody_passes(platform, model):
    registry, auditor = platform.registry(), Auditor({"1": "PASS", "2": "PASS"})
    for version in ("1", "2"):
        promoted(platform, registry, model, version, auditor)
    tighten(platform)
    auditor.verdicts |= {"1": "FAIL", "2": "FAIL"}
    swept = sweep_alias(platform, registry, model, "champion", audit=auditor)
    assert (swept.demoted, swept.successor) == (True, None)
    assert registry.holder(model, "champion") is None
    assert moves(platform)[-1] == ("2", "demoted")


def test_one_that_passes_again_keeps_the_alias(platform, model):
    registry, auditor = platform.registry(), Auditor({"1": "PASS"})
    promoted(platform, registry, model, "1", auditor)
    tighten(platform)
    swept = sweep_alias(platform, registry, model, "champion", audit=auditor)
    assert swept.due
    assert (swept.verdict, swept.reasons, swept.demoted) == ("PASS", (), False)
    assert registry.holder(model, "champion").version == "1"


def test_a_holder_that_may_not_be_audited_again_loses_the_alias(platform, model):
    registry, auditor = platform.registry(), Auditor({"1": "PASS"})
    promoted(platform, registry, model, "1", auditor)
    tighten(platform)

    def refuses(platform, model, version):
        raise RefusedError("the audit", ["the error budget is spent"])

    swept = sweep_alias(platform, registry, model, "champion", audit=refuses)
    assert (swept.verdict, swept.demoted, swept.successor) == (None, True, None)
    assert "it may not be audited again: the error budget is spent" in swept.reasons


def test_withdrawn_data_makes_due(platform, model):
    registry, auditor = platform.registry(), Auditor({"1": "PASS"})
    release = digest("release of withdrawn")
    base = decision

    def with_release(**fields):
        return base(**fields, release=release)

    globals()["decision"] = with_release
    try:
        promoted(platform, registry, model, "1", auditor)
        info = registry.version(model, "1")
        assert standing(platform, info, "champion") == ()
        now = clock()
        begun = {"request": "w", "site": "main", "found": {}, "steps": [], "begun_at": now}
        with platform.db.write() as connection:
            connection.execute(insert(WITHDRAWALS), [begun])
            connection.execute(
                insert(FLAGGED_RELEASES), [{"release": release, "request": "w", "flagged_at": now}]
            )
        [reason] = standing(platform, info, "champion")
        assert "withdrawn" in reason
    finally:
        globals()["decision"] = base


@pytest.mark.parametrize("point", ["before the record", "before the move", "before the successor's record"])
def test_killed_in_the_middle_it_ends_as_if_it_had_not_been(platform, model, monkeypatch, point):
    registry, auditor = platform.registry(), Auditor({"1": "PASS", "2": "PASS"})
    for version in ("1", "2"):
        promoted(platform, registry, model, version, auditor)
    tighten(platform)
    auditor.verdicts |= {"2": "FAIL"}

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if point == "before the record":
            patched.setattr(ledger, "record_promotion", die)
        elif point == "before the move":
            patched.setattr(registry, "set_alias", die)
        else:
            patched.setattr(demotion, "_note", die)
        with pytest.raises(KeyboardInterrupt):
            sweep_alias(platform, registry, model, "champion", audit=auditor)
    for _ in range(2):
        sweep_alias(platform, registry, model, "champion", audit=auditor)
    assert registry.holder(model, "champion").version == "1"
    assert moves(platform) == [("1", "promoted"), ("2", "promoted"), ("2", "demoted"), ("1", "promoted")]


def test_versions_that_nobody_audited_are_found(platform, model):
    registry, auditor = platform.registry(), Auditor({"2": "FAIL"})
    auditor(platform, model, "2")
    missed = [info.version for info in unaudited(platform, registry) if info.model == model]
    assert missed == ["1", "3"]


def test_a_notice_is_posted_and_its_refusal_said():
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204 if len(taken) == 1 else 500)
            self.end_headers()

        def log_message(self, *args):
            pass

    from governance.errors import OutsideError

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        send_notice(address, {"event": "bounds.demotion"})
        with pytest.raises(OutsideError, match="status 500"):
            send_notice(address, {"event": "bounds.demotion"})
        server.shutdown()
    assert taken[0] == {"event": "bounds.demotion"}
    with pytest.raises(OutsideError):
        send_notice(address, {})


def asked(platform):
    now = clock()
    policy = platform.policy(now)
    return {
        "settings": platform.settings,
        "db": platform.db,
        "registry": platform.registry(),
        "policies": {document.digest for document in policy.documents},
        "approvals": approvals(policy),
        "accept_demonstration": policy.promotion.is_demonstration,
        "now": now,
    }


def test_a_model_is_loaded_only_when_everything_about_it_holds(platform, model, tmp_path):
    registry, auditor = platform.registry(), Auditor({"1": "PASS", "2": "PASS", "3": "FAIL"})
    uri = f"models:/{model}@champion"
    with pytest.raises(InputError, match="no version carries"), verified(uri, **asked(platform)):
        pass
    for wrong in (f"models:/{model}@latest", f"models:/{model}/1", "champion", f"models:/{model}@Latest"):
        with pytest.raises(InputError, match="by alias"), verified(wrong, **asked(platform)):
            pass
    registry.set_alias(model, "champion", "1")
    with pytest.raises(RefusedError, match="no signed decision"), verified(uri, **asked(platform)):
        pass
    auditor(platform, model, "1")
    with verified(uri, **asked(platform)) as found:
        assert (found.version, found.position) == ("1", log.size(platform.db) - 1)
        assert [path.read_text() for path in found.folder.rglob("weights.txt")] == ["weights 0"]
    registry.set_alias(model, "champion", "3")
    auditor(platform, model, "3")
    with pytest.raises(RefusedError, match="the verdict is FAIL"), verified(uri, **asked(platform)):
        pass
    registry.set_alias(model, "champion", "1")
    tighten(platform)
    with pytest.raises(RefusedError, match="not in force in that wording"), verified(uri, **asked(platform)):
        pass


def test_files_changed_after_the_decision_are_not_loaded(platform, model):
    registry, auditor = platform.registry(), Auditor({"2": "PASS"})
    auditor(platform, model, "2")
    registry.set_alias(model, "champion", "2")
    run = registry.version(model, "2").run_id
    mlflow.MlflowClient(tracking_uri=platform.settings.mlflow_url).log_text(run, "other", "model/weights.txt")
    uri = f"models:/{model}@champion"
    with pytest.raises(RefusedError, match="not those that were audited"), verified(uri, **asked(platform)):
        pass


def test_a_decision_that_the_log_does_not_hold_loads_nothing(platform, model):
    registry, auditor = platform.registry(), Auditor({"2": "PASS"})
    auditor(platform, model, "2")
    registry.set_alias(model, "champion", "2")
    uri = f"models:/{model}@champion"
    with platform.db.write() as connection:
        connection.execute(
            text(
                """UPDATE log_entries SET entry = replace(entry, '"kind":"decision"', '"kind":"key"')
                WHERE position = (SELECT max(position) FROM log_entries WHERE kind = 'decision')"""
            )
        )
    with pytest.raises(RefusedError, match="not show the decision"), verified(uri, **asked(platform)):
        pass


@pytest.mark.filterwarnings("ignore:.*type hint.*:UserWarning")
def test_what_is_loaded_is_the_model(platform, model, tmp_path):
    registry, auditor = platform.registry(), Auditor({"4": "PASS"})

    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return [f"echo {text}" for text in model_input]

    mlflow.pyfunc.save_model(str(tmp_path / "echo"), python_model=Echo(), pip_requirements=["mlflow"])
    client = mlflow.MlflowClient(tracking_uri=platform.settings.mlflow_url)
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path / "echo"), "model")
    client.create_model_version(model, source=f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
    auditor(platform, model, "4")
    registry.set_alias(model, "champion", "4")
    assert load(f"models:/{model}@champion", **asked(platform)).predict(["a"]) == ["echo a"]
