"""How the stack of a data folder is, asked from outside: by ``bounds status`` and by the start page.

The addresses come from the settings, so that a production installation, whose servers nobody of ours
supervises, is asked in the same way; what the supervisor knows (restarts, reasons) is added where one runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import Settings, load_settings
from infra.stack.flow_servers import CENTRAL_POOL
from infra.stack.probe import ask
from infra.stack.record import is_running, read_record
from infra.stack.servers import S3_ANSWERS

__all__ = ["PartHealth", "StackHealth", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHealth:
    """One part: whether it answers now, and what is known beside."""

    name: str
    is_healthy: bool
    said: str
    url: str | None = None
    restarts: int = 0
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackHealth:
    """All parts of an installation."""

    home: Path
    is_supervised: bool
    pid: int | None
    started: str | None
    parts: tuple[PartHealth, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether there is a part, and every part answers."""
        return bool(self.parts) and all(part.is_healthy for part in self.parts)


def look(home: Path) -> StackHealth:
    """Ask every part, side by side, with two seconds each."""
    settings, record = load_settings(home), read_record(home)
    supervised = is_running(settings.home)
    known: Mapping[str, Any] = record.get("parts", {})
    questions = _questions(settings, known)
    with ThreadPoolExecutor(max_workers=max(1, len(questions))) as pool:
        answers = list(pool.map(lambda question: question[2](), questions))
    parts = [
        _part(name, url, said, known.get(name, {}) if supervised else {})
        for (name, url, _), said in zip(questions, answers, strict=True)
    ]
    return StackHealth(
        home=settings.home,
        is_supervised=supervised,
        pid=record.get("pid") if supervised else None,
        started=record.get("started") if supervised else None,
        parts=tuple(parts),
    )


_Question = tuple[str, str | None, Callable[[], str | None]]


def _questions(settings: Settings, known: Mapping[str, Any]) -> list[_Question]:
    """Name, address and question of each part; a question gives None for well, or what is wrong."""
    found: list[_Question] = []

    def add(name: str, url: str | None, probe: str, accepted: frozenset[int] = frozenset({200})) -> None:
        if url:
            found.append((name, url, lambda: _answer(probe, accepted)))

    if settings.store == "s3" and settings.s3 and settings.s3.endpoint:
        add("s3", settings.s3.endpoint, settings.s3.endpoint, S3_ANSWERS)
    for address in dict.fromkeys(site.label_studio_url for site in settings.sites if site.label_studio_url):
        add("label_studio", address, f"{address}/health")
    if settings.prefect_api_url:
        add("prefect", settings.prefect_api_url.removesuffix("/api"), f"{settings.prefect_api_url}/health")
    add("mlflow", settings.mlflow_url, f"{settings.mlflow_url}/health")
    if settings.prefect_api_url and (not known or any(name.startswith("worker-") for name in known)):
        for pool in [*(site.work_pool for site in settings.sites), CENTRAL_POOL]:
            api = settings.prefect_api_url
            found.append((f"worker-{pool}", None, lambda api=api, pool=pool: _worker(api, pool)))  # type: ignore[misc]
    add("web", settings.near_pages_url, f"{settings.near_pages_url}/alive")
    return found


def _answer(probe: str, accepted: frozenset[int]) -> str | None:
    reply = ask(probe, timeout=2.0)
    if reply is None:
        return "no answer"
    return None if reply[0] in accepted else f"answers with status {reply[0]}"


def _worker(api: str, pool: str) -> str | None:
    reply = ask(f"{api}/work_pools/{pool}/workers/filter", method="POST", body={"limit": 50}, timeout=2.0)
    if reply is None:
        return "unknown: no Prefect"
    if reply[0] != 200:
        return f"no work pool {pool}"
    return None if any(worker["status"] == "ONLINE" for worker in json.loads(reply[1])) else "not online"


def _part(name: str, url: str | None, wrong: str | None, known: Mapping[str, Any]) -> PartHealth:
    state, reason = known.get("state"), known.get("reason")
    if wrong is None and state == "failed":
        wrong = "failed"
    if wrong is not None and state in {"waiting", "starting", "restarting", "failed"}:
        wrong = f"{state}: {reason}" if reason else str(state)
    return PartHealth(
        name=name,
        is_healthy=wrong is None,
        said=wrong or "answers",
        url=url,
        restarts=known.get("restarts", 0),
        seconds=known.get("seconds"),
    )
