"""The start page: the way of the data, what runs where and how it is, and how to get in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse

from infra.settings import Settings
from infra.stack.health import PartHealth, StackHealth, look
from infra.web.pages import Pages

__all__ = ["STEPS", "Figure", "Step", "router"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A count under a step: its key in the mapping of counts, and the word behind the number."""

    key: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the way of the data."""

    name: str
    says: str
    figures: tuple[Figure, ...]


STEPS: Final = (
    Step(
        name="collect",
        says="Judgements come in through one port and are kept as they came.",
        figures=(Figure(key="raw_events", word="raw events"), Figure(key="items", word="items")),
    ),
    Step(
        name="validate",
        says="Each row is accepted, or set aside with every rule it failed.",
        figures=(Figure(key="accepted", word="accepted"), Figure(key="quarantined", word="set aside")),
    ),
    Step(
        name="release",
        says="Data with its people described, its card and its manifest.",
        figures=(Figure(key="releases", word="releases"),),
    ),
    Step(
        name="audit",
        says="A model meets the probes of every rule, in both directions.",
        figures=(Figure(key="audits", word="audits"),),
    ),
    Step(
        name="promote",
        says="An alias moves with a signed decision, or is refused with reasons.",
        figures=(Figure(key="promotions", word="promoted"), Figure(key="refusals", word="refused")),
    ),
)

_PURPOSE: Final = {
    "label_studio": ("Label Studio", "where staff and trusted panels judge", "Open the labelling page"),
    "prefect": ("Prefect", "runs the flows, by hand and by schedule", "Open the flow runs"),
    "mlflow": ("MLflow", "runs, models, and the registry with its aliases", "Open the registry"),
    "s3": ("S3", "where the objects lie", None),
    "web": ("This page", "overview, policies and the interface for programs", None),
}


def router(
    settings: Settings,
    pages: Pages,
    counts: Callable[[], Mapping[str, int]],
    policy: Callable[[], Mapping[str, Any]],
) -> APIRouter:
    """The routes ``/``, ``/health`` and ``/alive``. ``policy`` says how the policy files are."""
    routes = APIRouter()

    @routes.get("/", response_class=HTMLResponse, include_in_schema=False)
    def start() -> HTMLResponse:
        health = look(settings.home)
        return pages.page(
            "start.html",
            here="/",
            steps=STEPS,
            counts=counts(),
            parts=[_row(part) for part in health.parts],
            verdict=_verdict(health),
            health=health,
            login=_login(settings),
            settings=settings,
        )

    @routes.get("/health")
    def state() -> JSONResponse:
        """How every part is now: status 200 when all answer, else 503.

        Policy files that cannot be used are told under ``policy`` and do not change the status: the last
        good ones stay in force, and taking the app away would help nobody.
        """
        health = look(settings.home)
        document = {
            "healthy": health.is_healthy,
            "says": _verdict(health),
            "parts": {
                part.name: {"healthy": part.is_healthy, "says": part.said, "restarts": part.restarts}
                for part in health.parts
            },
            "policy": dict(policy()),
        }
        return JSONResponse(
            document, 200 if health.is_healthy else 503, headers={"Cache-Control": "no-store"}
        )

    @routes.get("/alive")
    def alive() -> dict[str, bool]:
        """That this app itself answers."""
        return {"alive": True}

    return routes


def _row(part: PartHealth) -> dict[str, Any]:
    if part.name.startswith("worker-"):
        pool = part.name.removeprefix("worker-")
        title, purpose, action = f"Worker {pool}", f"takes the flow runs of the work pool {pool}", None
    else:
        title, purpose, action = _PURPOSE.get(part.name, (part.name, "", None))
    # MLflow opens on its experiments; what a reviewer looks for is the registry.
    href = f"{part.url}/#/models" if part.name == "mlflow" else part.url
    return {"part": part, "title": title, "purpose": purpose, "action": action, "href": href}


def _verdict(health: StackHealth) -> str:
    wrong = [part.name for part in health.parts if not part.is_healthy]
    if not health.parts:
        return "Nothing runs here yet."
    if wrong:
        return f"{len(wrong)} of {len(health.parts)} parts need a look: {', '.join(wrong)}."
    return f"All {len(health.parts)} parts answer."


def _login(settings: Settings) -> dict[str, str] | None:
    """Who logs in to Label Studio, and where the password lies; never the password."""
    path = settings.home / "secrets.json"
    try:
        user = json.loads(path.read_text(encoding="utf-8"))["label_studio"]["username"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {"user": str(user), "file": str(path)}
