"""MLflow's model registry as the way uses it: versions, what stands behind them, aliases.

Everything goes through the server's own API. Whether an alias may move is decided elsewhere; here it moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from governance.errors import InputError, OutsideError, RefusedError

__all__ = ["Registry", "VersionInfo"]

_T = TypeVar("_T")
_ABSENT: Final = frozenset({"RESOURCE_DOES_NOT_EXIST"})
_WRONG: Final = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS"})
_REFUSED: Final = "PERMISSION_DENIED"
RELEASE_TAG: Final = "bounds.release_digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInfo:
    """A model version as the registry knows it.

    Attributes:
        model: Name of the registered model.
        version: Its number, as text.
        run_id: The run that logged it, if any.
        tags: Tags of the version.
        aliases: Aliases that point to it now.
    """

    model: str
    version: str
    run_id: str | None
    tags: Mapping[str, str]
    aliases: tuple[str, ...]

    @property
    def uri(self) -> str:
        """What MLflow loads it by."""
        return f"models:/{self.model}/{self.version}"

    @property
    def release(self) -> str | None:
        """Digest of the release it was trained on, if it says so."""
        return self.tags.get(RELEASE_TAG)


class Registry:
    """The registry of one MLflow server.

    Args:
        url: Address of the server.
    """

    def __init__(self, url: str) -> None:
        import mlflow

        self.url = url
        self._client = mlflow.MlflowClient(tracking_uri=url, registry_uri=url)

    def version(self, model: str, version: str) -> VersionInfo:
        """One version.

        Raises:
            InputError: There is no such version.
            OutsideError: The server does not answer.
        """
        what = f"version {version} of {model}"
        if not (version.isascii() and version.isdecimal()):  # MLflow counts versions
            raise InputError(
                f"not in the registry at {self.url}", field=what, expected="a number, as MLflow shows it"
            )
        found = self._call(lambda: self._client.get_model_version(model, version), what)
        return _info(found)

    def versions(self, model: str) -> list[VersionInfo]:
        """Every version of a model, oldest first; none where there is no such model."""
        found = self._call(lambda: self._client.search_model_versions(f"name = '{model}'"), model)
        return sorted(map(_info, found), key=lambda info: int(info.version))

    def models(self) -> list[str]:
        """Names of the registered models."""
        return sorted(model.name for model in self._call(self._client.search_registered_models, "models"))

    def holder(self, model: str, alias: str) -> VersionInfo | None:
        """The version that carries an alias, None where none does."""
        try:
            found = self._call(lambda: self._client.get_registered_model(model), model)
        except InputError:
            return None
        version = found.aliases.get(alias)
        return None if version is None else self.version(model, str(version))

    def capabilities(self, info: VersionInfo) -> dict[str, float]:
        """The metrics ``capability.*`` of the run that made a version, by what follows the dot; empty where it has none."""
        if info.run_id is None:
            return {}
        run_id = info.run_id
        try:
            run = self._call(lambda: self._client.get_run(run_id), f"run {run_id}")
        except InputError:
            return {}
        start = "capability."
        return {
            name.removeprefix(start): float(value)
            for name, value in run.data.metrics.items()
            if name.startswith(start) and math.isfinite(value)
        }

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias to a version.

        Raises:
            RefusedError: The gate refused, with every reason.
            InputError: There is no such version, or the alias is no name.
            OutsideError: The server does not answer.
        """
        self._call(
            lambda: self._client.set_registered_model_alias(model, alias, version),
            f"alias {alias} of {model}",
        )

    def delete_alias(self, model: str, alias: str) -> None:
        """Take an alias away; none that is there is no error.

        Raises:
            InputError: The server refused, with its reason.
            OutsideError: The server does not answer.
        """
        self._call(
            lambda: self._client.delete_registered_model_alias(model, alias), f"alias {alias} of {model}"
        )

    def tag_version(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        for key, value in tags.items():
            self._call(partial(self._client.set_model_version_tag, model, version, key, value), f"tag {key}")

    def describe(self, model: str, version: str, text: str) -> None:
        """Set the description of a version, which MLflow shows as Markdown."""
        self._call(
            lambda: self._client.update_model_version(model, version, text), f"version {version} of {model}"
        )

    def _call(self, act: Callable[[], _T], what: str) -> _T:
        from mlflow.exceptions import MlflowException

        try:
            return act()
        except MlflowException as error:
            if error.error_code in _ABSENT:
                raise InputError(f"not in the registry at {self.url}", field=what) from error
            if error.error_code in _WRONG:
                said = str(error.message).removeprefix(f"{error.error_code}: ")
                raise InputError(f"the registry refuses: {said}", field=what) from error
            if error.error_code == _REFUSED:
                raise RefusedError(what, _reasons(str(error.message))) from error
            raise OutsideError(f"MLflow at {self.url}: {what}: {error.error_code}") from error


def _reasons(message: str) -> list[str]:
    """The reasons in a refusal of the gate, or the whole message of somebody else's."""
    found = [line[2:] for line in message.splitlines() if line.startswith("\u2022 ")]
    return found or [message]


def _info(found: Any) -> VersionInfo:
    return VersionInfo(
        model=found.name,
        version=str(found.version),
        run_id=found.run_id or None,
        tags=dict(found.tags),
        aliases=tuple(found.aliases),
    )
