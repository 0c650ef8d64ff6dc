"""A real MLflow server behind the gate, in every way it can be run, and the platform that publishes to it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from governance.audit.statistics import Verdict
from governance.decision import Approval, Decision
from governance.digest import digest_bytes
from governance.gate import PUBLISHER, Terms
from governance.provenance import Envelope, EnvelopeError, Statement, Trust, manifest_digest
from governance.trust import KEEPER, TRUST_TYPE, TrustVersion, chain_bytes
from infra.gate.floor import Grant, write_grants
from infra.gate.folder import publish
from infra.gate.pin import Pin
from infra.trust import sign_payload
from tests.support.decisions import FINDING, POLICIES, decision, envelope, signing_key, trusted
from tests.support.memory_log import MemoryLog
from tests.support.s3 import Server

__all__ = ["ALIAS", "BUCKET", "MODEL", "PREFIX", "Deployment", "Shape", "served_path"]

MODEL = "demo"
ALIAS = "champion"
ADMIN = ("admin", "correct horse battery staple")
SECRET = "a webhook secret of the tests"
BUCKET, PREFIX = "models", "served"
HOOK = "http://127.0.0.1:9/hooks/mlflow"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a server is run."""

    server: str = "uvicorn"
    database: str = "sqlite"
    prefix: bool = False
    workspaces: bool = False
    auth: bool = False
    s3: bool = False

    @property
    def name(self) -> str:
        extras = [word for word in ("prefix", "workspaces", "auth", "s3") if getattr(self, word)]
        return "+".join([self.server, self.database, *extras])


@dataclass(kw_only=True)
class Version:
    """A registered version and what stands behind it."""

    version: str
    files: dict[str, bytes]
    model_id: str
    run_id: str
    experiment: str
    location: str

    @property
    def artifact(self) -> str:
        return manifest_digest({name: digest_bytes(data) for name, data in self.files.items()})

    @property
    def path(self) -> str:
        return served_path(self.location)


