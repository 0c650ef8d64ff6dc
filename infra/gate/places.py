"""Where a version's files lie, as one place that can be compared and digested, whatever it is called by.

MLflow names the same files ``mlflow-artifacts:/2/models/m-1/artifacts``, ``http://host/api/2.0/mlflow-artifacts/…``
or by the address of the store itself. Here all of them become the address in the store.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from governance.errors import InputError, OutsideError
from governance.provenance import manifest_digest
from infra.artifacts import folder_manifest

__all__ = ["files_digest", "is_within", "place", "place_of_served"]

_ROUTE: Final = "/mlflow-artifacts/artifacts/"


def place(uri: str, destination: str) -> str:
    """The address in the store.

    Args:
        uri: As MLflow has it.
        destination: The store behind the server's own artifact routes (``--artifacts-destination``).
    """
    parts = urlsplit(uri)
    if parts.scheme == "mlflow-artifacts":
        return place_of_served(parts.path, destination)
    if parts.scheme in {"http", "https"} and _ROUTE in parts.path:
        return place_of_served(parts.path.partition(_ROUTE)[2], destination)
    if parts.scheme in {"", "file"}:
        path = unquote(parts.path) if parts.scheme else uri
        return "file:" + str(Path(path).resolve())
    return f"{parts.scheme}://{parts.netloc}" + posixpath.normpath(f"/{parts.path.lstrip('/')}")


def place_of_served(path: str, destination: str) -> str:
    """The address in the store of a path as the artifact routes take it."""
    inner = posixpath.normpath("/" + path.lstrip("/")).lstrip("/")
    root = place(destination, "")
    return posixpath.join(root, inner) if inner else root


def is_within(one: str, other: str, *, deleting: bool = False) -> bool:
    """Whether writing to (or deleting) the place ``one`` touches the files at ``other``.

    Object stores delete by prefix of the name, so that deleting ``…/art`` takes ``…/artifacts`` along.
    """
    if deleting and other.startswith(one):
        return True
    return one == other or one.startswith(other.rstrip("/") + "/") or other.startswith(one.rstrip("/") + "/")


def files_digest(uri: str, destination: str) -> str:
    """Digest of the files at ``uri`` as they lie in the store now.

    Raises:
        InputError: There is no file, or a link.
        OutsideError: The store cannot be read.
    """
    where = place(uri, destination)
    if where.startswith("file:"):
        folder = Path(where.removeprefix("file:"))
        if not folder.is_dir():
            raise InputError("there is no such folder", file=str(folder))
        return manifest_digest(folder_manifest(folder))
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with tempfile.TemporaryDirectory(prefix="bounds-gate-") as scratch:
        try:
            local = get_artifact_repository(where).download_artifacts("", dst_path=scratch)
        except (MlflowException, OSError) as error:
            raise OutsideError(f"{where}: {error}") from error
        return manifest_digest(folder_manifest(Path(os.fspath(local))))
