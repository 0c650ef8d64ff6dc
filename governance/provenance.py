"""Signed statements: in-toto Statement v1 in a DSSE envelope, verified here, signed in :mod:`infra.signing`.

What is signed is the exact payload under DSSE's pre-authentication encoding, so that a signature for one
type of payload says nothing about another. The rules here are stricter than the specification where it
leaves room: an envelope has one byte form (RFC 8785), every signature on it must be by a known key and right,
and keys are Ed25519 only.

Specifications: DSSE v1.0.2 (github.com/secure-systems-lab/dsse, protocol.md), in-toto Statement v1
(github.com/in-toto/attestation, spec/v1/statement.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from governance.digest import canonical, digest, digest_bytes, is_digest

__all__ = [
    "PAYLOAD_TYPE",
    "STATEMENT_TYPE",
    "Envelope",
    "EnvelopeError",
    "Statement",
    "Trust",
    "TrustedKey",
    "key_id",
    "manifest_digest",
    "open_envelope",
    "pae",
    "statement_digest",
]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
LARGEST_ENVELOPE: Final = 4 * 2**20
_SIGNATURE_BYTES: Final = 64
_KEY_BYTES: Final = 32


class EnvelopeError(ValueError):
    """Bytes that are not an envelope, or an envelope that nobody trusted signed."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: ``DSSEv1 SP len(type) SP type SP len(payload) SP payload``.

    Example:
        ``pae("http://example.com/HelloWorld", b"hello world")`` is
        ``b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"``, as in the specification.
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(public_key: bytes) -> str:
    """``ed25519:<hex>``: SHA-256 of the 32 raw bytes of the public key."""
    if len(public_key) != _KEY_BYTES:
        raise ValueError(f"an Ed25519 public key has {_KEY_BYTES} bytes, got {len(public_key)}")
    return "ed25519:" + hashlib.sha256(public_key).hexdigest()


