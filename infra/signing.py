"""Ed25519 keys on disk and signing with them. Verification is pure and lives in :mod:`governance.provenance`.

A key file holds the 32 raw bytes of the private key as PKCS #8 PEM, mode 600, in a folder of mode 700. A key
that others could read is refused, not used with a warning.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.errors import InputError, OutsideError
from governance.provenance import PAYLOAD_TYPE, Envelope, Statement, TrustedKey, key_id, pae

__all__ = ["SigningKey", "add_signature", "load_key", "load_or_create_key", "sign"]

_ROLE: Final = re.compile(r"^[a-z][a-z0-9-]{0,40}$")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key and the role it was made for. Never printed."""

    role: str
    private: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"SigningKey(role={self.role!r}, id={self.id!r})"

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        """Key id as it stands in envelopes."""
        return key_id(self.public_key)

    def trusted(self, *, person: str, not_before: datetime, not_after: datetime) -> TrustedKey:
        """The public half as an entry of a trust file, for the key's own role."""
        return TrustedKey(
            public_key=self.public_key,
            person=person,
            roles=frozenset({self.role}),
            not_before=not_before,
            not_after=not_after,
        )


def _path(folder: Path, role: str) -> Path:
    if not _ROLE.match(role):
        raise InputError(
            "not a role", field="role", value=role, expected="lower-case letters, digits, dashes"
        )
    return folder / f"{role}.pem"


def load_or_create_key(folder: Path, role: str) -> SigningKey:
    """The key of a role, made on first use.

    Two processes that both make it first agree on one: the file is created once or not at all.

    Raises:
        InputError: The role's name, or a file that is no Ed25519 key or that others may read.
        OutsideError: The folder cannot be written.
    """
    file = _path(folder, role)
    if file.exists():
        return load_key(folder, role)
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(prefix=f".{role}.", dir=folder)  # mode 600 from the first byte
        with os.fdopen(handle, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            file.hardlink_to(temporary)  # atomic, and fails if another made the key meanwhile
        except FileExistsError:
            return load_key(folder, role)
        finally:
            Path(temporary).unlink()
    except OSError as error:
        raise OutsideError(f"{file}: the key cannot be written: {error.strerror}") from error
    return SigningKey(role=role, private=private)


def load_key(folder: Path, role: str) -> SigningKey:
    """The key of a role.

    Raises:
        InputError: There is none, others may read it, it is a link, or it is no Ed25519 key.
    """
    file = _path(folder, role)
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise InputError(f"the key cannot be read: {error.strerror}", file=str(file)) from error
    with os.fdopen(handle, "rb") as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        if mode & _OTHERS:
            raise InputError(
                "others may read or change this key; make a new one",
                file=str(file),
                value=oct(mode),
                expected="0o600",
            )
        text = stream.read(10_000)
    try:
        private = serialization.load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            "not a private key", file=str(file), expected="PKCS #8 PEM, not encrypted"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError("not an Ed25519 key", file=str(file), value=type(private).__name__)
    return SigningKey(role=role, private=private)


def sign(statement: Statement, key: SigningKey) -> bytes:
    """The statement in an envelope with one signature."""
    payload = statement.payload()
    signature = key.private.sign(pae(PAYLOAD_TYPE, payload))
    return Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=((key.id, signature),)).to_bytes()


def add_signature(envelope: bytes, key: SigningKey) -> bytes:
    """The same envelope with one more signature over the same bytes; signing twice changes nothing.

    Raises:
        governance.provenance.EnvelopeError: The bytes are no envelope.
    """
    before = Envelope.parse(envelope)
    if any(keyid == key.id for keyid, _ in before.signatures):
        return envelope
    signature = key.private.sign(pae(before.payload_type, before.payload))
    return Envelope(
        payload_type=before.payload_type,
        payload=before.payload,
        signatures=(*before.signatures, (key.id, signature)),
    ).to_bytes()
