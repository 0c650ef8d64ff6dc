"""MLflow's registry store with a gate before what touches a protected alias.

One place for every route, encoding and client: whatever asks for it, the registry moves through here. Only
MLflow's own public methods are called.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from governance.digest import digest_bytes
from governance.errors import InputError, OutsideError, RefusedError
from governance.gate import Terms
from infra.gate.gate import Gate, Standing, refusal
from infra.gate.pin import read_pin
from infra.gate.places import files_digest
from infra.gate.tags import is_ours, true_tags, version_note
from infra.settings import gate_pin_file

__all__ = ["EXTENSION", "governed_store", "store_gate"]

EXTENSION: Final = "bounds-gate"
_LATEST: Final = "latest"
_PRODUCTION: Final = "production"


def governed_store(db_uri: str) -> SqlAlchemyStore:
    """The gated store on a database; workspace-aware where the server has workspaces."""
    kind = GovernedWorkspaceStore if MLFLOW_ENABLE_WORKSPACES.get() else GovernedStore
    return kind(db_uri, gate=Gate(read_pin(gate_pin_file())))


def store_gate(store: Any) -> Gate:
    """The gate of a gated store.

    Raises:
        MlflowException: The store has none: the server was started without it.
    """
    if not isinstance(store, _Governed):
        raise MlflowException(
            "The app bounds-gate needs the gated registry store: start the server with "
            "--registry-store-uri governed:<database>."
        )
    return store.gate


class _Governed:
    """What is put before MLflow's methods; ``super()`` is MLflow's store."""

    gate: Gate

    def __init__(self, db_uri: str, *, gate: Gate) -> None:
        super().__init__(db_uri)  # type: ignore[call-arg]
        self.gate = gate

    @contextmanager
    def _asked(self, what: str, *, model: str = "", version: str = "") -> Iterator[Standing]:
        """Judge and act under one lock; a refusal becomes MLflow's own error, which its pages show."""
        links = {}
        try:
            with self.gate.judging(what) as standing:
                if standing.terms.review and model and version:
                    links = {"Evidence and history": f"{standing.terms.review}/{model}/{version}"}
                yield standing
        except RefusedError as error:
            raise MlflowException(refusal(error, links), error_code=PERMISSION_DENIED) from error

    # Aliases

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> Any:
        """Set or move an alias; a protected one only to a version that may carry it."""
        what = f"Alias {alias!r} on {name} version {version}"
        files = self._digested(what, name, alias, version)
        with self._asked(what, model=name, version=str(version)) as standing:
            if _is_protected(standing.terms, name, alias):
                _need_shell(what)
                _refuse(what, standing.why_not(name, str(version), alias, files))
            return self._super("set_registered_model_alias")(name, alias, version)

    def delete_registered_model_alias(self, name: str, alias: str) -> Any:
        """Take an alias off; a protected one only from a version that may not carry it (any longer)."""
        what = f"Removing alias {alias!r} from {name}"
        with self._asked(what) as standing:
            if _is_protected(standing.terms, name, alias):
                for held, number in self._holders(name).items():
                    if held.casefold() != alias.casefold():
                        continue
                    _refuse(what, standing.missing(name, number))
                    if not self._why_not(standing, name, number, held):
                        stands = f"version {number} carries it by a decision that stands"
                        _refuse(what, [f"{stands}; move it to another version that has passed"])
            return self._super("delete_registered_model_alias")(name, alias)

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        """Resolve an alias; ``latest`` is no name for what is in production."""
        if alias.casefold() == _LATEST:
            self._refuse_latest(name)
        return self._super("get_model_version_by_alias")(name, alias)

    def get_latest_versions(self, name: str, stages: Any = None) -> Any:
        """The newest versions by stage; without a stage this is ``models:/name/latest``."""
        if not stages:
            self._refuse_latest(name)
        return self._super("get_latest_versions")(name, stages)

    def _refuse_latest(self, name: str) -> None:
        what = f"Loading whatever is newest of {name}"
        with self._asked(what) as standing:
            if self._protected_holders(standing.terms, name):
                named = ", ".join(f"models:/{name}@{alias}" for alias in sorted(standing.terms.aliases))
                _refuse(
                    what, [f"nobody reviewed it for being newest; load {named} or a version by its number"]
                )

    # Models and versions

    def create_registered_model(self, name: str, tags: Any = None, *rest: Any, **more: Any) -> Any:
        """Make a model; our tags belong to decisions."""
        self._refuse_tags(f"Creating {name}", tags)
        return self._super("create_registered_model")(name, tags, *rest, **more)

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        """Rename a model, unless a protected alias would go, or come, with it."""
        what = f"Renaming {name} to {new_name}"
        with self._asked(what) as standing:
            terms = standing.terms
            held = self._protected_holders(terms, name)
            if not held and terms.governs(new_name):
                held = {key: number for key, number in self._holders(name).items() if terms.protects(key)}
            _refuse_carriers(what, held)
            if terms.governs(name) and terms.decisions.get(name):
                _refuse(what, ["decisions about its versions are signed under this name"])
            return self._super("rename_registered_model")(name, new_name)

    def delete_registered_model(self, name: str) -> Any:
        """Delete a model none of whose versions carries a protected alias."""
        what = f"Deleting {name}"
        with self._asked(what) as standing:
            _refuse_carriers(what, self._protected_holders(standing.terms, name))
            return self._super("delete_registered_model")(name)

    def create_model_version(self, name: str, source: str, *rest: Any, **more: Any) -> Any:
        """Register a version; what it carries of our tags it can only get from a decision later."""
        tags = more.get("tags", rest[1] if len(rest) > 1 else None)
        self._refuse_tags(f"Creating a version of {name}", tags)
        return self._super("create_model_version")(name, source, *rest, **more)

    def delete_model_version(self, name: str, version: Any) -> Any:
        """Delete a version that carries no protected alias."""
        what = f"Deleting {name} version {version}"
        with self._asked(what, model=name, version=str(version)) as standing:
            _refuse_carriers(what, self._protected_holders(standing.terms, name), version)
            return self._super("delete_model_version")(name, version)

    def transition_model_version_stage(self, name: str, version: Any, stage: str, archive_existing_versions: Any) -> Any:  # fmt: skip
        """Set a stage; ``Production`` is no way around the alias, and what carries one keeps its stage."""
        what = f"Stage {stage!r} for {name} version {version}"
        with self._asked(what, model=name, version=str(version)) as standing:
            if standing.terms.governs(name):
                if str(stage).strip().casefold() == _PRODUCTION:
                    named = ", ".join(sorted(standing.terms.aliases))
                    _refuse(what, [f"stages carry no evidence; what is in production is named by: {named}"])
                held = self._protected_holders(standing.terms, name)
                _refuse_carriers(what, held, None if archive_existing_versions else version)
            return self._super("transition_model_version_stage")(
                name, version, stage, archive_existing_versions
            )

    # Tags and descriptions: what is signed, or nothing

    def set_registered_model_tag(self, name: str, tag: Any) -> Any:
        """Tag a model."""
        self._refuse_tags(f"Tagging {name}", [tag])
        return self._super("set_registered_model_tag")(name, tag)

    def delete_registered_model_tag(self, name: str, key: str) -> Any:
        """Untag a model."""
        return self._super("delete_registered_model_tag")(name, key)

    def set_model_version_tag(self, name: str, version: Any, tag: Any) -> Any:
        """Tag a version; one of ours only with what its newest decision says."""
        act = partial(self._super("set_model_version_tag"), name, version, tag)
        if not is_ours(tag.key):
            return act()
        what = f"Tag {tag.key} on {name} version {version}"
        with self._asked(what, model=name, version=str(version)) as standing:
            true = self._true_tags(standing, name, version)
            if true.get(tag.key) != tag.value:
                said = true.get(tag.key)
                _refuse(what, [
                    f"the newest signed decision says {said!r}" if said
                    else "no signed decision about this version says so",
                ])  # fmt: skip
            return act()

    def delete_model_version_tag(self, name: str, version: Any, key: str) -> Any:
        """Untag a version; what its newest decision says stays."""
        act = partial(self._super("delete_model_version_tag"), name, version, key)
        if not is_ours(key):
            return act()
        what = f"Removing tag {key} of {name} version {version}"
        with self._asked(what, model=name, version=str(version)) as standing:
            if key in self._true_tags(standing, name, version):
                _refuse(what, ["the newest signed decision says so"])
            return act()

    def update_model_version(self, name: str, version: Any, description: str | None = None) -> Any:
        """Describe a version; above a decided one stands what the decision says, notes may follow."""
        what = f"Description of {name} version {version}"
        with self._asked(what, model=name, version=str(version)) as standing:
            decided = standing.decision(name, str(version)) if standing.terms.governs(name) else None
            if decided is not None:
                note = version_note(decided[1], review=standing.terms.review)
                if not (description or "").startswith(note):
                    _refuse(
                        what, ["it begins with what the signed decision says; write your notes below that"]
                    )
            return self._super("update_model_version")(name, version, description)

    # Webhooks of the platform

    def create_webhook(self, name: str, url: str, events: Any, description: Any = None, secret: Any = None, status: Any = None) -> Any:  # fmt: skip
        """Make a webhook; one with a name of ours only as the platform has it."""
        what = f"Webhook {name!r}"
        with self._asked(what) as standing:
            _refuse_webhook(
                what, standing.terms, name, url=url, events=events, secret=secret, status=status, whole=True
            )
            return self._super("create_webhook")(name, url, events, description, secret, status)

    def update_webhook(self, webhook_id: str, name: Any = None, description: Any = None, url: Any = None, events: Any = None, secret: Any = None, status: Any = None) -> Any:  # fmt: skip
        """Change a webhook; one of ours only to what the platform has."""
        what = f"Changing webhook {webhook_id}"
        with self._asked(what) as standing:
            before = self._super("get_webhook")(webhook_id)
            if before.name in standing.terms.webhooks and name not in {None, before.name}:
                _refuse(what, [f"the platform's webhook {before.name!r} keeps its name"])
            _refuse_webhook(
                what, standing.terms, name or before.name, url=url, events=events, secret=secret, status=status,
                whole=name is not None and name != before.name,
            )  # fmt: skip
            return self._super("update_webhook")(webhook_id, name, description, url, events, secret, status)

    def delete_webhook(self, webhook_id: str) -> Any:
        """Delete a webhook; not one of ours that is as the platform has it."""
        what = f"Deleting webhook {webhook_id}"
        with self._asked(what) as standing:
            hook = self._super("get_webhook")(webhook_id)
            ours = standing.terms.webhooks.get(hook.name)
            if ours and hook.url == ours["url"]:
                _refuse(what, [f"{hook.name!r} is how the platform learns of new versions"])
            return self._super("delete_webhook")(webhook_id)

    # What is asked of MLflow's store

    def _super(self, method: str) -> Any:
        return getattr(super(), method)

    def _holders(self, name: str) -> dict[str, str]:
        """Alias → version of a model."""
        return {
            str(alias): str(number)
            for alias, number in self._super("get_registered_model")(name).aliases.items()
        }

    def _protected_holders(self, terms: Terms, name: str) -> dict[str, str]:
        if not terms.governs(name):
            return {}
        return {alias: number for alias, number in self._holders(name).items() if terms.protects(alias)}

    def _why_not(self, standing: Standing, name: str, version: str, alias: str) -> tuple[str, ...]:
        location = partial(self._super("get_model_version_download_uri"), name, version)
        return standing.why_not(name, version, alias, lambda: files_digest(location(), destination()))

    def _digested(self, what: str, name: str, alias: str, version: Any) -> Callable[[], str]:
        """The digest of a version's files, taken before the lock: they are frozen, and may be large."""
        with self._asked(what) as standing:
            needed = _is_protected(standing.terms, name, alias) and standing.terms.decision(
                name, str(version)
            )
        if not needed:
            return lambda: ""
        location = self._super("get_model_version_download_uri")(name, version)
        try:
            found = files_digest(location, destination())
        except (InputError, OutsideError) as error:
            failed = error

            def fail() -> str:
                raise failed

            return fail
        return lambda: found

    def _true_tags(self, standing: Standing, name: str, version: Any) -> dict[str, str]:
        decided = standing.decision(name, str(version))
        return true_tags(decided[1], decided[0], review=standing.terms.review) if decided else {}

    def _refuse_tags(self, what: str, tags: Any) -> None:
        if any(is_ours(tag.key) for tag in tags or ()):
            error = RefusedError(what, ["tags that begin with gov. say what a signed decision says"])
            raise MlflowException(refusal(error), error_code=PERMISSION_DENIED)


