"""Shipped items and simulated people: shapes, no leakage into the audit, and a panel that disagrees plausibly."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from statistics import fmean, median

import pytest

from annotation.demo import Panellist, Person, parse_items, parse_people
from annotation.demo.items import WITHHELD, Style
from annotation.demo.panel import answer, utility
from annotation.demo.people import Tastes
from annotation.records import ITEMS, PROFILES, Outcome, table
from governance.errors import RecordError
from infra.demo_files import demo_items, demo_people, probes_text, responses_text

ITEM_LIST = demo_items()
PEOPLE = demo_people()
ANSWERS = [(item, person, answer(item, person, seed=1)) for item in ITEM_LIST for person in PEOPLE]


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def test_items_are_records_and_say_that_they_are_simulated():
    made = table([item.row for item in ITEM_LIST], ITEMS)
    assert made.num_rows == 48
    assert set(made["simulated"].to_pylist()) == {True}
    assert len(set(made["item"].to_pylist())) == 48
    assert all(len(item.row["candidates"]) == len(item.styles) == 2 for item in ITEM_LIST)


def test_the_two_answers_differ_in_text_and_source():
    for item in ITEM_LIST:
        one, other = item.row["candidates"]
        assert one["text"] != other["text"]
        assert one["model"] != other["model"]


def test_compliance_is_withheld_and_only_harmful_prompts_have_it():
    for item in ITEM_LIST:
        for style, candidate in zip(item.styles, item.row["candidates"], strict=True):
            assert (candidate["text"] == WITHHELD) == (style is Style.COMPLY)
            assert item.harmful or style is not Style.COMPLY


def test_position_does_not_give_the_manner_away():
    first = Counter(item.styles[0] for item in ITEM_LIST)
    second = Counter(item.styles[1] for item in ITEM_LIST)
    assert min(first[Style.COMPLY], second[Style.COMPLY]) >= 3
    assert min(first[Style.SHORT], second[Style.SHORT]) >= 3


def test_no_item_is_a_probe():
    """Training and audit share no family, no prompt and no near copy of one; and no authored answer."""
    probes = [json.loads(line) for line in probes_text().splitlines()]
    families = {probe["family"].split(".", 1)[-1] for probe in probes} | {probe["family"] for probe in probes}
    assert not families & {item.family for item in ITEM_LIST}
    for item, probe in itertools.product(ITEM_LIST, probes):
        one, other = words(item.prompt), words(probe["prompt"])
        assert len(one & other) / len(one | other) < 0.5, (item.ref, probe["probe"])
    short = 12
    stored = {row["response"] for row in map(json.loads, responses_text().splitlines())} - {WITHHELD}
    shown = {candidate["text"] for item in ITEM_LIST for candidate in item.row["candidates"]}
    assert not {text for text in shown & stored if len(text) > short}


def test_people_have_documented_profiles_and_may_decline():
    assert len(PEOPLE) == 12
    assert {tuple(sorted(person.profile)) for person in PEOPLE} == {
        ("age", "country_of_residence", "education", "ethnicity", "gender", "languages")
    }
    rows = [
        row
        for person in PEOPLE
        for row in person.profile_rows(annotator=person.id, site="a", codebook="demo@1.0.0")
    ]
    made = table(rows, PROFILES)
    assert set(made["simulated"].to_pylist()) == {True}
    declined = [row for row in rows if row["status"] == "prefer_not_to_say"]
    assert 3 <= len(declined) <= 6
    assert all(row["value"] is None for row in declined)


def test_the_same_item_person_and_seed_give_the_same_answer():
    again = [answer(item, person, seed=1) for item in ITEM_LIST for person in PEOPLE]
    assert again == [given for *_, given in ANSWERS]
    other = [answer(item, person, seed=2) for item in ITEM_LIST for person in PEOPLE]
    assert sum(a.strength != b.strength for a, b in zip(again, other, strict=True)) > 50


def test_answers_are_consistent_and_of_every_kind():
    for item, _, given in ANSWERS:
        ids = [candidate["candidate"] for candidate in item.row["candidates"]]
        match given.outcome:
            case Outcome.PREFERS:
                assert given.strength in {-3, -2, -1, 1, 2, 3}
                assert given.preferred == ids[given.strength > 0]
            case Outcome.TIE:
                assert given.strength == 0
                assert given.preferred is None
            case _:
                assert given.strength is None
                assert given.preferred is None
                assert given.rationale is None
    assert {given.outcome for *_, given in ANSWERS} == set(Outcome)
    assert 0.2 < fmean(given.rationale is not None for *_, given in ANSWERS) < 0.6


def test_times_are_plausible():
    seconds = [given.seconds for *_, given in ANSWERS]
    assert min(seconds) > 3
    assert 10 < median(seconds) < 40
    assert max(seconds) < 180


def test_people_agree_more_than_chance_and_less_than_always():
    """Krippendorff's alpha of the sign of the preference, by its definition over pairs within items."""
    by_item = defaultdict(list)
    for item, _, given in ANSWERS:
        if given.strength is not None:
            by_item[item.ref].append((given.strength > 0) - (given.strength < 0))
    values = [value for group in by_item.values() for value in group]
    observed = sum(
        sum(a != b for a, b in itertools.permutations(group, 2)) / (len(group) - 1)
        for group in by_item.values()
    ) / len(values)
    counts = Counter(values)
    n = len(values)
    expected = sum(counts[a] * counts[b] for a, b in itertools.permutations(counts, 2)) / (n * (n - 1))
    assert 0.15 < 1 - observed / expected < 0.7


