"""What the platform's pure parts ask of the outside, as Protocols. infra implements them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from annotation.events import EventPage

__all__ = ["Assigner", "JudgementSource", "KnownEvents", "ObjectStore"]


class Assigner(Protocol):
    """Which item of a site a person sees next.

    INVARIANT: the presentation row (order of the candidates, consent, digests) is durable when :meth:`reserve`
    returns; one person meets one item once; what is held and done together never exceeds what is wanted.
    """

    def reserve(self, annotator: str, now: datetime) -> str | None:
        """The presentation held for the person: the one already held, or a new one; None if nothing is left.

        A reservation that nobody answers expires, and its place is given to somebody else. Nobody who has no
        live consent, or was stopped, is given anything.
        """
        ...

    def complete(self, presentation: str, now: datetime) -> None:
        """The presentation was answered; again is no error."""
        ...

    def release(self, presentation: str, now: datetime) -> None:
        """The presentation will not be answered: its place is free, this person is not asked again."""
        ...


class KnownEvents(Protocol):
    """What collection already holds of one site's source."""

    def versions(self) -> Mapping[str, tuple[int, str]]:
        """``ref`` → (revision, version digest) of the newest stored event, deletions left out."""
        ...

    def next_revision(self, ref: str) -> int:
        """The revision that the next event of ``ref`` carries, from 1."""
        ...


class JudgementSource(Protocol):
    """A place where judgements are given, read as events since a cursor.

    Reading twice gives the same events; events already known (same ``ref``, same version) are left out.
    """

    @property
    def site(self) -> str:
        """Place of collection."""
        ...

    @property
    def name(self) -> str:
        """Kind of source."""
        ...

    def pages(self, cursor: str | None, known: KnownEvents) -> Iterator[EventPage]:
        """Pages of events after ``cursor`` (None: from the beginning), oldest first.

        Raises:
            OutsideError: The source cannot be read now; pages already yielded stay valid.
        """
        ...


@runtime_checkable
class ObjectStore(Protocol):
    """Content-addressed, immutable objects under prefixes (``raw/site-a``, ``batches``).

    An object is a blob named by the SHA-256 of its bytes, or a tree: named files under the digest of their
    manifest, complete or absent, never half.
    """

    def put(self, prefix: str, data: bytes) -> str:
        """Store ``data``; idempotent. Returns its digest (``sha256:…``), durable on return."""
        ...

    def get(self, prefix: str, digest: str) -> bytes:
        """The bytes of ``digest``.

        Raises:
            KeyError: Not stored.
            DigestError: The stored bytes are not what the digest names.
            OutsideError: The store cannot be read now.
        """
        ...

    def has(self, prefix: str, digest: str) -> bool:
        """Whether the blob or the complete tree is stored."""
        ...

    def put_tree(self, prefix: str, files: Mapping[str, Path | bytes]) -> str:
        """Store named files as one tree; idempotent. Returns the digest of its manifest.

        The manifest (``manifest.json``: name → sha256 and bytes) is written last, so that a killed write
        leaves no tree.
        """
        ...

    def manifest(self, prefix: str, digest: str) -> Mapping[str, tuple[str, int]]:
        """``name`` → (sha256 digest, size in bytes) of a tree, verified against ``digest``."""
        ...

    def get_file(self, prefix: str, digest: str, name: str) -> bytes:
        """One file of a tree, verified."""
        ...

    def fetch_tree(self, prefix: str, digest: str, folder: Path) -> Path:
        """Copy a tree into ``folder`` (made if needed), every file verified; returns ``folder``."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Digests of the blobs and complete trees under ``prefix``, sorted."""
        ...

    def delete(self, prefix: str, digest: str) -> None:
        """Erase a blob or tree with all its versions; absent is no error."""
        ...

    def half_written(self, *prefixes: str) -> Sequence[str]:
        """Names of what killed writers began under these prefixes and did not end; a store may name others' with them."""
        ...

    def erase_half_written(self, names: Iterable[str]) -> None:
        """Erase what :meth:`half_written` named, but nothing that was completed meanwhile."""
        ...

    def uri(self, prefix: str, digest: str) -> str:
        """Where the object lies, for people and logs (``file://…`` or ``s3://…``)."""
        ...
