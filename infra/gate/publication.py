"""What the platform tells its registries, made of its settings, the policy in force, its trust and its decisions."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from governance.digest import digest_bytes
from governance.errors import InputError
from governance.gate import PUBLISHER, Terms
from governance.policy.compose import compose
from governance.policy.model import DocumentRef, EffectivePolicy
from governance.promotion import Approval
from governance.provenance import Envelope
from governance.trust import TrustVersion, envelopes_of
from infra.approvals import joined
from infra.database import Database, open_database
from infra.gate.floor import write_grants
from infra.gate.folder import publish
from infra.gate.grants import grants_of
from infra.gate.pin import Pin
from infra.inclusion import inclusions_of
from infra.ledger import Decision, decisions
from infra.policy_files import load_pack
from infra.settings import Settings
from infra.signing import load_or_create_key
from infra.trust import newest_version, revocations, trust_file

__all__ = ["make_pin", "prepare_host", "publish_terms"]


def publish_terms(settings: Settings, db: Database, *, policy: EffectivePolicy, now: datetime) -> Terms:
    """Publish what holds now; nothing new is written where nothing has changed.

    Where the settings name the database of the grants, the floor under the gate is told the same.

    Raises:
        InputError: The policy in force protects no alias: there is nothing to tell.
        RefusedError: The log does not begin with what was signed of it before.
        OutsideError: The folder, or the database of the grants, cannot be written.
    """
    if not policy.promotion.aliases:
        raise InputError(
            "the policy in force protects no alias", field="promotion.aliases", expected="such as [champion]"
        )
    newest: dict[tuple[str, str], Decision] = {}
    for row in decisions(db):  # oldest first: the newest stays
        newest[row.model, row.version] = row
    trust, revoked = newest_version(settings, db, now), sorted(revocations(db))
    index: dict[str, dict[str, str]] = {}
    envelopes: dict[str, bytes] = {}
    shown: dict[str, Decision] = {}
    for (model, version), row in newest.items():
        whole = joined(db, row.envelope.encode(), trust=trust.with_revoked(revoked), now=now)
        envelopes[digest_bytes(whole)] = whole
        shown[digest_bytes(whole)] = row
        index.setdefault(model, {})[version] = digest_bytes(whole)
    terms = Terms(
        sequence=1,
        aliases=tuple(sorted(policy.promotion.aliases)),
        models=settings.gate.models,
        policies=tuple(map(_policy_row, policy.documents)),
        approvals=tuple(
            Approval(roles=need.roles, threshold=need.threshold) for need in policy.promotion.approvals
        ),
        demonstration=policy.promotion.is_demonstration,
        trust=trust.digest,
        revoked=tuple(revoked),
        decisions=index,
        inclusions=digest_bytes(b""),  # set by what is published
        webhooks=settings.gate_webhooks,
        review=settings.review_url,
        issued=now,
        expires=now + timedelta(days=1),
    )
    published = publish(
        settings.gate_folder,
        terms,
        chain=trust_file(settings).read_bytes(),
        envelopes=envelopes,
        inclusions=lambda: inclusions_of(settings, db, envelopes, decided=shown, now=now),
        key=load_or_create_key(settings.keys_folder, PUBLISHER),
        now=now,
        validity=timedelta(days=settings.gate.terms_days),
    )
    if settings.gate.grants:
        allowed = grants_of(published, envelopes, trust=trust.with_revoked(revoked), now=now)
        write_grants(settings.gate.grants.get_secret_value(), aliases=published.aliases, grants=allowed)
    return published


def make_pin(settings: Settings, db: Database, now: datetime) -> Pin:
    """What an MLflow host of this platform is told."""
    newest_version(settings, db, now)
    first = Envelope.parse(envelopes_of(trust_file(settings).read_bytes())[0])
    return Pin(
        folder=settings.gate_folder,
        publisher=load_or_create_key(settings.keys_folder, PUBLISHER).public_key,
        trust=settings.trust or TrustVersion.parse(first.payload).digest,
        memory=settings.home / "gate-memory",
    )


def prepare_host(settings: Settings, pin_file: Path, now: datetime) -> None:
    """Write the pin of the embedded MLflow and publish, so that it finds terms when it starts.

    Raises:
        BoundsError: The policy or the decisions cannot be read; the gate then keeps to older terms, or is shut.
    """
    policy = compose(
        load_pack(settings.policy),
        at=now,
        jurisdictions=settings.jurisdictions or None,
        application=settings.application,
    )
    with open_database(settings, now=now) as db:
        pin = make_pin(settings, db, now).as_json()
        pin_file.write_text(json.dumps(pin, indent=1) + "\n", encoding="utf-8")
        publish_terms(settings, db, policy=policy, now=now)


def _policy_row(document: DocumentRef) -> dict[str, Any]:
    return {
        "id": document.id,
        "version": document.version,
        "digest": document.digest,
        "tier": int(document.tier),
    }
