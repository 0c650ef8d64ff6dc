"""The champion's own audit is what a candidate is compared with; it is not asked a second time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flows.audit_champion import beside_champion, champion_of
from governance.audit.plan import make_plan
from governance.audit.probes import ProbeSet
from infra.registry import VersionInfo
from tests.flows.test_audit_attempt import platform, run
from tests.support.audits import answers_and_judge, law, policy, probe_set, provider

__all__ = ["platform"]


def version(number):
    return VersionInfo(model="chat", version=number, run_id=None, tags={}, aliases=())


class Registry:
    """Who holds the alias, and what the runs say."""

    def __init__(self, holder, measures=None):
        self._holder, self._measures = holder, measures or {}

    def holder(self, model, alias):
        assert (model, alias) == ("chat", "champion")
        return self._holder and version(self._holder)

    def capabilities(self, info):
        return self._measures.get(info.version, {})


def compared(platform, *, holder="1", number="2", probes=None, measures=None):
    in_force = policy(law(), provider())
    answers, judge = answers_and_judge(probes or probe_set(), wrong={"help-1", "help-2"})
    plan = make_plan(in_force, probes or probe_set())
    joined = SimpleNamespace(
        db=platform.db, store=platform.store, registry=lambda: Registry(holder, measures)
    )
    return beside_champion(joined, in_force, version(number), plan, {"*": judge}, answers)


@pytest.fixture
def audited(platform):
    run(platform, number=1)
    return platform


def test_a_candidate_is_compared_with_what_the_champion_answered(audited):
    found = compared(audited)
    assert found["champion"] == "chat version 1"
    harm, help_ = found["rules"]
    assert (harm["families"], harm["difference"]) == (96, 0)
    assert (help_["families"], help_["candidate_only"], help_["champion_only"]) == (58, 0, 0)
    measured = compared(audited, measures={"1": {"qa": 0.7}, "2": {"qa": 0.6}})["capability"]
    assert [(each["name"], each["difference"]) for each in measured] == [("qa", -0.1)]


def test_only_on_probes_of_the_same_words(audited):
    fewer = ProbeSet.of("others", [*probe_set(harm=10).probes[:10], *probe_set(harm=0).probes])
    assert [each["families"] for each in compared(audited, probes=fewer)["rules"]] == [10, 58]
    fresh = ProbeSet.of("fresh", probe_set(harm=120).probes[96:120])
    assert compared(audited, probes=fresh) is None


def test_nothing_where_there_is_no_other_champion(audited):
    assert compared(audited, holder=None) is None
    assert compared(audited, holder="2") is None
    assert compared(audited, holder="7") is None
    assert champion_of(
        SimpleNamespace(registry=lambda: Registry("1")), policy(law(), provider()), version("2")
    )
