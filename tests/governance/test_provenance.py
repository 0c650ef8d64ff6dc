"""DSSE and in-toto as specified, trust files read strictly, manifests order-free."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.digest import digest
from governance.provenance import (
    Envelope,
    EnvelopeError,
    Statement,
    Trust,
    key_id,
    manifest_digest,
    open_envelope,
    pae,
)
from tests.support.decisions import NOW, TRUST, decision, envelope, trusted


def test_pae_is_that_of_the_specification():
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


@given(st.text(max_size=20), st.binary(max_size=40), st.text(max_size=20), st.binary(max_size=40))
def test_pae_never_confuses_two_messages(kind, body, other_kind, other_body):
    if (kind, body) != (other_kind, other_body):
        assert pae(kind, body) != pae(other_kind, other_body)


def test_the_payload_is_an_in_toto_statement():
    value = json.loads(decision().statement().payload())
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "urn:bounds:promotion-decision:v1"
    assert set(value["subject"][0]) == {"name", "digest"}
    assert Statement.parse(decision().statement().payload()) == decision().statement()


def test_an_envelope_opens_for_the_role_that_signed():
    statement, signers = open_envelope(envelope(), trust=TRUST, now=NOW, roles=("auditor",))
    assert statement.subject == "models:/chat/3"
    assert [key.person for key in signers] == ["audit-office"]


def test_no_role_is_never_enough():
    with pytest.raises(EnvelopeError, match="no role"):
        open_envelope(envelope(), trust=TRUST, now=NOW, roles=())


def test_signing_order_does_not_matter():
    assert envelope(signers=("auditor", "ann")) == envelope(signers=("ann", "auditor"))


def test_a_manifest_is_order_free_and_strict():
    files = {"a": digest(1), "b/c": digest(2)}
    assert manifest_digest(files) == manifest_digest(dict(reversed(files.items())))
    assert manifest_digest(files) != manifest_digest(files | {"b/c": digest(3)})
    assert manifest_digest(files) != manifest_digest({"a": digest(1), "b/d": digest(2)})
    for bad in ({}, {"/a": digest(1)}, {"../a": digest(1)}, {"a//b": digest(1)}, {"": digest(1)}, {"a": "x"}):
        with pytest.raises(ValueError, match=r"manifest|path|digest"):
            manifest_digest(bad)


def test_trust_reads_back_as_it_was():
    trust = Trust(
        keys=(trusted("auditor"), trusted("ann", roles=("model-reviewer",))), revoked=frozenset({"x"})
    )
    again = Trust.from_json(json.loads(json.dumps(trust.as_json())))
    assert set(again.keys) == set(trust.keys)
    assert again.revoked == trust.revoked


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "bounds-trust/2"}, "bounds-trust/1"),
        ({"keys": []}, "at least one key"),
        ({"extra": 1}, "nothing else"),
        ({"revoked": "x"}, "list of key ids"),
    ],
)
def test_a_strange_trust_file_is_refused(change, message):
    with pytest.raises(EnvelopeError, match=message):
        Trust.from_json(TRUST.as_json() | change)


@pytest.mark.parametrize(
    "change",
    [
        {"roles": []},
        {"roles": "auditor"},
        {"person": " "},
        {"key": "AAAA"},
        {"keyid": "ed25519:" + "0" * 64},
        {"not_before": "2026-01-01T00:00:00"},
        {"not_after": "2025-01-01T00:00:00+00:00"},
        {"not_after": "soon"},
        {"more": 1},
    ],
)
def test_a_strange_key_is_refused(change):
    value = TRUST.as_json()
    value["keys"][0] |= change
    with pytest.raises(EnvelopeError):
        Trust.from_json(value)


def test_one_key_under_two_names_is_refused():
    value = TRUST.as_json()
    value["keys"].append(value["keys"][0] | {"person": "somebody else"})
    with pytest.raises(EnvelopeError, match="stands twice"):
        Trust.from_json(value)


def test_key_ids_are_of_32_bytes():
    with pytest.raises(ValueError, match="32 bytes"):
        key_id(b"short")


def test_a_huge_envelope_is_refused_unread():
    with pytest.raises(EnvelopeError, match="larger"):
        Envelope.parse(b" " * (5 * 2**20))


def test_deep_json_is_refused():
    with pytest.raises(EnvelopeError):
        Envelope.parse(b"[" * 100_000)


def test_an_unsigned_envelope_is_refused():
    bare = replace(Envelope.parse(envelope()), signatures=()).to_bytes()
    with pytest.raises(EnvelopeError, match="no signature"):
        Envelope.parse(bare)
