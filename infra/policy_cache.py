"""The policy stack as a running service holds it: read from its files, composed once per context, kept by digest.

Files are looked at again while the service runs, so that a change takes effect without a restart. A change
that cannot be used never replaces what is in force: the last good stack stays, and ``fault`` says why. What
is kept is composed anew when its time is over, so an expired document is refused, never served from memory.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from governance.digest import digest_set
from governance.errors import OutsideError, PolicyError
from governance.policy.compose import compose
from governance.policy.convert import reference
from governance.policy.document import PolicyDocument, document_digest
from governance.policy.model import DocumentRef, EffectivePolicy
from infra.policy_files import files_of, load_pack, with_pinned

__all__ = ["Held", "NoPolicyError", "PolicyCache", "Stack"]

_MOST_CONTEXTS: Final = 256
_SECONDS_BETWEEN_LOOKS: Final = 0.2

Stamp = tuple[tuple[str, int, int, int], ...]
Key = tuple[str, tuple[str, ...] | None, str | None]


class NoPolicyError(OutsideError):
    """There is no policy to decide under: nothing is allowed until somebody repairs the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One document of the stack, and who speaks in it."""

    ref: DocumentRef
    document: PolicyDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The documents in use, named by the digest of their set."""

    digest: str
    held: Mapping[tuple[str, str], Held]
    applications: tuple[str, ...]
    jurisdictions: tuple[str, ...]

    @property
    def documents(self) -> list[PolicyDocument]:
        """The documents, without the places they came from."""
        return [held.document for held in self.held.values()]


class PolicyCache:
    """The stack of one installation.

    Args:
        named: A shipped pack, a file or a folder.
        jurisdictions: Used where a caller names none; none here either means every overlay there is.
        application: Used where a caller names none.
        now: The instant of a decision.
        seconds_between_looks: The files are looked at no more often than this.
    """

    def __init__(
        self,
        named: str | Path,
        *,
        jurisdictions: Sequence[str] = (),
        application: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds_between_looks: float = _SECONDS_BETWEEN_LOOKS,
    ) -> None:
        self._named = named
        self._places = tuple(jurisdictions) or None
        self.application = application
        self._now = now
        self._pause = seconds_between_looks
        self._lock = threading.RLock()
        self._looked: float | None = None
        self._stamp: Stamp | None = None
        self._stack: Stack | None = None
        self._fault: str | None = None
        self._composed: OrderedDict[Key, EffectivePolicy] = OrderedDict()

    @property
    def fault(self) -> str | None:
        """Why the files as they lie now are not in use; None when they are."""
        self._look()
        return self._fault

    def stack(self) -> Stack:
        """The documents in use.

        Raises:
            NoPolicyError: No usable stack has been read yet.
        """
        self._look()
        if self._stack is None:
            raise NoPolicyError(f"no usable policy: {self._fault}")
        return self._stack

    def policy(
        self, *, jurisdictions: Iterable[str] | None = None, application: str | None = None
    ) -> EffectivePolicy:
        """The policy in force now for a context, composed at most once while it is valid.

        Raises:
            NoPolicyError: No usable stack has been read yet.
            PolicyError: The stack cannot be composed for this context, or not any more.
        """
        stack = self.stack()
        # INVARIANT: a caller may add places to the operator's, never leave one out.
        asked = None if jurisdictions is None else {*jurisdictions, *(self._places or ())}
        places = self._places if asked is None else tuple(sorted(asked))
        key = (stack.digest, places, application or self.application)
        now = self._now()
        with self._lock:
            kept = self._composed.get(key)
            if kept is not None and kept.at <= now and (kept.valid_until is None or now < kept.valid_until):
                self._composed.move_to_end(key)
                return kept
        made = compose(stack.documents, at=now, jurisdictions=places, application=key[2])
        with self._lock:
            self._composed[key] = made
            while len(self._composed) > _MOST_CONTEXTS:
                self._composed.popitem(last=False)
        return made

    def as_json(self) -> dict[str, Any]:
        """How the stack is, for a health page."""
        fault = self.fault
        stack = self._stack
        in_use = "the last good one stays in use" if stack else "none is in use: every request is refused"
        return {
            "healthy": fault is None,
            "says": "in force" if fault is None else f"the policy files cannot be used, {in_use}: {fault}",
            "stack": stack.digest if stack else None,
        }

    def _look(self) -> None:
        with self._lock:
            moment = time.monotonic()
            if self._looked is not None and moment - self._looked < self._pause:
                return
            self._looked = moment
            try:
                stamp = _stamp(self._named)
                if stamp == self._stamp:
                    return
                # Kept before the files are read: what changes while they are read shows at the next look.
                self._stamp = stamp
                self._stack = self._read()
                self._fault = None
            except PolicyError as error:
                self._fault = error.diagnostics()

    def _read(self) -> Stack:
        """The stack on disk, tried in every context it is used in by default before it is taken."""
        stack = _stack(with_pinned(load_pack(self._named)))
        asked: Sequence[str | None] = (self.application,) if self.application else stack.applications
        for application in asked or (None,):
            compose(stack.documents, at=self._now(), jurisdictions=self._places, application=application)
        return stack


def _stack(documents: Iterable[PolicyDocument]) -> Stack:
    held: dict[tuple[str, str], Held] = {}
    for document in documents:
        ref = reference(document, document_digest(document))
        other = held.setdefault((ref.id, ref.version), Held(ref=ref, document=document))
        if other.ref.digest != ref.digest:
            raise PolicyError(
                "two different documents have the same id and version",
                file=ref.id,
                field="version",
                value=ref.version,
                expected="a new version for every change",
            )
    every = [entry.document for entry in held.values()]
    return Stack(
        digest=digest_set(entry.ref.digest for entry in held.values()),
        held=dict(sorted(held.items(), key=lambda item: (item[1].ref.level, item[0]))),
        applications=tuple(sorted({name for d in every for name in getattr(d, "applications", ())})),
        jurisdictions=tuple(sorted({code for d in every for code in getattr(d, "jurisdictions", ())})),
    )


def _stamp(named: str | Path) -> Stamp:
    """What changes when a file is written, replaced, added or taken away."""
    found = []
    for file in files_of(named):
        try:
            state = file.stat()
        except OSError as error:
            raise PolicyError(f"cannot read the file: {error.strerror}", file=str(file)) from error
        found.append((str(file), state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(found)