class GovernedStore(_Governed, SqlAlchemyStore):
    """MLflow's store behind the gate."""


class GovernedWorkspaceStore(_Governed, WorkspaceAwareSqlAlchemyStore):
    """MLflow's workspace-aware store behind the gate."""


def destination() -> str:
    """Where the server's own artifact routes lead."""
    return os.environ.get("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "")


def _is_protected(terms: Terms, model: str, alias: str) -> bool:
    return terms.governs(model) and terms.protects(alias)


def _refuse(what: str, reasons: Any) -> None:
    if reasons:
        raise RefusedError(what, list(reasons))


def _refuse_carriers(what: str, held: dict[str, str], version: Any = None) -> None:
    """Refuse where a protected alias is carried by ``version`` (by any, if none is named)."""
    _refuse(
        what,
        [
            f"version {number} carries the protected alias {alias!r}"
            for alias, number in sorted(held.items())
            if version is None or str(version) == number
        ],
    )


def _refuse_webhook(what: str, terms: Terms, name: str, *, url: Any, events: Any, secret: Any, status: Any, whole: bool) -> None:  # fmt: skip
    ours = terms.webhooks.get(name)
    if ours is None:
        return
    reasons = []
    if (url is not None or whole) and url != ours["url"]:
        reasons.append(f"the platform's webhook goes to {ours['url']}")
    if (secret is not None or whole) and digest_bytes(str(secret).encode()) != ours["secret"]:
        reasons.append("its secret is the platform's")
    if (events is not None or whole) and sorted(map(_event, events or ())) != sorted(ours["events"]):
        reasons.append(f"its events are {', '.join(sorted(ours['events']))}")
    if status is not None and str(status) != "ACTIVE":
        reasons.append("it stays active")
    _refuse(what, reasons)


def _event(event: Any) -> str:
    return f"{event.entity.value}.{event.action.value}"


def _need_shell(what: str) -> None:
    """In a server, the store alone would leave the files behind an alias open."""
    server = sys.modules.get("mlflow.server")
    app = getattr(server, "app", None)
    if os.environ.get("_MLFLOW_SERVER_FILE_STORE") and app is not None and EXTENSION not in app.extensions:
        _refuse(
            what, ["the server runs without --app-name bounds-gate, so that anybody could change the files"]
        )
