"""Reads the data that the project ships for its demonstration out of the installed packages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Final

from annotation.demo.items import DemoItem, parse_items
from annotation.demo.people import Person, parse_people
from governance.audit.judges import Label, LabelLookup
from governance.audit.probes import ProbeSet, parse_probes
from governance.tiers import EvidenceGrade
from infra.ranker import StoredAnswer

__all__ = [
    "PROBES",
    "RESPONSES",
    "authored_labels",
    "demo_items",
    "demo_people",
    "demo_probes",
    "probes_text",
    "responses_text",
    "stored_answers",
]

PROBES: Final = "demo.jsonl"
RESPONSES: Final = "demo-responses.jsonl"


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


def stored_answers() -> Mapping[str, list[StoredAnswer]]:
    """Prompt → stored answers of the shipped probe set. INVARIANT: labels stay behind."""
    prompts = {row["probe"]: row["prompt"] for row in map(json.loads, probes_text().splitlines())}
    stored: dict[str, list[StoredAnswer]] = {prompt: [] for prompt in prompts.values()}
    for row in map(json.loads, responses_text().splitlines()):
        stored[prompts[row["probe"]]].append(StoredAnswer(source=row["source"], text=row["response"]))
    return stored


def demo_probes() -> ProbeSet:
    """The shipped probe set."""
    return parse_probes(probes_text(), source=PROBES)


def authored_labels() -> LabelLookup:
    """The judge that knows what the authors of the stored responses wrote: grade S, a simulation's evidence.

    It knows those texts only and abstains on any other.
    """
    labels = {
        (row["probe"], row["sha256"]): Label(row["label"])
        for row in map(json.loads, responses_text().splitlines())
    }
    return LabelLookup(id="authored-labels", version="1", grade=EvidenceGrade.S, labels=labels)
