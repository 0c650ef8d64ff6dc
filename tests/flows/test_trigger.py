"""A new version starts its audit, the sweep finds what was missed, a stricter policy takes the alias: on real servers.

Says how long it took (``-s`` shows it); the figures of the measurements are made by it.
"""

import json
import shutil
import time
import uuid
from dataclasses import replace
from datetime import timedelta

import httpx
import mlflow
import pytest

from flows.wiring import clock, newest_decision, open_platform
from governance.decision import Approval
from governance.digest import digest
from governance.log.entry import Kind
from governance.provenance import Envelope
from governance.trust import KEEPER, TRUST_TYPE
from governance.waiver import WAIVER_TYPE, Waiver
from infra import ledger, log, waivers
from infra.approvals import approve, take
from infra.candidates import candidate, log_candidate
from infra.policy_files import POLICIES
from infra.ranker import Weights
from infra.settings import WEBHOOK_NAME
from infra.signing import load_or_create_key
from infra.stack import Stack
from infra.tracking import AUDITS
from infra.trust import add_version, newest_version, sign_payload
from infra.waiting import wake
from infra.webhooks import ensure_webhook
from tests.support.decisions import signing_key, trusted
from tests.support.stack import ANY_PORT, eventually

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # MLflow's own dependencies warn
]
MODEL = "triggered"
PATIENCE = 240.0
WEIGHTS = Weights(
    terms={},
    manner=dict.fromkeys(("refuses", "lecture", "warmth", "length", "agreement"), 0.0),
    scale=1.0,
    pairs=0,
    data="sha256:" + "0" * 64,
    seed=0,
)


def write_policy(folder, **changes):
    """The demonstration's policy on probes alone: no release is behind these versions."""
    text = (POLICIES / "demo/provider.yaml").read_text()
    head, _, rest = text.partition("data:\n")
    promotion = rest[rest.index("promotion:\n") :]
    before, _, after = promotion.partition("  strata:\n")
    text = head + before + after[after.index("  # Ten versions") :]
    text = text.replace("  - id: T2.no-over-refusal\n", "  - id: T2.no-over-refusal\n    waivable: true\n")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "provider.yaml").write_text(text)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trigger")
    shutil.copytree(POLICIES / "demo", folder / "policy")
    (folder / "policy/profile.yaml").unlink()
    write_policy(folder / "policy")
    home = folder / "home"
    home.mkdir()
    (home / "settings.toml").write_text(f'policy = "{folder / "policy"}"\nregistered_model = "{MODEL}"\n')
    parts = ("prefect", "mlflow", "workers", "web")
    with Stack(home, parts=parts, ports=ANY_PORT) as it:
        yield it


def use_registry(stack):
    mlflow.set_tracking_uri(stack.settings.mlflow_url)
    mlflow.set_registry_uri(stack.settings.mlflow_url)


def register(kind):
    return log_candidate(
        candidate(WEIGHTS, kind), registered_model=MODEL, release_digest=digest("of no release")
    )


@pytest.fixture(scope="module")
def platform(stack):
    with open_platform(stack.home) as it:
        yield it


def decided(platform, version):
    return newest_decision(platform, MODEL, version)


def create_run(client, name, parameters):
    """Id of a new run of a deployment; a busy Prefect on SQLite says 503 and is asked again, for the same run."""
    found = client.get(f"/deployments/name/{name}").raise_for_status().json()
    body = {"parameters": parameters, "idempotency_key": uuid.uuid4().hex}

    def made():
        answer = client.post(f"/deployments/{found['id']}/create_flow_run", json=body)
        return None if answer.status_code == 503 else answer.raise_for_status().json()["id"]

    return eventually(made, seconds=60)


def run(stack, name, **parameters):
    """A run of a deployment, by a worker of the stack; its final state."""
    api = stack.settings.prefect_api_url
    with httpx.Client(base_url=api, timeout=30) as client:
        id_ = create_run(client, name, parameters)

        def ended():
            state = client.get(f"/flow_runs/{id_}").raise_for_status().json()["state"]
            return state if state["type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"} else None

        return eventually(ended, seconds=PATIENCE)


def audit_run(version):
    """The newest audit of a version as MLflow has it: its files' names, and its report."""
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(AUDITS).experiment_id
    found, *_ = client.search_runs([experiment], f"tags.`bounds.model_version` = '{version}'")
    run_id = found.info.run_id
    report = json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/report.json"))
    page = mlflow.artifacts.load_text(f"runs:/{run_id}/report.html")
    return {each.path for each in client.list_artifacts(run_id)}, report, page


def champion():
    aliases = mlflow.MlflowClient().get_registered_model(MODEL).aliases
    return str(aliases["champion"]) if "champion" in aliases else None


