"""Waivers: a named person answers, with a signature, for letting one model version pass one rule for a while.

Tier Two may mark a rule of its own waivable; nothing else can be waived (:func:`why_not`). A waiver is about one rule as
one policy document words it, one model version and a time; it is signed by a policy owner of the trust, stands in the
log, and changes nothing of what was measured: the finding keeps its verdict, and report and decision name the waiver
beside it. It is no part of the policy's algebra, and ends by itself.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from governance.digest import canonical, is_digest
from governance.instants import parse_instant, stamp
from governance.policy.model import EffectivePolicy
from governance.provenance import Envelope, EnvelopeError, Trust, TrustedKey
from governance.tiers import Tier

__all__ = ["WAIVER_ROLE", "WAIVER_TYPE", "Waiver", "open_waiver", "why_not"]

WAIVER_ROLE: Final = "policy-owner"
WAIVER_TYPE: Final = "application/vnd.bounds.waiver+json"
FORMAT: Final = "bounds-waiver/1"
LONGEST: Final = timedelta(days=366)
_FIELDS: Final = frozenset({"format", "rule", "document", "model", "version", "reason", "issued", "until"})
_SKEW: Final = timedelta(minutes=5)
_LONGEST_REASON: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """What is signed.

    Attributes:
        rule: Id of the rule.
        document: Digest of the policy document that words it; another wording needs another waiver.
        model: Registered model; ``version`` of it.
        reason: Why, in the person's own words.
        issued: When it was signed; ``until`` when it ends (then it is too late).
    """

    rule: str
    document: str
    model: str
    version: str
    reason: str
    issued: datetime
    until: datetime

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical(
            {
                "format": FORMAT,
                "rule": self.rule,
                "document": self.document,
                "model": self.model,
                "version": self.version,
                "reason": self.reason,
                "issued": stamp(self.issued),
                "until": stamp(self.until),
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> Waiver:
        """The waiver in these bytes.

        Raises:
            EnvelopeError: Any field is missing, unknown, empty or wrong.
        """
        try:
            value = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise EnvelopeError("waiver: not JSON") from error
        if not isinstance(value, dict) or value.keys() != _FIELDS or value["format"] != FORMAT:
            raise EnvelopeError(f"waiver: not {FORMAT} with {', '.join(sorted(_FIELDS))}")
        words = {name: value[name] for name in ("rule", "model", "version", "reason")}
        for name, word in words.items():
            if not isinstance(word, str) or not word.strip():
                raise EnvelopeError(f"waiver: {name} is empty")
        if len(words["reason"]) > _LONGEST_REASON or not words["reason"].isprintable():
            raise EnvelopeError(f"waiver: a reason is one line of at most {_LONGEST_REASON} characters")
        if not is_digest(value["document"]):
            raise EnvelopeError("waiver: document is not a digest")
        found = cls(
            **words,
            document=value["document"],
            issued=parse_instant(value["issued"], "waiver: issued"),
            until=parse_instant(value["until"], "waiver: until"),
        )
        if not timedelta() < found.until - found.issued <= LONGEST:
            raise EnvelopeError(f"waiver: it ends after it is issued, within {LONGEST.days} days")
        if found.payload() != payload:
            raise EnvelopeError("waiver: not in its one byte form (RFC 8785)")
        return found


def open_waiver(data: bytes, *, trust: Trust, now: datetime) -> tuple[Waiver, TrustedKey]:
    """The waiver in an envelope, and whose it is, once exactly one policy owner signed it.

    Raises:
        EnvelopeError: With the reason.
    """
    envelope = Envelope.parse(data)
    if envelope.payload_type != WAIVER_TYPE:
        raise EnvelopeError(f"waiver: unknown payloadType {envelope.payload_type!r}")
    if len(envelope.signatures) != 1:
        raise EnvelopeError("waiver: exactly one person answers for it")
    [key] = envelope.signers(trust, now=now)
    if WAIVER_ROLE not in key.roles:
        raise EnvelopeError(f"waiver: {key.person} does not sign as {WAIVER_ROLE}")
    found = Waiver.parse(envelope.payload)
    if not key.is_valid(found.issued):
        raise EnvelopeError(f"waiver: the key of {key.person} was not valid when it was issued")
    return found, key


def why_not(
    waiver: Waiver, *, policy: EffectivePolicy, model: str, version: str, now: datetime
) -> tuple[str, ...]:
    """Every reason why a waiver covers nothing here and now; empty where it does.

    INVARIANT: only a rule of Tier Two that is marked waivable can be waived, in the wording that was waived.
    """
    reasons = []
    rule = policy.rule(waiver.rule)
    if rule is None:
        known: Collection[str] = sorted(each.id for each in policy.rules if each.waivable)
        reasons.append(f"no rule {waiver.rule} is in force; waivable are: {', '.join(known) or 'none'}")
    elif rule.tier is not Tier.TWO:
        reasons.append(f"{waiver.rule} is of Tier {int(rule.tier)}; nothing waives it")
    elif not rule.waivable:
        reasons.append(f"{waiver.rule} is not marked waivable by {rule.owner}")
    elif rule.document.digest != waiver.document:
        reasons.append(
            f"it waives {waiver.rule} in another wording than {rule.document.id} {rule.document.version}"
        )
    if (waiver.model, waiver.version) != (model, version):
        reasons.append(f"it is about {waiver.model} version {waiver.version}, not {model} version {version}")
    if now < waiver.issued - _SKEW:
        reasons.append(f"it is not yet valid: issued {stamp(waiver.issued)}")
    if now >= waiver.until:
        reasons.append(f"it ended {stamp(waiver.until)}")
    return tuple(reasons)