def test_groups_differ_where_they_were_made_to():
    lecture = defaultdict(list)
    for item, person, given in ANSWERS:
        if (
            not item.harmful
            and given.strength is not None
            and set(item.styles) == {Style.SHORT, Style.LECTURE}
        ):
            sign = 1 if item.styles[1] is Style.SHORT else -1
            lecture[person.group].append(sign * given.strength)
    assert fmean(lecture["direct"]) > 1.5
    assert fmean(lecture["careful"]) < 0
    assert fmean(lecture["direct"]) > fmean(lecture["warm"]) > fmean(lecture["careful"])


def test_everybody_prefers_a_refusal_of_harm():
    harm = [
        (given.preferred, item)
        for item, _, given in ANSWERS
        if Style.COMPLY in item.styles and given.outcome is Outcome.PREFERS
    ]
    right = [
        preferred != item.row["candidates"][item.styles.index(Style.COMPLY)]["candidate"]
        for preferred, item in harm
    ]
    assert fmean(right) > 0.97


TASTES = Tastes(
    refuses_harm=2, helps_harm=-2, refuses_harmless=-1, lecture=-1.5, warmth=0.5, length=0.25, noise=0.0
)


@pytest.mark.parametrize(
    ("style", "count", "harmful", "expected"),
    [
        (Style.SHORT, 20, False, 0.0),
        (Style.LONG, 80, False, 0.5),
        (Style.WARM, 40, False, 0.75),
        (Style.LECTURE, 40, False, -1.25),
        (Style.LECTURE, 40, True, 0.75),
        (Style.REFUSE, 10, False, -1.25),
        (Style.POLITE, 20, True, 2.5),
        (Style.CURT, 5, True, 1.5),
        (Style.COMPLY, 2, True, -2.0),
    ],
)
def test_utility_by_hand(style: Style, count: int, harmful: bool, expected: float):
    assert utility(style, count, harmful=harmful, tastes=TASTES) == pytest.approx(expected)


def test_a_panellist_refuses_what_nobody_wrote():
    panellist = Panellist(PEOPLE[0], ITEM_LIST, seed=1)
    row = ITEM_LIST[3].row
    assert panellist(row) == answer(ITEM_LIST[3], PEOPLE[0], seed=1)
    with pytest.raises(RecordError, match="not a shipped item"):
        panellist({**row, "item": "i-000000000000000000000000"})


@pytest.mark.parametrize("line", ["{", "[]", '{"ref": "a"}', "null"])
def test_a_broken_line_is_named(line: str):
    with pytest.raises(RecordError, match=r"x\.jsonl:1"):
        parse_items(line, source="x.jsonl")
    with pytest.raises(RecordError, match=r"x\.jsonl:1"):
        parse_people(line, source="x.jsonl")


def test_a_person_who_is_not_marked_as_simulated_is_refused():
    person: Person = PEOPLE[0]
    line = json.dumps(
        {
            "person": person.id,
            "simulated": False,
            "group": "direct",
            "tastes": {name: getattr(person.tastes, name) for name in Tastes.__dataclass_fields__},
            "profile": dict(person.profile),
        }
    )
    with pytest.raises(RecordError, match="not marked as simulated"):
        parse_people(line)
    twice = line.replace("false", "true")
    with pytest.raises(RecordError, match="person occurs twice"):
        parse_people(f"{twice}\n{twice}")
