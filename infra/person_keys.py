"""One key per person, outside every database: who destroys the key has erased what was sealed under it.

What people say about themselves, their drafts, their judgements' texts and their raw events lie in databases
and object stores, with backups nobody can reach into. Each person's payload is therefore sealed with
AES-256-GCM under a key of that person alone. The keys are files of mode 600 below the data folder, each
wrapped (RFC 3394) by a key derived from the site's secret, so that a stolen folder opens nothing.

Destroying a key leaves a tombstone: the person's pseudonym never gets a second key, and whatever is sealed or
opened for it afterwards is refused by :class:`PersonKeyDestroyedError`. Nothing is kept in memory between two
calls, so that a key destroyed by one process is gone for all of them at once.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from governance.errors import InputError, OutsideError, RefusedError, in_words
from infra.settings import Settings

__all__ = ["PersonKeyDestroyedError", "PersonKeys", "open_person_keys"]

_MAGIC: Final = b"bp1"
_MAGIC_ALIKE: Final = b"bp2"
_NONCE: Final = 12
_KEY: Final = 32


class PersonKeyDestroyedError(RefusedError):
    """The person's key is gone, or never was: what was sealed under it cannot be read any more."""

    def __init__(self, annotator: str) -> None:
        super().__init__(
            f"the data of annotator {annotator}", ["this person's key was destroyed, or there never was one"]
        )
        self.annotator = annotator


