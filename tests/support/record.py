"""A data folder with a history, made by the platform's own functions without any server."""

from __future__ import annotations

from datetime import timedelta

import pytest

from governance.decision import Approval
from governance.digest import canonical, digest, digest_bytes
from governance.provenance import Trust
from governance.trust import KEEPER, TRUST_TYPE, TrustVersion
from infra import ledger
from infra.approvals import approve, joined, take
from infra.database import open_database
from infra.objects import open_store
from infra.settings import Settings
from infra.signing import add_signature
from infra.trust import current_trust, log_verifier, revocation_of, revoke, sign_payload, start_chain
from tests.support.decisions import NOW, decision, envelope, signing_key, trusted

TWO = Approval(roles=frozenset({"model-reviewer", "policy-owner"}), threshold=2)
KEYS = (
    trusted("auditor", person="audit-office"),
    trusted("ann", roles=("model-reviewer",)),
    trusted("bo", roles=("policy-owner",)),
    trusted("kim", roles=(KEEPER,)),
    trusted("lea", roles=(KEEPER,)),
)
POLICY = canonical({"id": "law", "rules": ["no harm"]})


def settings_of(home):
    made = Settings(home=home)
    made.keys_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made


@pytest.fixture
def settings(tmp_path):
    """A data folder without anything; a test file takes it and ``db`` by name: ``settings, db = record.settings, record.db``."""
    return settings_of(tmp_path / "home")


@pytest.fixture
def db(settings):
    """Its database, open."""
    with open_database(settings, now=NOW) as opened:
        yield opened


def start(settings, db):
    version = TrustVersion(
        serial=1,
        previous=None,
        issued=NOW - timedelta(days=2),
        trust=Trust(keys=KEYS),
        change=Approval(roles=frozenset({KEEPER}), threshold=2),
        log=log_verifier(settings),
    )
    start_chain(
        settings,
        db,
        sign_payload(version.payload(), TRUST_TYPE, [signing_key("kim"), signing_key("lea")]),
        NOW,
    )
    return version


def decided(db, made, *, at=NOW):
    """Record a decision; its row."""
    data = envelope(made)
    row = ledger.Decision(
        digest=digest_bytes(data),
        model=made.model,
        version=made.version,
        verdict=made.verdict.value,
        envelope=data.decode(),
        created_at=at,
    )
    ledger.record_decision(db, row)
    return row


def moved(db, row, outcome="promoted", *, at=NOW, reasons=()):
    ledger.record_promotion(
        db,
        ledger.Promotion(
            model=row.model,
            alias="champion",
            version=row.version,
            outcome=outcome,
            at=at,
            decision=row.digest,
            reasons=reasons,
        ),
    )


def fill(settings, db, *, approved=("ann", "bo"), extra=0):
    """Policy, release, decisions, approvals and promotions, one version after the other; the decision rows."""
    start(settings, db)
    store = open_store(settings)
    text = POLICY.decode()
    ledger.record_policy(
        db,
        ledger.PolicyVersion(
            id="law", version="1.0.0", digest=digest_bytes(POLICY), tier=1, text=text, first_seen=NOW
        ),
    )
    manifest = canonical({"files": {"pairs.parquet": {"sha256": digest_bytes(b"pairs")}}})
    tree = store.put_tree("releases", {"release.json": manifest, "pairs.parquet": b"pairs"})
    ledger.record_release(
        db,
        ledger.Release(
            digest=digest_bytes(manifest),
            inputs_digest=digest("inputs"),
            batches=(digest("batch"),),
            created_at=NOW,
            tree=tree,
        ),
    )
    first = decided(db, decision(version="3", approvals=(TWO,)))
    trust = current_trust(settings, db, NOW)
    for name in approved:
        take(
            db,
            first.envelope.encode(),
            approve(first.envelope.encode(), signing_key(name)),
            trust=trust,
            now=NOW,
        )
    moved(db, first, at=NOW + timedelta(minutes=1))
    second = decided(db, decision(version="4", audit=digest("audit 4")))
    moved(db, second, "refused", at=NOW + timedelta(minutes=2), reasons=("T1.harm",))
    revoke(
        settings, db, revocation_of(signing_key("bo").id, signing_key("kim"), NOW), NOW + timedelta(minutes=3)
    )
    from governance.log.entry import Kind
    from infra import log

    log.append_all(db, [(Kind.KEY, {"number": number}) for number in range(extra)], NOW)
    return first, second


__all__ = ["KEYS", "TWO", "add_signature", "decided", "fill", "joined", "moved", "settings_of", "start"]
