"""Settings: one frozen value that says where everything is; the only module that reads the environment.

Layers, each over the one before: defaults, ``stack.json`` (addresses of a running embedded stack), ``settings.toml``
in the data folder (or the file that ``BOUNDS_SETTINGS`` names), ``secrets.json`` (mode 600), ``BOUNDS_*`` environment
variables. A secret is never printed: it is a ``SecretStr``.
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from governance.digest import digest_bytes
from governance.errors import InputError, in_words
from infra.settings_layers import Layer, merged, refusal

__all__ = [
    "SITE_ID",
    "WEBHOOK_NAME",
    "WEBHOOK_PATH",
    "BackupSettings",
    "GateSettings",
    "LiveModelSettings",
    "MlflowSettings",
    "PaySettings",
    "S3Settings",
    "Settings",
    "SiteSettings",
    "default_home",
    "gate_pin_file",
    "load_settings",
    "stated_settings",
]

# The webhook through which MLflow says that a version was made, and where it is received.
WEBHOOK_NAME = "bounds-audit"
WEBHOOK_PATH = "/hooks/mlflow"
SITE_ID = r"^[a-z][a-z0-9-]{0,30}$"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaySettings(_Shape):
    """What an hour of an annotator's time is worth, as people are told it."""

    per_hour: Decimal = Field(gt=0, max_digits=8, decimal_places=2)
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")


class SiteSettings(_Shape):
    """One place of collection: its Label Studio, its object prefix, its Prefect work pool, its key."""

    id: str = Field(pattern=SITE_ID)
    label_studio_url: str | None = None
    label_studio_token: SecretStr | None = None
    project: str = "bounds"
    overlap: int = Field(default=3, ge=1, le=100)
    portal_overlap: int = Field(default=3, ge=1, le=1000, description="judgements per item of the portal")
    identity_url: SecretStr | None = Field(
        default=None, description="database of names and addresses, with credentials of its own"
    )
    seed: int = 20260101
    consent: str | None = None
    key: SecretStr = SecretStr("")
    assignment: str | None = Field(
        default=None, description="plan of assignment (YAML), relative to the data folder"
    )
    pay: PaySettings | None = None
    longest_minutes: int = Field(
        default=10,
        ge=1,
        le=120,
        description="minutes for which one item of the portal counts as work at most",
    )

    @property
    def work_pool(self) -> str:
        """Name of the Prefect work pool whose workers act for the site."""
        return f"site-{self.id}"


class LiveModelSettings(_Shape):
    """A model that people of the portal may talk with; its key belongs into ``secrets.json``."""

    url: str = Field(pattern=r"^https?://", description="base address, up to and with /v1")
    model: str = Field(min_length=1, max_length=200, description="name of the model there")
    key: SecretStr | None = None
    temperature: float = Field(default=1.0, ge=0, le=2)
    max_tokens: int = Field(default=512, ge=1, le=4096)
    timeout: float = Field(default=60.0, gt=0, le=300, description="seconds for one attempt")


class S3Settings(_Shape):
    """An S3 service for the object store. ``endpoint`` None means the provider's own."""

    endpoint: str | None = None
    bucket: str = "bounds"
    prefix: str = "objects"
    region: str = "us-east-1"
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None


class BackupSettings(_Shape):
    """A backup that the operator keeps: a receipt of withdrawal names it, and until when it holds the person."""

    name: str
    keep_days: int = Field(ge=1)


class MlflowSettings(_Shape):
    """How the embedded MLflow server is started; ``{backend}`` stands for its own database.

    By default behind the gate; empty texts start it without (nothing is then protected). ``webhook`` says whether the
    stack registers the webhook that starts the audit of each new version.
    """

    registry_store_uri: str | None = "governed:{backend}"
    app_name: str | None = "bounds-gate"
    webhook: bool = True


class GateSettings(_Shape):
    """What the platform tells the gates of its registries.

    ``folder`` is where terms are published (below the data folder by default), ``models`` are patterns of the
    names of governed models, and terms that are not renewed for ``terms_days`` shut the gate. Refusals and tags link
    to ``review``/MODEL/VERSION, by default the platform's own pages. ``grants`` is MLflow's PostgreSQL database as the
    role that writes the floor's grants; with it, whatever is published is granted there too.
    """

    folder: Path | None = None
    models: tuple[str, ...] = Field(default=("*",), min_length=1)
    terms_days: int = Field(default=14, ge=1, le=366)
    review: str | None = None
    grants: SecretStr | None = None


