"""Trust and approvals in a data folder: what is taken, what is refused, and what the log makes undeniable."""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from governance.decision import Approval
from governance.errors import InputError, OutsideError, RefusedError
from governance.log.entry import Kind
from governance.promotion import verify_decision
from governance.provenance import Envelope, Trust
from governance.trust import KEEPER, TRUST_TYPE, TrustVersion
from infra import log
from infra.approvals import approve, given, joined, take
from infra.database import open_database
from infra.person_key import create_person_key, load_person_key
from infra.settings import Settings
from infra.tables.decisions import REVOCATIONS
from infra.trust import (
    add_version,
    current_trust,
    newest_version,
    revocation_of,
    revoke,
    sign_payload,
    start_chain,
    trust_file,
)
from tests.support.decisions import ASKED, NOW, decision, envelope, signing_key, trusted

TWO = Approval(roles=frozenset({"model-reviewer", "policy-owner"}), threshold=2)
KEYS = (
    trusted("auditor", person="audit-office"),
    trusted("ann", roles=("model-reviewer",)),
    trusted("ann-two", person="ann", roles=("policy-owner",)),
    trusted("bo", roles=("policy-owner",)),
    trusted("old", roles=("model-reviewer",), end=NOW - timedelta(days=1)),
    trusted("office-two", person="audit-office", roles=("model-reviewer",)),
    trusted("kim", roles=(KEEPER,)),
    trusted("lea", roles=(KEEPER,)),
)


@pytest.fixture
def settings(tmp_path):
    made = Settings(home=tmp_path)
    made.keys_folder.mkdir(mode=0o700)
    return made


@pytest.fixture
def db(settings):
    with open_database(settings, now=NOW) as opened:
        yield opened


def first():
    return TrustVersion(
        serial=1,
        previous=None,
        issued=NOW,
        trust=Trust(keys=KEYS),
        change=Approval(roles=frozenset({KEEPER}), threshold=2),
    )


@pytest.fixture
def started(settings, db):
    made = sign_payload(first().payload(), TRUST_TYPE, [signing_key("kim"), signing_key("lea")])
    start_chain(settings, db, made, NOW)
    return current_trust(settings, db, NOW)


def test_a_new_folder_trusts_its_own_auditor_and_says_so_in_the_log(settings, db):
    version = newest_version(settings, db, NOW)
    assert {role for key in version.trust.keys for role in key.roles} == {"auditor", KEEPER}
    assert newest_version(settings, db, NOW + timedelta(days=1)) == version
    [(_, entry)] = log.entries(db, kinds=[Kind.TRUST])
    assert entry.body["digest"] == version.digest


def test_two_different_persons_meet_a_threshold_of_two(db, started):
    data = envelope(decision(approvals=(TWO,)))
    asked = ASKED | {"trust": started}
    assert not verify_decision(data, **asked)
    assert take(db, data, approve(data, signing_key("ann")), trust=started, now=NOW).person == "ann"
    half = joined(db, data, trust=started, now=NOW)
    assert verify_decision(half, **asked).reasons == ("1 of 2 approvals by model-reviewer or policy-owner",)
    take(db, data, approve(data, signing_key("ann-two")), trust=started, now=NOW)
    assert not verify_decision(joined(db, data, trust=started, now=NOW), **asked)
    take(db, data, approve(data, signing_key("bo")), trust=started, now=NOW)
    take(db, data, approve(data, signing_key("bo")), trust=started, now=NOW)
    assert verify_decision(joined(db, data, trust=started, now=NOW), **asked)
    assert len(given(db, data)) == len(log.entries(db, kinds=[Kind.APPROVAL])) == 3


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stranger", "not trusted"),
        ("old", "not valid"),
        ("auditor", "does not approve too"),
        ("office-two", "does not approve too"),
    ],
)
def test_whose_signature_does_not_count_approves_nothing(db, started, name, reason):
    data = envelope(decision(approvals=(TWO,)))
    with pytest.raises(RefusedError, match=reason):
        take(db, data, approve(data, signing_key(name)), trust=started, now=NOW)
    assert given(db, data) == []


def test_an_approval_of_another_envelope_does_not_count(db, started):
    data, other = envelope(decision(approvals=(TWO,))), envelope(decision(version="4", approvals=(TWO,)))
    with pytest.raises(RefusedError, match="of another decision"):
        take(db, data, approve(other, signing_key("ann")), trust=started, now=NOW)
    one = Envelope.parse(approve(other, signing_key("ann")))
    forged = Envelope(
        payload_type=one.payload_type, payload=Envelope.parse(data).payload, signatures=one.signatures
    )
    with pytest.raises(RefusedError, match="does not fit"):
        take(db, data, forged.to_bytes(), trust=started, now=NOW)
    with pytest.raises(RefusedError, match="exactly one"):
        take(db, data, envelope(decision(approvals=(TWO,)), signers=("ann", "bo")), trust=started, now=NOW)


