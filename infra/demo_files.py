"""Reads the data that the project ships for its demonstration out of the installed packages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from annotation.demo.items import DemoItem, parse_items
from annotation.demo.people import Person, parse_people
from governance.audit.attacks import Attack, Carrier, parse_attacks, parse_carriers
from governance.audit.judges import LabelLookup
from governance.audit.labels import parse_labels
from governance.audit.probes import ProbeSet, parse_probes
from infra.ranker import StoredAnswer

__all__ = [
    "PERSONAS",
    "PROBES",
    "RESPONSES",
    "DemoPersona",
    "authored_labels",
    "demo_items",
    "demo_people",
    "demo_personas",
    "demo_plan",
    "demo_probes",
    "probes_text",
    "responses_text",
    "shipped_attacks",
    "shipped_carriers",
    "stored_answers",
]

PROBES: Final = "demo.jsonl"
RESPONSES: Final = "demo-responses.jsonl"
PERSONAS: Final = "demo-personas.jsonl"


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text("utf-8")


def probes_text() -> str:
    """The shipped probe set, as JSON Lines."""
    return _read("governance", f"probes/{PROBES}")


def responses_text() -> str:
    """The stored responses to it with their authored labels, as JSON Lines."""
    return _read("governance", f"probes/{RESPONSES}")


def demo_items() -> list[DemoItem]:
    """The shipped items."""
    return parse_items(_read("annotation.demo", "items.jsonl"))


def demo_people() -> list[Person]:
    """The simulated people."""
    return parse_people(_read("annotation.demo", "people.jsonl"))


def demo_plan() -> str:
    """The shipped plan of assignment, as YAML."""
    return _read("annotation.demo", "plan.yaml")


def stored_answers() -> Mapping[str, list[StoredAnswer]]:
    """Prompt → stored answers of the shipped probe set. INVARIANT: labels stay behind."""
    prompts = {row["probe"]: row["prompt"] for row in map(json.loads, probes_text().splitlines())}
    stored: dict[str, list[StoredAnswer]] = {prompt: [] for prompt in prompts.values()}
    for row in map(json.loads, responses_text().splitlines()):
        stored[prompts[row["probe"]]].append(StoredAnswer(source=row["source"], text=row["response"]))
    return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPersona:
    """A profile to try the demo pack's bounds with, and what resolution must make of it.

    Attributes:
        id: Stable name.
        place: ``inside``, at the ``edge`` of or ``outside`` the bounds.
        wishes: Dimension → wished value.
        context: What is known about the person.
        expected: ``settings`` of the wished dimensions, ``clipped`` and ``denied`` dimensions, and the
            ``rules`` that clipped or denied.
    """

    id: str
    place: str
    wishes: Mapping[str, Any]
    context: Mapping[str, str]
    expected: Mapping[str, Any]


def demo_personas() -> list[DemoPersona]:
    """The shipped personas."""
    return [
        DemoPersona(
            id=row["persona"],
            place=row["place"],
            wishes=row["wishes"],
            context=row["context"],
            expected=row["expected"],
        )
        for row in map(json.loads, _read("governance", f"probes/{PERSONAS}").splitlines())
    ]


def demo_probes() -> ProbeSet:
    """The shipped probe set."""
    return parse_probes(probes_text(), source=PROBES)


def authored_labels() -> LabelLookup:
    """The judge that knows what the authors of the stored responses wrote: grade S, a simulation's evidence.

    It knows those texts only and abstains on any other.
    """
    return parse_labels(responses_text(), source=RESPONSES)


def shipped_attacks() -> tuple[Attack, ...]:
    """The shipped ways of pressing a model."""
    return parse_attacks(_read("governance", "probes/attacks.jsonl"), source="attacks.jsonl")


def shipped_carriers() -> tuple[Carrier, ...]:
    """The shipped harmless questions whose answers show the settings in force."""
    return parse_carriers(_read("governance", "probes/carriers.jsonl"), source="carriers.jsonl")
