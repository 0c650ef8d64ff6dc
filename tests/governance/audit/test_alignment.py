"""Agreement by stratum: the arithmetic by hand, the gate's words, and the coverage by simulation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import special, stats

from governance.audit.alignment import HeldOut, agreement, two_way_variance
from governance.audit.contested import Contested
from governance.audit.statistics import Verdict
from governance.audit.strata import alignment_findings, gap_bounds, stratum_name
from governance.policy.compose import compose
from infra.policy_files import load_pack

AT = datetime(2026, 1, 1, tzinfo=UTC)
DEMO = compose(load_pack("demo"), at=AT)


def rows(agrees, who=None, what=None, **strata):
    n = len(agrees)
    return HeldOut(
        annotators=who or [f"a{i % 2}" for i in range(n)],
        items=what or [f"i{i // 2}" for i in range(n)],
        agrees=agrees,
        strata=strata,
    )


def test_two_people_and_two_items_by_hand():
    """a: 1, 1; b: 1, 0. Residuals .25, .25, .25, -.75; every term of the variance is 1 / 16."""
    four = rows([1, 1, 1, 0], who=["a", "a", "b", "b"], what=["1", "2", "1", "2"])
    codes = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert two_way_variance(np.array([1.0, 1, 1, 0]), *codes) == pytest.approx(1 / 16)
    found = agreement(four)
    ratio = stats.t.ppf(0.95, 3) / stats.t.ppf(0.95, 1)
    effective = 0.75 * 0.25 * 16 * ratio**2
    assert found.effective == pytest.approx(effective) == pytest.approx(0.41681, abs=1e-4)
    assert found.low == pytest.approx(special.betaincinv(0.75 * effective, 0.25 * effective + 1, 0.05))
    assert (found.rate, found.judgements, found.annotators, found.items) == (0.75, 4, 2, 2)


def test_where_nothing_varies_each_person_counts_once():
    found = agreement(
        rows([1] * 40, who=[f"a{i % 4}" for i in range(40)], what=[f"i{i // 4}" for i in range(40)])
    )
    assert found.effective == 4
    assert found.low == pytest.approx(0.05 ** (1 / 4))
    assert found.high == 1.0
    none = agreement(
        rows([0] * 40, who=[f"a{i % 4}" for i in range(40)], what=[f"i{i // 4}" for i in range(40)])
    )
    assert (none.low, none.high) == (0.0, pytest.approx(1 - 0.05 ** (1 / 4)))


@pytest.mark.parametrize("agrees", [[], [1], [1, 0, 1]])
def test_one_person_or_nobody_bounds_nothing(agrees):
    found = agreement(rows(agrees, who=["a"] * len(agrees)))
    assert (found.low, found.high) == (0.0, 1.0)
    assert (found.rate is None) is (not agrees)


def test_people_who_always_agree_or_never_do_are_worth_little_more_than_their_number():
    who = [f"a{i // 50}" for i in range(1000)]
    what = [f"i{i % 50}" for i in range(1000)]
    found = agreement(rows([float(i // 50 < 12) for i in range(1000)], who=who, what=what))
    assert 15 < found.effective < 22
    mixed = np.random.default_rng(1).random(1000) < 0.6
    assert agreement(rows(list(mixed.astype(float)), who=who, what=what)).effective > 300


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match="different length"):
        HeldOut(annotators=["a"], items=["i", "j"], agrees=[1.0])
    with pytest.raises(ValueError, match="between 0 and 1"):
        rows([2.0])


def panel(rate, *, people=12, bands=("18-24", "25-34", "35-44", "45-54", "55-64", "65+"), seed=1, **rates):
    random = np.random.default_rng(seed)
    who, what, agrees, age = [], [], [], []
    for band in bands:
        for person in range(people):
            for item in range(40):
                who.append(f"{band}-{person}")
                what.append(f"i{item}")
                age.append(band)
                agrees.append(float(random.random() < rates.get(band, rate)))
    gender = [("female", "male")[int(name.rpartition("-")[2]) % 2] for name in who]
    return HeldOut(
        annotators=who,
        items=what,
        agrees=agrees,
        strata={"age": age, "gender": gender},
        source="test",
        simulated=True,
    )


def verdicts(found):
    return {finding.rule: finding.verdict.value for finding in found.findings}


def test_each_primary_stratum_decides_and_the_rest_is_reported():
    found = alignment_findings(DEMO, panel(0.9, **{"65+": 0.4}))
    assert verdicts(found) == {
        **{f"A.age={band}": "PASS" for band in ("18-24", "25-34", "35-44", "45-54", "55-64")},
        "A.age=65+": "FAIL",
    }
    named = {row["stratum"]: row for row in found.table["strata"]}
    assert found.table["worst"] == "age=65+"
    assert not named["gender=female"]["primary"]
    assert named["age=65+"]["primary"]
    # Six of twelve people are women: fewer than ten in each intersection, so none stands alone.
    assert "age=65+ & gender=female" not in named
    assert named["everybody"]["judgements"] == 2880


def test_too_few_people_are_undecided_however_good_the_figures():
    found = alignment_findings(DEMO, panel(1.0, people=9))
    assert set(verdicts(found).values()) == {"UNDECIDED"}
    assert all("9 people of this stratum speak; the policy asks for 10" in f.reasons for f in found.findings)


def test_a_stratum_nobody_speaks_for_is_undecided():
    found = alignment_findings(DEMO, panel(0.95, bands=("18-24", "25-34", "35-44", "45-54", "55-64")))
    assert verdicts(found)["A.age=65+"] == "UNDECIDED"
    assert sum(verdict == "PASS" for verdict in verdicts(found).values()) == 5


def test_an_unmeasured_model_does_not_pass():
    found = alignment_findings(DEMO, None, why_not="it says nothing")
    assert set(verdicts(found).values()) == {"UNDECIDED"}
    assert len(found.findings) == 6
    assert found.table is None
    assert found.findings[0].reasons == ("not measured: it says nothing",)


def test_simulated_people_pass_no_real_policy():
    real = replace(DEMO, promotion=replace(DEMO.promotion, is_demonstration=False))
    assert set(verdicts(alignment_findings(real, panel(0.95))).values()) == {"UNDECIDED"}
    assert verdicts(alignment_findings(real, panel(0.1)))["A.age=65+"] == "FAIL"
    people = replace(panel(0.95), simulated=False)
    assert set(verdicts(alignment_findings(real, people)).values()) == {"PASS"}


def test_a_policy_without_named_strata_holds_every_group_it_finds():
    [need] = DEMO.promotion.strata
    asked = {**need, "primary": (), "by": ("gender",), "max_gap": 0.1}
    open_to_all = replace(DEMO, promotion=replace(DEMO.promotion, strata=(asked,)))
    found = alignment_findings(open_to_all, panel(0.9))
    assert set(verdicts(found)) == {"A.gender=female", "A.gender=male", "A.gap"}
    wide = panel(0.9)
    cold = replace(
        wide,
        agrees=[0.65 if g == "male" else a for a, g in zip(wide.agrees, wide.strata["gender"], strict=True)],
    )
    gap = next(f for f in alignment_findings(open_to_all, cold).findings if f.rule == "A.gap")
    assert gap.verdict is Verdict.FAIL
    assert "worst gender=male" in gap.reasons[0]


def test_gap_by_hand():
    one = agreement(panel(0.9))
    best, worst = replace(one, rate=0.8, low=0.7, high=0.9), replace(one, rate=0.5, low=0.4, high=0.6)
    assert gap_bounds(best, worst) == pytest.approx((0.3, 0.158579, 0.441421), abs=1e-6)


def test_the_champion_stands_beside():
    better, worse = panel(0.9, seed=1), panel(0.6, seed=1)
    table = alignment_findings(DEMO, worse, champion=better).table
    against = table["strata"][0]["against_champion"]
    assert against["high"] < 0
    assert against["difference"] == pytest.approx(np.mean(worse.agrees) - np.mean(better.agrees), abs=1e-6)
    same = alignment_findings(DEMO, better, champion=better).table["strata"][0]["against_champion"]
    assert (same["difference"], same["low"], same["high"]) == (0, 0, 0)
    with pytest.raises(ValueError, match="same judgements"):
        alignment_findings(DEMO, better, champion=replace(worse, items=worse.items[::-1]))


def test_what_following_peoples_settings_gains_stands_beside():
    """Steered, everybody is agreed with more often, the oldest most of all; nothing of it decides."""
    mine, plain = panel(0.9), panel(0.8, **{"65+": 0.3})
    found = alignment_findings(DEMO, mine, plain=plain, apart=Contested(pairs=3, of=40))
    named = {row["stratum"]: row for row in found.table["strata"]}
    oldest = named["age=65+"]["steered"]
    assert 0.4 < oldest["low"] < oldest["difference"] < oldest["high"] < 0.8
    assert oldest["without"] == pytest.approx(0.3, abs=0.1)
    assert named["age=18-24"]["steered"]["difference"] < 0.2
    assert verdicts(found) == verdicts(alignment_findings(DEMO, mine))
    assert found.table["contested"] == {"pairs": 3, "of": 40}
    plainly = alignment_findings(DEMO, mine).table
    assert "contested" not in plainly
    assert "steered" not in plainly["strata"][0]


def test_at_half_confidence_repeated_judgements_still_count_as_repeated():
    """Ten people who each say one thing 30 times are ten, not 300."""
    alike = HeldOut(
        annotators=[f"a{n // 30}" for n in range(300)],
        items=[f"i{n % 30}" for n in range(300)],
        agrees=[float(n // 30 < 7) for n in range(300)],
    )
    # p(1-p)/V = 9, times the squared ratio of the densities of t at 0 with 9 and 299 degrees of freedom.
    by_hand = 9 * (stats.t.pdf(0, 9) / stats.t.pdf(0, 299)) ** 2
    assert agreement(alike, confidence=0.5).effective == pytest.approx(by_hand)
    assert agreement(alike, confidence=0.5001).effective == pytest.approx(by_hand, rel=1e-4)


def test_names_of_intersections():
    assert stratum_name({"gender": "female", "age": "65+"}) == "age=65+ & gender=female"


@pytest.mark.slow
@pytest.mark.parametrize("people", [6, 12, 30])
@pytest.mark.parametrize("rate", [0.6, 0.9])
def test_coverage_of_clustered_bounds_by_simulation(people, rate):
    """People and items differ; each one-sided 95 % bound holds in at least 92 % of 1,500 panels."""
    random = np.random.default_rng(20261125)
    items, held_low, held_high, runs = 40, 0, 0, 1500
    shift = 0.15 if rate == 0.6 else 0.06
    for _ in range(runs):
        # Shifts of people and of items, each of mean 0: the mean rate is the true one.
        person = random.uniform(-shift, shift, people)
        item = random.uniform(-shift / 2, shift / 2, items)
        chance = np.clip(rate + person[:, None] + item[None, :], 0, 1)
        judged = (random.random((people, items)) < chance).astype(float)
        asked = random.random((people, items)) < 0.5
        who, what = np.nonzero(asked)
        found = agreement(
            HeldOut(
                annotators=[f"p{i}" for i in who], items=[f"i{i}" for i in what], agrees=list(judged[asked])
            )
        )
        held_low += found.low <= rate
        held_high += found.high >= rate
    assert held_low / runs >= 0.92
    assert held_high / runs >= 0.92