class PersonKeys:
    """The keys of one site's people.

    Args:
        folder: Where they lie; made with mode 700.
        secret: The site's secret, from which the wrapping key is derived.

    Raises:
        InputError: The secret is empty.
    """

    def __init__(self, folder: Path, secret: bytes) -> None:
        if not secret:
            raise InputError("the site has no key, so people's keys cannot be kept", field="key")
        self._folder = folder
        derive = HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=b"bounds.person-keys/1")
        self._wrapping = derive.derive(secret)

    def derived(self, purpose: bytes) -> bytes:
        """A secret of the site for one purpose; the wrapping key cannot be had from it."""
        return hashlib.sha256(b"bounds.derived/1\n" + purpose + b"\n" + self._wrapping).digest()

    def encrypt(self, annotator: str, data: bytes) -> bytes:
        """``data`` sealed under the person's key, which is made on first use.

        Raises:
            PersonKeyDestroyedError: The person was erased.
            OutsideError: The key cannot be read or written.
        """
        key = self._load(annotator) or self._make(annotator)
        nonce = secrets.token_bytes(_NONCE)
        return _MAGIC + nonce + AESGCM(key).encrypt(nonce, data, _bound_to(annotator))

    def decrypt(self, annotator: str, sealed: bytes) -> bytes:
        """What :meth:`encrypt` sealed for this person.

        Raises:
            PersonKeyDestroyedError: The person was erased, or has no key.
            OutsideError: The bytes are damaged, or were sealed for somebody else.
        """
        key = self._load(annotator)
        if key is None:
            raise PersonKeyDestroyedError(annotator)
        nonce, body = sealed[3 : 3 + _NONCE], sealed[3 + _NONCE :]
        try:
            if sealed[:3] != _MAGIC or len(nonce) != _NONCE:
                raise InvalidTag
            return AESGCM(key).decrypt(nonce, body, _bound_to(annotator))
        except InvalidTag as error:
            raise OutsideError(
                f"what is stored for annotator {annotator} is damaged or not this person's"
            ) from error

    def seal_alike(self, annotator: str, many: Sequence[bytes]) -> list[bytes]:
        """Each of ``many`` sealed so that equal bytes give equal bytes (AES-SIV, RFC 5297).

        For what is stored under the digest of its bytes: a run that was killed and is run again seals the
        same events to the same object. What it tells is whether two payloads of one person are the same.

        Raises:
            PersonKeyDestroyedError: The person was erased.
            OutsideError: The key cannot be read or written.
        """
        siv = _siv(self._load(annotator) or self._make(annotator))
        return [_MAGIC_ALIKE + siv.encrypt(data, [_bound_to(annotator)]) for data in many]

    def open_alike(self, annotator: str, many: Sequence[bytes]) -> list[bytes]:
        """What :meth:`seal_alike` sealed for this person.

        Raises:
            PersonKeyDestroyedError: The person was erased, or has no key.
            OutsideError: The bytes are damaged, or were sealed for somebody else.
        """
        key = self._load(annotator)
        if key is None:
            raise PersonKeyDestroyedError(annotator)
        siv = _siv(key)
        try:
            if any(sealed[:3] != _MAGIC_ALIKE for sealed in many):
                raise InvalidTag
            return [siv.decrypt(sealed[3:], [_bound_to(annotator)]) for sealed in many]
        except (InvalidTag, ValueError) as error:
            raise OutsideError(
                f"what is stored for annotator {annotator} is damaged or not this person's"
            ) from error

    def destroy(self, annotator: str) -> None:
        """Destroy the person's key for good; again, or without a key, is no error.

        Raises:
            OutsideError: It cannot be written.
        """
        file, tombstone = self._paths(annotator)
        try:
            self._make_folder(file.parent)
            # The tombstone first: a kill between the two steps must not let a new key be made.
            with suppress(FileExistsError):
                os.close(os.open(tombstone, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with suppress(FileNotFoundError):
                descriptor = os.open(file, os.O_WRONLY)
                try:
                    os.write(descriptor, bytes(os.fstat(descriptor).st_size))
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                file.unlink()
            _sync(file.parent)
        except OSError as error:
            raise OutsideError(
                f"the key of annotator {annotator} cannot be destroyed: {in_words(error)}"
            ) from error

    def has(self, annotator: str) -> bool:
        """Whether there is a key for the person now."""
        file, tombstone = self._paths(annotator)
        return file.exists() and not tombstone.exists()

    def _paths(self, annotator: str) -> tuple[Path, Path]:
        name = hashlib.sha256(annotator.encode()).hexdigest()
        folder = self._folder / name[:2]
        return folder / f"{name}.key", folder / f"{name}.gone"

    def _load(self, annotator: str) -> bytes | None:
        file, tombstone = self._paths(annotator)
        if tombstone.exists():
            raise PersonKeyDestroyedError(annotator)
        try:
            return aes_key_unwrap(self._wrapping, file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, InvalidUnwrap, ValueError) as error:
            raise OutsideError(
                f"{file}: not a key of this site, or damaged: {type(error).__name__}"
            ) from error

    def _make(self, annotator: str) -> bytes:
        file, tombstone = self._paths(annotator)
        try:
            self._make_folder(file.parent)
            fresh = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(aes_key_wrap(self._wrapping, secrets.token_bytes(_KEY)))
                stream.flush()
                os.fsync(stream.fileno())
            # Linked, not renamed: of two processes that make the key, one wins and both use its key.
            with suppress(FileExistsError):
                os.link(fresh, file)
            fresh.unlink()
            if tombstone.exists():
                file.unlink(missing_ok=True)
            _sync(file.parent)
        except OSError as error:
            raise OutsideError(
                f"a key for annotator {annotator} cannot be written: {in_words(error)}"
            ) from error
        key = self._load(annotator)
        if key is None:
            raise PersonKeyDestroyedError(annotator)
        return key

    def _make_folder(self, folder: Path) -> None:
        for each in (self._folder, folder):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)


def open_person_keys(settings: Settings, site: str) -> PersonKeys:
    """The keys of a site's people, below the data folder.

    Raises:
        InputError: There is no such site.
    """
    from infra.stack.secrets import ensure_site_key

    stated = settings.site(site).key.get_secret_value()
    # A folder that never had a stack (files alone were imported) gets its key where a stack would keep it.
    secret = (stated or ensure_site_key(settings.home, site)).encode()
    return PersonKeys(settings.home / "person-keys" / site, secret)


def _siv(key: bytes) -> AESSIV:
    derive = HKDF(algorithm=hashes.SHA256(), length=2 * _KEY, salt=None, info=b"bounds.person-keys/siv/1")
    return AESSIV(derive.derive(key))


def _bound_to(annotator: str) -> bytes:
    # INVARIANT: what was sealed for one person does not open as another's.
    return b"bounds.person/1\n" + annotator.encode()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
