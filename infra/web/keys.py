"""API keys: made once, shown once, kept as hashes in ``api-keys.json`` (mode 600) of the data folder.

A key is ``bk_<id>_<secret>``; the id finds the entry, the secret holds 256 random bits, so one round of
SHA-256 is enough to keep it: there is nothing to guess. A key that is taken back stops working at once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from governance.errors import InputError
from infra.stack.secrets import write_private

__all__ = ["ApiKey", "ApiKeys", "Scope"]

_KEY: Final = re.compile(r"^bk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$")
_NAME: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}$")
_NOBODY: Final = hashlib.sha256(b"").hexdigest()


class Scope(StrEnum):
    """What a key may be used for."""

    POLICIES_READ = "policies:read"
    RESOLVE = "resolve"
    FEEDBACK_WRITE = "feedback:write"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An entry: who holds it, what for, and the hash of the key; never the key."""

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    created_at: str


class ApiKeys:
    """The keys of one installation. The file is read again whenever it has changed."""

    def __init__(self, home: Path) -> None:
        self.path = home / "api-keys.json"
        self._stamp: tuple[int, int, int] | None = None
        self._entries: dict[str, ApiKey] = {}

    def find(self, key: str) -> ApiKey | None:
        """The entry of a key; None when nobody holds it. Takes the same time either way."""
        form = _KEY.match(key)
        entry = self._read().get(form[1]) if form else None
        given = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        matches = hmac.compare_digest(given, entry.sha256 if entry else _NOBODY)
        return entry if matches else None

    def entries(self) -> tuple[ApiKey, ...]:
        """Every key there is, by name."""
        return tuple(sorted(self._read().values(), key=lambda entry: entry.name))

    def create(self, name: str, *, scopes: Sequence[str], now: datetime) -> str:
        """Make a key and return it: the only time that it can be seen.

        Raises:
            InputError: The name is taken or no name, or a scope is not one.
        """
        if not _NAME.match(name):
            expected = "lower-case letters, digits, dot, dash; at most 64"
            raise InputError("not a name", field="name", value=name, expected=expected)
        if any(entry.name == name for entry in self.entries()):
            raise InputError("a key of this name exists", field="name", value=name, expected="another name")
        known = ", ".join(Scope)
        if not scopes:
            raise InputError("a key needs a scope", field="scope", expected=f"one or more of {known}")
        for scope in scopes:
            if scope not in set(Scope):
                raise InputError("no such scope", field="scope", value=scope, expected=f"one of {known}")
        id_ = secrets.token_hex(6)
        key = f"bk_{id_}_{secrets.token_urlsafe(32)}"
        entry = ApiKey(
            id=id_,
            name=name,
            scopes=tuple(sorted(set(scopes))),
            sha256=hashlib.sha256(key.encode()).hexdigest(),
            created_at=now.isoformat(timespec="seconds"),
        )
        self._write([*self.entries(), entry])
        return key

    def revoke(self, name: str) -> None:
        """Take a key back.

        Raises:
            InputError: There is no key of that name.
        """
        left = [entry for entry in self.entries() if entry.name != name]
        if len(left) == len(self.entries()):
            known = ", ".join(entry.name for entry in left) or "none: nobody holds a key"
            raise InputError("no key of this name", field="name", value=name, expected=known)
        self._write(left)

    def _write(self, entries: Iterable[ApiKey]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_private(self.path, json.dumps({"keys": [asdict(entry) for entry in entries]}, indent=2) + "\n")
        self._stamp = None

    def _read(self) -> dict[str, ApiKey]:
        try:
            state = self.path.stat()
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            if stamp != self._stamp:
                self._entries = _entries(json.loads(self.path.read_text(encoding="utf-8")))
                self._stamp = stamp
        except FileNotFoundError:
            self._entries, self._stamp = {}, None
        except (OSError, ValueError, KeyError, TypeError) as error:
            # INVARIANT: a file that cannot be read lets nobody in.
            self._entries, self._stamp = {}, None
            raise InputError(
                "the API keys cannot be read", file=str(self.path), expected="the file as it was written"
            ) from error
        return self._entries


def _entries(data: Any) -> dict[str, ApiKey]:
    found = [ApiKey(**{**entry, "scopes": tuple(entry["scopes"])}) for entry in data["keys"]]
    return {entry.id: entry for entry in found}
