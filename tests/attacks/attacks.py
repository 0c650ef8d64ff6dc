"""Every attack on the gate that was ever thought of, by name. Each tries; what it may return it says.

An attack is held when the protected facts (``Deployment.state``) are the same after it. Those that reach for
another version answer for it themselves. ``by`` says what the attacker is given beside the server's address.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import requests

from governance.digest import digest, digest_bytes
from governance.gate import PUBLISHER
from governance.provenance import Trust
from governance.trust import KEEPER, TRUST_TYPE, chain_bytes
from infra.gate.folder import TERMS_FILE
from infra.signing import sign
from infra.trust import sign_payload
from tests.attacks.deployment import ALIAS, MODEL, Deployment
from tests.support.decisions import decision, envelope, signing_key, trusted

__all__ = ["ATTACKS", "Attack"]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack."""

    name: str
    by: str
    act: Callable[[Deployment], object]


ATTACKS: list[Attack] = []


def attack(by: str = "the API") -> Callable[[Callable[[Deployment], object]], Callable[[Deployment], object]]:
    def register(act: Callable[[Deployment], object]) -> Callable[[Deployment], object]:
        ATTACKS.append(Attack(name=act.__name__.replace("_", " "), by=by, act=act))
        return act

    return register


def _bad(d: Deployment) -> dict[str, str]:
    return {"name": MODEL, "alias": ALIAS, "version": d.versions["bad"].version}


ROUTE = "mlflow/registered-models/alias"


# --- set, move, delete the alias, in every dress ---


@attack()
def set_by_rest(d):
    return d.call("POST", ROUTE, json=_bad(d))


@attack()
def set_by_ajax(d):
    return d.call("POST", ROUTE, json=_bad(d), ajax=True)


@attack()
def set_on_a_version_nobody_audited(d):
    return d.set_alias(d.versions["new"].version)


@attack()
def set_with_double_slashes(d):
    d.raw("POST", "/api/2.0//mlflow/registered-models/alias", json=_bad(d))
    return d.raw("POST", "//api/2.0/mlflow//registered-models/alias", json=_bad(d))


@attack()
def set_with_percent_encoding(d):
    return d.raw("POST", "/api/2.0/mlflow/registered%2Dmodels/%61lias", json=_bad(d))


@attack()
def set_with_dots_in_the_path(d):
    session = requests.Session()
    request = requests.Request(
        "POST", d.root + "/x/../api/2.0/mlflow/./registered-models/alias", json=_bad(d)
    )
    prepared = session.prepare_request(request)
    prepared.url = d.root + "/x/../api/2.0/mlflow/./registered-models/alias"
    return session.send(prepared, timeout=30, allow_redirects=False)


@attack()
def set_without_the_static_prefix(d):
    session = requests.Session()
    return session.post(d.url + "/api/2.0/mlflow/registered-models/alias", json=_bad(d), timeout=30)


@attack()
def set_with_json_in_json(d):
    return d.call(
        "POST", ROUTE, data=json.dumps(json.dumps(_bad(d))), headers={"Content-Type": "application/json"}
    )


@attack()
def set_as_plain_text(d):
    return d.call("POST", ROUTE, data=json.dumps(_bad(d)), headers={"Content-Type": "text/plain"})


@attack()
def set_as_a_form(d):
    return d.call("POST", ROUTE, data=_bad(d))


@attack()
def set_with_fields_given_twice(d):
    good = d.versions["good"].version
    body = f'{{"name":"{MODEL}","alias":"{ALIAS}","version":"{good}","version":"{_bad(d)["version"]}"}}'
    return d.call("POST", ROUTE, data=body, headers={"Content-Type": "application/json"})


@attack()
def set_with_a_version_written_otherwise(d):
    number = _bad(d)["version"]
    answers = [d.call("POST", ROUTE, json={**_bad(d), "version": odd}) for odd in (f"0{number}", f" {number}", int(number), f"{number}.0", f"+{number}")]  # fmt: skip
    return answers[-1]


@attack()
def set_in_another_case(d):
    answers = [d.set_alias(_bad(d)["version"], alias=odd) for odd in ("Champion", "CHAMPION", "cHampion")]
    assert all(answer.status_code == 403 for answer in answers), [a.text for a in answers]
    return answers[-1]


@attack()
def set_with_method_override(d):
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        d.call("GET", ROUTE, params=_bad(d), headers={header: "POST"})
    return d.call("PATCH", ROUTE, json=_bad(d))


@attack()
def set_and_create_through_tags(d):
    key = f"mlflow.registered_model.alias.{ALIAS}"
    return d.ok(
        "POST",
        "mlflow/registered-models/set-tag",
        json={"name": MODEL, "key": key, "value": _bad(d)["version"]},
    )