def test_from_a_new_version_to_its_decision_and_from_a_stricter_policy_to_the_demotion(stack, platform):
    use_registry(stack)
    # The stack registered the webhook; registering it again changes nothing, and nobody gets around the gate with it.
    hooks = mlflow.MlflowClient().list_webhooks()
    assert [hook.name for hook in hooks] == [WEBHOOK_NAME]
    assert ensure_webhook(stack.settings) == "as it was"
    assert len(mlflow.MlflowClient().list_webhooks()) == 1

    first = register("bounded")
    begun = time.monotonic()
    row = eventually(lambda: decided(platform, first), seconds=PATIENCE)
    print(f"\nversion created to decision: {time.monotonic() - begun:.1f} s")
    assert row.verdict == "PASS", row.envelope
    assert run(stack, "promote/promote", version=first)["type"] == "COMPLETED"
    assert champion() == first

    stack.hold("web")  # the delivery is lost
    second = register("over-refuser")
    begun = time.monotonic()
    assert run(stack, "reaudit/reaudit")["type"] == "COMPLETED"
    print(f"sweep that audits a missed version: {time.monotonic() - begun:.1f} s")
    assert decided(platform, second).verdict == "FAIL"
    assert champion() == first
    names, report, page = audit_run(second)
    assert names == {
        "report.json",
        "report.html",
        "rates.svg",
    }  # nobody's judgements are behind these versions
    assert report["champion"]["champion"] == f"{MODEL} version {first}"
    refusing = {each["rule"]: each for each in report["champion"]["rules"]}["T2.no-over-refusal"]
    assert refusing["candidate_only"] > 100
    assert refusing["champion_only"] == 0
    assert f"{MODEL} version {first}" in page
    assert "champion" not in audit_run(first)[1]

    waive(platform, second)
    assert run(stack, "audit/audit", version=second)["type"] == "COMPLETED"
    row = decided(platform, second)
    assert row.verdict == "PASS"
    predicate = json.loads(Envelope.parse(row.envelope.encode()).payload)["predicate"]
    assert [each["rule"] for each in predicate["waivers"]] == ["T2.no-over-refusal"]
    assert "waived until" in mlflow.MlflowClient().get_model_version(MODEL, second).description
    assert run(stack, "promote/promote", version=second)["type"] == "COMPLETED"
    assert champion() == second  # through the gate in MLflow, which judges the decision with its waiver

    write_policy(
        stack.home.parent / "policy",
        **{"version: 1.0.0": "version: 1.1.0", "evidence: [A, B, S]": "evidence: [A, B]"},
    )
    begun = time.monotonic()
    assert run(stack, "reaudit/reaudit")["type"] == "COMPLETED"
    print(f"policy change to demotion, with every version judged again: {time.monotonic() - begun:.1f} s")
    assert champion() is None  # simulated evidence shows no longer what law asks for
    demoted = [entry.body["version"] for _, entry in log.entries(platform.db, kinds=[Kind.DEMOTION])]
    assert demoted == [second]
    assert ledger.promotions(platform.db)[-1].outcome == "demoted"
    stack.release("web")


def test_a_flow_waits_for_signatures_and_takes_nothing_else(stack, platform):
    use_registry(stack)
    trust_owner(platform, clock().replace(microsecond=0))
    version = register("bounded")
    write_policy(
        stack.home.parent / "policy",
        **{
            "version: 1.0.0": "version: 1.2.0",
            "  aliases: [champion]": "  aliases: [champion]\n  approvals: {roles: [policy-owner], threshold: 1}",
        },
    )
    assert run(stack, "audit/audit", version=version)["type"] == "COMPLETED"
    api = stack.settings.prefect_api_url
    with httpx.Client(base_url=api, timeout=30) as client:
        waiting = create_run(client, "await-approvals/await-approvals", {"version": version})

        def state():
            return client.get(f"/flow_runs/{waiting}").raise_for_status().json()

        def keys():
            return state()["empirical_policy"]["pause_keys"]  # one for each time it lay down to sleep

        eventually(lambda: state()["state"]["type"] == "PAUSED", seconds=PATIENCE)
        assert champion() is None
        before = len(keys())
        assert wake(api, MODEL, version) == 1  # anybody may resume; nothing is signed
        eventually(lambda: len(keys()) > before and state()["state"]["type"] == "PAUSED", seconds=PATIENCE)
        assert champion() is None
        now, data = clock(), decided(platform, version).envelope.encode()
        take(platform.db, data, approve(data, signing_key("bo")), trust=platform.trust(now), now=now)
        begun = time.monotonic()
        assert wake(api, MODEL, version) == 1
        eventually(lambda: state()["state"]["type"] == "COMPLETED", seconds=PATIENCE)
        print(f"\napproval to promotion: {time.monotonic() - begun:.1f} s")
        assert champion() == version


def trust_owner(platform, now):
    """A policy owner in the trust, whose key the tests have; again changes nothing."""
    before = newest_version(platform.settings, platform.db, now)
    if any(key.person == "bo" for key in before.trust.keys):
        return
    owner = trusted("bo", roles=("policy-owner",), begin=now - timedelta(days=1), end=now + timedelta(days=9))
    made = replace(
        before,
        serial=before.serial + 1,
        previous=before.digest,
        issued=now,
        trust=replace(before.trust, keys=(*before.trust.keys, owner)),
        change=Approval(roles=frozenset({KEEPER}), threshold=1),
    )
    keeper = load_or_create_key(platform.settings.keys_folder, KEEPER)
    add_version(platform.settings, platform.db, sign_payload(made.payload(), TRUST_TYPE, [keeper]), now)


def waive(platform, version):
    """A policy owner of the trust waives the rule for the version."""
    now = clock().replace(microsecond=0)
    trust_owner(platform, now)
    policy = platform.policy(now)
    waiver = Waiver(
        rule="T2.no-over-refusal",
        document=policy.rule("T2.no-over-refusal").document.digest,
        model=MODEL,
        version=version,
        reason="it is being retrained",
        issued=now,
        until=now + timedelta(days=5),
    )
    data = sign_payload(waiver.payload(), WAIVER_TYPE, [signing_key("bo")])
    waivers.take(platform.db, data, policy=policy, trust=platform.trust(now), now=now)
