"""The same decisions as Cedar, which shares no code with the engine.

A stack and its requests come from a seeded generator; Cedar validates the exported policies against a schema
and decides every request. The slow test asks at least 100,000.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from governance.policy.compose import compose
from tests.support import cedar, generated
from tests.support.policies import AT

cedarpy = pytest.importorskip("cedarpy")
SCHEMA = cedar.schema()


def compare(documents, number: int, rng: random.Random) -> int:
    """Ask both engines ``number`` requests; returns how many were allowed."""
    policies = cedar.export(documents)
    if policies:
        assert cedarpy.validate_policies(policies, SCHEMA).validation_passed
    decider = compose(documents, at=AT).decider
    asked = [_request(rng) for _ in range(number)]
    answers = cedarpy.is_authorized_batch(
        [cedar.request(*request) for request in asked], policies, [], SCHEMA
    )
    allowed = 0
    for request, answer in zip(asked, answers, strict=True):
        expected = answer.allowed and not answer.diagnostics.errors
        assert decider.decide(*request).allowed == expected, request
        allowed += expected
    return allowed


def _request(rng: random.Random):
    name = rng.choice(sorted(cedar.TYPES))
    value = {
        "tone": lambda: rng.choice([*generated.WORDS, "z"]),
        "emoji": lambda: rng.random() < 0.5,
        "level": lambda: rng.randint(-12, 24),
    }[name]()
    context = {
        attribute: rng.choice([*values, "elsewhere"])
        for attribute, values in generated.ATTRIBUTES.items()
        if rng.random() < 0.9
    }
    return name, value, context


def run(stacks: int, each: int) -> tuple[int, int]:
    rng = random.Random(20230309)
    total = [0, 0]

    @seed(20230309)
    @settings(
        max_examples=stacks,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(generated.stacks())
    def asked(documents):
        total[0] += each
        total[1] += compare(documents, each, rng)

    asked()
    return total[0], total[1]


def test_thousands_of_generated_requests_are_decided_as_cedar_decides():
    asked, allowed = run(40, 100)
    assert asked >= 3_000
    assert 0 < allowed < asked


@pytest.mark.slow
def test_a_hundred_thousand_generated_requests_are_decided_as_cedar_decides():
    asked, allowed = run(220, 500)
    assert asked >= 100_000
    assert allowed > 5_000
