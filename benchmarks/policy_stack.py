"""The generated policies of the policy benchmark, once for the engine and once for each peer."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

DIMENSIONS = 20
WORDS = [f"w{n}" for n in range(8)]
AGES = ["child", "teen", "adult"]


@dataclass(frozen=True)
class BenchRule:
    """One limit on one dimension, in some age bands or in all."""

    id: str
    dimension: str
    kind: str
    term: str
    value: Any
    ages: tuple[str, ...]


def kind_of(number: int) -> str:
    return ("choice", "flag", "range")[number % 3]


def make_rules(count: int, seed: int = 7) -> list[BenchRule]:
    """``count`` rules over 20 dimensions; few enough bite that requests of both answers occur."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        which = number % DIMENSIONS
        kind = kind_of(which)
        ages = () if rng.random() < 0.3 else tuple(sorted(rng.sample(AGES, rng.randint(1, 2))))
        if kind == "choice":
            term, value = "forbid", [rng.choice(WORDS[:2])]
        elif kind == "flag":
            term, value = "must_be", False
            ages = ages or ("child",)
            ages = tuple(age for age in ages if age != "adult") or ("child",)
        else:
            low = rng.random() < 0.5
            term, value = ("at_least", rng.randint(0, 20)) if low else ("at_most", rng.randint(80, 100))
        made.append(BenchRule(f"T1.r{number}", f"d{which}", kind, term, value, ages))
    return made


def documents(rules: list[BenchRule]) -> list[dict[str, Any]]:
    """A law with the rules and a provider that declares the dimensions, as plain values."""
    head = {"format": 1, "version": "1.0.0", "title": "Benchmark", "context": {"age": AGES}}
    owner = {"name": "Benchmark", "contact": "a@b.example"}
    law = head | {
        "id": "law",
        "tier": 1,
        "authority": owner | {"kind": "regulator"},
        "rules": [
            {
                "id": rule.id,
                "kind": "restriction",
                "statement": "Do not.",
                "rationale": "Because.",
                "limits": {rule.dimension: {rule.term: rule.value}},
            }
            | ({"when": {"age": list(rule.ages)}} if rule.ages else {})
            for rule in rules
        ],
    }
    shapes = {
        "choice": {"type": "choice", "values": WORDS, "default": WORDS[-1]},
        "flag": {"type": "flag", "default": False},
        "range": {"type": "range", "low": 0, "high": 100, "default": 50, "outside": "clip"},
    }
    provider = head | {
        "id": "provider",
        "tier": 2,
        "authority": owner | {"kind": "model_provider"},
        "dimensions": [{"id": f"d{n}", "statement": "What."} | shapes[kind_of(n)] for n in range(DIMENSIONS)],
    }
    return [law, provider]


def make_requests(count: int, seed: int = 11) -> list[tuple[str, Any, dict[str, str]]]:
    """Dimension, value and context; values inside and outside the declared domain."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        number = rng.randrange(DIMENSIONS)
        value: Any = {
            "choice": lambda: rng.choice([*WORDS, "unknown"]),
            "flag": lambda: rng.random() < 0.5,
            "range": lambda: rng.randint(-10, 110),
        }[kind_of(number)]()
        made.append((f"d{number}", value, {"age": rng.choice(AGES)}))
    return made