class Settings(_Shape):
    """Where everything is."""

    home: Path
    store: Literal["directory", "s3"] = "directory"
    s3: S3Settings | None = None
    database_url: str | None = None
    mlflow: MlflowSettings = MlflowSettings()
    gate: GateSettings = GateSettings()
    webhook_secret: SecretStr = SecretStr("")
    mlflow_url: str | None = None
    prefect_api_url: str | None = None
    web_url: str | None = None
    pages_url: str | None = Field(
        default=None, description="where the platform's own programs reach the pages; web_url by default"
    )
    sites: tuple[SiteSettings, ...] = (SiteSettings(id="main"),)
    registered_model: str = "bounds-demo"
    policy: str = Field(default="demo", description="a shipped pack or a folder of policy documents")
    jurisdictions: tuple[str, ...] = ()
    application: str | None = None
    probes: str = Field(default="demo", description="the shipped probe set `demo`, or a file")
    labels: str | None = Field(
        default="demo", description="labelled responses that judge: those shipped as `demo`, a file, or none"
    )
    judges: tuple[str, ...] = Field(
        default=(),
        description="judges of audited versions, written as --judge of `bounds audit`; `human` stands for `labels`, "
        "which judge alone where this is empty",
    )
    judge_key: SecretStr | None = Field(default=None, description="key of a judging model's endpoint")
    profiles: tuple[str, ...] = Field(
        default=("demo-profile",),
        description="Tier Three profiles under which a model is audited, packs or files",
    )
    trust: str | None = Field(
        default=None,
        pattern=r"^sha256:[0-9a-f]{64}$",
        description="digest of the version of trust.json that is believed; by default the first that the log holds",
    )
    notice_url: str | None = Field(
        default=None, description="address that is told by POST when an alias was taken from a version"
    )
    log_origin: str | None = Field(
        default=None, pattern=r"^[^\s+]+$", description="name of the log in its checkpoints"
    )
    held_out: Literal["demo", "release"] = Field(
        default="demo",
        description="held-out judgements for alignment by stratum: a simulated panel, or those of the model's release",
    )
    release_secret: SecretStr = SecretStr("")
    backups: tuple[BackupSettings, ...] = ()
    live: dict[str, LiveModelSettings] = Field(
        default={}, description="models for live conversations, by a name of your own"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [site.id for site in self.sites]
        if not ids or len(set(ids)) != len(ids):
            raise ValueError(f"sites need at least one entry and distinct ids, got {ids}")
        if self.store == "s3" and self.s3 is None:
            raise ValueError("store = s3 needs an [s3] table")
        return self

    @property
    def database(self) -> str:
        """SQLAlchemy address of the platform's own database."""
        return self.database_url or f"sqlite:///{self.home / 'platform.db'}"

    @property
    def release_key(self) -> bytes:
        """Secret from which release-scoped annotator ids are derived."""
        return self.release_secret.get_secret_value().encode()

    @property
    def objects_folder(self) -> Path:
        """Folder of the directory backend; MLflow's artifacts lie under its ``mlflow`` folder."""
        return self.home / "objects"

    @property
    def keys_folder(self) -> Path:
        """Folder of signing keys, mode 700."""
        return self.home / "keys"

    @property
    def gate_folder(self) -> Path:
        """Where the gates of the registries read their terms."""
        return self.gate.folder or self.home / "gate"

    @property
    def review_url(self) -> str | None:
        """Address below which the pages of model versions lie: evidence, approvals, history."""
        return self.gate.review or (f"{self.web_url.rstrip('/')}/models" if self.web_url else None)

    @property
    def near_pages_url(self) -> str | None:
        """Where the pages are asked from here: ``web_url`` may be an address for people elsewhere."""
        return self.pages_url or self.web_url

    @property
    def gate_webhooks(self) -> dict[str, dict[str, Any]]:
        """The webhooks of MLflow that are the platform's, as its gates are told: no secret, only its digest."""
        secret = self.webhook_secret.get_secret_value()
        if not self.near_pages_url or not secret:
            return {}
        return {
            WEBHOOK_NAME: {
                "url": f"{self.near_pages_url.rstrip('/')}{WEBHOOK_PATH}",
                "secret": digest_bytes(secret.encode()),
                "events": ["model_version.created"],
            }
        }

    @property
    def logs_folder(self) -> Path:
        """Folder of the logs of the embedded servers."""
        return self.home / "logs"

    def site(self, id: str) -> SiteSettings:  # noqa: A002 - the field's own word
        """The site of that id.

        Raises:
            InputError: There is no such site.
        """
        for site in self.sites:
            if site.id == id:
                return site
        raise InputError("no such site", field="site", value=id, expected=", ".join(s.id for s in self.sites))


def default_home() -> Path:
    """``BOUNDS_HOME`` or ``.bounds`` in the working directory."""
    return Path(os.environ.get("BOUNDS_HOME") or ".bounds").resolve()


def gate_pin_file() -> str | None:
    """``BOUNDS_GATE``: the pin by which a registry's host finds the gate's terms."""
    return os.environ.get("BOUNDS_GATE")


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"settings cannot be read: {in_words(error)}", file=str(path), expected="TOML or JSON"
        ) from error
    if not isinstance(data, dict):
        raise InputError("settings are not a table", file=str(path), value=data, expected="an object")
    return data


