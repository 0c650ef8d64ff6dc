"""Names and manifests of stored objects: what every backend of the object store agrees on.

::

    <prefix>/sha256/<first two hex>/<64 hex>      a blob, named by the SHA-256 of its bytes
    <prefix>/<64 hex>/<name>                      a file of a tree
    <prefix>/<64 hex>/manifest.json               its manifest; the tree is named by the SHA-256 of these bytes

The manifest is canonical JSON (RFC 8785), so neither the order of the files nor the machine changes the
name of a tree. A prefix holds no segment that reads as a digest or as ``sha256``: no two objects of
different prefixes can share a place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from governance.digest import canonical, digest_bytes, is_digest
from governance.errors import DigestError, InputError, OutsideError

__all__ = [
    "MANIFEST",
    "Manifest",
    "blob_key",
    "check_names",
    "check_prefix",
    "encode_manifest",
    "hexadecimal",
    "is_hexadecimal",
    "parse_manifest",
    "tree_key",
]

MANIFEST: Final = "manifest.json"
FORMAT: Final = "bounds.tree/1"
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,127}")

Manifest = Mapping[str, tuple[str, int]]


def hexadecimal(digest: str) -> str:
    """The 64 hex characters of a digest.

    Raises:
        InputError: ``digest`` does not have the form of one.
    """
    if not is_digest(digest):
        raise InputError("not a digest", field="digest", value=digest, expected="sha256:<64 hex characters>")
    return digest.removeprefix("sha256:")


def is_hexadecimal(name: str) -> bool:
    """Whether a file or folder is named like an object: anything else in the store is a stranger's."""
    return _HEX.fullmatch(name) is not None


def check_prefix(prefix: str) -> str:
    """``prefix`` itself, if objects may lie under it.

    Raises:
        InputError: A segment is empty, hidden, leads elsewhere (``..``), or could be taken for an object.
    """
    for segment in prefix.split("/"):
        if not _SEGMENT.fullmatch(segment) or segment == "sha256" or _HEX.fullmatch(segment):
            raise InputError(
                "not a prefix of objects",
                field="prefix",
                value=prefix,
                expected="segments of letters, digits, . _ = - joined by /",
            )
    return prefix


def check_names(names: Iterable[str]) -> list[str]:
    """The names of a tree's files, sorted.

    Raises:
        InputError: A name leads out of the tree, is hidden, is the manifest's, or is a folder of another.
    """
    listed = sorted(names)
    for name in listed:
        if name == MANIFEST or not all(_SEGMENT.fullmatch(part) for part in name.split("/")):
            raise InputError(
                "not a name of a file in a tree",
                field="files",
                value=name,
                expected=f"segments of letters, digits, . _ = - joined by /, not {MANIFEST}",
            )
    taken = set(listed)
    for name in listed:
        parts = name.split("/")
        for depth in range(1, len(parts)):
            if (folder := "/".join(parts[:depth])) in taken:
                raise InputError("a file and a folder share a name", field="files", value=folder)
    return listed


def blob_key(prefix: str, digest: str) -> str:
    """Place of a blob, relative to the root of the store."""
    hex_ = hexadecimal(digest)
    return f"{check_prefix(prefix)}/sha256/{hex_[:2]}/{hex_}"


def tree_key(prefix: str, digest: str) -> str:
    """Folder of a tree, relative to the root of the store, without a trailing slash."""
    return f"{check_prefix(prefix)}/{hexadecimal(digest)}"


def encode_manifest(files: Manifest) -> bytes:
    """The bytes of a manifest; their digest is the name of the tree."""
    return canonical(
        {
            "format": FORMAT,
            "files": {name: {"sha256": digest, "bytes": size} for name, (digest, size) in files.items()},
        }
    )


def parse_manifest(place: str, digest: str, data: bytes) -> dict[str, tuple[str, int]]:
    """``name`` → (digest, bytes) of the stored manifest of a tree.

    Raises:
        DigestError: The bytes are not the ones that ``digest`` names.
        OutsideError: They are, but are no manifest of a known format.
    """
    actual = digest_bytes(data)
    if actual != digest:
        raise DigestError(f"{place}/{MANIFEST}", expected=digest, actual=actual)
    try:
        parsed = json.loads(data)
        if parsed["format"] != FORMAT:
            raise OutsideError(f"{place}: manifest of unknown format {parsed['format']!r}")
        return {name: (entry["sha256"], entry["bytes"]) for name, entry in sorted(parsed["files"].items())}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutsideError(f"{place}: not a manifest of a tree: {error}") from error
