"""The release behind a version, judged by what became of consent and of the policy since it was built."""

import io
import json
from datetime import timedelta

import polars as pl
import pytest

from annotation.checks import check_json
from flows.audit_data import data
from flows.wiring import data_checks, open_platform
from governance.audit.statistics import Verdict
from infra import ledger, withdrawals
from infra.consents import decide, record_version
from infra.policy_files import POLICIES
from infra.tables.people import ANNOTATORS
from infra.tables.withdrawals import FLAGGED_RELEASES, WITHDRAWALS
from tests.support.platform import NOW

RELEASE = "sha256:" + "7" * 64
LATER = NOW + timedelta(days=1)
RULES = """
  - {id: D.consent, check: consent, purpose: training}
  - {id: D.stale, check: stale_share, at_most: 0.2}
"""


@pytest.fixture
def platform(tmp_path):
    """A platform whose policy asks for consent to training, and for judgements that are not stale."""
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "law.yaml").write_text((POLICIES / "demo/law.yaml").read_text())
    text = (POLICIES / "demo/provider.yaml").read_text()
    (folder / "provider.yaml").write_text(text.replace("\npromotion:", RULES.rstrip() + "\npromotion:"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.toml").write_text(f'policy = "{folder}"\n')
    with open_platform(home) as opened:
        yield opened


def agreed(platform, annotator, purposes, at=NOW):
    with platform.db.write() as connection:
        row = {"site": "main", "annotator": annotator, "simulated": 1, "locale": "en", "created_at": NOW}
        platform.db.insert_new(connection, ANNOTATORS, [row])
    version = record_version(platform.db, {"id": "c", "version": 1, "text": "…"}, now=NOW)
    return decide(platform.db, "main", annotator, version, purposes, now=at).consent


def released(platform, consents, *, policy_digest=None):
    """A release of one batch in which each consent stands behind one judgement; every check was kept."""
    policy = platform.policy(NOW)
    judged = {"consent": consents, "policy_digest": [policy_digest or policy.digest] * len(consents)}
    table = io.BytesIO()
    pl.DataFrame(judged).write_parquet(table)
    row = {"passed": True, "sentence": "kept", "failed": 0}
    checks = {"checks": [check_json(check) | row for check in data_checks(policy)]}
    batch = platform.store.put_tree(
        "batches", {"judgements.parquet": table.getvalue(), "checks.json": json.dumps(checks).encode()}
    )
    ledger.record_release(
        platform.db,
        ledger.Release(digest=RELEASE, inputs_digest="x", batches=(batch,), created_at=NOW),
    )
    return batch


def found(platform, rule):
    [finding] = [each for each in data(platform, platform.policy(NOW), RELEASE) if each.rule == rule]
    return finding.verdict, " ".join(finding.reasons)


def test_it_passes_while_everybody_consents_and_the_rulings_are_those_of_now(platform):
    released(platform, [agreed(platform, "a", {"training": True}), agreed(platform, "b", {"training": True})])
    assert found(platform, "D.consent")[0] is Verdict.PASS
    verdict, why = found(platform, "D.stale")
    assert verdict is Verdict.PASS
    assert "0.0%" in why


def test_a_consent_that_ended_since_fails_and_one_to_another_purpose_does_not(platform):
    released(
        platform,
        [
            agreed(platform, "a", {"training": True}),
            agreed(platform, "b", {"training": True, "publication": True}),
        ],
    )
    agreed(platform, "b", {"publication": False}, at=LATER)
    assert found(platform, "D.consent")[0] is Verdict.PASS
    agreed(platform, "a", {"training": False}, at=LATER)
    verdict, why = found(platform, "D.consent")
    assert verdict is Verdict.FAIL
    assert "1 person whose judgements are in the release no longer consents to training" in why
    agreed(platform, "a", {"training": True}, at=LATER + timedelta(days=1))
    assert found(platform, "D.consent")[0] is Verdict.PASS


def test_somebody_who_ended_consent_before_is_not_in_the_release(platform):
    gone = agreed(platform, "a", {"training": True}, at=NOW - timedelta(days=2))
    agreed(platform, "a", {"training": False}, at=NOW - timedelta(days=1))
    released(platform, [gone, agreed(platform, "b", {"training": True})])
    assert found(platform, "D.consent")[0] is Verdict.PASS


def withdrawn(platform, batch, successor):
    """What a withdrawal leaves in the record."""
    with platform.db.write() as connection:
        platform.db.insert_new(
            connection,
            WITHDRAWALS,
            [{"request": "w", "site": "main", "found": {}, "steps": [], "begun_at": LATER}],
        )
        platform.db.insert_new(
            connection,
            FLAGGED_RELEASES,
            [{"release": RELEASE, "request": "w", "flagged_at": LATER}],
        )
    withdrawals.mark_erased(platform.db, "w", batch, successor, now=LATER)
    platform.store.delete("batches", batch)


def test_after_a_withdrawal_the_successor_is_judged_and_the_consent_fails(platform):
    batch = released(platform, [agreed(platform, "a", {"training": True})])
    empty = io.BytesIO()
    pl.DataFrame(schema={"consent": pl.String, "policy_digest": pl.String}).write_parquet(empty)
    checks = platform.store.get_file("batches", batch, "checks.json")
    successor = platform.store.put_tree(
        "batches", {"judgements.parquet": empty.getvalue(), "checks.json": checks}
    )
    withdrawn(platform, batch, successor)
    verdict, why = found(platform, "D.consent")
    assert verdict is Verdict.FAIL
    assert "1 person who is in the release has withdrawn since" in why
    assert found(platform, "D.overlap")[0] is Verdict.PASS
    assert found(platform, "D.stale")[0] is Verdict.UNDECIDED  # nothing is left to look at


def test_where_nothing_is_left_of_a_batch_nothing_passes(platform):
    withdrawn(platform, released(platform, [agreed(platform, "a", {"training": True})]), None)
    assert found(platform, "D.overlap")[0] is Verdict.UNDECIDED
    assert found(platform, "D.consent")[0] is Verdict.FAIL


def test_judgements_under_a_policy_that_nobody_knows_are_stale(platform):
    released(platform, [agreed(platform, "a", {"training": True})], policy_digest="sha256:" + "0" * 64)
    verdict, why = found(platform, "D.stale")
    assert verdict is Verdict.FAIL
    assert "100.0%" in why
    assert "not on record" in why
