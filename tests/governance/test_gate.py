"""Terms of the gate: what stands, what is refused, and that nothing odd is ever read as terms."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.digest import digest, digest_bytes
from governance.gate import PUBLISHER, Seen, Terms, judge_alias, open_terms, publisher_trust, standing_terms
from governance.log.inclusion import open_inclusions
from governance.log.note import Checkpoint
from governance.provenance import EnvelopeError
from infra.signing import sign
from tests.support.decisions import ARTIFACT, NOW, POLICIES, TRUST, envelope, signing_key
from tests.support.memory_log import MemoryLog

KEY = signing_key(PUBLISHER, role=PUBLISHER)
BELIEVED = publisher_trust(KEY.public_key)
SIGNED = envelope()
LOG = MemoryLog()
INCLUSIONS = LOG.inclusions({digest_bytes(SIGNED): LOG.decide(SIGNED)})
SHOWN = open_inclusions(INCLUSIONS, log=LOG.verifier)


def terms(**changes):
    base = Terms(
        sequence=7,
        aliases=("champion",),
        models=("*",),
        policies=POLICIES,
        approvals=(),
        demonstration=False,
        trust=digest("trust"),
        revoked=(),
        decisions={"chat": {"3": digest_bytes(SIGNED)}},
        inclusions=digest_bytes(INCLUSIONS),
        webhooks={},
        review=None,
        issued=NOW - timedelta(hours=1),
        expires=NOW + timedelta(days=1),
    )
    return replace(base, **changes)


def asked(**changes):
    base = {
        "envelope": SIGNED,
        "trust": TRUST,
        "inclusions": SHOWN,
        "model": "chat",
        "version": "3",
        "alias": "champion",
        "artifact": ARTIFACT,
        "now": NOW,
    }
    return base | changes


def test_terms_are_read_as_they_were_signed():
    assert open_terms(sign(terms().statement(), KEY), publisher=BELIEVED, now=NOW) == terms()


def test_a_passing_version_may_carry_the_alias_in_any_case():
    assert judge_alias(terms(), **asked()) == ()
    assert judge_alias(terms(), **asked(alias="CHAMPION")) == ()


@pytest.mark.parametrize(
    ("changed", "question", "said"),
    [
        ({}, {"envelope": None}, "no signed decision"),
        ({"decisions": {}}, {}, "no signed decision"),
        ({}, {"version": "4"}, "no signed decision"),
        ({"decisions": {"chat": {"3": digest("newer")}}}, {}, "not the newest"),
        ({}, {"artifact": digest("other files")}, "not those that were audited"),
        ({"policies": ({**POLICIES[0], "digest": digest("other")},)}, {}, "not in force in that wording"),
        ({}, {"now": NOW + timedelta(days=60)}, "the decision expired"),
        ({}, {"inclusions": replace(SHOWN, proofs={})}, "nothing shows that the decision is in the log"),
    ],
)
def test_a_version_is_refused_with_the_reason(changed, question, said):
    assert said in "; ".join(judge_alias(terms(**changed), **asked(**question)))


def test_what_is_not_protected_is_nobodys_business():
    assert judge_alias(terms(), **asked(alias="candidate", envelope=None)) == ()
    assert judge_alias(terms(models=("prod-*",)), **asked(envelope=None)) == ()
    assert judge_alias(terms(models=("CH*",)), **asked(envelope=None)) != ()


def stands(found, *, log=SHOWN.checkpoint, seen=Seen(), now=NOW):  # noqa: B008 - a frozen value
    return standing_terms(found, sign(found.statement(), KEY), log=log, seen=seen, now=now)


def test_what_is_remembered_only_grows():
    seen, reasons = stands(terms())
    assert (seen.sequence, seen.at, reasons) == (7, NOW, ())
    assert stands(terms(), seen=seen)[1] == ()
    assert "older terms were put back" in stands(terms(sequence=6), seen=seen)[1][0]
    assert "two different terms" in stands(terms(review="http://x"), seen=seen)[1][0]
    assert stands(terms(sequence=6), seen=seen)[0] == seen


def test_the_log_that_was_seen_is_not_set_back_or_forked():
    def point(size, what, origin="log"):
        return Checkpoint(origin=origin, size=size, root=bytes.fromhex(digest(what).removeprefix("sha256:")))

    seen, _ = stands(terms(), log=point(9, "nine"))
    assert seen.log == point(9, "nine")
    assert stands(terms(sequence=8), log=point(10, "ten"), seen=seen)[1] == ()
    assert "an older checkpoint" in stands(terms(sequence=8), log=point(8, "eight"), seen=seen)[1][0]
    assert "forked" in stands(terms(sequence=8), log=point(9, "other"), seen=seen)[1][0]
    assert stands(terms(sequence=8), log=point(8, "eight"), seen=seen)[0] == seen
    # The trust named another log, by its keepers' signatures.
    assert stands(terms(sequence=8), log=point(1, "one", origin="new"), seen=seen)[1] == ()


def test_what_a_publication_says_does_not_depend_on_how_far_the_log_had_grown():
    assert terms().content == terms(inclusions=digest("later"), sequence=8).content
    assert terms().content != terms(demonstration=True).content


def test_a_clock_that_went_back_is_seen():
    seen, _ = stands(terms())
    assert "this host's clock says" in stands(terms(), seen=seen, now=NOW - timedelta(minutes=6))[1][0]
    assert stands(terms(), seen=seen, now=NOW - timedelta(minutes=4))[1] == ()
    late = NOW - timedelta(hours=2)
    assert "before the newest record" in stands(terms(), now=late)[1][0]


def test_terms_that_ended_shut_the_gate():
    assert "the terms ended" in stands(terms(), now=NOW + timedelta(days=1))[1][0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sequence", 0),
        ("sequence", True),
        ("aliases", []),
        ("aliases", ["a", "a"]),
        ("models", [""]),
        ("policies", []),
        ("demonstration", "no"),
        ("trust", digest("another")),
        ("decisions", {"chat": {"03": digest("x")}}),
        ("decisions", {"chat": {"3": "x"}}),
        ("webhooks", {"w": {"url": "u"}}),
        ("expires", "2020-01-01T00:00:00Z"),
        ("issued", "2026-06-02T12:00:00+00:00"),
        ("revoked", [1]),
        ("review", ""),
        ("approvals", [{"roles": [], "threshold": 1}]),
        ("inclusions", ""),
        ("inclusions", None),
        ("more", 1),
    ],
)
def test_odd_terms_are_not_terms(field, value):
    statement = terms().statement()
    odd = replace(statement, predicate={**statement.predicate, field: value})
    with pytest.raises(EnvelopeError):
        open_terms(sign(odd, KEY), publisher=BELIEVED, now=NOW)


def test_only_the_publisher_speaks():
    for other in (signing_key("auditor"), signing_key("mallory", role=PUBLISHER)):
        with pytest.raises(EnvelopeError):
            open_terms(sign(terms().statement(), other), publisher=BELIEVED, now=NOW)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_changed_byte_is_read(data):
    signed = bytearray(sign(terms().statement(), KEY))
    at = data.draw(st.integers(0, len(signed) - 1))
    flip = data.draw(st.integers(1, 255))
    signed[at] ^= flip
    try:
        assert open_terms(bytes(signed), publisher=BELIEVED, now=NOW) == terms()
        same = json.loads(bytes(signed)) == json.loads(sign(terms().statement(), KEY))
        assert same
    except EnvelopeError:
        pass