def test_an_approval_stops_counting_with_its_key(settings, db, started):
    data = envelope(decision(approvals=(TWO,)))
    for name in ("ann", "bo"):
        take(db, data, approve(data, signing_key(name)), trust=started, now=NOW)
    assert verify_decision(joined(db, data, trust=started, now=NOW), **ASKED | {"trust": started})
    revoke(settings, db, revocation_of(signing_key("bo").id, signing_key("kim"), NOW), NOW)
    now_trusted = current_trust(settings, db, NOW)
    found = verify_decision(joined(db, data, trust=now_trusted, now=NOW), **ASKED | {"trust": now_trusted})
    assert found.reasons == ("1 of 2 approvals by model-reviewer or policy-owner",)


def test_a_revoked_auditor_decides_nothing(settings, db, started):
    revoke(settings, db, revocation_of(signing_key("auditor").id, signing_key("lea"), NOW), NOW)
    found = verify_decision(envelope(), **ASKED | {"trust": current_trust(settings, db, NOW)})
    assert "revoked key of audit-office" in found.reasons[0]


def test_a_removed_revocation_is_noticed(settings, db, started):
    revoke(settings, db, revocation_of(signing_key("bo").id, signing_key("bo"), NOW), NOW)
    with db.write() as connection:
        connection.execute(delete(REVOCATIONS))
    with pytest.raises(OutsideError, match="revocations were removed"):
        current_trust(settings, db, NOW)


def test_strangers_revoke_nothing(settings, db, started):
    with pytest.raises(RefusedError, match="neither a keeper nor"):
        revoke(settings, db, revocation_of(signing_key("bo").id, signing_key("ann"), NOW), NOW)


def next_version(before):
    return TrustVersion(
        serial=before.serial + 1,
        previous=before.digest,
        issued=NOW + timedelta(minutes=1),
        trust=Trust(keys=(*KEYS, trusted("cy", roles=("model-reviewer",)))),
        change=before.change,
    )


def test_the_keepers_change_the_trust_and_nobody_sets_it_back(settings, db, started):
    path = trust_file(settings)
    before = path.read_bytes()
    version = next_version(newest_version(settings, db, NOW))
    with pytest.raises(RefusedError, match="1 of 2"):
        add_version(settings, db, sign_payload(version.payload(), TRUST_TYPE, [signing_key("kim")]), NOW)
    assert path.read_bytes() == before
    made = sign_payload(version.payload(), TRUST_TYPE, [signing_key("kim"), signing_key("lea")])
    for _ in range(2):
        assert add_version(settings, db, made, NOW).digest == version.digest
    assert len(log.entries(db, kinds=[Kind.TRUST])) == 2
    path.write_bytes(before)
    with pytest.raises(RefusedError, match="set back"):
        current_trust(settings, db, NOW)
    path.unlink()
    with pytest.raises(OutsideError, match="gone"):
        current_trust(settings, db, NOW)


def test_a_change_killed_before_its_log_entry_is_completed(settings, db, started):
    version = next_version(newest_version(settings, db, NOW))
    made = sign_payload(version.payload(), TRUST_TYPE, [signing_key("kim"), signing_key("lea")])
    add_version(settings, db, made, NOW)
    whole = trust_file(settings).read_bytes()
    other = Settings(home=settings.home, database_url=f"sqlite:///{settings.home / 'other.db'}")
    with open_database(other, now=NOW) as fresh:
        log.append(fresh, Kind.TRUST, {"serial": 1, "digest": first().digest}, NOW)
        trust_file(settings).write_bytes(whole)
        assert newest_version(other, fresh, NOW).digest == version.digest
        assert [entry.body["serial"] for _, entry in log.entries(fresh, kinds=[Kind.TRUST])] == [1, 2]


def test_a_pinned_trust_is_the_one_believed(settings, db, started):
    pinned = settings.model_copy(update={"trust": "sha256:" + "0" * 64})
    with pytest.raises(RefusedError, match="was replaced"):
        current_trust(pinned, db, NOW)
    assert current_trust(settings.model_copy(update={"trust": first().digest}), db, NOW) == started


def test_there_is_one_first_trust(settings, db, started):
    mine = sign_payload(first().payload(), TRUST_TYPE, [signing_key("kim"), signing_key("lea")])
    with pytest.raises(RefusedError, match="one already"):
        start_chain(settings, db, mine, NOW)


def test_a_persons_key_lies_under_a_passphrase(tmp_path):
    path = tmp_path / "ann.pem"
    made = create_person_key(path, "a long passphrase")
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_person_key(path, "a long passphrase").id == made.id
    for wrong in ("another passphrase", None):
        with pytest.raises(InputError, match="cannot be opened"):
            load_person_key(path, wrong)
    with pytest.raises(InputError, match="already"):
        create_person_key(path, "a long passphrase")
    with pytest.raises(InputError, match="too short"):
        create_person_key(tmp_path / "bo.pem", "short")