@attack()
def delete_the_alias(d):
    return d.call("DELETE", ROUTE, json={"name": MODEL, "alias": ALIAS})


@attack()
def delete_the_alias_by_query(d):
    d.call("DELETE", ROUTE, params={"name": MODEL, "alias": ALIAS})
    return d.call("DELETE", ROUTE, params={"name": MODEL, "alias": ALIAS}, ajax=True)


@attack()
def two_setters_racing(d):
    """One may, one may not: whatever the order, the alias ends where it may."""
    good, bad, wrong = d.versions["good"].version, _bad(d)["version"], []

    def run(version: str) -> None:
        for _ in range(8):
            answer = d.set_alias(version)
            if version == bad and answer.status_code != 403:
                wrong.append(answer.text)

    threads = [threading.Thread(target=run, args=(version,)) for version in (good, bad, bad)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong, wrong
    return


# --- the model and its versions ---


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
        "version": _bad(d)["version"],
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


# --- the files ---


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
    root = f"{d.versions['good'].experiment}/{run}/artifacts"
    if d.shape.workspaces:
        info = d.ok("GET", "mlflow/runs/get", params={"run_id": run})["run"]["info"]
        root = info["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
    if "of a run" not in d.versions:
        d.ok("PUT", f"mlflow-artifacts/artifacts/{root}/model/MLmodel", data=b"first")
        body = {"name": "of-a-run", "source": f"mlflow-artifacts:/{root}/model", "run_id": run}
        d.ok("POST", "mlflow/registered-models/create", json={"name": "of-a-run"})
        d.ok("POST", "mlflow/model-versions/create", json=body)
        d.versions["of a run"] = d.versions["good"]
    path = "/ajax-api/2.0/mlflow/upload-artifact"
    answer = d.raw("POST", path, params={"run_uuid": run, "path": "model/MLmodel"}, data=b"changed")
    assert answer.status_code == 403, answer.text
    assert (d.folder / "artifacts" / root / "model" / "MLmodel").read_bytes() == b"first"
    return answer


@attack()
def a_slow_upload_begun_before_the_version_was_registered(d):
    """The body's last piece comes when the files are already frozen."""
    experiment = d.versions["good"].experiment
    logged = d.ok("POST", "mlflow/logged-models", json={"experiment_id": experiment, "name": "slow"})[
        "model"
    ]["info"]
    root = logged["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
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
    assert (d.folder / "artifacts" / root / "MLmodel").read_bytes() == b"first", answers
    return answers[0]


# --- what stands behind the champion ---


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


# --- tags, descriptions, webhooks ---


@attack()
def forge_decision_tags(d):
    body = {"name": MODEL, "version": d.versions["good"].version}
    for key in ("gov.verdict", "GOV.verdict", "gov.decision"):
        d.call("POST", "mlflow/model-versions/set-tag", json={**body, "key": key, "value": "FAIL"})
    d.call(
        "POST",
        "mlflow/registered-models/set-tag",
        json={"name": MODEL, "key": "gov.verdict", "value": "PASS"},
    )
    bad = {"name": MODEL, "version": d.versions["bad"].version, "key": "gov.verdict", "value": "PASS"}
    answer = d.call("POST", "mlflow/model-versions/set-tag", json=bad)
    assert answer.status_code == 403, answer.text
    return answer


@attack()
def register_with_forged_tags(d):
    body = {"name": "forged", "tags": [{"key": "gov.verdict", "value": "PASS"}]}
    answer = d.call("POST", "mlflow/registered-models/create", json=body)
    assert answer.status_code == 403, answer.text
    body = {"name": MODEL, "source": f"models:/{d.versions['bad'].model_id}", "model_id": d.versions["bad"].model_id, "tags": [{"key": "gov.verdict", "value": "PASS"}]}  # fmt: skip
    answer = d.call("POST", "mlflow/model-versions/create", json=body)
    assert answer.status_code == 403, answer.text
    return answer


@attack()
def forge_the_description(d):
    body = {"name": MODEL, "version": d.versions["bad"].version, "description": "## PASS for `champion`"}
    answer = d.call("PATCH", "mlflow/model-versions/update", json=body)
    assert answer.status_code == 403, answer.text
    return answer


@attack()
def disable_our_webhook(d):
    hook = next(h for h in d.ok("GET", "mlflow/webhooks")["webhooks"] if h["name"] == "bounds-audit")
    path = f"mlflow/webhooks/{hook['webhook_id']}"
    for change in (
        {"status": "DISABLED"},
        {"url": "http://127.0.0.1:9/else"},
        {"secret": "mine"},
        {"name": "x"},
    ):
        answer = d.call("PATCH", path, json=change)
        assert answer.status_code == 403, (change, answer.text)
    return d.call("DELETE", path)


# --- what the gate is told: the attacker can write the published folder, but has no key of ours ---


def _with_terms(d: Deployment, tamper: Callable[[bytes], bytes | None]):
    """Put other terms in the folder, try, and put the right ones back."""
    file = d.folder / "gate" / TERMS_FILE
    before = file.read_bytes()
    try:
        changed = tamper(before)
        file.unlink() if changed is None else file.write_bytes(changed)
        answer = d.set_alias(_bad(d)["version"])
        assert answer.status_code == 403, answer.text
        return answer
    finally:
        file.write_bytes(before)


@attack(by="the gate's folder")
def take_the_terms_away(d):
    return _with_terms(d, lambda _: None)


@attack(by="the gate's folder")
def terms_signed_by_another_key(d):
    mallory = signing_key("mallory", role=PUBLISHER)
    return _with_terms(d, lambda _: sign(d.terms(sequence=2**40, aliases=("nothing",)).statement(), mallory))


@attack(by="the gate's folder")
def terms_signed_by_the_auditor(d):
    return _with_terms(
        d, lambda _: sign(d.terms(sequence=2**40, aliases=("nothing",)).statement(), signing_key("auditor"))
    )


@attack(by="older files of the gate's folder")
def older_terms_with_a_downgraded_policy(d):
    """Signed by us once: under it the refused version had passed."""
    old = ({"id": "law", "version": "0.9.0", "digest": digest("law 0.9"), "tier": 1},)
    bad = d.versions["bad"]
    passed = envelope(_decision(d, "bad", policies=old))
    kept = d.decisions[MODEL, bad.version]
    d.decisions[MODEL, bad.version] = passed
    try:
        _lay(d, passed)
        terms = d.terms(sequence=1, policies=old)
    finally:
        d.decisions[MODEL, bad.version] = kept
    return _with_terms(d, lambda _: sign(terms.statement(), signing_key(PUBLISHER, role=PUBLISHER)))


@attack(by="older files of the gate's folder")
def older_terms_without_the_newest_refusal(d):
    """A decision that was replaced by a refusal, with the terms of that time: replayed."""
    bad = d.versions["bad"]
    passed = envelope(_decision(d, "bad"))
    kept = d.decisions[MODEL, bad.version]
    d.decisions[MODEL, bad.version] = passed
    try:
        _lay(d, passed)
        terms = d.terms(sequence=2)
    finally:
        d.decisions[MODEL, bad.version] = kept
    return _with_terms(d, lambda _: sign(terms.statement(), signing_key(PUBLISHER, role=PUBLISHER)))


@attack(by="older files of the gate's folder")
def older_terms_without_a_revocation(d):
    """The auditor's key was taken back; terms of before would still believe it."""
    before = d.terms(sequence=3)
    auditor = signing_key("auditor").id
    kept = d.decisions[MODEL, d.versions["bad"].version]
    d.decisions[MODEL, d.versions["bad"].version] = envelope(_decision(d, "bad"))
    try:
        d.publish(revoked=(auditor,))
        answers = [d.set_alias(_bad(d)["version"]), d.set_alias(d.versions["better"].version)]
        assert all(answer.status_code == 403 for answer in answers), [a.text for a in answers]
        return _with_terms(d, lambda _: sign(before.statement(), signing_key(PUBLISHER, role=PUBLISHER)))
    finally:
        d.decisions[MODEL, d.versions["bad"].version] = kept
        d.publish()


@attack(by="the gate's folder")
def a_trust_of_ones_own(d):
    """Another chain under the name of the right one: it does not lead from the pinned version."""
    file = d.folder / "gate" / "trust" / (d.pin.trust.removeprefix("sha256:") + ".json")
    before = file.read_bytes()
    ends = datetime(2999, 1, 1, tzinfo=UTC)
    own = replace(
        d.trust,
        trust=Trust(
            keys=(trusted("mallory", roles=("auditor",), end=ends), trusted("m2", roles=(KEEPER,), end=ends))
        ),
    )
    try:
        file.write_bytes(
            chain_bytes([sign_payload(own.payload(), TRUST_TYPE, [signing_key("m2", role=KEEPER)])])
        )
        return _with_decision(d, envelope(_decision(d, "bad"), signers=("mallory",)))
    finally:
        file.write_bytes(before)


def _decision(d: Deployment, name: str, **changes):
    """What would let the version pass, had an auditor signed it."""
    version = d.versions[name]
    now = datetime.now(UTC).replace(microsecond=0)
    fields = {
        "model": MODEL, "version": version.version, "artifact": version.artifact, "aliases": (ALIAS,),
        "issued": now - timedelta(minutes=1), "expires": now + timedelta(days=30), **changes,
    }  # fmt: skip
    return decision(**fields)


def _lay(d: Deployment, signed: bytes) -> None:
    name = digest_bytes(signed).removeprefix("sha256:") + ".json"
    (d.folder / "gate" / "decisions" / name).write_bytes(signed)


def _with_decision(d: Deployment, signed: bytes, name: str = "bad"):
    """Put other bytes under the name of the newest decision, beside naming them rightly."""
    newest = d.decisions[MODEL, d.versions[name].version]
    file = d.folder / "gate" / "decisions" / (digest_bytes(newest).removeprefix("sha256:") + ".json")
    before = file.read_bytes()
    try:
        _lay(d, signed)
        file.write_bytes(signed)
        answer = d.set_alias(d.versions[name].version)
        assert answer.status_code == 403, answer.text
        return answer
    finally:
        file.write_bytes(before)


@attack(by="the gate's folder")
def a_forged_decision_by_a_key_of_ones_own(d):
    return _with_decision(d, envelope(_decision(d, "bad"), signers=("mallory",)))


@attack(by="the gate's folder")
def the_decision_of_another_version(d):
    return _with_decision(d, d.decisions[MODEL, d.versions["good"].version])


@attack(by="the gate's folder")
def an_edited_decision(d):
    newest = json.loads(d.decisions[MODEL, d.versions["bad"].version])
    newest["payload"] = newest["payload"][:-8] + "AAAAAAA="
    return _with_decision(d, json.dumps(newest).encode())


# --- decisions that are right but do not do: published by the platform itself ---


def _published(d: Deployment, signed: bytes, name: str = "bad", **terms):
    """Publish this as the newest decision, try, and publish the old state again."""
    version = d.versions[name].version
    kept = d.decisions.get((MODEL, version))
    d.decisions[MODEL, version] = signed
    try:
        d.publish(**terms)
        answer = d.set_alias(version)
        assert answer.status_code == 403, answer.text
        return answer
    finally:
        if kept is None:
            del d.decisions[MODEL, version]
        else:
            d.decisions[MODEL, version] = kept
        d.publish()


@attack(by="a signed decision")
def an_expired_decision(d):
    now = datetime.now(UTC).replace(microsecond=0)
    return _published(
        d, envelope(_decision(d, "bad", issued=now - timedelta(days=40), expires=now - timedelta(days=10)))
    )


@attack(by="a signed decision")
def a_decision_under_another_policy(d):
    other = ({"id": "law", "version": "0.9.0", "digest": digest("law 0.9"), "tier": 1},)
    return _published(d, envelope(_decision(d, "bad", policies=other)))


@attack(by="a signed decision")
def a_decision_for_another_alias(d):
    return _published(d, envelope(_decision(d, "bad", aliases=("candidate",))))


@attack(by="a signed decision")
def a_decision_about_files_that_changed_afterwards(d):
    """The operator of the disk changed them; the gate digests what lies there now."""
    bad = d.versions["bad"]
    file = d.folder / "artifacts" / bad.path / "MLmodel"
    before = file.read_bytes()
    file.write_bytes(b"changed")
    try:
        return _published(d, envelope(_decision(d, "bad")))
    finally:
        file.write_bytes(before)


@attack(by="a signed decision")
def a_decision_without_its_approvals(d):
    from governance.decision import Approval

    need = (Approval(roles=frozenset({"model-reviewer"}), threshold=2),)
    return _published(d, envelope(_decision(d, "bad", approvals=need), signers=("auditor", "reviewer")))


@attack(by="a signed decision")
def a_decision_the_policy_in_force_wants_approved(d):
    from governance.decision import Approval

    need = (Approval(roles=frozenset({"model-reviewer"}), threshold=1),)
    return _published(d, envelope(_decision(d, "bad")), approvals=need)


@attack(by="a signed decision")
def a_decision_on_simulated_evidence(d):
    return _published(d, envelope(_decision(d, "bad", demonstration=True)))


@attack(by="a signed decision")
def a_decision_signed_twice_by_one_person(d):
    """One key under two names cannot stand in a trust at all; one key twice cannot stand in an envelope."""
    from governance.decision import Approval

    signed = json.loads(envelope(_decision(d, "bad", approvals=(Approval(roles=frozenset({"model-reviewer"}), threshold=2),)), signers=("auditor", "reviewer")))  # fmt: skip
    signed["signatures"].append(dict(signed["signatures"][-1]))
    return _published(d, json.dumps(signed).encode())
