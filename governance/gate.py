"""The terms of the gate: what a registry may do without knowing anything but these signed bytes.

A registry's host holds no signing key and reads no policy. It gets *terms*: which aliases are protected on
which models, the policy documents in force, the trust that counts, for every decided version the digest of its
newest decision, and what shows that the decisions stand in the log. They are signed by the platform's publisher,
numbered without a step back, and end. :func:`judge_alias` says whether an alias may be set under them; what it
cannot see it refuses.

INVARIANT: an older decision, policy, trust, checkpoint or revocation list that is put back is not named by the
newest terms, and older terms have a lower number than the one remembered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from governance.decision import Approval, stamp
from governance.digest import digest, digest_bytes, is_digest
from governance.gate_form import read_approvals, read_instant, read_words
from governance.log.inclusion import Inclusions
from governance.log.note import Checkpoint
from governance.promotion import verify_decision
from governance.provenance import EnvelopeError, Statement, Trust, TrustedKey, open_envelope

__all__ = [
    "PUBLISHER",
    "TERMS_TYPE",
    "Seen",
    "Terms",
    "judge_alias",
    "open_terms",
    "publisher_trust",
    "standing_terms",
]

PUBLISHER: Final = "publisher"
TERMS_TYPE: Final = "urn:bounds:gate-terms:v2"
_SKEW: Final = timedelta(minutes=5)
_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")
_FIELDS: Final = frozenset(
    {"sequence", "aliases", "models", "policies", "approvals", "demonstration", "trust", "revoked", "decisions",
     "inclusions", "webhooks", "review", "issued", "expires"}
)  # fmt: skip
_OF_ONE_PUBLICATION: Final = frozenset({"sequence", "inclusions", "issued", "expires"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the platform tells its registries.

    Attributes:
        sequence: Its number; each publication has a higher one.
        aliases: Protected aliases; compared without case.
        models: Patterns of the names of governed models (``*`` is every one); compared without case.
        policies: Policy documents in force: id, version, digest, tier.
        approvals: Signatures that the policy in force asks for beside the auditor's.
        demonstration: Whether a decision on simulated evidence may do.
        trust: Digest of the version of ``trust.json`` that counts.
        revoked: Ids of keys taken back since that version.
        decisions: For each model and version the digest of its newest decision's envelope.
        inclusions: Digest of what shows that these decisions stand in the log (:mod:`governance.log.inclusion`).
        webhooks: For each webhook of the platform its ``url``, its ``secret``'s digest and its ``events``.
        review: Address of the platform's review pages; None where there are none.
        issued: When they were published.
        expires: Until when they hold; without newer ones the gate is shut.
    """

    sequence: int
    aliases: tuple[str, ...]
    models: tuple[str, ...]
    policies: tuple[Mapping[str, Any], ...]
    approvals: tuple[Approval, ...]
    demonstration: bool
    trust: str
    revoked: tuple[str, ...]
    decisions: Mapping[str, Mapping[str, str]]
    inclusions: str
    webhooks: Mapping[str, Mapping[str, Any]]
    review: str | None
    issued: datetime
    expires: datetime

    def governs(self, model: str) -> bool:
        """Whether the aliases are protected on that model."""
        name = model.casefold()
        return any(fnmatchcase(name, pattern.casefold()) for pattern in self.models)

    def protects(self, alias: str) -> bool:
        """Whether it is a protected alias."""
        return alias.casefold() in {protected.casefold() for protected in self.aliases}

    def decision(self, model: str, version: str) -> str | None:
        """Digest of the newest decision about a version."""
        return self.decisions.get(model, {}).get(version)

    def predicate(self) -> dict[str, Any]:
        """The JSON object that is signed."""
        return {
            "sequence": self.sequence,
            "aliases": sorted(self.aliases),
            "models": sorted(self.models),
            "policies": [dict(policy) for policy in self.policies],
            "approvals": [approval.as_json() for approval in self.approvals],
            "demonstration": self.demonstration,
            "trust": self.trust,
            "revoked": sorted(self.revoked),
            "decisions": {model: dict(versions) for model, versions in self.decisions.items()},
            "inclusions": self.inclusions,
            "webhooks": {name: dict(webhook) for name, webhook in self.webhooks.items()},
            "review": self.review,
            "issued": stamp(self.issued),
            "expires": stamp(self.expires),
        }

    @property
    def content(self) -> str:
        """Digest of what they say, without their number, their times and how far the log had grown."""
        said = self.predicate()
        return digest({name: said[name] for name in sorted(_FIELDS - _OF_ONE_PUBLICATION)})

    def statement(self) -> Statement:
        """The in-toto Statement: its subject is the trust under which they are read."""
        return Statement(
            subject="trust.json",
            sha256=self.trust.removeprefix("sha256:"),
            predicate_type=TERMS_TYPE,
            predicate=self.predicate(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a gate remembers: the highest number, what it said, the latest instant it knows of, and how far the log was."""

    sequence: int = 0
    envelope: str = ""
    at: datetime | None = None
    log: Checkpoint | None = None


def open_terms(envelope: bytes, *, publisher: Trust, now: datetime) -> Terms:
    """The terms in an envelope signed by the publisher.

    Raises:
        EnvelopeError: Not signed by the publisher, or any field missing, unknown, empty or wrong.
    """
    statement, _ = open_envelope(envelope, trust=publisher, now=now, roles=(PUBLISHER,))
    return _read(statement)


def standing_terms(
    terms: Terms, envelope: bytes, *, log: Checkpoint, seen: Seen, now: datetime
) -> tuple[Seen, tuple[str, ...]]:
    """What to remember from now on, and every reason why these terms may not be used.

    Args:
        terms: As read from ``envelope``.
        envelope: The very bytes.
        log: The checkpoint that came with them.
        seen: What was remembered.
        now: The host's clock, which is believed only forwards.
    """
    mark = digest_bytes(envelope)
    reasons = []
    if terms.sequence < seen.sequence:
        reasons.append(
            f"older terms were put back: number {terms.sequence} after {seen.sequence}; "
            "a policy, a decision or a revocation may have been taken away"
        )
    elif terms.sequence == seen.sequence and seen.envelope and mark != seen.envelope:
        reasons.append(f"two different terms bear the number {terms.sequence}")
    reasons += _set_back(log, seen.log)
    newest = max(filter(None, (terms.issued, seen.at)), default=terms.issued)
    if now < newest - _SKEW:
        reasons.append(
            f"this host's clock says {stamp(now)}, before the newest record of {stamp(newest)}: "
            "an expiry cannot be judged by it"
        )
    if now >= terms.expires:
        reasons.append(f"the terms ended {stamp(terms.expires)}; the platform has to publish newer ones")
    if reasons:
        return seen, tuple(reasons)
    return Seen(sequence=terms.sequence, envelope=mark, at=max(newest, now), log=log), ()


def _set_back(log: Checkpoint, seen: Checkpoint | None) -> list[str]:
    """Why this is not the log that was seen before, grown; another log is the trust's matter, which names it."""
    if seen is None or seen.origin != log.origin:
        return []
    if log.size < seen.size:
        return [f"an older checkpoint was put back: the log has {log.size} entries after {seen.size}"]
    if log.size == seen.size and log.root != seen.root:
        return [f"the log was forked: two checkpoints of {log.size} entries have different roots"]
    return []


def judge_alias(
    terms: Terms,
    *,
    envelope: bytes | None,
    trust: Trust,
    inclusions: Inclusions,
    model: str,
    version: str,
    alias: str,
    artifact: str,
    now: datetime,
) -> tuple[str, ...]:
    """Every reason why ``alias`` may not name this version; empty if it may.

    Args:
        terms: Terms that stand.
        envelope: The decision as the platform handed it over, None where there is none.
        trust: The trust that the terms name.
        inclusions: What shows that decisions stand in the log, as the terms name it.
        model: Registered model.
        version: Its version.
        alias: The alias; anything that is not protected is nobody's business here.
        artifact: Digest of the version's files as they are now.
        now: The reference time.
    """
    if not terms.governs(model) or not terms.protects(alias):
        return ()
    newest = terms.decision(model, version)
    if newest is None or envelope is None:
        return ("there is no signed decision about this version; it has not been audited",)
    if digest_bytes(envelope) != newest:
        return ("the decision at hand is not the newest about this version",)
    verification = verify_decision(
        envelope,
        trust=trust,
        model=model,
        version=version,
        artifact=artifact,
        alias=alias,
        policies={str(policy["digest"]) for policy in terms.policies},
        approvals=terms.approvals,
        accept_demonstration=terms.demonstration,
        now=now,
    )
    if not verification:
        return verification.reasons or ("the decision does not allow it",)
    return inclusions.why_not(envelope)


def _read(statement: Statement) -> Terms:
    if statement.predicate_type != TERMS_TYPE:
        raise EnvelopeError(f"not terms of a gate: {statement.predicate_type!r}")
    fields = dict(statement.predicate)
    if fields.keys() != _FIELDS:
        raise EnvelopeError(f"terms: fields missing or unknown: {', '.join(sorted(fields.keys() ^ _FIELDS))}")
    if type(fields["sequence"]) is not int or fields["sequence"] < 1:
        raise EnvelopeError("terms: sequence is a number from 1")
    if not isinstance(fields["demonstration"], bool):
        raise EnvelopeError("terms: demonstration is true or false")
    if fields["review"] is not None and not (isinstance(fields["review"], str) and fields["review"]):
        raise EnvelopeError("terms: review is null or an address")
    if not is_digest(fields["inclusions"]):
        raise EnvelopeError("terms: inclusions are named by a digest")
    if fields["trust"] != f"sha256:{statement.sha256}":
        raise EnvelopeError("terms: the statement's subject is not the trust they name")
    terms = Terms(
        sequence=fields["sequence"],
        aliases=read_words(fields["aliases"], "aliases"),
        models=read_words(fields["models"], "models"),
        policies=_policies(fields["policies"]),
        approvals=read_approvals(fields["approvals"]),
        demonstration=fields["demonstration"],
        trust=fields["trust"],
        revoked=_keyids(fields["revoked"]),
        decisions=_decisions(fields["decisions"]),
        inclusions=fields["inclusions"],
        webhooks=_webhooks(fields["webhooks"]),
        review=fields["review"],
        issued=read_instant(fields["issued"], "issued"),
        expires=read_instant(fields["expires"], "expires"),
    )
    if terms.issued >= terms.expires:
        raise EnvelopeError("terms: end before they are issued")
    return terms


def _keyids(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(keyid, str) for keyid in value):
        raise EnvelopeError("terms: revoked is a list of key ids")
    return tuple(value)


def _policies(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not value:
        raise EnvelopeError("terms: no policy is in force")
    for row in value:
        if (
            not isinstance(row, dict)
            or set(row) != {"id", "version", "digest", "tier"}
            or not is_digest(row["digest"])
        ):
            raise EnvelopeError("terms: a policy has digest, id, tier, version")
    return tuple(value)


def _decisions(value: Any) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(value, dict):
        raise EnvelopeError("terms: decisions are an object")
    for versions in value.values():
        if not isinstance(versions, dict) or not all(
            _VERSION.fullmatch(version) and is_digest(named) for version, named in versions.items()
        ):
            raise EnvelopeError("terms: decisions name a digest for each version")
    return value


def _webhooks(value: Any) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(value, dict):
        raise EnvelopeError("terms: webhooks are an object")
    for row in value.values():
        if (
            not isinstance(row, dict)
            or set(row) != {"url", "secret", "events"}
            or not isinstance(row["url"], str)
            or not is_digest(row["secret"])
        ):
            raise EnvelopeError("terms: a webhook has events, secret, url")
        read_words(row["events"], "events")
    return value


def publisher_trust(public_key: bytes) -> Trust:
    """The trust of a gate that is told one public key: its holder publishes, whenever."""
    key = TrustedKey(
        public_key=public_key,
        person="publisher",
        roles=frozenset({PUBLISHER}),
        not_before=datetime(1970, 1, 1, tzinfo=UTC),
        not_after=datetime(9999, 1, 1, tzinfo=UTC),
    )
    return Trust(keys=(key,))
