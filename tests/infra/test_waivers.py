"""Waivers in a data folder: taken once, in the log, honoured by us and by strangers, gone with their key."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from governance.digest import canonical, digest_bytes
from governance.errors import RefusedError
from governance.log.entry import Kind
from governance.waived import Waived
from infra import ledger, log, waivers
from infra.bundle import Bundle
from infra.log_export import export_bundle
from infra.objects import open_store
from infra.tables.decisions import WAIVERS
from infra.trust import current_trust, revocation_of, revoke
from tests.infra.test_bundle import faults, judged, strangers_say
from tests.support import record
from tests.support.decisions import FINDING, NOW, decision, signing_key
from tests.support.record import decided, moved, start
from tests.support.waivers import POLICY, signed, waiver

MADE = waiver(issued=NOW, until=NOW + timedelta(days=10))
WAIVED = Waived(rule="T2.help", waiver=digest_bytes(signed(MADE)), until=MADE.until)
FAILED = FINDING | {"rule": "T2.help", "tier": 2, "verdict": "FAIL", "reasons": ["40 of 60 refused"]}
DOCUMENT = {"id": "provider", "version": "1.0.0", "digest": MADE.document, "tier": 2}


settings, opened = record.settings, record.db


@pytest.fixture
def db(settings, opened):
    start(settings, opened)
    return opened


def take(settings, db, envelope, now=NOW):
    return waivers.take(db, envelope, policy=POLICY, trust=current_trust(settings, db, now), now=now)


def live(settings, db, now=NOW, version="3"):
    trust = current_trust(settings, db, now)
    return waivers.live(db, "chat", version, policy=POLICY, trust=trust, now=now)


def test_a_waiver_is_taken_once_and_lives_until_it_ends(settings, db):
    for _ in range(2):
        assert take(settings, db, signed(MADE)).person == "bo"
    [(_, entry)] = log.entries(db, kinds=[Kind.WAIVER])
    assert entry.body["waiver"] == WAIVED.waiver
    assert "reason" not in entry.body
    assert live(settings, db) == (WAIVED,)
    assert live(settings, db, version="4") == ()
    assert live(settings, db, now=MADE.until) == ()
    longer = replace(MADE, until=NOW + timedelta(days=20))
    take(settings, db, signed(longer))
    assert live(settings, db)[0].until == longer.until


def test_a_waiver_goes_with_the_key_of_its_person(settings, db):
    take(settings, db, signed(MADE))
    revoke(settings, db, revocation_of(signing_key("bo").id, signing_key("kim"), NOW), NOW)
    assert live(settings, db) == ()
    trust = current_trust(settings, db, NOW)
    [given] = waivers.given(db, policy=POLICY, trust=trust, now=NOW)
    assert (given.person, "revoked" in given.reasons[0]) == (None, True)


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (signed(replace(MADE, rule="T1.harm")), "nothing waives it"),
        (signed(MADE, "ann"), "does not sign as policy-owner"),
        (signed(replace(MADE, issued=NOW - timedelta(days=2), until=NOW - timedelta(days=1))), "it ended"),
        (b"{}", "envelope"),
    ],
)
def test_what_is_refused_leaves_nothing(settings, db, envelope, reason):
    with pytest.raises(RefusedError, match=reason):
        take(settings, db, envelope)
    assert log.entries(db, kinds=[Kind.WAIVER]) == []
    with db.read() as connection:
        assert connection.execute(select(WAIVERS)).all() == []


def promoted(db, **changes):
    made = decision(
        findings=(FINDING, FAILED),
        policies=(*decision().policies, DOCUMENT),
        waivers=(WAIVED,),
        issued=NOW,
        expires=MADE.until,
    )
    row = decided(db, replace(made, **changes))
    moved(db, row, at=NOW + timedelta(minutes=1))


def exported(settings, db, tmp_path):
    export_bundle(settings, db, open_store(settings), tmp_path / "bundle", NOW + timedelta(hours=1))
    return Bundle(folder=tmp_path / "bundle")


def recorded_policy(db):
    """The policy documents are not what is judged here; the record holds a text for each."""
    text = canonical({"id": "law"})
    version = ledger.PolicyVersion(
        id="law", version="1.0.0", digest=digest_bytes(text), tier=1, text=text.decode(), first_seen=NOW
    )
    ledger.record_policy(db, version)


def test_a_promotion_on_a_waiver_is_verified_by_us_and_by_strangers(settings, db, tmp_path):
    recorded_policy(db)
    take(settings, db, signed(MADE))
    promoted(db)
    bundle = exported(settings, db, tmp_path)
    found = judged(bundle)
    assert found, faults(found)
    assert any("1 waivers" in check.what for check in found.checks)
    assert strangers_say(bundle, bundle.keys()) == (0, "all holds\n")


@pytest.mark.parametrize("case", ["never given", "given later", "of another version", "of another wording"])
def test_a_promotion_on_no_such_waiver_is_found(settings, db, tmp_path, case):
    made = {"of another version": replace(MADE, version="4")}.get(case, MADE)
    changes = {}
    if case.startswith("of"):
        take(settings, db, signed(made))
        changes["waivers"] = (replace(WAIVED, waiver=digest_bytes(signed(made))),)
    if case == "of another wording":
        changes["policies"] = decision().policies
    promoted(db, **changes)
    if case == "given later":
        take(settings, db, signed(made))
    bundle = exported(settings, db, tmp_path)
    assert any("waiver of T2.help" in fault for fault in faults(judged(bundle)))
    if case != "of another wording":  # the script does not look into policy documents
        code, said = strangers_say(bundle, bundle.keys())
        assert (code, "rests on a waiver that does not stand before it" in said) == (1, True)


def test_a_tier_one_finding_is_not_waived_for_anybody(settings, db, tmp_path):
    take(settings, db, signed(MADE))
    promoted(db, findings=(FAILED | {"tier": 1},))
    bundle = exported(settings, db, tmp_path)
    assert any("T2.help (violation): FAIL" in fault for fault in faults(judged(bundle)))
    assert strangers_say(bundle, bundle.keys())[0] == 1
