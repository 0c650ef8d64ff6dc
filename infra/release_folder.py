"""A release as a folder on disk, every file checked against the manifest; what is read stays small."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from annotation.release_verify import file_digest
from annotation.sound_parquet import reading
from governance.digest import digest_bytes
from governance.errors import InputError

__all__ = ["ReleaseFolder", "read_release"]

MANIFEST: Final = "release.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFolder:
    """A release read from files.

    Attributes:
        path: Where from.
        digest: Identity: that of the manifest's bytes.
        manifest: The parsed manifest.
        broken: File to what is wrong with it: absent, or other bytes than the manifest names.
    """

    path: Path
    digest: str
    manifest: Mapping[str, Any]
    broken: Mapping[str, str]

    @property
    def figures(self) -> dict[str, Any]:
        """The parsed ``figures.json``.

        Raises:
            InputError: It is absent or not JSON.
        """
        path = self.path / "figures.json"
        return _json(path, path.read_bytes() if path.is_file() else None)

    def table(self, name: str) -> pl.DataFrame:
        """The table ``<name>.parquet``.

        Raises:
            InputError: It is absent or unreadable.
        """
        file = f"{name}.parquet"
        if not (self.path / file).is_file():
            raise InputError("the release lacks a file", file=str(self.path / file))
        with reading(str(self.path / file), error=InputError):
            return pl.read_parquet(self.path / file)


def read_release(folder: Path) -> ReleaseFolder:
    """Read a release; files that are not as the manifest says are named in ``broken``, not refused.

    Raises:
        InputError: There is no manifest, or it is none.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}",
            file=str(folder / MANIFEST),
            expected="the folder of a release",
        ) from error
    manifest = _json(folder / MANIFEST, raw)
    named = manifest.get("files")
    if not isinstance(named, dict) or not str(manifest.get("format", "")).startswith("bounds.release/"):
        raise InputError("is no manifest of a release", file=str(folder / MANIFEST))
    broken = {}
    for name, entry in sorted(named.items()):
        if "/" in name or name.startswith("."):
            raise InputError("names a file outside of the release", file=str(folder / MANIFEST), value=name)
        try:
            found, _ = file_digest(folder / name)
        except OSError:
            broken[name] = "is named by the manifest and not there"
            continue
        if found != entry.get("sha256"):
            broken[name] = "has other bytes than the manifest names"
    return ReleaseFolder(path=folder, digest=digest_bytes(raw), manifest=manifest, broken=broken)


def _json(path: Path, data: bytes | None) -> dict[str, Any]:
    if data is None:
        raise InputError("the release lacks a file", file=str(path))
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}", file=str(path)) from error
    if not isinstance(found, dict):
        raise InputError("is not a JSON object", file=str(path))
    return found
