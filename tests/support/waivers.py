"""A policy with one waivable rule of Tier Two, and waivers of it, signed by keys that are the same in every run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from governance.policy.compose import compose
from governance.waiver import WAIVER_TYPE, Waiver
from infra.trust import sign_payload
from tests.support.audits import NOW, law, provider
from tests.support.decisions import signing_key

RULE = {
    "id": "T2.help",
    "kind": "requirement",
    "statement": "Help.",
    "rationale": "Because.",
    "audit": {"probes": ["help"], "judge": "labels", "direction": "over_refusal"},
}


def policy(*, waivable=True):
    return compose([law(), provider(rules=[RULE | {"waivable": waivable}])], at=NOW)


POLICY = policy()


def waiver(**changes):
    base = Waiver(
        rule="T2.help",
        document=POLICY.rule("T2.help").document.digest,
        model="chat",
        version="3",
        reason="refusals are being retrained; the pilot group knows",
        issued=NOW,
        until=NOW + timedelta(days=10),
    )
    return replace(base, **changes)


def signed(made=None, *signers):
    return sign_payload(
        (made or waiver()).payload(), WAIVER_TYPE, [signing_key(n) for n in signers or ("bo",)]
    )
