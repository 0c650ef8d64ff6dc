"""What a model version is: every file it consists of, hashed. MLflow's own digests and sources pin no bytes."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from governance.errors import InputError, OutsideError
from governance.provenance import manifest_digest

__all__ = ["Fetched", "artifact_digest", "fetch", "folder_manifest"]

# MLflow writes this file into the downloaded copy of a version; it is no part of the version.
_WRITTEN_BY_DOWNLOAD: Final = frozenset({"registered_model_meta"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The files of a model version on this machine: what was hashed is what is read.

    Attributes:
        uri: Where they came from.
        folder: Where they lie now.
        digest: Of all files, as decisions name it.
    """

    uri: str
    folder: Path
    digest: str


def folder_manifest(folder: Path) -> dict[str, str]:
    """Relative path → digest of every file below ``folder``.

    Raises:
        InputError: There is no file, or a link (its bytes could lie anywhere).
        OutsideError: A file cannot be read.
    """
    files: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise InputError("a model version cannot hold links", file=str(folder), field=name)
        if path.is_file() and name not in _WRITTEN_BY_DOWNLOAD:
            try:
                with path.open("rb") as stream:
                    files[name] = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise OutsideError(f"{path}: cannot be read: {error.strerror}") from error
    if not files:
        raise InputError("the model version holds no file", file=str(folder))
    return files


def fetch(model_uri: str, folder: Path) -> Fetched:
    """Download an MLflow model version into ``folder`` and hash it there.

    Whoever goes on to load the version loads it from there: MLflow's own loading by address would download it
    once more, what others may have changed since, into a temporary folder that nobody removes.

    Tracking and registry addresses are set by the caller.

    Raises:
        InputError: The version holds no file, or a link.
        OutsideError: MLflow cannot hand the files over.
    """
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    try:
        local = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise OutsideError(f"{model_uri}: the files cannot be fetched: {error}") from error
    return Fetched(uri=model_uri, folder=local, digest=manifest_digest(folder_manifest(local)))


def artifact_digest(model_uri: str) -> str:
    """Digest of an MLflow model version's files, as decisions name it; errors as :func:`fetch`."""
    with tempfile.TemporaryDirectory(prefix="bounds-artifact-") as scratch:
        return fetch(model_uri, Path(scratch)).digest