@dataclass(kw_only=True)
class Deployment:
    """One server, its folder, and the keys of a platform beside it."""

    folder: Path
    shape: Shape
    database: str
    owner_database: str | None = None
    grants_database: str | None = None
    objects: Server | None = None
    url: str = ""
    versions: dict[str, Version] = field(default_factory=dict)
    decisions: dict[tuple[str, str], bytes] = field(default_factory=dict)
    log: MemoryLog = field(default_factory=MemoryLog)
    places: dict[str, list[int]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0

    # The server

    @property
    def root(self) -> str:
        return self.url + ("/ml" if self.shape.prefix else "")

    @property
    def pin(self) -> Pin:
        return Pin(
            folder=self.folder / "gate",
            publisher=signing_key(PUBLISHER).public_key,
            trust=self.trust.digest,
            memory=self.folder / "memory",
        )

    @property
    def trust(self) -> TrustVersion:
        """One version, kept by one keeper: an auditor and two reviewers."""
        ends = datetime(datetime.now(UTC).year + 2, 1, 1, tzinfo=UTC)
        roles = {
            "auditor": "auditor",
            "reviewer": "model-reviewer",
            "officer": "model-reviewer",
            "keeper": KEEPER,
        }
        keys = tuple(trusted(name, roles=(role,), end=ends) for name, role in roles.items())
        return TrustVersion(
            serial=1,
            previous=None,
            issued=datetime(2026, 1, 2, tzinfo=UTC),
            trust=Trust(keys=keys),
            change=Approval(roles=frozenset({KEEPER}), threshold=1),
            log=self.log.verifier,
        )

    @property
    def chain(self) -> bytes:
        return chain_bytes(
            [sign_payload(self.trust.payload(), TRUST_TYPE, [signing_key("keeper", role=KEEPER)])]
        )

    def start(self, *, gated: bool = True, port: int = 0, environment: dict[str, str] | None = None) -> None:
        began = time.monotonic()
        if not port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
        pin = self.folder / "pin.json"
        pin.write_text(json.dumps(self.pin.as_json()))
        self.url = f"http://127.0.0.1:{port}"
        argv = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        argv += ["--backend-store-uri", self.database]
        argv += ["--artifacts-destination", self.destination]
        if self.objects:  # reached through the server's artifact routes and by presigned addresses alike
            argv += ["--default-artifact-root", self.destination]
        if gated:
            argv += ["--registry-store-uri", f"governed:{self.database}"]
            argv += ["--app-name", "bounds-gate-basic-auth" if self.shape.auth else "bounds-gate"]
        if self.shape.server == "gunicorn":
            argv += ["--gunicorn-opts", "--log-level warning --timeout 120 --threads 4"]
        if self.shape.prefix:
            argv += ["--static-prefix", "/ml"]
        if self.shape.workspaces:
            argv += ["--enable-workspaces"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "_MLFLOW", "BOUNDS_"))}
        env = {
            **kept,
            "BOUNDS_GATE": str(pin),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
            "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(b"k" * 32).decode(),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            **(self._s3_environment() if self.objects else {}),
            **(environment or {}),
        }
        if self.shape.auth:
            config = self.folder / "auth.ini"
            config.write_text(
                "[mlflow]\ndefault_permission = EDIT\n"
                f"database_uri = sqlite:///{self.folder / 'auth.db'}\n"
                f"admin_username = {ADMIN[0]}\nadmin_password = {ADMIN[1]}\n"
            )
            env |= {"MLFLOW_AUTH_CONFIG_PATH": str(config), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *argv],
                env=env,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self._await()
        self.started = time.monotonic() - began

    def _s3_environment(self) -> dict[str, str]:
        return {
            "MLFLOW_S3_ENDPOINT_URL": self.objects.endpoint,
            "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path",
            "AWS_ACCESS_KEY_ID": self.objects.access_key,
            "AWS_SECRET_ACCESS_KEY": self.objects.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }

    def _await(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                if requests.get(f"{self.root}/health", timeout=2).status_code in {200, 401}:
                    return
            except requests.RequestException:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError((self.folder / "server.log").read_text()[-4000:])

    def stop(self, *, hard: bool = False) -> None:
        if self.process is None:
            return
        for number in (signal.SIGKILL,) if hard else (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(15)
                break
            except subprocess.TimeoutExpired:
                continue
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None

    # Asking it

    def call(
        self, method: str, path: str, *, ajax: bool = False, workspace: str | None = None, **options: Any
    ):
        """One request below ``/api/2.0`` (or ``/ajax-api/2.0``)."""
        return self.raw(
            method, f"/{'ajax-api' if ajax else 'api'}/2.0/{path}", workspace=workspace, **options
        )

    def raw(
        self, method: str, path: str, *, workspace: str | None = None, anonymous: bool = False, **options: Any
    ):
        headers = dict(options.pop("headers", {}))
        if self.shape.workspaces:
            headers["X-MLFLOW-WORKSPACE"] = workspace or "default"
        auth = ADMIN if self.shape.auth and not anonymous else None
        return requests.request(
            method, self.root + path, headers=headers, auth=auth, timeout=60, allow_redirects=False, **options
        )

    def ok(self, method: str, path: str, **options: Any) -> Any:
        answer = self.call(method, path, **options)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.text.startswith("{") else {}

    def set_alias(self, version: str, alias: str = ALIAS, model: str = MODEL, **options: Any):
        body = {"name": model, "alias": alias, "version": version}
        return self.call("POST", "mlflow/registered-models/alias", json=body, **options)

    # What is in it

    def register(self, name: str, files: dict[str, bytes] | None = None, model: str = MODEL) -> Version:
        """Log a model with these files and register it, as MLflow's client does."""
        files = files or {"MLmodel": b"flavors: {}\n", "data/weights.bin": name.encode()}
        found = self.call("GET", "mlflow/experiments/get-by-name", params={"experiment_name": "attacked"})
        experiment = (
            found.json()["experiment"]["experiment_id"]
            if found.status_code == 200
            else self.ok("POST", "mlflow/experiments/create", json={"name": "attacked"})["experiment_id"]
        )
        run = self.ok("POST", "mlflow/runs/create", json={"experiment_id": experiment, "start_time": 1})[
            "run"
        ]
        run_id = run["info"]["run_id"]
        logged = self.ok(
            "POST",
            "mlflow/logged-models",
            json={"experiment_id": experiment, "name": name, "source_run_id": run_id},
        )["model"]["info"]
        root = served_path(logged["artifact_uri"])
        for path, data in files.items():
            self.ok("PUT", f"mlflow-artifacts/artifacts/{root}/{path}", data=data)
        self.ok(
            "PATCH",
            f"mlflow/logged-models/{logged['model_id']}",
            json={"model_id": logged["model_id"], "status": 2},
        )
        self.call("POST", "mlflow/registered-models/create", json={"name": model})
        made = self.ok(
            "POST",
            "mlflow/model-versions/create",
            json={
                "name": model,
                "source": f"models:/{logged['model_id']}",
                "run_id": run_id,
                "model_id": logged["model_id"],
            },
        )["model_version"]
        version = Version(
            version=str(made["version"]),
            files=files,
            model_id=logged["model_id"],
            run_id=run_id,
            experiment=experiment,
            location=logged["artifact_uri"],
        )
        self.versions[name] = version
        return version

    def adopt(self, name: str, version: str, model_id: str, root: str, files: dict[str, bytes]) -> Version:
        """A version that was registered step by step."""
        self.versions[name] = Version(
            version=version,
            files=files,
            model_id=model_id,
            run_id="",
            experiment=self.versions["good"].experiment,
            location=f"mlflow-artifacts:/{root}",
        )
        return self.versions[name]

    def decide(self, version: Version, verdict: str = "PASS", *, model: str = MODEL, signers=("auditor",), **changes: Any) -> bytes:  # fmt: skip
        """A signed decision about a version as it is now."""
        now = datetime.now(UTC).replace(microsecond=0)
        fields = {
            "model": model,
            "version": version.version,
            "artifact": version.artifact,
            "aliases": (ALIAS,),
            "verdict": Verdict(verdict),
            "issued": now - timedelta(minutes=1),
            "expires": now + timedelta(days=30),
            "findings": ({**FINDING, "verdict": verdict},),
            **changes,
        }
        signed = envelope(decision(**fields), signers=signers)
        self.decisions[model, version.version] = signed
        return signed

    def logged(self) -> None:
        """Every decision so far stands in the log, once."""
        for signed in self.decisions.values():
            if digest_bytes(signed) not in self.places:
                try:
                    self.places[digest_bytes(signed)] = self.log.decide(signed)
                except EnvelopeError:
                    self.places[digest_bytes(signed)] = []  # what is no envelope stands in no log

    def shown(self, **changes: Any) -> bytes:
        """What shows that these decisions stand in the log; lies in the published folder from then on."""
        data = self.log.inclusions({**self.places, **changes.pop("places", {})}, **changes)
        folder = self.folder / "gate" / "inclusions"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / (digest_bytes(data).removeprefix("sha256:") + ".json")).write_bytes(data)
        return data

    def terms(self, **changes: Any) -> Terms:
        self.logged()
        index: dict[str, dict[str, str]] = {}
        for (model, number), signed in self.decisions.items():
            index.setdefault(model, {})[number] = digest_bytes(signed)
        now = datetime.now(UTC)
        fields: dict[str, Any] = {
            "sequence": 1,
            "aliases": (ALIAS,),
            "models": ("*",),
            "policies": POLICIES,
            "approvals": (),
            "demonstration": False,
            "trust": self.trust.digest,
            "revoked": (),
            "decisions": index,
            "inclusions": digest_bytes(self.shown()),
            "webhooks": {
                "bounds-audit": {
                    "url": HOOK,
                    "secret": digest_bytes(SECRET.encode()),
                    "events": ["model_version.created"],
                }
            },
            "review": "http://127.0.0.1:8800/review",
            "issued": now,
            "expires": now + timedelta(days=1),
            **changes,
        }
        return Terms(**fields)

    def publish(self, **changes: Any) -> Terms:
        """Publish everything decided so far."""
        terms = self.terms(**changes)
        if self.grants_database:
            self._grant(terms)
        envelopes = {digest_bytes(signed): signed for signed in self.decisions.values()}
        return publish(
            self.folder / "gate",
            terms,
            chain=self.chain,
            envelopes=envelopes,
            inclusions=self.shown,
            key=signing_key(PUBLISHER, role=PUBLISHER),
            now=datetime.now(UTC),
            validity=timedelta(days=1),
        )

    def _grant(self, terms: Terms) -> None:
        """The floor's grants: of every version whose decision says PASS."""
        grants = []
        for (model, number), signed in self.decisions.items():
            try:
                said = Decision.from_statement(Statement.parse(Envelope.parse(signed).payload))
            except EnvelopeError:
                continue
            if said.verdict is Verdict.PASS:
                grants += [
                    Grant(
                        model=model,
                        alias=alias,
                        version=int(number),
                        decision="of the tests",
                        expires=said.expires,
                    )
                    for alias in said.aliases
                ]
        write_grants(self.grants_database, aliases=terms.aliases, grants=grants)

    def people(self) -> None:
        """The cast: two versions that passed, one refused, one never audited; the first is champion."""
        self.publish()
        hook = {
            "name": "bounds-audit",
            "url": HOOK,
            "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}],
            "secret": SECRET,
            "status": "ACTIVE",
        }
        self.ok("POST", "mlflow/webhooks", json=hook)
        for name, verdict in (("good", "PASS"), ("better", "PASS"), ("bad", "FAIL"), ("new", None)):
            version = self.register(name)
            if verdict:
                self.decide(version, verdict)
        self.publish()
        answer = self.set_alias(self.versions["good"].version)
        assert answer.status_code == 200, answer.text

    # What must not change

    def state(self) -> dict[str, Any]:
        """The protected facts, read past the server from its database and its disk."""
        good = self.versions["good"]
        words = {"model": MODEL, "version": int(good.version), "logged": good.model_id, "run": good.run_id, "experiment": int(good.experiment)}  # fmt: skip
        questions = {
            "model": "SELECT name FROM registered_models WHERE name = :model",
            "aliases": "SELECT alias, version FROM registered_model_aliases WHERE name = :model",
            "model tags": "SELECT key, value FROM registered_model_tags WHERE name = :model AND lower(key) LIKE 'gov.%'",
            "version tags": "SELECT version, key, value FROM model_version_tags WHERE name = :model AND lower(key) LIKE 'gov.%'",
            "version": "SELECT current_stage, source, storage_location, run_id FROM model_versions WHERE name = :model AND version = :version",
            "stages": "SELECT version FROM model_versions WHERE lower(current_stage) = 'production'",
            "logged model": "SELECT status, lifecycle_stage FROM logged_models WHERE model_id = :logged",
            "logged model tags": "SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = :logged",
            "run": "SELECT lifecycle_stage FROM runs WHERE run_uuid = :run",
            "experiment": "SELECT lifecycle_stage FROM experiments WHERE experiment_id = :experiment",
            "webhook": "SELECT name, url, status, deleted_timestamp FROM webhooks WHERE name = 'bounds-audit'",
        }
        engine = sa.create_engine(self.database)
        try:
            with engine.connect() as connection:
                facts: dict[str, Any] = {
                    name: sorted(
                        tuple(row) for row in connection.execute(sa.text(question), _named(words, question))
                    )
                    for name, question in questions.items()
                }
        finally:
            engine.dispose()
        facts["files"] = {name: digest_bytes(data) for name, data in self.files_at(good.path).items()}
        return facts

    @property
    def destination(self) -> str:
        """Where the server's artifact routes lead."""
        return f"s3://{BUCKET}/{PREFIX}" if self.objects else str(self.folder / "artifacts")

    @cached_property
    def s3(self) -> Any:
        """A client of the object store, past the server; half a second to make."""
        return self.objects.client()

    def files_at(self, path: str) -> dict[str, bytes]:
        """The files below what the artifact routes call so, read past the server."""
        if self.objects:
            below = f"{PREFIX}/{path}/"
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=below)
            keys = [row["Key"] for page in pages for row in page.get("Contents", ())]
            return {key.removeprefix(below): self.read(key.removeprefix(f"{PREFIX}/")) for key in keys}
        folder = self.folder / "artifacts" / path
        found = [one for one in sorted(folder.rglob("*")) if one.is_file()]
        return {one.relative_to(folder).as_posix(): one.read_bytes() for one in found}

    def read(self, path: str) -> bytes:
        """A file as it lies in the store."""
        if self.objects:
            return self.s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{path}")["Body"].read()
        return (self.folder / "artifacts" / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        """Change a file past the server, as the store's operator can."""
        if self.objects:
            self.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{path}", Body=data)
        else:
            (self.folder / "artifacts" / path).write_bytes(data)

    def champion(self) -> str | None:
        """Which version carries the alias."""
        held = {str(alias): str(version) for alias, version in self.state()["aliases"]}
        return held.get(ALIAS)


def served_path(uri: str) -> str:
    """The path below the artifact routes of what MLflow calls so."""
    return uri.removeprefix("mlflow-artifacts:/").removeprefix(f"s3://{BUCKET}/{PREFIX}/").lstrip("/")


def _named(words: dict[str, Any], question: str) -> dict[str, Any]:
    return {name: value for name, value in words.items() if f":{name}" in question}
