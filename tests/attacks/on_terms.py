"""Attacks by who can write the published folder, or has older files of it, and has no key of ours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from governance.digest import digest
from governance.gate import PUBLISHER
from governance.provenance import Trust
from governance.trust import KEEPER, TRUST_TYPE, chain_bytes
from infra.signing import sign
from infra.trust import sign_payload
from tests.attacks.attack import attack, onto_bad
from tests.attacks.deployment import MODEL
from tests.attacks.folder import decision_of, lay, with_decision, with_terms
from tests.support.decisions import envelope, signing_key, trusted


@attack(by="the gate's folder")
def take_the_terms_away(d):
    return with_terms(d, lambda _: None)


@attack(by="the gate's folder")
def terms_signed_by_another_key(d):
    mallory = signing_key("mallory", role=PUBLISHER)
    return with_terms(d, lambda _: sign(d.terms(sequence=2**40, aliases=("nothing",)).statement(), mallory))


@attack(by="the gate's folder")
def terms_signed_by_the_auditor(d):
    return with_terms(
        d, lambda _: sign(d.terms(sequence=2**40, aliases=("nothing",)).statement(), signing_key("auditor"))
    )


@attack(by="older files of the gate's folder")
def older_terms_with_a_downgraded_policy(d):
    """Signed by us once: under it the refused version had passed."""
    old = ({"id": "law", "version": "0.9.0", "digest": digest("law 0.9"), "tier": 1},)
    bad = d.versions["bad"]
    passed = envelope(decision_of(d, "bad", policies=old))
    kept = d.decisions[MODEL, bad.version]
    d.decisions[MODEL, bad.version] = passed
    try:
        lay(d, passed)
        terms = d.terms(sequence=1, policies=old)
    finally:
        d.decisions[MODEL, bad.version] = kept
    return with_terms(d, lambda _: sign(terms.statement(), signing_key(PUBLISHER, role=PUBLISHER)))


@attack(by="older files of the gate's folder")
def older_terms_without_the_newest_refusal(d):
    """A decision that was replaced by a refusal, with the terms of that time: replayed."""
    bad = d.versions["bad"]
    passed = envelope(decision_of(d, "bad"))
    kept = d.decisions[MODEL, bad.version]
    d.decisions[MODEL, bad.version] = passed
    try:
        lay(d, passed)
        terms = d.terms(sequence=2)
    finally:
        d.decisions[MODEL, bad.version] = kept
    return with_terms(d, lambda _: sign(terms.statement(), signing_key(PUBLISHER, role=PUBLISHER)))


@attack(by="older files of the gate's folder")
def older_terms_without_a_revocation(d):
    """The auditor's key was taken back; terms of before would still believe it."""
    before = d.terms(sequence=3)
    auditor = signing_key("auditor").id
    kept = d.decisions[MODEL, d.versions["bad"].version]
    d.decisions[MODEL, d.versions["bad"].version] = envelope(decision_of(d, "bad"))
    try:
        d.publish(revoked=(auditor,))
        answers = [d.set_alias(onto_bad(d)["version"]), d.set_alias(d.versions["better"].version)]
        assert all(answer.status_code == 403 for answer in answers), [a.text for a in answers]
        return with_terms(d, lambda _: sign(before.statement(), signing_key(PUBLISHER, role=PUBLISHER)))
    finally:
        d.decisions[MODEL, d.versions["bad"].version] = kept
        d.publish()


@attack(by="the gate's folder")
def a_trust_of_ones_own(d):
    """Another chain under the name of the right one: it does not lead from the pinned version."""
    file = d.folder / "gate" / "trust" / (d.pin.trust.removeprefix("sha256:") + ".json")
    before = file.read_bytes()
    ends = datetime(2999, 1, 1, tzinfo=UTC)
    own = replace(
        d.trust,
        trust=Trust(
            keys=(trusted("mallory", roles=("auditor",), end=ends), trusted("m2", roles=(KEEPER,), end=ends))
        ),
    )
    try:
        file.write_bytes(
            chain_bytes([sign_payload(own.payload(), TRUST_TYPE, [signing_key("m2", role=KEEPER)])])
        )
        return with_decision(d, envelope(decision_of(d, "bad"), signers=("mallory",)))
    finally:
        file.write_bytes(before)


@attack(by="the gate's folder")
def a_forged_decision_by_a_key_of_ones_own(d):
    return with_decision(d, envelope(decision_of(d, "bad"), signers=("mallory",)))


@attack(by="the gate's folder")
def the_decision_of_another_version(d):
    return with_decision(d, d.decisions[MODEL, d.versions["good"].version])


@attack(by="the gate's folder")
def an_edited_decision(d):
    newest = json.loads(d.decisions[MODEL, d.versions["bad"].version])
    newest["payload"] = newest["payload"][:-8] + "AAAAAAA="
    return with_decision(d, json.dumps(newest).encode())
