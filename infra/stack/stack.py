"""``Stack``: the embedded stack of one data folder, as a value to start, use and stop."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from governance.errors import InputError
from infra.settings import SITE_ID, Settings, load_settings, stated_settings
from infra.stack import flow_servers, servers
from infra.stack.blueprint import Blueprint
from infra.stack.part import Part, PartStatus, State
from infra.stack.ports import HOST, Ports
from infra.stack.record import FolderLock, make_folder, read_record, write_record
from infra.stack.secrets import ensure_secrets
from infra.stack.supervisor import Supervisor

__all__ = ["PARTS", "Stack"]

PARTS = ("s3", "label_studio", "prefect", "mlflow", "workers", "web")
Store = Literal["directory", "s3"]


class Stack:
    """The servers of one data folder.

    Args:
        home: The data folder; made with mode 700 when it is not there.
        store: Where objects lie; None keeps what the folder has, a new one gets a directory.
        ports: Wanted port per server (``label_studio``, ``mlflow``, ``prefect``, ``web``, ``s3``); 0 is any.
        sites: Ids of sites to have beside those the folder has.
        parts: Which of ``PARTS`` to start; ``workers`` needs ``prefect``.
        deployments: A file in the form of ``infra/prefect.yaml`` to apply instead of it.
        environment: Variables that every part gets in addition.
        changed: Called with all statuses after every change, from the supervisor's thread.

    Raises:
        InputError: Unknown part, a store other than the folder's, no Label Studio server.
    """

    def __init__(
        self,
        home: Path,
        *,
        store: Store | None = None,
        ports: Mapping[str, int] | None = None,
        sites: Iterable[str] = (),
        parts: Sequence[str] = PARTS,
        deployments: Path | None = None,
        environment: Mapping[str, str] | None = None,
        changed: Callable[[list[PartStatus]], None] = lambda _: None,
    ) -> None:
        self.home = home.resolve()
        self._store = store
        self._wanted_ports = ports
        self._sites = tuple(sites)
        self._parts = _checked(parts)
        self._deployments = deployments
        self._environment = dict(environment or {})
        self._changed = changed
        self._lock: FolderLock | None = None
        self._ports: Ports | None = None
        self._supervisor: Supervisor | None = None
        self._started = datetime.now(UTC)
        self._stop_asked = threading.Event()
        self._record_settings: dict[str, Any] = {}

    @property
    def settings(self) -> Settings:
        """The settings in force, with this stack's addresses and tokens."""
        return load_settings(self.home)

    @property
    def statuses(self) -> list[PartStatus]:
        """How every part is now."""
        return self._supervisor.snapshot() if self._supervisor else []

    @property
    def timings(self) -> dict[str, float]:
        """Seconds from each part's start to its readiness."""
        return {part.name: part.seconds for part in self.statuses if part.seconds and part.state.is_up}

    def pid(self, part: str) -> int:
        """Process id of a running part (``mlflow``, ``worker-site-main`` …)."""
        return self._running().pid(part)

    def hold(self, part: str) -> None:
        """Stop one part and keep it stopped until ``release``."""
        self._running().hold(part)

    def release(self, part: str) -> None:
        """Start a held or failed part again."""
        self._running().release(part)

    def begin(self) -> None:
        """Take the folder and start the parts; returns before they are ready.

        Raises:
            RefusedError: A stack already runs on the folder.
        """
        make_folder(self.home)
        self.home.chmod(0o700)
        self._lock = FolderLock(self.home)
        try:
            parts = self._plan()
            self._supervisor = Supervisor(parts, keep=self._lock.descriptor, changed=self._on_change)
            self._on_change()
            self._supervisor.start()
        except BaseException:
            self._let_go()
            raise

    def await_ready(self) -> None:
        """Wait until every part is ready.

        Raises:
            OutsideError: A part has failed; its reason and the end of its log are in the message.
        """
        supervisor = self._running()
        while not supervisor.is_settled() and not self._stop_asked.wait(0.05):
            pass
        if not self._stop_asked.is_set():
            supervisor.require_settled_well()

    def await_stop(self) -> None:
        """Wait until somebody calls ``ask_to_stop``."""
        while not self._stop_asked.wait(1.0):
            pass

    def ask_to_stop(self) -> None:
        """Let ``await_ready`` and ``await_stop`` return; safe in a signal handler."""
        self._stop_asked.set()

    @property
    def is_stop_asked(self) -> bool:
        """Whether ``ask_to_stop`` was called."""
        return self._stop_asked.is_set()

    def start(self) -> Self:
        """Start everything and wait until it is ready; on failure nothing is left running."""
        self.begin()
        try:
            self.await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything in order; returns when no process is left. Doing it twice does nothing more."""
        if self._supervisor:
            self._supervisor.stop()
            self._on_change()
            self._supervisor = None
        self._let_go()

    def _let_go(self) -> None:
        if self._ports:
            self._ports.close()
            self._ports = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("the stack has not been started")
        return self._supervisor

    def _plan(self) -> list[Part]:
        """Settings, secrets, ports and record of the folder; then the parts they describe."""
        _check_sites(self._sites)
        before = load_settings(self.home)
        kept = read_record(self.home).get("settings", {})
        store: Store = self._store or before.store
        if kept and store != before.store:
            raise InputError(
                "this data folder keeps its objects elsewhere",
                field="store",
                value=store,
                expected=f"{before.store}, or another data folder",
            )
        starts = [part for part in self._parts if part != "s3" or store == "s3"]
        _require_own_servers(starts, stated_settings(self.home))
        # The site "main" is the default of a folder that names none.
        has = (
            [site.id for site in before.sites]
            if "sites" in before.model_fields_set or not self._sites
            else []
        )
        sites = list(dict.fromkeys([*has, *self._sites]))
        secrets = ensure_secrets(self.home, sites)
        named = [name for name in ("label_studio", "mlflow", "prefect", "web") if name in self._parts]
        # Personal links hold the portal's address: it stays where it was, if it can.
        last = urlsplit(str(kept.get("web_url") or "")).port
        self._ports = Ports(
            [*named, *(["s3"] if store == "s3" else [])],
            self._wanted_ports,
            last={"web": last} if last else None,
        )
        ports = self._ports.chosen
        self._record_settings = _addresses(ports, store, sites, named, before)
        for folder in ("logs", "prefect", "objects"):
            (self.home / folder).mkdir(mode=0o700, exist_ok=True)
        write_record(self.home, {"settings": self._record_settings})
        blueprint = Blueprint(
            settings=load_settings(self.home),
            secrets=secrets,
            ports=ports,
            deployments=self._deployments,
            environment=self._environment,
        )
        return self._build(blueprint, store)

    def _build(self, blueprint: Blueprint, store: Store) -> list[Part]:
        parts: list[Part] = []
        if store == "s3" and "s3" in self._parts:
            parts.append(servers.s3(blueprint))
        if "label_studio" in self._parts:
            parts += servers.label_studio(blueprint)
        if "prefect" in self._parts:
            parts.append(flow_servers.prefect(blueprint))
        if "mlflow" in self._parts:
            parts.append(servers.mlflow(blueprint))
        if "workers" in self._parts:
            parts += [flow_servers.deployments(blueprint), *flow_servers.workers(blueprint)]
        if "web" in self._parts:
            parts.append(servers.web(blueprint))
        if {"web", "mlflow", "workers"} <= set(self._parts) and blueprint.settings.mlflow.webhook:
            parts.append(servers.webhook(blueprint))
        return parts

    def _on_change(self) -> None:
        statuses = self.statuses
        ended = bool(statuses) and all(part.state is State.STOPPED for part in statuses)
        write_record(
            self.home,
            {
                "state": "stopped" if ended else "running",
                "pid": os.getpid(),
                "started": self._started.isoformat(timespec="seconds"),
                "settings": self._record_settings,
                "parts": {
                    part.name: {
                        "state": part.state.value,
                        "pid": part.pid,
                        "url": part.url,
                        "seconds": part.seconds,
                        "restarts": part.restarts,
                        "reason": part.reason,
                    }
                    for part in statuses
                },
            },
        )
        self._changed(statuses)


def _checked(parts: Sequence[str]) -> tuple[str, ...]:
    for part in parts:
        if part not in PARTS:
            raise InputError(
                "no such part of the stack", field="parts", value=part, expected=", ".join(PARTS)
            )
    if "workers" in parts and "prefect" not in parts:
        raise InputError(
            "workers need their server", field="parts", value=tuple(parts), expected="prefect too"
        )
    return tuple(parts)


def _check_sites(sites: Iterable[str]) -> None:
    """Refuse an impossible site before anything is written: a folder with one could not be read again."""
    for site in sites:
        if not re.fullmatch(SITE_ID, site):
            raise InputError(
                "not the id of a site",
                field="--site",
                value=site,
                expected="a lower-case letter, then at most 30 of a-z, 0-9 and -",
            )


def _require_own_servers(parts: Sequence[str], stated: Mapping[str, Any]) -> None:
    """Refuse to start a server beside one of the operator's own, which everything else would use instead."""
    sites = [site for site in stated.get("sites", ()) if isinstance(site, dict)]
    elsewhere = {
        "mlflow": [("mlflow_url", stated.get("mlflow_url"))],
        "prefect": [("prefect_api_url", stated.get("prefect_api_url"))],
        "s3": [("s3.endpoint", (stated.get("s3") or {}).get("endpoint"))],
        "label_studio": [
            (f"sites[{site.get('id')}].label_studio_url", site.get("label_studio_url")) for site in sites
        ],
    }
    for part, places in elsewhere.items():
        for field, value in places:
            if value and part in parts:
                raise InputError(
                    f"the embedded stack starts a server of its own ({part})",
                    field=field,
                    value=value,
                    expected="nothing there, in settings.toml or the environment; or servers of your own without `bounds up`",
                )


def _addresses(
    ports: Mapping[str, int], store: Store, sites: Iterable[str], named: Sequence[str], before: Settings
) -> dict[str, Any]:
    """The layer that the stack lays over ``settings.toml``."""
    url = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    settings: dict[str, Any] = {"store": store}
    if "mlflow" in named:
        settings["mlflow_url"] = url["mlflow"]
    if "prefect" in named:
        settings["prefect_api_url"] = f"{url['prefect']}/api"
    if "web" in named:
        settings |= {"web_url": url["web"], "pages_url": url["web"]}
    if store == "s3":
        settings["s3"] = {"endpoint": url["s3"]}
    known = {site.id: site for site in before.sites}
    settings["sites"] = [
        {
            "id": site,
            "project": known[site].project if site in known else f"bounds {site}",
            **({"label_studio_url": url["label_studio"]} if "label_studio" in named else {}),
        }
        for site in sites
    ]
    return settings
