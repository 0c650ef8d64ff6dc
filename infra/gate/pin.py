"""What an MLflow host is told once, by its operator: where the platform publishes, and whom to believe.

A small JSON file, named by ``BOUNDS_GATE``::

    {"format": "bounds-gate-pin/1", "folder": "/srv/bounds/gate", "publisher": "<base64 of 32 bytes>",
     "trust": "sha256:…", "memory": "/var/lib/mlflow/gate"}

``folder`` is read only. ``memory`` is the host's own: the highest number of terms it has seen. No key that
signs is on this host.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from governance.digest import is_digest
from governance.errors import InputError, in_words

__all__ = ["PIN_FORMAT", "Pin", "read_pin"]

PIN_FORMAT: Final = "bounds-gate-pin/1"
_NAMES: Final = frozenset({"format", "folder", "publisher", "trust", "memory"})
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """Where terms are read, by whose key, under which trust; where their number is remembered.

    Attributes:
        folder: What the platform publishes.
        publisher: Public key that signs terms.
        trust: Digest of the version of ``trust.json`` that is believed; later ones by their keepers' signatures.
        memory: Folder of this host.
    """

    folder: Path
    publisher: bytes
    trust: str
    memory: Path

    def as_json(self) -> dict[str, Any]:
        """The file's content."""
        return {
            "format": PIN_FORMAT,
            "folder": str(self.folder),
            "publisher": base64.b64encode(self.publisher).decode("ascii"),
            "trust": self.trust,
            "memory": str(self.memory),
        }


def read_pin(path: str | Path | None) -> Pin:
    """The pin in a file.

    Raises:
        InputError: There is none, or a field is missing, unknown or wrong.
    """
    file = str(path or "")
    if not path:
        raise InputError("the gate is not told where its terms are", field="BOUNDS_GATE", expected=PIN_FORMAT)
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"the pin cannot be read: {in_words(error)}", file=file, expected=PIN_FORMAT
        ) from error
    if not isinstance(value, dict) or set(value) != _NAMES or value["format"] != PIN_FORMAT:
        raise InputError("not a pin", file=file, expected=f"{PIN_FORMAT} with {', '.join(sorted(_NAMES))}")
    for name in ("folder", "memory"):
        if not isinstance(value[name], str) or not Path(value[name]).is_absolute():
            raise InputError(
                "not an absolute path", file=file, field=name, value=value[name], expected="/a/folder"
            )
    if not is_digest(value["trust"]):
        raise InputError("not a digest", file=file, field="trust", value=value["trust"])
    try:
        key = base64.b64decode(value["publisher"], validate=True)
    except (TypeError, ValueError, binascii.Error):
        key = b""
    if len(key) != _KEY_BYTES:
        raise InputError("not a public key", file=file, field="publisher", expected="base64 of 32 bytes")
    return Pin(
        folder=Path(value["folder"]),
        publisher=key,
        trust=value["trust"],
        memory=Path(value["memory"]),
    )
