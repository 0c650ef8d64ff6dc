"""What an entry of the log says: a kind, a time, and a small body of digests, names and numbers.

INVARIANT: no personal data. A body holds plain values under short names; texts are short, on one line, and none
reads as an e-mail address. What must be provable about a person's act (a withdrawal's receipt) is a salted commitment:
whoever holds the salt can show what it stands for, and without it the entry says nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from governance.log.merkle import leaf_hash

__all__ = ["Entry", "EntryError", "Kind", "check_body", "commitment", "identity", "read_entry"]

FORMAT: Final = "bounds-log/1"
LARGEST_BODY: Final = 16_000
_LONGEST_TEXT: Final = 500
_MOST_FIELDS: Final = 40
_LARGEST_INTEGER: Final = 2**53 - 1
_SALT_BYTES: Final = 16
_ADDRESS: Final = re.compile(r"\S@\S+\.\S")
_ENCODE: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_FORM: Final = re.compile(
    rb'\{"at":"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z)","body":(\{.*\}),'
    rb'"format":"bounds-log/1","kind":"([a-z]+)"\}'
)
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")


class Kind(StrEnum):
    """The acts worth remembering."""

    POLICY = "policy"
    BATCH = "batch"
    RELEASE = "release"
    ATTEMPT = "attempt"
    AUDIT = "audit"
    DECISION = "decision"
    APPROVAL = "approval"
    PROMOTION = "promotion"
    REFUSAL = "refusal"
    DEMOTION = "demotion"
    WAIVER = "waiver"
    WITHDRAWAL = "withdrawal"
    ERASURE = "erasure"
    TRUST = "trust"
    REVOCATION = "revocation"
    KEY = "key"


class EntryError(ValueError):
    """A body that may not stand in the log, or bytes that are no entry."""


def commitment(value: bytes, salt: bytes) -> str:
    """``sha256:<hex>`` that binds ``value`` and says nothing about it to whoever lacks the salt.

    ``HMAC-SHA-256(key = salt, "bounds-commitment/1" || 0x00 || value)``.

    Raises:
        ValueError: The salt is shorter than 16 bytes: it could be guessed.
    """
    if len(salt) < _SALT_BYTES:
        raise ValueError(f"a salt needs at least {_SALT_BYTES} random bytes")
    return "sha256:" + hmac.new(salt, b"bounds-commitment/1\x00" + value, hashlib.sha256).hexdigest()


def check_body(body: Mapping[str, Any]) -> None:
    """Raises :class:`EntryError` where a body may not stand in the log; says which field."""
    if not 1 <= len(body) <= _MOST_FIELDS:
        raise EntryError(f"a body has 1 to {_MOST_FIELDS} fields, got {len(body)}")
    for name, value in body.items():
        if not isinstance(name, str) or not _is_field(name):
            raise EntryError(f"not a name of a field: {name!r}")
        if isinstance(value, (list, tuple)):
            for each in value:
                _check_value(name, each)
        else:
            _check_value(name, value)


@lru_cache(maxsize=1024)
def _is_field(name: str) -> bool:
    return _FIELD.fullmatch(name) is not None


def _check_value(name: str, value: object) -> None:
    if isinstance(value, str):
        if (
            len(value) > _LONGEST_TEXT
            or not value.isprintable()
            or ("@" in value and _ADDRESS.search(value) is not None)
        ):
            raise EntryError(f"{name}: a text of the log is short, on one line and without addresses")
    elif isinstance(value, int):  # true and false among them
        if abs(value) > _LARGEST_INTEGER:
            raise EntryError(f"{name}: a whole number beyond 2^53 has no one form")
    elif value is not None:
        raise EntryError(f"{name}: texts, whole numbers, true, false and null only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry; ``at`` is when it was appended, to the second."""

    kind: Kind
    at: datetime
    body: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """The canonical bytes whose hash is the leaf.

        Raises:
            EntryError: The body may not stand in the log.
        """
        return self.named()[0]

    def named(self) -> tuple[bytes, str]:
        """The canonical bytes, and the :func:`identity` of the act.

        Raises:
            EntryError: The body may not stand in the log.
        """
        check_body(self.body)
        encoded = _encoded(self.body)
        data = _framed(self.kind, _stamp(self.at), encoded)
        if len(data) > LARGEST_BODY:
            raise EntryError(f"an entry of {len(data)} bytes; {LARGEST_BODY} is the most")
        return data, _name(self.kind, encoded)

    def leaf(self) -> bytes:
        """Leaf hash of the entry."""
        return leaf_hash(self.to_bytes())

    @classmethod
    def parse(cls, data: bytes) -> Entry:
        """The entry in these bytes.

        Raises:
            EntryError: They are not the canonical bytes of one.
        """
        return read_entry(data)[0]


def read_entry(data: bytes) -> tuple[Entry, str]:
    """The entry in these bytes, and the :func:`identity` of its act; the body is encoded once for both.

    Raises:
        EntryError: They are not the canonical bytes of an entry.
    """
    return _read_formed(data) or _read_any(data)


def _read_formed(data: bytes) -> tuple[Entry, str] | None:
    """An entry that is cut as :func:`_framed` cuts it, without its frame made again; None for any other bytes."""
    cut = _FORM.fullmatch(data)
    if cut is None or len(data) > LARGEST_BODY:
        return None
    at, encoded, kind = cut.groups()
    try:
        found = Entry(
            kind=Kind(kind.decode()),
            at=datetime.fromisoformat(at.decode()),
            body=json.loads(encoded.decode()),
        )
        check_body(found.body)
        return (found, _name(found.kind, encoded)) if _encoded(found.body) == encoded else None
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None


def _read_any(data: bytes) -> tuple[Entry, str]:
    try:
        value = json.loads(data.decode())
        found = Entry(kind=Kind(value["kind"]), at=datetime.fromisoformat(value["at"]), body=value["body"])
        if not isinstance(found.body, dict) or found.at.utcoffset() is None:
            raise EntryError("not the canonical bytes of an entry")
        again, name = found.named()
    except EntryError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise EntryError(f"not an entry: {error}") from error
    if again != data:
        raise EntryError("not the canonical bytes of an entry")
    return found, name


def identity(kind: Kind, body: Mapping[str, Any]) -> str:
    """32 hex characters of a checked body: by these the log knows that it already holds this act."""
    return _name(kind, _encoded(body))


def _name(kind: Kind, encoded: bytes) -> str:
    return hashlib.sha256(kind.value.encode() + b"\x00" + encoded).hexdigest()[:32]


def _framed(kind: Kind, stamp: str, encoded: bytes) -> bytes:
    return b'{"at":"%b","body":%b,"format":"%b","kind":"%b"}' % (
        stamp.encode(),
        encoded,
        FORMAT.encode(),
        kind.value.encode(),
    )


def _encoded(body: Mapping[str, Any]) -> bytes:
    """The canonical JSON (RFC 8785) of a checked body, by the fast encoder.

    With names in ASCII, printable texts and integers below 2^53, which is all that :func:`check_body` lets through,
    sorted compact JSON is the canonical form.
    """
    return _ENCODE(dict(body)).encode()


def _stamp(at: datetime) -> str:
    if at.tzinfo is None:
        raise EntryError("a time needs an offset")
    return at.astimezone(UTC).isoformat(timespec="seconds")[:-6] + "Z"
