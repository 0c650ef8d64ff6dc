"""Identity of values: SHA-256 over canonical bytes (RFC 8785), written ``sha256:<64 hex>``.

Two values are the same exactly when their digests are the same, whatever the formatting, key order or
machine. Sets (of files, of events) are digested order-free, so that a partition or a retry changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import Any, Final

import rfc8785

__all__ = [
    "DIGEST_PATTERN",
    "canonical",
    "digest",
    "digest_bytes",
    "digest_ordered",
    "digest_set",
    "is_digest",
    "short",
]

DIGEST_PATTERN: Final = r"^sha256:[0-9a-f]{64}$"
_DIGEST = re.compile(DIGEST_PATTERN)
_MOST: Final = 2**53 - 1


def canonical(value: Any) -> bytes:
    """Canonical JSON bytes of a JSON value (RFC 8785).

    Raises:
        ValueError: The value has no canonical form (NaN, infinity, an integer beyond 2**53, a type that
            is not JSON).
    """
    try:
        return _text(value).encode()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError(f"no canonical JSON: {error}") from error


def _text(value: Any) -> str:
    """The canonical text: what is plain here, several times as fast, fractions and all else by :mod:`rfc8785`."""
    kind = type(value)
    if kind is str:
        text = encode_basestring(value)
    elif kind is dict:
        text = (
            "{" + ",".join([f"{encode_basestring(key)}:{_text(value[key])}" for key in _sorted(value)]) + "}"
        )
    elif kind is list or kind is tuple:
        text = "[" + ",".join([_text(each) for each in value]) + "]"
    elif value is None:
        text = "null"
    elif kind is bool:
        text = "true" if value else "false"
    elif (kind is int or (kind is float and value.is_integer())) and -_MOST <= value <= _MOST:
        text = str(int(value))
    else:
        text = rfc8785.dumps(value).decode()
    return text


def _sorted(value: dict[Any, Any]) -> list[str]:
    """Keys by their UTF-16 code units, which for ASCII is the order of the text."""
    if not all(isinstance(key, str) for key in value):
        raise rfc8785.CanonicalizationError("object keys must be strings")
    if all(key.isascii() for key in value):
        return sorted(value)
    return sorted(value, key=lambda key: str(key).encode("utf-16be"))


def digest_bytes(data: bytes) -> str:
    """``sha256:<hex>`` of the bytes as they are."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """``sha256:<hex>`` of the canonical JSON of ``value``."""
    return digest_bytes(canonical(value))


def digest_set(members: Iterable[str]) -> str:
    """Order-free digest of a set of digests (or other strings); repeated members count once."""
    return digest(sorted(set(members)))


def digest_ordered(members: Iterable[str]) -> str:
    """:func:`digest_set` of members that come in ascending order, each once; they are not held.

    Raises:
        ValueError: They do not.
    """
    hashed, last = hashlib.sha256(b"["), None
    for member in members:
        if last is not None:
            if member <= last:
                raise ValueError(f"{member!r} does not come after {last!r}")
            hashed.update(b",")
        hashed.update(canonical(member))
        last = member
    hashed.update(b"]")
    return f"sha256:{hashed.hexdigest()}"


def is_digest(text: object) -> bool:
    """Whether ``text`` has the form of a digest."""
    return isinstance(text, str) and _DIGEST.match(text) is not None


def short(text: str, length: int = 12) -> str:
    """The first hex characters of a digest, for display only; never an identity."""
    return text.removeprefix("sha256:")[:length]
