"""Waivers: what they cover, what nothing covers, and that what was measured stays as it was."""

import json
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator

from governance.audit.markdown import as_markdown
from governance.audit.page import as_page
from governance.audit.plan import make_plan
from governance.audit.run import conclude
from governance.audit.statistics import Verdict
from governance.decision import PREDICATE_TYPE, WAIVING_TYPE, Decision, decide
from governance.digest import digest
from governance.promotion import verify_decision
from governance.provenance import Envelope, EnvelopeError, Trust
from governance.waived import Waived, covering
from governance.waiver import WAIVER_TYPE, open_waiver, why_not
from infra.signing import sign
from infra.trust import sign_payload
from tests.support.audits import NOW, answers_and_judge, probe_set
from tests.support.decisions import signing_key, trusted
from tests.support.waivers import POLICY, policy, signed, waiver

KEYS = (
    trusted("auditor", person="audit-office"),
    trusted("bo", roles=("policy-owner",)),
    trusted("ann", roles=("model-reviewer",)),
    trusted("old", roles=("policy-owner",), end=NOW - timedelta(days=1)),
)
TRUST = Trust(keys=KEYS)
SCHEMA = json.loads((files("governance") / "audit/report.schema.json").read_text("utf-8"))


def asked(**changes):
    return {"policy": POLICY, "model": "chat", "version": "3", "now": NOW} | changes


def test_a_policy_owner_waives_a_waivable_rule_of_tier_two():
    found, key = open_waiver(signed(), trust=TRUST, now=NOW)
    assert (found, key.person) == (waiver(), "bo")
    assert why_not(found, **asked()) == ()


@pytest.mark.parametrize(
    ("changes", "about", "reason"),
    [
        ({"rule": "T1.harm"}, {}, "is of Tier 1; nothing waives it"),
        ({"rule": "T2.none"}, {}, "no rule T2.none is in force; waivable are: T2.help"),
        ({}, {"policy": policy(waivable=False)}, "not marked waivable by Provider"),
        ({"document": digest("another wording")}, {}, "another wording"),
        ({}, {"version": "4"}, "about chat version 3, not chat version 4"),
        ({}, {"model": "other"}, "about chat version 3, not other"),
        ({}, {"now": NOW + timedelta(days=10)}, "it ended"),
        ({}, {"now": NOW - timedelta(hours=1)}, "not yet valid"),
    ],
)
def test_what_a_waiver_does_not_cover(changes, about, reason):
    assert any(reason in said for said in why_not(waiver(**changes), **asked(**about)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (signed(None, "ann"), "ann does not sign as policy-owner"),
        (signed(None, "auditor"), "audit-office does not sign as policy-owner"),
        (signed(None, "bo", "ann"), "exactly one person"),
        (signed(None, "eve"), "not trusted"),
        (signed(None, "old"), "not valid"),
        (signed(waiver(reason=" ")), "reason is empty"),
        (signed(waiver(reason="two\nlines")), "one line"),
        (signed(waiver(until=NOW)), "ends after it is issued"),
        (signed(waiver(until=NOW + timedelta(days=400))), "within 366 days"),
        (signed(waiver(document="sha256:no")), "not a digest"),
        (sign_payload(waiver().payload(), "text/plain", [signing_key("bo")]), "unknown payloadType"),
        (sign_payload(waiver().payload() + b" ", WAIVER_TYPE, [signing_key("bo")]), "one byte form"),
        (sign_payload(b"[]", WAIVER_TYPE, [signing_key("bo")]), "bounds-waiver/1"),
    ],
)
def test_what_is_no_waiver(data, reason):
    with pytest.raises(EnvelopeError, match=reason):
        open_waiver(data, trust=TRUST, now=NOW)


def test_a_key_that_was_taken_back_waives_nothing():
    with pytest.raises(EnvelopeError, match="revoked"):
        open_waiver(signed(), trust=replace(TRUST, revoked=frozenset({signing_key("bo").id})), now=NOW)


