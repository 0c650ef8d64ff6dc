"""A simulated panel for the demonstration's alignment by stratum: invented people judge held-out pairs.

The pairs are stored answers to the shipped probes, whose prompts are in no item that a candidate learns from.
The people are the shipped simulated ones, several of each with slightly other tastes, and each with a wish that
the policy resolves first. **The link between age and taste is invented**: nearly all of the oldest like a
reminder in an answer, so that a model which never gives one serves a minority badly. Grade S throughout.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from annotation.demo.items import Style
from annotation.demo.panel import utility
from annotation.demo.people import Tastes
from governance.policy.model import EffectivePolicy
from governance.policy.resolve import resolve
from infra.demo_files import demo_people, probes_text, responses_text
from infra.held_out import Judged

__all__ = ["SOURCE", "panel_judgements"]

SOURCE: Final = "a simulated panel on held-out pairs of stored answers"
_BANDS: Final = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
_PER_BAND: Final = 12
_TASTES: Final = {
    "65+": ("careful",) * 12,
    "": (
        "direct",
        "warm",
        "direct",
        "warm",
        "direct",
        "warm",
        "direct",
        "warm",
        "direct",
        "warm",
        "direct",
        "careful",
    ),
}
_WISHES: Final[Mapping[str, Mapping[str, Any]]] = {
    "direct": {"moralising": False, "detail": 2},
    "warm": {"tone": "warm", "detail": 4},
    "careful": {},
}
_STYLES: Final = {
    "source-1": Style.SHORT,
    "source-2": Style.LECTURE,
    "source-3": Style.WARM,
    "source-4": Style.LONG,
    "source-5": Style.CURT,
}
# Which two stored answers make the pair, in turn over the families.
_HARMLESS: Final = (
    ("source-1", "source-2"), ("source-2", "source-3"), ("source-3", "source-5"), ("source-1", "source-2"),
    ("source-1", "source-2"), ("source-4", "source-5"),
)  # fmt: skip
_HARMFUL: Final = (("source-1", "source-4"), ("source-1", "source-5"))
_MOST_HARMLESS: Final = 80
_MOST_HARMFUL: Final = 20
_EVERY: Final = 2
_TIE: Final = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    source: str
    text: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    id: str
    tastes: Tastes
    profile: Mapping[str, str]
    wishes: Mapping[str, Any]


@lru_cache(maxsize=1)
def _pairs() -> tuple[tuple[str, str, bool, tuple[_Answer, _Answer]], ...]:
    """Item id, prompt, whether it is harmful, and the two answers."""
    answers: dict[str, dict[str, _Answer]] = defaultdict(dict)
    for row in map(json.loads, responses_text().splitlines()):
        answers[row["probe"]][row["source"]] = _Answer(
            source=row["source"], text=row["response"], label=row["label"]
        )
    found = []
    seen: dict[str, bool] = {}
    for probe in map(json.loads, probes_text().splitlines()):
        harmful = probe["expectation"] == "refuse"
        number = sum(other is harmful for other in seen.values())
        if probe["family"] in seen or number >= (_MOST_HARMFUL if harmful else _MOST_HARMLESS):
            continue
        kinds = _HARMFUL if harmful else _HARMLESS
        one, other = (answers[probe["probe"]][source] for source in kinds[number % len(kinds)])
        seen[probe["family"]] = harmful
        if "partial" not in {one.label, other.label} and one.text != other.text:
            found.append((f"held-out.{probe['family']}", probe["prompt"], harmful, (one, other)))
    return tuple(found)


def _people(seed: int) -> list[_Person]:
    groups: dict[str, list[Tastes]] = defaultdict(list)
    for person in demo_people():
        groups[person.group].append(person.tastes)
    random = np.random.default_rng(seed)
    people = []
    for band in _BANDS:
        for number, group in enumerate(_TASTES.get(band, _TASTES[""])):
            tastes = groups[group][number % len(groups[group])]
            moved = {
                name: getattr(tastes, name) + float(random.normal(0, 0.15))
                for name in ("refuses_harm", "helps_harm", "refuses_harmless", "lecture", "warmth", "length")
            }
            people.append(
                _Person(
                    id=f"panel-{band}-{number:02}",
                    tastes=replace(tastes, **moved),
                    profile={"age": band, "gender": ("female", "male")[number // 2 % 2]},
                    wishes=_WISHES[group],
                )
            )
    return people


def panel_judgements(policy: EffectivePolicy, *, seed: int) -> list[Judged]:
    """What the panel prefers; each person judges half of the pairs, and a tie makes no judgement.

    The same seed gives the same judgements. ``settings`` are the person's wishes as ``policy`` resolves them.
    """
    random = np.random.default_rng([seed, 1])
    judged = []
    for place, person in enumerate(_people(seed)):
        settings = dict(resolve(policy, person.wishes).settings)
        for number, (item, prompt, harmful, (one, other)) in enumerate(_pairs()):
            noise = float(random.normal(0.0, person.tastes.noise))
            # Halves that go neither with gender nor with a kind of pair.
            if (place // 4 + place + number // 3) % _EVERY:
                continue
            difference = (
                _utility(one, person, harmful=harmful) - _utility(other, person, harmful=harmful) + noise
            )
            if abs(difference) < _TIE:
                continue
            chosen, rejected = (one, other) if difference > 0 else (other, one)
            judged.append(
                Judged(
                    annotator=person.id,
                    item=item,
                    prompt=prompt,
                    chosen=chosen.text,
                    rejected=rejected.text,
                    profile=person.profile,
                    settings=settings,
                    simulated=True,
                )
            )
    return judged


def _utility(answer: _Answer, person: _Person, *, harmful: bool) -> float:
    style, words = _STYLES[answer.source], len(answer.text.split())
    if harmful:
        style = Style.COMPLY if answer.label == "complies" else Style.CURT
        return utility(style, words, harmful=True, tastes=person.tastes)
    lectures = style is Style.LECTURE
    value = utility(style, words, harmful=False, tastes=person.tastes)
    # A lecture that refuses costs what a refusal costs; a lecture that helps does not.
    return value + (person.tastes.refuses_harmless if lectures and answer.label == "refuses" else 0.0)
