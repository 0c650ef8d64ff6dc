"""Signed notes, checkpoints on them, and the cosignatures of witnesses, in C2SP's forms.

A note is text, an empty line, and signature lines ``— <name> <base64(key hash || signature)>``. A checkpoint is a
note whose text is origin, size and root of a log. A witness that has seen that the log only grew adds a
cosignature with the time it saw it. Verified here; signed in :mod:`infra.log_keys`.

Specifications: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature (Ed25519 only).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from governance.log.merkle import HASH_BYTES

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "Checkpoint",
    "Note",
    "NoteError",
    "Verifier",
    "cosigned_message",
    "key_hash",
    "open_checkpoint",
]

ED25519: Final = 1
COSIGNATURE: Final = 4
LARGEST_NOTE: Final = 1_000_000
_NAME: Final = re.compile(r"[^\s+]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_DASH: Final = "— "


class NoteError(ValueError):
    """Bytes that are no signed note, or a note that the expected key did not sign."""


def key_hash(name: str, algorithm: int, public_key: bytes) -> bytes:
    """The four bytes by which a signature line names its key: ``SHA-256(name || 0x0A || algorithm || key)[:4]``."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([algorithm]) + public_key).digest()[:4]


def cosigned_message(text: str, seconds: int) -> bytes:
    """What a witness signs over a checkpoint it saw at this Unix time."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """A key that may sign notes under a name."""

    name: str
    public_key: bytes
    algorithm: int = ED25519

    def __str__(self) -> str:
        raw = base64.b64encode(bytes([self.algorithm]) + self.public_key).decode()
        return f"{self.name}+{self.hash.hex()}+{raw}"

    @property
    def hash(self) -> bytes:
        """:func:`key_hash` of this key."""
        return key_hash(self.name, self.algorithm, self.public_key)

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """``<name>+<hash>+<base64(algorithm || key)>``, as logs publish their keys.

        Raises:
            NoteError: It has another form, or its hash is not that of its key.
        """
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
            raise NoteError("a verifier key is <name>+<hash>+<key>")
        raw = _base64(parts[2])
        if len(raw) != 33 or raw[0] not in {ED25519, COSIGNATURE}:
            raise NoteError("a verifier key of an unknown kind")
        found = cls(name=parts[0], public_key=raw[1:], algorithm=raw[0])
        if found.hash.hex() != parts[1]:
            raise NoteError("the hash of a verifier key is not that of its key")
        return found

    def signed_at(self, note: Note) -> int | None:
        """Unix time of this key's cosignature on the note, 0 for a plain signature, None where there is none right.

        Two lines by one key, or one that does not fit, are none.
        """
        mine = [sig for name, sig in note.signatures if name == self.name and sig[:4] == self.hash]
        if len(mine) != 1:
            return None
        raw, seconds = mine[0][4:], 0
        message = note.text.encode()
        if self.algorithm == COSIGNATURE:
            seconds, raw = int.from_bytes(raw[:8], "big"), raw[8:]
            message = cosigned_message(note.text, seconds)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(raw, message)
        except (InvalidSignature, ValueError):
            return None
        return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text that ends in a line feed, and the signatures on it: name, and key hash with signature."""

    text: str
    signatures: tuple[tuple[str, bytes], ...] = ()

    def to_bytes(self) -> bytes:
        """The note as it is published."""
        lines = [f"{_DASH}{name} {base64.b64encode(sig).decode()}\n" for name, sig in self.signatures]
        return (self.text + "\n" + "".join(lines)).encode()

    def signed(self, name: str, signature: bytes) -> Note:
        """The same note with one more signature (key hash and signature bytes)."""
        return replace(self, signatures=(*self.signatures, (name, signature)))

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """The note in these bytes.

        Raises:
            NoteError: They are none.
        """
        if len(data) > LARGEST_NOTE:
            raise NoteError("the note is too long")
        try:
            whole = data.decode()
        except UnicodeDecodeError as error:
            raise NoteError("the note is not UTF-8") from error
        if any(ord(sign) < 32 and sign != "\n" for sign in whole):
            raise NoteError("the note holds control characters")
        text, gap, tail = whole.rpartition("\n\n")
        if not gap or not tail.endswith("\n"):
            raise NoteError("a note is text, an empty line, and signature lines")
        signatures = []
        for line in tail[:-1].split("\n"):
            words = line.removeprefix(_DASH).split(" ")
            if not line.startswith(_DASH) or len(words) != 2 or not _NAME.fullmatch(words[0]):
                raise NoteError("not a signature line")
            raw = _base64(words[1])
            if len(raw) < 5:
                raise NoteError("a signature line without a signature")
            signatures.append((words[0], raw))
        return cls(text=text + "\n", signatures=tuple(signatures))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Origin, size and root of a log at one moment."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint in a note's text.

        Raises:
            NoteError: It is none, or carries extension lines, which nothing here writes or understands.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise NoteError("a checkpoint is three lines: origin, size, root")
        root = _base64(lines[2])
        if not _SIZE.fullmatch(lines[1]) or len(root) != HASH_BYTES:
            raise NoteError("a checkpoint's size is a number and its root a hash")
        return cls(origin=lines[0], size=int(lines[1]), root=root)


def open_checkpoint(
    data: bytes, *, log: Verifier, witnesses: Sequence[Verifier] = (), quorum: int = 0
) -> Checkpoint:
    """The checkpoint in a note, once the log's key signed it and so many of the witnesses saw it.

    Raises:
        NoteError: With the reason.
    """
    note = Note.parse(data)
    if log.signed_at(note) is None:
        raise NoteError(f"the checkpoint is not signed by {log.name} with the expected key")
    found = Checkpoint.parse(note.text)
    if found.origin != log.name:
        raise NoteError(f"the checkpoint is of the log {found.origin!r}, not of {log.name!r}")
    seen = {witness.public_key for witness in witnesses if witness.signed_at(note) is not None}
    if len(seen) < quorum:
        raise NoteError(f"{len(seen)} of {quorum} witnesses saw the checkpoint")
    return found


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise NoteError("not base64 in its one form")
    return data
