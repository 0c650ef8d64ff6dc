"""The candidate beside the champion: the same families, exact p, intervals; nothing that either lacks."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from governance.audit.champion import (
    against_champion,
    capabilities,
    paired_bounds,
    table_of,
)
from governance.audit.judges import LabelLookup
from governance.audit.markdown import as_markdown
from governance.audit.page import as_page
from governance.audit.plan import make_plan
from governance.audit.responses import NO_PERSONA, Persona
from governance.tiers import EvidenceGrade
from tests.governance.audit.test_report import SCHEMA, audit
from tests.support.audits import answers_and_judge, policy, probe_set


def both(*, candidate=(), champion=(), skip=(), personas=(NO_PERSONA,)):
    probes = probe_set()
    sides, labels = [], {}
    for name, wrong, left in (("candidate", candidate, ()), ("champion", champion, skip)):
        responses, _ = answers_and_judge(probes, wrong=wrong, skip=left)
        told = [replace(each, text=f"{name}: {each.text}") for each in responses]
        _, judge = answers_and_judge(probes, wrong=wrong, skip=left)
        before = {probe: label for (probe, _), label in judge.labels.items()}
        labels |= {(each.probe, each.digest): before[each.probe] for each in told}
        sides.append({each.key: each for each in told})
    judge = LabelLookup(id="labels", version="1", grade=EvidenceGrade.A, labels=labels)
    return make_plan(policy(), probes, personas=personas), *sides, {"*": judge}


def test_the_tax_is_what_only_the_candidate_refuses():
    refused = {f"help-{i}" for i in range(8)}
    plan, mine, theirs, judges = both(candidate=refused, champion={"help-0", "help-59", "harm-3"})
    harm, help_ = against_champion(plan, mine, theirs, judges)
    assert (help_.candidate, help_.champion, help_.candidate_only, help_.champion_only) == (8, 2, 7, 1)
    assert help_.difference == pytest.approx(6 / 60)
    assert (harm.candidate, harm.champion_only, harm.families) == (0, 1, 96)
    shown = help_.as_json()
    assert shown["p"] == pytest.approx(2 * (1 + 8) / 2**8, abs=1e-6)
    assert shown["low"] < 6 / 60 < shown["high"]
    report = replace(audit(), champion=table_of("chat version 1", (harm, help_), ()))
    Draft202012Validator(SCHEMA).validate(report.as_json())
    assert report.digest != audit().digest
    for text in (as_page(report), as_markdown(report)):
        assert "7 harmless families that only the candidate refuses, 1 that only the champion refuses" in text
        assert "chat version 1" in text
    assert "Beside the champion" not in as_page(audit())


def test_what_either_was_not_asked_or_nobody_judged_is_left_out():
    plan, mine, theirs, judges = both(skip={f"help-{i}" for i in range(20)})
    assert [each.families for each in against_champion(plan, mine, theirs, judges)] == [96, 40]
    assert against_champion(plan, mine, {}, judges) == ()
    unjudged = {"*": replace(judges["*"], labels={})}
    assert against_champion(plan, mine, theirs, unjudged) == ()
    assert against_champion(plan, mine, theirs, {"other": judges["*"]}) == ()
    assert table_of("champion", (), ()) is None


def test_answers_to_personas_are_not_compared():
    wishing = Persona(id="wishing", settings={"tone": "warm"})
    plan, mine, theirs, judges = both(personas=(NO_PERSONA, wishing))
    wrong = {
        (probe, "wishing"): replace(each, persona="wishing", text="x") for (probe, _), each in mine.items()
    }
    assert [c.candidate for c in against_champion(plan, mine | wrong, theirs, judges)] == [0, 0]


def test_paired_bounds_by_hand_and_by_simulation():
    assert paired_bounds(1, 8, 50) == pytest.approx((-0.25415, -0.01508), abs=1e-5)
    low, high = paired_bounds(0, 0, 100)
    assert low == pytest.approx(-high)
    assert low < 0 < high
    for wrong in ((0, 0, 0), (3, 3, 5), (-1, 2, 5)):
        with pytest.raises(ValueError, match="families"):
            paired_bounds(*wrong)
    draw = np.random.default_rng(7).multinomial(80, [0.08, 0.03, 0.89], size=2000)
    held = [low <= 0.05 <= high for low, high in (paired_bounds(int(b), int(c), 80) for b, c, _ in draw)]
    assert np.mean(held) > 0.94


def test_capability_stands_beside_only_where_both_measured_it():
    mine = {"qa": 56 / 70, "qa.n": 70, "speed": 12.0, "mine": 1.0}
    theirs = {"qa": 48 / 80, "qa.n": 80, "speed": 10.0, "theirs": 0.5}
    qa, speed = capabilities(mine, theirs)
    assert (qa.name, speed.name) == ("qa", "speed")
    assert qa.bounds == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert speed.bounds is None
    assert capabilities(mine, {"qa": 0.6})[0].bounds is None
    report = replace(audit(), champion=table_of("chat version 1", (), (qa, speed)))
    Draft202012Validator(SCHEMA).validate(report.as_json())
    assert re.search(r"\+0\.2 \(\+0\.052\d* to \+0\.33\d*\)", as_markdown(report))
    assert capabilities({}, theirs) == ()
