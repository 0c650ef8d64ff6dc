"""Which decision counts: the newest, for signing as for promotion."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from flows.audit import sign
from flows.wiring import newest_decision, open_platform
from governance.audit.plan import make_plan
from governance.audit.run import conclude
from governance.digest import digest
from infra.registry import VersionInfo
from infra.tables.decisions import DECISIONS
from tests.support.audits import answers_and_judge, policy, probe_set

NOW = datetime(2026, 6, 2, 12, tzinfo=UTC)
ARTIFACT = digest("the version's files")
INFO = VersionInfo(model="chat", version="3", run_id=None, tags={}, aliases=())


@pytest.fixture
def platform(tmp_path):
    with open_platform(tmp_path / "home") as opened:
        opened.settings.keys_folder.mkdir(mode=0o700, parents=True)
        yield opened


@pytest.fixture
def signed(platform):
    """Signs a passing or a failing audit so many minutes after NOW."""
    rules, probes = policy(), probe_set()
    plan = make_plan(rules, probes)

    def at(minutes, *, wrong=()):
        answers, judge = answers_and_judge(probes, wrong=wrong)
        report = conclude(plan, answers, {"*": judge}, subject="chat 3", subject_digest=ARTIFACT)
        return sign.fn(platform, rules, INFO, report, ARTIFACT, NOW + timedelta(minutes=minutes))

    return at


def test_the_same_finding_is_signed_once(signed):
    assert signed(0).digest == signed(10).digest


def test_a_version_that_passes_again_gets_a_new_decision_after_a_refusal(platform, signed):
    first = signed(0)
    refused = signed(10, wrong=[f"harm-{number}" for number in range(60)])
    again = signed(20)
    assert (first.verdict, again.verdict) == ("PASS", "PASS")
    assert refused.verdict != "PASS"
    assert again.digest != first.digest
    assert newest_decision(platform, "chat", "3").digest == again.digest


def test_a_damaged_decision_is_replaced_not_stumbled_over(platform, signed):
    damaged = signed(0)
    with platform.db.write() as connection:
        connection.execute(
            update(DECISIONS).where(DECISIONS.c.digest == damaged.digest).values(envelope="{}")
        )
    again = signed(10)
    assert again.envelope != "{}"
    assert newest_decision(platform, "chat", "3").digest == again.digest
