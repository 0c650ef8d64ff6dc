"""Verifying a release from its folder alone: every file is what the manifest says, byte for byte and row for row.

Nothing of the platform is asked. What the manifest says of a table's rows (their number and the digest of
their content) is recomputed from the rows, row group by row group, so that a release larger than memory is
verified with the memory of one row group.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from annotation.parquet_stream import ContentHash
from annotation.release_walk import table_rows
from governance.digest import digest_bytes
from governance.errors import InputError, RecordError, in_words

__all__ = ["Verified", "file_digest", "table_content", "verify_release"]

_MANIFEST: Final = "release.json"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found of a release. Truth value: whether everything holds.

    Attributes:
        digest: Digest of the manifest, which names the release.
        faults: One sentence for each thing that does not hold.
        files: Files that were read.
    """

    digest: str
    faults: tuple[str, ...]
    files: int

    def __bool__(self) -> bool:
        return not self.faults


def verify_release(folder: Path, *, expected: str | None = None) -> Verified:
    """Read every file of a release and hold it against its manifest.

    Args:
        folder: The release's folder.
        expected: The digest that the release is known by; None where nobody has said one.

    Raises:
        InputError: There is no manifest, or it is none.
    """
    path = folder / _MANIFEST
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read: {in_words(error)}", file=str(path), expected="the folder of a release"
        ) from error
    try:
        stated: Mapping[str, Mapping[str, Any]] = json.loads(data)["files"]
        entries = {name: dict(entry) for name, entry in stated.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "not the manifest of a release", file=str(path), expected="what `bounds release` wrote"
        ) from error
    if not entries:
        raise InputError("the manifest names no file", file=str(path), field="files")
    for name in entries:
        if Path(name).name != name or name == "..":
            raise InputError(
                "no name of a file in this folder", file=str(path), field="files", value=name, expected="a plain name"
            )  # fmt: skip
    digest = digest_bytes(data)
    faults = []
    if expected is not None and digest != expected:
        faults.append(f"{_MANIFEST}: is {digest}, not {expected}")
    for name, entry in sorted(entries.items()):
        faults += [f"{name}: {fault}" for fault in _faults(folder / name, entry)]
    # A manifest of its own kind stands beside in the object store; nothing else may.
    strangers = {found.name for found in folder.iterdir()} - set(entries) - {_MANIFEST, "manifest.json"}
    faults += [f"{name}: is in no manifest" for name in sorted(strangers)]
    return Verified(digest=digest, faults=tuple(faults), files=len(entries) + 1)


def file_digest(path: Path) -> tuple[str, int]:
    """``sha256:…`` of a file's bytes and their number.

    Raises:
        OSError: It cannot be read.
    """
    state, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
            size += len(block)
    return f"sha256:{state.hexdigest()}", size


def _faults(path: Path, entry: Mapping[str, Any]) -> list[str]:
    try:
        digest, size = file_digest(path)
    except OSError as error:
        return [f"cannot be read: {error.strerror}"]
    found = []
    if digest != entry.get("sha256"):
        found.append(f"its bytes are {digest}, not {entry.get('sha256')}")
    if size != entry.get("bytes"):
        found.append(f"has {size:,} bytes, not {entry.get('bytes')}")
    if entry.get("content") is not None:
        found += _rows(path, entry)
    elif path.suffix == ".parquet":
        found.append("is a table whose content the manifest does not name")
    return found


def table_content(path: Path) -> tuple[int, str]:
    """How many rows a table holds, and the digest of their content.

    Raises:
        RecordError: It is not a complete table.
    """
    content, rows = ContentHash(), 0
    for frame in table_rows(path):
        content.add(frame)
        rows += frame.height
    return rows, content.digest


def _rows(path: Path, entry: Mapping[str, Any]) -> list[str]:
    try:
        rows, content = table_content(path)
    except RecordError as error:
        return [error.message]
    found = []
    if rows != entry.get("rows"):
        found.append(f"has {rows:,} rows, not {entry.get('rows')}")
    if content != entry.get("content"):
        found.append(f"its rows are {content}, not {entry.get('content')}")
    return found
