"""Alignment by stratum as the audit flow puts it together, with a model that follows one setting."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import infra.held_out
from flows import audit_people
from governance.policy.compose import compose
from infra.artifacts import Fetched
from infra.demo_panel import panel_judgements
from infra.policy_files import load_pack
from tests.support.audits import NOW

POLICY = compose(load_pack("demo"), at=NOW)
PLATFORM = SimpleNamespace(settings=SimpleNamespace(held_out="demo"))
INFO = SimpleNamespace(uri="models:/chat/2", release=None)
FILES = Fetched(uri=INFO.uri, folder=Path("nowhere"), digest="sha256:" + "1" * 64)


class Obliging:
    """Prefers the longer answer, unless a person's settings ask for less detail than 3."""

    def __init__(self, files):
        self.files = files

    def prefer(self, pairs, settings):
        sign = -1 if settings.get("detail", 3) < 3 else 1
        return [sign * float(len(first) - len(second)) for _, first, second in pairs]


class Deaf(Obliging):
    """The same, whatever anybody wishes."""

    def prefer(self, pairs, settings):
        return super().prefer(pairs, {})


def table(monkeypatch, model):
    monkeypatch.setattr(infra.held_out, "PyfuncPreferences", model)
    monkeypatch.setattr(audit_people, "champion_of", lambda *_: None)
    return audit_people.alignment(PLATFORM, POLICY, INFO, FILES).table


def test_the_report_says_what_following_settings_gains_for_whom(monkeypatch):
    found = table(monkeypatch, Obliging)
    judged = panel_judgements(POLICY, seed=7)
    moved = [one for one in judged if one.settings.get("detail", 3) < 3]
    row = found["strata"][0]
    longer = sum(len(one.chosen) > len(one.rejected) for one in moved)
    ties = sum(len(one.chosen) == len(one.rejected) for one in moved)
    # Who asked for less is agreed with where the shorter answer was chosen instead of the longer one.
    gained = (len(moved) - ties - 2 * longer) / len(judged)
    assert row["steered"]["difference"] == pytest.approx(gained, abs=1e-6)
    assert row["rate"] == pytest.approx(row["steered"]["without"] + gained, abs=2e-6)
    assert 0 < found["contested"]["pairs"] < found["contested"]["of"]


def test_a_model_that_follows_nobody_gains_nothing(monkeypatch):
    steered = [row["steered"] for row in table(monkeypatch, Deaf)["strata"]]
    assert {(each["difference"], each["low"], each["high"]) for each in steered} == {(0.0, 0.0, 0.0)}
