"""The gate of one MLflow host: terms that stand, and whether an act is within them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from governance.decision import Decision
from governance.digest import digest_bytes
from governance.errors import InputError, OutsideError, RefusedError
from governance.gate import Seen, Terms, judge_alias, open_terms, publisher_trust, standing_terms
from governance.log.inclusion import Inclusions, InclusionsError, open_inclusions
from governance.promotion import AUDITOR
from governance.provenance import Envelope, EnvelopeError, Trust, open_envelope
from infra.gate.folder import read_decision, read_envelope, read_inclusions, read_trust
from infra.gate.memory import Memory
from infra.gate.pin import Pin

__all__ = ["Gate", "Standing"]


def _utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Terms that stand at one instant, with the trust and the inclusions they name."""

    terms: Terms
    trust: Trust
    inclusions: Inclusions
    pin: Pin
    now: datetime

    def why_not(self, model: str, version: str, alias: str, files: Callable[[], str]) -> tuple[str, ...]:
        """Every reason why the alias may not name this version; ``files`` digests its files as they are now."""
        if not self.terms.governs(model) or not self.terms.protects(alias):
            return ()
        newest = self.terms.decision(model, version)
        try:
            artifact = files() if newest else ""
        except (InputError, OutsideError) as error:
            return (f"the version's files cannot be read, so nobody knows what they are: {error}",)
        return judge_alias(
            self.terms,
            envelope=read_decision(self.pin.folder, newest) if newest else None,
            trust=self.trust,
            inclusions=self.inclusions,
            model=model,
            version=version,
            alias=alias,
            artifact=artifact,
            now=self.now,
        )

    def missing(self, model: str, version: str) -> tuple[str, ...]:
        """Why nothing can be said about a version: the terms name a decision that the folder does not hold."""
        newest = self.terms.decision(model, version)
        if newest and read_decision(self.pin.folder, newest) is None:
            return (f"the decision that the terms name is not there: {newest}",)
        return ()

    def decision(self, model: str, version: str) -> tuple[str, Decision] | None:
        """The newest decision about a version, whatever it says; None where there is none.

        Its digest is that of the envelope as the auditor signed it, whoever has approved it since.
        """
        newest = self.terms.decision(model, version)
        envelope = read_decision(self.pin.folder, newest) if newest else None
        if newest is None or envelope is None:
            return None
        try:
            statement, signers = open_envelope(envelope, trust=self.trust, now=self.now, roles=(AUDITOR,))
            whole = Envelope.parse(envelope)
            auditors = {key.id for key in signers if AUDITOR in key.roles}
            own = replace(whole, signatures=tuple(row for row in whole.signatures if row[0] in auditors))
            return digest_bytes(own.to_bytes()), Decision.from_statement(statement)
        except EnvelopeError:
            return None


class Gate:
    """Reads the published terms and remembers them.

    Args:
        pin: What the host was told.
        clock: The host's clock.
    """

    def __init__(self, pin: Pin, *, clock: Callable[[], datetime] = _utc) -> None:
        self.pin = pin
        self._clock = clock
        self._memory = Memory(pin.memory)
        self._publisher = publisher_trust(pin.publisher)
        self._read: tuple[bytes, Terms, Trust, Inclusions] | None = None

    @contextmanager
    def judging(self, what: str) -> Iterator[Standing]:
        """The terms as they stand now, and nobody else's act on this host until the block is left.

        Raises:
            RefusedError: There are no terms that stand: nothing that needs them is done.
        """
        with self._memory.judging():
            yield self.standing(what)

    def standing(self, what: str) -> Standing:
        """The terms as they stand now, for a question that changes nothing.

        Raises:
            RefusedError: As for :meth:`judging`.
        """
        now = self._clock()
        try:
            envelope = read_envelope(self.pin.folder)
            terms, trust, inclusions = self._opened(envelope, now)
            seen = self._memory.read()
            log = inclusions.checkpoint
            after, reasons = standing_terms(terms, envelope, log=log, seen=seen, now=now)
        except (OutsideError, EnvelopeError, InclusionsError) as error:
            raise RefusedError(what, [f"the gate is shut: {error}"]) from error
        if reasons:
            raise RefusedError(what, [f"the gate is shut: {reason}" for reason in reasons])
        self._remember(seen, after)
        return Standing(terms=terms, trust=trust, inclusions=inclusions, pin=self.pin, now=now)

    def _opened(self, envelope: bytes, now: datetime) -> tuple[Terms, Trust, Inclusions]:
        if self._read is None or self._read[0] != envelope:
            terms = open_terms(envelope, publisher=self._publisher, now=now)
            version = read_trust(self.pin.folder, terms.trust, pinned=self.pin.trust)
            inclusions = open_inclusions(read_inclusions(self.pin.folder, terms.inclusions), log=version.log)
            self._read = (envelope, terms, version.with_revoked(terms.revoked), inclusions)
        return self._read[1:]

    def _remember(self, before: Seen, after: Seen) -> None:
        if before.sequence != after.sequence or before.at is None or _minutes(after, before) >= 1:
            with self._memory.judging():
                if self._memory.read().sequence <= after.sequence:
                    self._memory.keep(after)


def _minutes(after: Seen, before: Seen) -> float:
    if after.at is None or before.at is None:
        return 1.0
    return (after.at - before.at).total_seconds() / 60


def refusal(error: RefusedError, links: Mapping[str, str] | None = None) -> str:
    """What a person reads in MLflow's own dialog: what, and every reason."""
    lines = [f"{error.what} is refused:", *(f"• {reason}" for reason in error.reasons)]
    lines += [f"{name}: {address}" for name, address in (links or {}).items()]
    return "\n".join(lines)