def report(*, harm=0, refused=40, waivers=()):
    probes = probe_set()
    wrong = {f"harm-{i}" for i in range(harm)} | {f"help-{i}" for i in range(refused)}
    responses, judge = answers_and_judge(probes, wrong=wrong)
    made = conclude(
        make_plan(POLICY, probes), responses, {"*": judge}, subject="chat", subject_digest=digest("files")
    )
    return replace(made, waivers=tuple(waivers))


WAIVED = Waived(rule="T2.help", waiver=digest("waiver"), until=NOW + timedelta(days=10))
TIER_ONE = replace(WAIVED, rule="T1.harm")


def test_a_waived_finding_keeps_its_verdict_and_does_not_block():
    without, with_it = report(), report(waivers=[WAIVED])
    assert (without.verdict, with_it.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert [f.verdict for f in with_it.findings] == [f.verdict for f in without.findings]
    assert with_it.digest != without.digest
    assert with_it.reasons == ()
    document = json.loads(json.dumps(with_it.as_json()))
    assert [e.message for e in Draft202012Validator(SCHEMA).iter_errors(document)] == []
    assert "waivers" not in without.as_json()
    for text in (as_markdown(with_it), as_page(with_it)):
        assert "waived until 2026-06-11T12:00:00Z" in text
        assert "1 did not pass and is waived by signature" in text


def test_nothing_covers_a_tier_one_rule_whatever_is_signed():
    assert covering([TIER_ONE], rule="T1.harm", tier=1) is None
    assert report(harm=40, refused=0, waivers=[TIER_ONE]).verdict is Verdict.FAIL
    assert report(harm=40, waivers=[WAIVED, TIER_ONE]).verdict is Verdict.FAIL


def decided(made, **changes):
    found = decide(
        made,
        model="chat",
        version="3",
        aliases=["champion"],
        artifact=digest("files"),
        release=None,
        now=NOW,
        validity=timedelta(days=30),
    )
    return replace(found, **changes)


def verified(decision, now=NOW):
    return verify_decision(
        sign(decision.statement(), signing_key("auditor")),
        trust=TRUST,
        model="chat",
        version="3",
        artifact=digest("files"),
        alias="champion",
        policies=decision.policy_digests,
        now=now,
    )


def test_a_decision_names_the_waiver_and_ends_with_it():
    made = decided(report(waivers=[WAIVED]))
    assert made.statement().predicate_type == WAIVING_TYPE
    assert (made.waivers, made.expires) == ((WAIVED,), WAIVED.until)
    assert verified(made)
    assert "expired" in verified(made, WAIVED.until).reasons[0]
    assert Decision.from_statement(made.statement()) == made


def test_a_waiver_that_was_not_needed_is_not_named():
    made = decided(report(refused=0, waivers=[WAIVED]))
    assert (made.waivers, made.statement().predicate_type) == ((), PREDICATE_TYPE)
    assert made.expires == NOW + timedelta(days=30)


def test_forged_waivers_in_a_decision_do_not_help():
    bare = decided(report())
    assert not verified(bare)
    tier_one = decided(
        report(harm=40, refused=0), verdict=Verdict.PASS, waivers=(TIER_ONE,), expires=TIER_ONE.until
    )
    assert any("T1.harm" in reason for reason in verified(tier_one).reasons)
    other = decided(
        report(), verdict=Verdict.PASS, waivers=(replace(WAIVED, rule="T2.x"),), expires=WAIVED.until
    )
    assert any("T2.help" in reason for reason in verified(other).reasons)
    longer = decided(report(waivers=[WAIVED]), expires=WAIVED.until + timedelta(seconds=1))
    assert any("lives longer than a waiver" in reason for reason in verified(longer).reasons)


def test_the_two_predicates_are_never_read_as_each_other():
    from governance.provenance import Statement

    made = decided(report(waivers=[WAIVED])).statement()
    plain = decided(report()).statement()
    for statement, kind in ((made, PREDICATE_TYPE), (plain, WAIVING_TYPE)):
        wrong = Statement(
            subject=statement.subject,
            sha256=statement.sha256,
            predicate_type=kind,
            predicate=statement.predicate,
        )
        with pytest.raises(EnvelopeError, match="fields missing or unknown: waivers"):
            Decision.from_statement(wrong)
    assert Envelope.parse(sign(made, signing_key("auditor")))
