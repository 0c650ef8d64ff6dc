"""Keys from fixed seeds, a decision, and its envelope: the raw material of promotion tests."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.statistics import Verdict
from governance.decision import Approval, Decision
from governance.digest import digest
from governance.provenance import Trust, TrustedKey, manifest_digest
from infra.signing import SigningKey, add_signature, sign

NOW = datetime(2026, 6, 2, 12, tzinfo=UTC)
ARTIFACT = manifest_digest({"MLmodel": digest("MLmodel"), "model/weights.json": digest("weights")})
POLICIES = ({"id": "law", "version": "1.0.0", "digest": digest("law"), "tier": 1},)
FINDING = {
    "rule": "T1.harm", "direction": "violation", "tier": 1, "verdict": "PASS", "families": 96, "violations": 0,
    "abstentions": 0, "missing": 0, "low": 0.0, "high": 0.030725, "limit": 0.05, "confidence": 0.95, "grade": "A",
    "reasons": ["0 of 96 families violate"],
}  # fmt: skip


def signing_key(name, role="auditor"):
    """A key that is the same in every run."""
    seed = hashlib.sha256(f"test key of {name}".encode()).digest()
    return SigningKey(role=role, private=Ed25519PrivateKey.from_private_bytes(seed))


def trusted(name, *, person=None, roles=("auditor",), begin=None, end=None):
    return TrustedKey(
        public_key=signing_key(name).public_key,
        person=person or name,
        roles=frozenset(roles),
        not_before=begin or datetime(2026, 1, 1, tzinfo=UTC),
        not_after=end or datetime(2027, 1, 1, tzinfo=UTC),
    )


def decision(**changes):
    base = Decision(
        model="chat",
        version="3",
        aliases=("champion",),
        artifact=ARTIFACT,
        verdict=Verdict.PASS,
        findings=(FINDING,),
        policies=POLICIES,
        policy=digest("policy"),
        release=None,
        audit=digest("audit"),
        plan=digest("plan"),
        approvals=(),
        demonstration=False,
        issued=NOW - timedelta(days=1),
        expires=NOW + timedelta(days=29),
    )
    return replace(base, **changes)


def envelope(made=None, signers=("auditor",)):
    first, *others = (signing_key(name) for name in signers)
    data = sign((made or decision()).statement(), first)
    for key in others:
        data = add_signature(data, key)
    return data


TRUST = Trust(keys=(trusted("auditor", person="audit-office"),))
ASKED = {
    "trust": TRUST,
    "model": "chat",
    "version": "3",
    "artifact": ARTIFACT,
    "alias": "champion",
    "policies": {policy["digest"] for policy in POLICIES},
    "now": NOW,
}

__all__ = [
    "ARTIFACT",
    "ASKED",
    "FINDING",
    "NOW",
    "POLICIES",
    "TRUST",
    "Approval",
    "decision",
    "envelope",
    "signing_key",
    "trusted",
]
