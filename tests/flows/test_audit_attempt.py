"""Attempts in the platform's database: registered first, answered once, refused the second time."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.audit_attempt import attempt_of, finish, recorded
from flows.wiring import Platform
from governance.audit.plan import make_plan
from governance.audit.probes import ProbeSet
from governance.audit.run import run_audit
from governance.errors import RefusedError
from infra import attempts
from infra.database import Database
from infra.objects import open_store
from infra.registry import VersionInfo
from infra.settings import Settings
from tests.support.audits import answers_and_judge, law, policy, probe_set, provider

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def platform(tmp_path):
    settings = Settings(home=tmp_path)
    with ExitStack() as closing:
        db = closing.enter_context(Database(settings.database, now=NOW))
        yield Platform(settings=settings, store=open_store(settings), db=db, closing=closing)


class Counting:
    """A model that counts what it is asked."""

    name = "models:/chat/1"
    digest = "sha256:" + "1" * 64

    def __init__(self, responses):
        self.responses = responses
        self.asked = 0

    def respond(self, requests):
        self.asked += len(list(requests))
        return iter(self.responses)


def version(number):
    return VersionInfo(model="chat", version=str(number), run_id=None, tags={}, aliases=())


def run(platform, *, number=1, artifact=Counting.digest, seed=0, probes=None, allowed=None, wrong=()):
    probes = probes or probe_set()
    responses, judge = answers_and_judge(probes, wrong=wrong)
    subject = Counting(responses)
    in_force = policy(law(), provider())
    in_force = replace(in_force, promotion=replace(in_force.promotion, error_budget=allowed))
    plan = make_plan(in_force, probes, seed=seed)
    attempt = attempt_of(plan, version(number), artifact, NOW)
    asked = recorded(platform, in_force, attempt, subject)
    report = run_audit(asked, plan, {"*": judge})
    finish(platform, attempt, asked, report)
    return report, subject.asked


def test_the_same_audit_again_asks_nothing_and_says_the_same(platform):
    first, asked = run(platform)
    again, asked_again = run(platform)
    assert (asked, asked_again) == (len(probe_set().probes), 0)
    assert again.digest == first.digest
    [row] = attempts.attempts(platform.db)
    assert row.verdict == "PASS"


def test_an_audit_cut_off_before_its_end_is_asked_again_and_then_stands(platform):
    probes = probe_set()
    in_force = policy(law(), provider())
    attempt = attempt_of(make_plan(in_force, probes), version(1), Counting.digest, NOW)
    recorded(platform, in_force, attempt, Counting([]))
    assert attempts.answers_of(platform.db, attempt) is None
    _, asked = run(platform)
    assert asked > 0
    assert attempts.answers_of(platform.db, attempt) is not None
    assert run(platform)[1] == 0


def test_a_second_attempt_with_another_seed_is_refused_before_anything_is_asked(platform):
    run(platform, wrong={f"harm-{i}" for i in range(20)})
    with pytest.raises(RefusedError, match="second attempt under another plan"):
        run(platform, seed=1)
    assert len(attempts.attempts(platform.db)) == 1


def test_a_refused_artifact_is_not_tried_with_other_probes(platform):
    run(platform, wrong={f"harm-{i}" for i in range(20)})
    fewer = ProbeSet.of("fewer", [probe for probe in probe_set().probes if probe.id != "harm-3"])
    with pytest.raises(RefusedError, match="do not undo that"):
        run(platform, probes=fewer, allowed=0.5)


def test_further_versions_spend_the_declared_budget(platform):
    run(platform, allowed=0.1)
    other = "sha256:" + "2" * 64
    with pytest.raises(RefusedError, match="fresh prompt families"):
        run(platform, number=2, artifact=other)
    run(platform, number=2, artifact=other, allowed=0.1)
    with pytest.raises(RefusedError, match="spent 10 %"):
        run(platform, number=3, artifact="sha256:" + "3" * 64, allowed=0.1)
