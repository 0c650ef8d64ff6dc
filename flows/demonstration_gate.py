"""The demonstration's last part: an alias set by hand, a policy that tightens, and a record that outsiders verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flows.wiring import Platform, clock

__all__ = ["Checked", "record_outside", "set_by_hand", "take_back", "tighten"]

_NEXT: Final = 'policy = "demo-next"\n'
"""The line of the settings that puts the next version of the demonstration's policy in force: its limits are lower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What verifying an export found, from its files alone.

    Attributes:
        folder: Where the export is.
        entries: How many entries the log has.
        checks: How many checks were made.
        faults: What does not hold; empty where everything does.
    """

    folder: str
    entries: int
    checks: int
    faults: tuple[str, ...]


def set_by_hand(platform: Platform, model: str, version: str, alias: str) -> str:
    """Set an alias as anybody would, with MLflow's own client; what MLflow says to it, empty if it did as told."""
    import mlflow
    from mlflow.exceptions import MlflowException

    url = platform.mlflow_url
    try:
        mlflow.MlflowClient(tracking_uri=url, registry_uri=url).set_registered_model_alias(
            model, alias, version
        )
    except MlflowException as error:
        return str(error.message)
    return ""


def tighten(home: Path) -> list[Mapping[str, Any]]:
    """Put the next policy in force and sweep; what became of each alias, as ``reaudit`` says it."""
    from flows.reaudit import reaudit

    path = home / "settings.toml"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{_NEXT}{before}", encoding="utf-8")
    return list(reaudit(home=str(home)))


def take_back(home: Path, model: str, version: str) -> Mapping[str, Any]:
    """Let the policy before it be in force again: the version is judged anew and asks for the alias."""
    from flows.audit import audit
    from flows.promote import promote

    path = home / "settings.toml"
    path.write_text(path.read_text(encoding="utf-8").removeprefix(_NEXT), encoding="utf-8")
    audit(model, version, home=str(home))
    return promote(version, model=model, home=str(home))


def record_outside(platform: Platform, folder: Path) -> Checked:
    """Export the log, and judge the export by its files and the keys that it names."""
    from infra.bundle import Bundle, verifier, verify_bundle
    from infra.log_export import export_bundle

    exported = export_bundle(platform.settings, platform.db, platform.store, folder, clock())
    bundle = Bundle(folder=folder)
    keys = bundle.keys()
    found, _ = verify_bundle(bundle, log=verifier(keys["log"]), pinned=keys["trust"])
    return Checked(
        folder=str(folder),
        entries=exported.size,
        checks=len(found.checks),
        faults=tuple(f"{check.what}: {fault}" for check in found.checks for fault in check.faults),
    )
