"""Attacks by decisions that are rightly signed and do not do: published by the platform itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from governance.decision import Approval
from governance.digest import canonical, digest
from tests.attacks.attack import attack
from tests.attacks.folder import decision_of, published
from tests.support.decisions import envelope


@attack(by="a signed decision")
def an_expired_decision(d):
    now = datetime.now(UTC).replace(microsecond=0)
    return published(
        d, envelope(decision_of(d, "bad", issued=now - timedelta(days=40), expires=now - timedelta(days=10)))
    )


@attack(by="a signed decision")
def a_decision_under_another_policy(d):
    other = ({"id": "law", "version": "0.9.0", "digest": digest("law 0.9"), "tier": 1},)
    return published(d, envelope(decision_of(d, "bad", policies=other)))


@attack(by="a signed decision")
def a_decision_for_another_alias(d):
    return published(d, envelope(decision_of(d, "bad", aliases=("candidate",))))


@attack(by="a signed decision")
def a_decision_about_files_that_changed_afterwards(d):
    """The operator of the disk changed them; the gate digests what lies there now."""
    bad = d.versions["bad"]
    before = d.read(f"{bad.path}/MLmodel")
    d.write(f"{bad.path}/MLmodel", b"changed")
    try:
        return published(d, envelope(decision_of(d, "bad")))
    finally:
        d.write(f"{bad.path}/MLmodel", before)


@attack(by="a signed decision")
def a_decision_without_its_approvals(d):
    need = (Approval(roles=frozenset({"model-reviewer"}), threshold=2),)
    return published(d, envelope(decision_of(d, "bad", approvals=need), signers=("auditor", "reviewer")))


@attack(by="a signed decision")
def a_decision_the_policy_in_force_wants_approved(d):
    need = (Approval(roles=frozenset({"model-reviewer"}), threshold=1),)
    return published(d, envelope(decision_of(d, "bad")), approvals=need)


@attack(by="a signed decision")
def a_decision_on_simulated_evidence(d):
    return published(d, envelope(decision_of(d, "bad", demonstration=True)))


@attack(by="a signed decision")
def a_decision_signed_twice_by_one_person(d):
    """One key under two names cannot stand in a trust at all; one key twice cannot stand in an envelope."""
    signed = json.loads(envelope(decision_of(d, "bad", approvals=(Approval(roles=frozenset({"model-reviewer"}), threshold=2),)), signers=("auditor", "reviewer")))  # fmt: skip
    signed["signatures"].append(dict(signed["signatures"][-1]))
    return published(d, canonical(signed))
