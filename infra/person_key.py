"""A person's signing key in a file of their own: Ed25519, PKCS #8, under a passphrase. It never comes to the server."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.errors import InputError
from infra.given_files import cannot_be_written
from infra.signing import SigningKey

__all__ = ["create_person_key", "load_person_key"]


def create_person_key(path: Path, passphrase: str) -> SigningKey:
    """Make a key file, mode 600; an existing one is never replaced.

    Raises:
        InputError: There is a file, the place cannot be written to, or the passphrase is shorter than 12 characters.
        OutsideError: The disk did not take it.
    """
    if len(passphrase) < 12:
        raise InputError("the passphrase is too short", expected="at least 12 characters")
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError as error:
        raise InputError("there is a file already", file=str(path), expected="a new file") from error
    except OSError as error:
        raise cannot_be_written(path, error) from error
    return SigningKey(role="person", private=private)


def load_person_key(path: Path, passphrase: str | None) -> SigningKey:
    """The key in a file.

    Raises:
        InputError: It cannot be read, the passphrase is wrong, or it is no Ed25519 key.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"the key cannot be read: {error.strerror}", file=str(path)) from error
    try:
        private = serialization.load_pem_private_key(text, passphrase.encode() if passphrase else None)
    except TypeError as error:
        wanted = "a passphrase" if "not given" in str(error) else "no passphrase: the file has none"
        raise InputError("the key cannot be opened", file=str(path), expected=wanted) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(
            "the key cannot be opened", file=str(path), expected="a PKCS #8 PEM file and its passphrase"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError("not an Ed25519 key", file=str(path), value=type(private).__name__)
    return SigningKey(role="person", private=private)