_ENVIRONMENT = {
    "BOUNDS_STORE": ("store",),
    "BOUNDS_DATABASE_URL": ("database_url",),
    "BOUNDS_MLFLOW_URL": ("mlflow_url",),
    "BOUNDS_PREFECT_API_URL": ("prefect_api_url",),
    "BOUNDS_S3_ENDPOINT": ("s3", "endpoint"),
    "BOUNDS_S3_BUCKET": ("s3", "bucket"),
    "BOUNDS_S3_ACCESS_KEY": ("s3", "access_key"),
    "BOUNDS_S3_SECRET_KEY": ("s3", "secret_key"),
}


def load_settings(home: Path | None = None) -> Settings:
    """The settings in force for a data folder.

    Raises:
        InputError: A settings file or variable has a value that cannot be used; the error names it.
    """
    folder = (home or default_home()).resolve()
    named = os.environ.get("BOUNDS_SETTINGS")
    if named and not Path(named).is_file():
        raise InputError("no such settings file", file=named, field="BOUNDS_SETTINGS", expected="a TOML file")
    own, stack, secrets = (
        Layer(name=str(path), data=_read(path))
        for path in (
            Path(named) if named else folder / "settings.toml",
            folder / "stack.json",
            folder / "secrets.json",
        )
    )
    stack, secrets = (
        replace(layer, data=_table(layer, "settings") if layer.data else {}) for layer in (stack, secrets)
    )
    _require_same_store(own, stack)
    data = merged(own.data, stack.data, wins=False)
    said = _environment()
    for layer in (secrets, *said):
        data = merged(data, layer.data)
    layers = [layer for layer in (stack, own, secrets, *said) if layer.data]
    try:
        return Settings.model_validate({"home": folder, **data})
    except ValidationError as error:
        raise refusal(error, data, layers, Settings) from error


def stated_settings(home: Path | None = None) -> dict[str, Any]:
    """What the operator says, in ``settings.toml`` and the environment, as it is written there."""
    named = os.environ.get("BOUNDS_SETTINGS")
    data = _read(Path(named) if named else (home or default_home()).resolve() / "settings.toml")
    for layer in _environment():
        data = merged(data, layer.data)
    return data


def _environment() -> list[Layer]:
    layers = []
    for variable, path in _ENVIRONMENT.items():
        if os.environ.get(variable):
            over: Any = os.environ[variable]
            for part in reversed(path):
                over = {part: over}
            layers.append(Layer(name=variable, data=over))
    return layers


def _table(layer: Layer, name: str) -> dict[str, Any]:
    value = layer.data.get(name, {})
    if not isinstance(value, dict):
        raise InputError("is not a table", file=layer.name, field=name, expected="an object")
    return value


def _require_same_store(own: Layer, stack: Layer) -> None:
    wanted, is_kept = own.data.get("store"), stack.data.get("store")
    if wanted and is_kept and wanted != is_kept and not os.environ.get("BOUNDS_STORE"):
        raise InputError(
            "this data folder keeps its objects elsewhere",
            file=own.name,
            field="store",
            value=wanted,
            expected=f"{is_kept}, or another data folder",
        )