def manifest_digest(files: Mapping[str, str]) -> str:
    """Digest of a set of files: every relative path with the digest of its bytes, order-free.

    Raises:
        ValueError: There is no file, a path is not plain and relative, or a value is not a digest.
    """
    if not files:
        raise ValueError("a manifest without files names nothing")
    for path, content in files.items():
        parts = path.split("/")
        if not path or path.startswith("/") or "\\" in path or any(part in {"", ".", ".."} for part in parts):
            raise ValueError(f"not a plain relative path: {path!r}")
        if not is_digest(content):
            raise ValueError(f"{path}: not a digest: {content!r}")
    return digest({"files": dict(files)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An in-toto Statement v1 about one subject.

    Attributes:
        subject: Name of the subject, for people.
        sha256: 64 hex characters: what the subject is.
        predicate_type: URI that says how to read ``predicate``.
        predicate: A JSON object.
    """

    subject: str
    sha256: str
    predicate_type: str
    predicate: Mapping[str, Any]

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"name": self.subject, "digest": {"sha256": self.sha256}}],
                "predicateType": self.predicate_type,
                "predicate": dict(self.predicate),
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> Statement:
        """The statement in these bytes.

        Raises:
            EnvelopeError: Not a canonical Statement v1 with exactly one subject.
        """
        value = _object(payload, "statement", {"_type", "subject", "predicateType", "predicate"})
        if value["_type"] != STATEMENT_TYPE:
            raise EnvelopeError(f"statement: unknown _type {value['_type']!r}")
        subjects = value["subject"]
        if not isinstance(subjects, list) or len(subjects) != 1:
            raise EnvelopeError("statement: exactly one subject is needed")
        subject = subjects[0]
        if not isinstance(subject, dict) or set(subject) != {"name", "digest"}:
            raise EnvelopeError("statement: a subject has a name and a digest")
        digests = subject["digest"]
        if (
            not isinstance(digests, dict)
            or set(digests) != {"sha256"}
            or not is_digest(f"sha256:{digests['sha256']}")
        ):
            raise EnvelopeError("statement: the subject's digest is not one sha256")
        if not isinstance(subject["name"], str) or not isinstance(value["predicateType"], str):
            raise EnvelopeError("statement: name and predicateType are texts")
        if not isinstance(value["predicate"], dict):
            raise EnvelopeError("statement: the predicate is not an object")
        return cls(
            subject=subject["name"],
            sha256=digests["sha256"],
            predicate_type=value["predicateType"],
            predicate=value["predicate"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A key, whose it is, and as what it may sign from when to when."""

    public_key: bytes
    person: str
    roles: frozenset[str]
    not_before: datetime
    not_after: datetime

    @property
    def id(self) -> str:
        """:func:`key_id` of the key."""
        return key_id(self.public_key)

    def is_valid(self, now: datetime) -> bool:
        """From ``not_before`` (inclusive) until ``not_after`` (exclusive)."""
        return self.not_before <= now < self.not_after

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "key": base64.b64encode(self.public_key).decode("ascii"),
            "keyid": self.id,
            "person": self.person,
            "roles": sorted(self.roles),
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The keys that count, and those that were withdrawn before their time."""

    keys: tuple[TrustedKey, ...]
    revoked: frozenset[str] = frozenset()

    def key(self, keyid: str) -> TrustedKey | None:
        """The key of that id."""
        return next((key for key in self.keys if key.id == keyid), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "format": "bounds-trust/1",
            "keys": [key.as_json() for key in sorted(self.keys, key=lambda key: key.id)],
            "revoked": sorted(self.revoked),
        }

    @classmethod
    def from_json(cls, value: Any) -> Trust:
        """The trust that ``as_json`` wrote.

        Raises:
            EnvelopeError: Any field is missing, unknown, empty or wrong.
        """
        if not isinstance(value, dict) or set(value) != {"format", "keys", "revoked"}:
            raise EnvelopeError("trust: format, keys and revoked are needed, nothing else")
        if value["format"] != "bounds-trust/1" or not isinstance(value["keys"], list) or not value["keys"]:
            raise EnvelopeError("trust: not bounds-trust/1 with at least one key")
        if not isinstance(value["revoked"], list) or not all(
            isinstance(text, str) for text in value["revoked"]
        ):
            raise EnvelopeError("trust: revoked is a list of key ids")
        keys = tuple(map(_trusted_key, value["keys"]))
        if len({key.id for key in keys}) != len(keys):
            raise EnvelopeError("trust: a key stands twice; one key is one person's")
        return cls(keys=keys, revoked=frozenset(value["revoked"]))


def _trusted_key(value: Any) -> TrustedKey:
    names = {"key", "keyid", "person", "roles", "not_before", "not_after"}
    if not isinstance(value, dict) or set(value) != names:
        raise EnvelopeError(f"trust: a key has {', '.join(sorted(names))}")
    roles, person = value["roles"], value["person"]
    if not isinstance(person, str) or not person.strip():
        raise EnvelopeError("trust: a key without a person")
    if not isinstance(roles, list) or not roles or not all(isinstance(role, str) and role for role in roles):
        raise EnvelopeError(f"trust: {person}: roles are a list of words, at least one")
    try:
        begin, end = (datetime.fromisoformat(value[name]) for name in ("not_before", "not_after"))
        key = TrustedKey(
            public_key=_base64(value["key"], "key"),
            person=person,
            roles=frozenset(roles),
            not_before=begin,
            not_after=end,
        )
        identity = key.id
    except (TypeError, ValueError) as error:
        raise EnvelopeError(f"trust: {person}: {error}") from error
    if identity != value["keyid"]:
        raise EnvelopeError(f"trust: {person}: keyid is not that of the key")
    if begin.tzinfo is None or end.tzinfo is None or begin >= end:
        raise EnvelopeError(f"trust: {person}: validity needs offsets, and its end after its beginning")
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload and the signatures on it, as bytes say; nothing is verified yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def to_bytes(self) -> bytes:
        """The one byte form."""
        return canonical(
            {
                "payloadType": self.payload_type,
                "payload": base64.b64encode(self.payload).decode("ascii"),
                "signatures": [
                    {"keyid": keyid, "sig": base64.b64encode(sig).decode("ascii")}
                    for keyid, sig in sorted(self.signatures)
                ],
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """The envelope in these bytes.

        Raises:
            EnvelopeError: Not one DSSE envelope in its one byte form, with at least one signature.
        """
        value = _object(data, "envelope", {"payloadType", "payload", "signatures"})
        rows = value["signatures"]
        if not isinstance(value["payloadType"], str):
            raise EnvelopeError("envelope: payloadType is not a text")
        if not isinstance(rows, list) or not rows:
            raise EnvelopeError("envelope: no signature")
        signatures = []
        for row in rows:
            if not isinstance(row, dict) or set(row) != {"keyid", "sig"} or not isinstance(row["keyid"], str):
                raise EnvelopeError("envelope: a signature has keyid and sig, nothing else")
            signature = _base64(row["sig"], "sig")
            if len(signature) != _SIGNATURE_BYTES:
                raise EnvelopeError(
                    f"envelope: an Ed25519 signature has {_SIGNATURE_BYTES} bytes, got {len(signature)}"
                )
            signatures.append((row["keyid"], signature))
        if len({keyid for keyid, _ in signatures}) != len(signatures):
            raise EnvelopeError("envelope: a key signed twice")
        envelope = cls(
            payload_type=value["payloadType"],
            payload=_base64(value["payload"], "payload"),
            signatures=tuple(signatures),
        )
        if envelope.to_bytes() != data:
            raise EnvelopeError("envelope: not in its one byte form (RFC 8785, signatures sorted by keyid)")
        return envelope

    def signers(self, trust: Trust, *, now: datetime) -> tuple[TrustedKey, ...]:
        """Whose signatures these are.

        Raises:
            EnvelopeError: Any signature is by an unknown, revoked or not (yet, any more) valid key, or wrong.
        """
        # 6 MB that nobody needs who only reads or writes a statement.
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        message = pae(self.payload_type, self.payload)
        found = []
        for keyid, signature in self.signatures:
            key = trust.key(keyid)
            if key is None:
                raise EnvelopeError(f"signed by a key that is not trusted: {keyid}")
            if keyid in trust.revoked:
                raise EnvelopeError(f"signed by a revoked key of {key.person}: {keyid}")
            if not key.is_valid(now):
                raise EnvelopeError(f"the key of {key.person} is not valid at {now.isoformat()}: {keyid}")
            try:
                Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
            except InvalidSignature as error:
                raise EnvelopeError(f"the signature of {key.person} does not fit: {keyid}") from error
            found.append(key)
        return tuple(found)


def statement_digest(envelope: bytes) -> str:
    """Digest of what an envelope's signatures are about; it stays the same when one more is added.

    Raises:
        EnvelopeError: The bytes are no envelope.
    """
    return digest_bytes(Envelope.parse(envelope).payload)


def open_envelope(
    data: bytes, *, trust: Trust, now: datetime, roles: Collection[str]
) -> tuple[Statement, tuple[TrustedKey, ...]]:
    """The statement of an envelope, once every signature on it is right and every role is held by one of them.

    INVARIANT: an empty ``roles`` is invalid, never true.

    Raises:
        EnvelopeError: With the reason.
    """
    if not roles:
        raise EnvelopeError("no role was asked for: nobody's signature would do")
    envelope = Envelope.parse(data)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise EnvelopeError(f"envelope: unknown payloadType {envelope.payload_type!r}")
    signers = envelope.signers(trust, now=now)
    for role in sorted(roles):
        if not any(role in key.roles for key in signers):
            raise EnvelopeError(f"nobody signed as {role}")
    return Statement.parse(envelope.payload), signers


def _base64(text: Any, what: str) -> bytes:
    """Strict standard base64: one text for one value."""
    if not isinstance(text, str):
        raise EnvelopeError(f"{what}: not a text")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EnvelopeError(f"{what}: not base64") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise EnvelopeError(f"{what}: not base64 in its one form")
    return data


def _object(data: bytes, what: str, names: set[str]) -> dict[str, Any]:
    """The JSON object in ``data``: canonical bytes, exactly these names."""
    if len(data) > LARGEST_ENVELOPE:
        raise EnvelopeError(f"{what}: larger than {LARGEST_ENVELOPE} bytes")
    try:
        value = json.loads(data, parse_constant=_refuse)
        form = canonical(value)
    except (ValueError, RecursionError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"{what}: not canonical JSON") from error
    if not isinstance(value, dict) or set(value) != names:
        raise EnvelopeError(f"{what}: needs {', '.join(sorted(names))}, nothing else")
    if form != data:
        raise EnvelopeError(f"{what}: not in its one byte form (RFC 8785)")
    return value


def _refuse(name: str) -> Iterable[None]:
    raise ValueError(f"{name} is not JSON")
