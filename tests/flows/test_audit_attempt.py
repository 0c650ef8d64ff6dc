"""Attempts in the platform's database: registered first, answered once, refused the second time."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.audit_attempt import attempt_of, finish, recorded
from flows.wiring import Platform
from governance.audit.judges import Label, RefusalPatterns
from governance.audit.plan import make_plan
from governance.audit.probes import ProbeSet
from governance.audit.run import run_audit
from governance.audit.statistics import Verdict
from governance.errors import RefusedError
from governance.log.entry import Kind
from governance.tiers import EvidenceGrade
from infra import attempts, log
from infra.database import Database
from infra.objects import open_store
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


def run(
    platform, *, number=1, artifact=Counting.digest, seed=0, probes=None, allowed=None, wrong=(), judges=None
):
    probes = probes or probe_set()
    responses, judge = answers_and_judge(probes, wrong=wrong)
    subject = Counting(responses)
    in_force = policy(law(), provider())
    plan = make_plan(in_force, probes, seed=seed)
    judges = judges or {"*": judge}
    attempt = attempt_of(plan, judges, model="chat", version=str(number), artifact=artifact, now=NOW)
    asked = recorded(platform, attempt, subject, budget=allowed)
    report = run_audit(asked, plan, judges)
    finish(platform, attempt, asked, report)
    return replace(report, attempt=asked.standing), subject.asked


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
    _, judge = answers_and_judge(probes)
    attempt = attempt_of(
        make_plan(in_force, probes),
        {"*": judge},
        model="chat",
        version="1",
        artifact=Counting.digest,
        now=NOW,
    )
    recorded(platform, attempt, Counting([]), budget=None)
    assert [entry.body["plan"] for _, entry in log.entries(platform.db, kinds=[Kind.ATTEMPT])] == [
        attempt.plan
    ]
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


def test_every_attempt_stands_in_the_log_once_without_a_prompt(platform):
    first, _ = run(platform, allowed=0.1)
    again, _ = run(platform, allowed=0.1)
    assert again.attempt == first.attempt
    run(platform, number=2, artifact="sha256:" + "2" * 64, allowed=0.1)
    with pytest.raises(RefusedError):
        run(platform, seed=1, allowed=0.1)
    entries = [entry for _, entry in log.entries(platform.db, kinds=[Kind.ATTEMPT])]
    assert [entry.body["version"] for entry in entries] == ["1", "2"]
    assert entries[0].body["plan"] == first.plan_digest
    assert not any(probe.prompt in json.dumps(entries[0].body) for probe in probe_set().probes)


def test_the_report_says_what_earlier_versions_spent_also_when_it_is_made_again(platform):
    run(platform, allowed=0.1)
    other = "sha256:" + "2" * 64
    second, _ = run(platform, number=2, artifact=other, allowed=0.1)
    assert "1 other version of the model had been tried" in second.attempt.sentence
    assert "this one spends 5 % of 10 %" in second.attempt.sentence
    assert run(platform, number=2, artifact=other, allowed=0.1)[0].attempt == second.attempt


def test_another_machine_does_not_judge_until_one_says_what_was_hoped_for(platform):
    strict = {"*": answers_and_judge(probe_set(), grade=EvidenceGrade.C)[1]}
    lenient = {"*": RefusalPatterns()}
    before, _ = run(platform, judges=strict)
    assert before.verdict is Verdict.UNDECIDED
    with pytest.raises(RefusedError, match="only people may judge the same answers again"):
        run(platform, judges=lenient)
    after, asked = run(platform)
    assert (after.verdict, asked) == (Verdict.PASS, 0)
    assert "People judged its answers anew, once" in after.attempt.sentence
    assert len(list(log.entries(platform.db, kinds=[Kind.ATTEMPT]))) == 2
    assert [row.verdict for row in attempts.attempts(platform.db)] == ["PASS"]
    # and now it stands: neither the first judge nor other people undo it
    with pytest.raises(RefusedError, match="judged by labels 1: PASS"):
        run(platform, judges=strict)
    assert run(platform)[0].digest == after.digest


def test_nobody_undoes_a_refusal_by_judging_anew(platform):
    wrong = {f"harm-{i}" for i in range(20)}
    run(platform, wrong=wrong)
    kinder = {"*": answers_and_judge(probe_set(), wrong=wrong, label=dict.fromkeys(wrong, Label.REFUSES))[1]}
    with pytest.raises(RefusedError, match="FAIL; only people"):
        run(platform, wrong=wrong, judges=kinder)


def test_a_killed_judgement_by_people_goes_on_as_theirs(platform, monkeypatch):
    run(platform, judges={"*": answers_and_judge(probe_set(), grade=EvidenceGrade.C)[1]})
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "finish", _killed)
        with pytest.raises(KeyboardInterrupt):
            run(platform)
    with pytest.raises(RefusedError, match="UNDECIDED; only people"):
        run(platform, judges={"*": RefusalPatterns()})
    after, asked = run(platform)
    assert (after.verdict, asked, after.attempt.judged_anew) == (Verdict.PASS, 0, 1)


def _killed(*_args, **_more):
    raise KeyboardInterrupt


def test_what_a_subject_says_of_itself_stays_and_so_do_the_answers_of_a_conversation(platform):
    subject = Counting([])
    subject.sampling = {"temperature": 0.0}
    probes = probe_set()
    responses, judge = answers_and_judge(probes)
    subject.responses = [replace(each, earlier=("before", each.text)) for each in responses]
    attempt = attempt_of(
        make_plan(policy(law(), provider()), probes),
        {"*": judge},
        model="c",
        version="1",
        artifact="a",
        now=NOW,
    )
    asked = recorded(platform, attempt, subject, budget=None)
    given = list(asked.respond([]))
    report = run_audit(asked, make_plan(policy(law(), provider()), probes), {"*": judge})
    assert report.sampling == {"temperature": 0.0}
    finish(platform, attempt, asked, report)
    kept = list(recorded(platform, attempt, Counting([]), budget=None).respond([]))
    assert sorted(kept, key=lambda each: each.key) == sorted(given, key=lambda each: each.key)
