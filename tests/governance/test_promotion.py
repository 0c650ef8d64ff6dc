"""Decision cases as files, and evidence mutated byte by byte and field by field: only the exact decision allows."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.statistics import Verdict
from governance.decision import Decision, decide
from governance.digest import canonical, digest
from governance.errors import RefusedError
from governance.promotion import Approval, require_decision, verify_decision
from governance.provenance import PAYLOAD_TYPE, Envelope, EnvelopeError, Statement, Trust, pae
from tests.support.decisions import (
    ARTIFACT,
    ASKED,
    FINDING,
    NOW,
    POLICIES,
    decision,
    envelope,
    signing_key,
    trusted,
)

CASES = Path(__file__).parents[1] / "cases/promotion"
BASE = yaml.safe_load((CASES / "base.yaml").read_text())


def cases(folder):
    files = sorted((CASES / folder).glob("*.yaml"))
    assert files
    return [pytest.param(file, id=file.stem.replace("-", " ")) for file in files]


def moment(value):
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def verify(file):
    case = yaml.safe_load(file.read_text()) or {}
    merged = {k: {**v, **case.get(k, {})} if isinstance(v, dict) else case.get(k, v) for k, v in BASE.items()}
    fields, asked, window = merged["decision"], merged["asked"], merged["validity"]
    made = decision(
        **fields
        | {
            "aliases": tuple(fields["aliases"]),
            "verdict": Verdict(fields["verdict"]),
            "findings": (FINDING | merged["finding"],),
            "approvals": approvals(fields["approvals"]),
            "issued": moment(fields["issued"]),
            "expires": moment(fields["expires"]),
        }
    )
    begin, end = moment(window["from"]), moment(window["until"])
    keys = {
        name: trusted(name, person=who["person"], roles=who["roles"], begin=begin, end=end)
        for name, who in merged["trust"].items()
    }
    known = {policy["digest"] for policy in POLICIES}
    policies = {"same": known, "other": {digest("newer law")}, "more": known | {digest("app")}, "none": set()}
    result = verify_decision(
        envelope(made, merged["signers"]),
        trust=Trust(
            keys=tuple(keys.values()), revoked=frozenset(keys[name].id for name in merged["revoked"])
        ),
        model=asked["model"],
        version=asked["version"],
        artifact=ARTIFACT if asked["artifact"] == "same" else digest("other files"),
        alias=asked["alias"],
        policies=policies[asked["policies"]],
        now=moment(asked["now"]),
        approvals=approvals(asked["approvals"]),
        accept_demonstration=asked["accept_demonstration"],
    )
    return result, case.get("reasons", [])


def approvals(rows):
    return tuple(Approval(roles=frozenset(row["roles"]), threshold=row["threshold"]) for row in rows)


@pytest.mark.parametrize("file", cases("allow"))
def test_allowed(file):
    result, _ = verify(file)
    assert result, result.reasons
    assert result.reasons == ()


@pytest.mark.parametrize("file", cases("deny"))
def test_denied(file):
    result, expected = verify(file)
    assert not result
    assert expected, "a denial case names its reasons"
    for reason in expected:
        assert any(reason in found for found in result.reasons), (reason, result.reasons)


def test_the_twin_that_raises():
    assert require_decision(envelope(), **ASKED).version == "3"
    with pytest.raises(RefusedError, match="the verdict is FAIL"):
        require_decision(envelope(decision(verdict=Verdict.FAIL)), **ASKED)
    with pytest.raises(RefusedError, match="no signed decision"):
        require_decision(None, **ASKED)


def test_every_byte_counts():
    """Each byte of the envelope changed in several ways: never allowed, never a crash."""
    data = envelope()
    assert verify_decision(data, **ASKED)
    for position, byte in enumerate(data):
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0x80, 0x20, 0x30, 0x41} - {byte}:
            mutated = data[:position] + bytes([other]) + data[position + 1 :]
            assert not verify_decision(mutated, **ASKED), (position, other)


def test_no_byte_can_be_added_or_taken():
    data = envelope()
    assert not verify_decision(data + b"\n", **ASKED)
    for position in range(0, len(data), 7):
        assert not verify_decision(data[:position] + b" " + data[position:], **ASKED)
        assert not verify_decision(data[:position] + data[position + 1 :], **ASKED)
        assert not verify_decision(data[:position], **ASKED)


@given(st.binary(max_size=300))
def test_noise_is_refused(noise):
    assert not verify_decision(noise, **ASKED)


def resigned(predicate, **statement):
    """The auditor signs something odd: the shape must be refused, whoever signed."""
    value = json.loads(decision().statement().payload())
    value["predicate"] = predicate
    value.update(statement)
    payload = canonical(value)
    key = signing_key("auditor")
    return Envelope(
        payload_type=PAYLOAD_TYPE,
        payload=payload,
        signatures=((key.id, key.private.sign(pae(PAYLOAD_TYPE, payload))),),
    ).to_bytes()


FIELDS = sorted(decision().predicate())


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_refused_even_when_signed(field):
    predicate = decision().predicate()
    del predicate[field]
    assert not verify_decision(resigned(predicate), **ASKED)


@pytest.mark.parametrize("value", ["", None, [], {}, 0, True, "x", ["x"], {"x": 1}])
@pytest.mark.parametrize(
    "field", [name for name in FIELDS if name not in {"approvals", "release", "demonstration"}]
)
def test_an_empty_or_strange_field_is_refused_even_when_signed(field, value):
    assert not verify_decision(resigned(decision().predicate() | {field: value}), **ASKED)


@pytest.mark.parametrize(
    "value", [None, "", "x", {}, [{}], [{"roles": [], "threshold": 1}], [{"roles": ["x"], "threshold": 0}]]
)
def test_strange_approvals_are_refused(value):
    assert not verify_decision(resigned(decision().predicate() | {"approvals": value}), **ASKED)


def test_an_unknown_field_is_refused_even_when_signed():
    assert not verify_decision(resigned(decision().predicate() | {"override": True}), **ASKED)
    assert verify_decision(resigned(decision().predicate()), **ASKED)


@pytest.mark.parametrize(
    "statement",
    [
        {"predicateType": "urn:bounds:promotion-decision:v2"},
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": [{"name": "models:/chat/3", "digest": {"sha256": "0" * 64}}]},
        {"subject": [{"name": "models:/chat/4", "digest": {"sha256": ARTIFACT.removeprefix("sha256:")}}]},
        {"subject": [{"name": "models:/chat/3", "digest": {"md5": "0" * 32}}]},
        {"subject": [{"name": "models:/chat/3", "digest": {"sha256": ARTIFACT.removeprefix("sha256:")}}] * 2},
    ],
)
def test_another_statement_is_refused_even_when_signed(statement):
    assert not verify_decision(resigned(decision().predicate(), **statement), **ASKED)


def test_the_signature_of_another_decision_does_not_fit():
    mine, other = Envelope.parse(envelope()), Envelope.parse(envelope(decision(version="4")))
    swapped = replace(other, signatures=mine.signatures).to_bytes()
    assert not verify_decision(swapped, **ASKED | {"version": "4"})


def test_a_signature_for_another_payload_type_does_not_fit():
    payload = decision().statement().payload()
    key = signing_key("auditor")
    sig = key.private.sign(pae("application/json", payload))
    for kind in ("application/json", PAYLOAD_TYPE):
        data = Envelope(payload_type=kind, payload=payload, signatures=((key.id, sig),)).to_bytes()
        assert not verify_decision(data, **ASKED)


def test_an_approval_of_another_envelope_does_not_count():
    ann = trusted("ann", roles=("model-reviewer",))
    asked = ASKED | {
        "trust": Trust(keys=(*ASKED["trust"].keys, ann)),
        "approvals": (Approval(roles=frozenset({"model-reviewer"}), threshold=1),),
    }
    good = envelope(signers=("auditor", "ann"))
    assert verify_decision(good, **asked)
    other = Envelope.parse(envelope(decision(version="4"), signers=("ann",)))
    auditor = Envelope.parse(envelope())
    moved = replace(auditor, signatures=(*auditor.signatures, *other.signatures)).to_bytes()
    assert not verify_decision(moved, **asked)


@pytest.mark.parametrize("spelling", ["same key under two ids", "same signature twice"])
def test_one_key_is_one_signature(spelling):
    data = json.loads(envelope())
    row = data["signatures"][0]
    data["signatures"].append(row if "twice" in spelling else row | {"keyid": "ed25519:" + "0" * 64})
    assert not verify_decision(canonical(data), **ASKED)


def test_a_time_without_offset_is_refused():
    assert not verify_decision(envelope(), **ASKED | {"now": datetime(2026, 6, 2, 12)})


def test_the_predicate_reads_back_as_it_was():
    made = decision(
        approvals=(Approval(roles=frozenset({"b", "a"}), threshold=2),), release=digest("release")
    )
    assert Decision.from_statement(Statement.parse(made.statement().payload())) == made


def test_a_statement_of_another_kind_is_no_decision():
    odd = replace(decision().statement(), predicate_type="https://slsa.dev/provenance/v1")
    with pytest.raises(EnvelopeError, match="not a promotion decision"):
        Decision.from_statement(odd)


def test_from_an_audit_to_a_decision():
    from governance.audit.plan import make_plan
    from governance.audit.run import conclude
    from tests.support.audits import answers_and_judge, policy, probe_set

    in_force = policy()
    for wrong, allowed in (set(), True), ({f"harm-{i}" for i in range(20)}, False):
        responses, judge = answers_and_judge(probe_set(), wrong=wrong)
        report = conclude(
            make_plan(in_force, probe_set()),
            responses,
            {"*": judge},
            subject="models:/chat/3",
            subject_digest=ARTIFACT,
        )
        made = decide(
            report,
            model="chat",
            version="3",
            aliases=["champion"],
            artifact=ARTIFACT,
            release=None,
            now=NOW,
            validity=timedelta(days=30),
        )
        policies = {ref.digest for ref in in_force.documents}
        assert bool(verify_decision(envelope(made), **ASKED | {"policies": policies})) is allowed
        with pytest.raises(ValueError, match="other bytes"):
            decide(
                report, model="chat", version="3", aliases=["champion"], artifact=digest("x"), release=None, now=NOW,
                validity=timedelta(days=30),
            )  # fmt: skip
        with pytest.raises(ValueError, match="aliases"):
            decide(
                report, model="chat", version="3", aliases=[], artifact=ARTIFACT, release=None, now=NOW,
                validity=timedelta(days=30),
            )  # fmt: skip


def test_base64_has_one_form():
    data = json.loads(envelope())
    loose = data["signatures"][0]["sig"].rstrip("=")
    data["signatures"][0]["sig"] = loose
    assert not verify_decision(canonical(data), **ASKED)
    raw = bytearray(base64.b64decode(loose + "=="))
    assert len(raw) == 64


def test_key_validity_is_read_at_one_instant():
    begin = datetime(2026, 6, 1, tzinfo=UTC)
    trust = Trust(keys=(trusted("auditor", begin=begin, end=NOW),))
    assert not verify_decision(envelope(), **ASKED | {"trust": trust})
    assert verify_decision(envelope(), **ASKED | {"trust": trust, "now": NOW - timedelta(seconds=1)})
