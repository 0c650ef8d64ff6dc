"""What every part of a stack has in common: settings, addresses, a clean environment, a log."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.settings import Settings
from infra.stack.part import Part
from infra.stack.ports import HOST
from infra.stack.probe import ask
from infra.stack.secrets import Secrets

__all__ = ["CHECKOUT", "Blueprint"]

# Programs that import our packages get this as their PYTHONPATH.
CHECKOUT = Path(__file__).resolve().parents[2]
# Left over in a shell, these would lead a part to somebody else's server or account.
_FOREIGN = ("PREFECT_", "MLFLOW_", "LABEL_STUDIO_", "AWS_", "RCLONE_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """Builds the parts of one stack.

    Args:
        settings: Where everything is, this stack's addresses included.
        secrets: What the servers are started with.
        ports: Port of each server.
        environment: Variables that every part gets in addition.
        deployments: File of deployments to apply instead of ``infra/prefect.yaml``.
    """

    settings: Settings
    secrets: Secrets
    ports: Mapping[str, int]
    environment: Mapping[str, str]
    deployments: Path | None = None

    def url(self, name: str) -> str:
        """Address of a server."""
        return f"http://{HOST}:{self.ports[name]}"

    def answers(self, name: str, path: str) -> Callable[[datetime], bool]:
        """A question of readiness: whether that path of a server answers with status 200."""
        address = f"{self.url(name)}{path}"
        return lambda _started: (reply := ask(address)) is not None and reply[0] == 200

    def part(
        self,
        name: str,
        argv: list[str],
        env: Mapping[str, str],
        *,
        ready: Callable[[datetime], bool] | None,
        rank: int = 0,
        after: tuple[str, ...] = (),
        prepare: Callable[[], None] | None = None,
        deadline: float = 300.0,
    ) -> Part:
        """A part with an address and port if it is a server; the arguments are those of ``Part``."""
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
