"""The trust file changes only as its previous version demands; whatever else is done to it is refused."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from governance.decision import Approval
from governance.digest import canonical, digest_bytes
from governance.provenance import Envelope, EnvelopeError, Trust
from governance.trust import (
    KEEPER,
    REVOCATION_TYPE,
    TRUST_TYPE,
    Revocation,
    TrustVersion,
    chain_bytes,
    open_chain,
    open_revocation,
)
from infra.trust import sign_payload
from tests.support.decisions import NOW, signing_key, trusted

KEEPERS = tuple(trusted(name, roles=(KEEPER,)) for name in ("kim", "lea", "mo"))
AUDITOR = trusted("auditor")


def version(before=None, *, keys=(*KEEPERS, AUDITOR), threshold=2, revoked=(), **changes):
    made = TrustVersion(
        serial=before.serial + 1 if before else 1,
        previous=before.digest if before else None,
        issued=NOW + timedelta(minutes=before.serial if before else 0),
        trust=Trust(keys=tuple(keys), revoked=frozenset(revoked)),
        change=Approval(roles=frozenset({KEEPER}), threshold=threshold),
    )
    return replace(made, **changes)


def signed(made, *names):
    return sign_payload(made.payload(), TRUST_TYPE, [signing_key(name) for name in names])


FIRST = version()
SECOND = version(FIRST, keys=(*KEEPERS[:2], AUDITOR, trusted("ann", roles=("model-reviewer",))))
GOOD = [signed(FIRST, "kim", "lea"), signed(SECOND, "kim", "mo", "lea")]


def opened(envelopes, pinned=FIRST.digest, **more):
    return open_chain(chain_bytes(envelopes), pinned=pinned, **more)


def test_a_chain_signed_by_its_keepers_opens():
    assert [each.digest for each in opened(GOOD)] == [FIRST.digest, SECOND.digest]
    assert [each.digest for each in opened(GOOD, pinned=SECOND.digest)] == [SECOND.digest]
    assert opened(GOOD, at_least=SECOND.digest)[-1].trust.key(trusted("ann").id).person == "ann"


@pytest.mark.parametrize(
    ("signers", "reason"),
    [
        (("kim",), "1 of 2 signatures"),
        (("kim", "kim"), "1 of 2 signatures"),
        (("kim", "auditor"), "1 of 2 signatures"),
        (("kim", "stranger"), "not trusted"),
        (("kim", "lea", "stranger"), "not trusted"),
        (("kim", "mo"), "1 of 2 signatures by trust-keeper of version 2"),
    ],
)
def test_too_few_keepers_change_nothing(signers, reason):
    with pytest.raises(EnvelopeError, match=reason):
        opened([GOOD[0], signed(SECOND, *signers)])


def test_the_same_person_with_two_keys_counts_once():
    two = (*KEEPERS, trusted("kim-two", person="kim", roles=(KEEPER,)))
    first = version(keys=two)
    with pytest.raises(EnvelopeError, match="1 of 2"):
        opened([signed(first, "kim", "kim-two")], pinned=first.digest)
    assert opened([signed(first, "kim", "kim-two", "mo")], pinned=first.digest)


def test_one_key_under_two_names_is_refused():
    twice = (KEEPERS[0], trusted("kim", person="another", roles=(KEEPER,)), *KEEPERS[1:])
    made = version(keys=twice)
    with pytest.raises(EnvelopeError, match="stands twice"):
        opened([signed(made, "kim", "lea")], pinned=made.digest)


def test_a_replaced_trust_is_refused():
    mine = version(keys=[trusted("eve", roles=(KEEPER,)), AUDITOR], threshold=1)
    with pytest.raises(EnvelopeError, match="was replaced"):
        opened([signed(mine, "eve")])
    after = version(FIRST, keys=mine.trust.keys, threshold=1)
    with pytest.raises(EnvelopeError, match="0 of 2 signatures by trust-keeper of version 1"):
        opened([GOOD[0], signed(after, "eve")])


def test_a_trust_set_back_is_refused():
    with pytest.raises(EnvelopeError, match="set back"):
        opened(GOOD[:1], at_least=SECOND.digest)


def test_a_gap_a_fork_and_an_earlier_time_are_refused():
    third = version(SECOND)
    with pytest.raises(EnvelopeError, match="does not follow"):
        opened([GOOD[0], signed(third, "kim", "lea", "mo")])
    early = replace(SECOND, issued=NOW - timedelta(days=1))
    with pytest.raises(EnvelopeError, match="issued before"):
        opened([GOOD[0], signed(early, "kim", "lea")])
    other = replace(SECOND, previous=SECOND.digest)
    with pytest.raises(EnvelopeError, match="does not follow"):
        opened([GOOD[0], signed(other, "kim", "lea")])


def test_an_expired_or_revoked_key_does_not_help():
    old = (replace(KEEPERS[0], not_after=NOW), *KEEPERS[1:])
    first = version(keys=old)
    with pytest.raises(EnvelopeError, match="1 of 2"):
        opened([signed(first, "kim", "lea")], pinned=first.digest)
    after = version(FIRST, revoked=[KEEPERS[0].id])
    with pytest.raises(EnvelopeError, match="1 of 2 signatures by trust-keeper of version 1"):
        opened([GOOD[0], signed(after, "kim", "lea")])
    assert opened([GOOD[0], signed(after, "mo", "lea")])


def test_keys_rotate_with_overlap():
    fresh = trusted("kim-next", person="kim", roles=(KEEPER,))
    second = version(FIRST, keys=(*KEEPERS, fresh, AUDITOR))
    third = version(second, keys=(fresh, *KEEPERS[1:], AUDITOR))
    chain = [
        GOOD[0],
        signed(second, "kim", "lea"),
        signed(third, "kim-next", "mo"),
    ]
    assert opened(chain)[-1].digest == third.digest


def test_a_trust_that_nobody_could_change_is_refused():
    made = version(keys=[KEEPERS[0], AUDITOR])
    with pytest.raises(EnvelopeError, match="nobody ever could"):
        opened([signed(made, "kim")], pinned=made.digest)


def test_each_byte_counts():
    data = chain_bytes(GOOD)
    for at in range(0, len(data), 13):
        for other in {data[at] ^ 1, 0x20, 0x41} - {data[at]}:
            mutated = data[:at] + bytes([other]) + data[at + 1 :]
            with pytest.raises(EnvelopeError):
                open_chain(mutated, pinned=FIRST.digest, at_least=SECOND.digest)


STRANGE = [
    (field, value)
    for field, right in sorted(json.loads(FIRST.payload()).items())
    for value in ("", [], {}, 0, True, "x", ["x"], {"x": 1})
    if value != right
]


@pytest.mark.parametrize(("field", "value"), STRANGE)
def test_a_strange_field_is_refused_even_when_signed(field, value):
    plain = json.loads(FIRST.payload())
    payload = canonical(plain | {field: value})
    data = sign_payload(payload, TRUST_TYPE, [signing_key("kim"), signing_key("lea")])
    with pytest.raises(EnvelopeError):
        open_chain(chain_bytes([data]), pinned=digest_bytes(payload))


def test_a_signature_on_another_kind_of_payload_does_not_count():
    envelope = Envelope.parse(GOOD[0])
    moved = replace(envelope, payload_type="application/vnd.in-toto+json").to_bytes()
    with pytest.raises(EnvelopeError, match="unknown payloadType"):
        opened([moved])


def revocation(of, *by):
    return sign_payload(
        Revocation(keyid=signing_key(of).id, issued=NOW).payload(),
        REVOCATION_TYPE,
        [signing_key(name) for name in by],
    )


def test_a_keeper_or_the_person_takes_a_key_back():
    for of, by in (("auditor", "kim"), ("ann", "ann"), ("kim", "lea")):
        assert open_revocation(revocation(of, by), version=SECOND).keyid == signing_key(of).id
    for of, by in (("auditor", "ann"), ("kim", "stranger"), ("ann", "auditor")):
        with pytest.raises(EnvelopeError, match="neither a keeper nor"):
            open_revocation(revocation(of, by), version=SECOND)


def test_a_revocation_is_no_trust_and_a_trust_no_revocation():
    with pytest.raises(EnvelopeError, match="payloadType"):
        open_revocation(GOOD[0], version=FIRST)
    with pytest.raises(EnvelopeError, match="payloadType"):
        opened([revocation("ann", "kim")])
