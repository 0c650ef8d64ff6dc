"""The learning curve on people whose taste is known, and its weights against an optimiser."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from annotation.card_parts import _enough, learning_section
from annotation.learning_curve import RIDGE_CLOSER, LearningParts, _u, fit_weights


def world(
    people: int, each: int, *, personal: float, by_group: float, seed: int = 0
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Answers differ in length; who likes long ones is a matter of the person and of the group."""
    generator = np.random.default_rng(seed)
    items, judgements, annotators = [], [], []
    for number in range(80):
        lengths = generator.choice([20, 60, 180, 540], size=2, replace=False)
        candidates = [
            {"candidate": f"c{number}{side}", "model": "m", "text": "x" * int(length), "digest": "d"}
            for side, length in enumerate(lengths)
        ]
        items.append({"item": f"i{number:02}", "candidates": candidates})
    for who in range(people):
        group = "ab"[who % 2]
        annotators.append({"annotator": f"a{who}", "group": group})
        taste = personal * (1 if (who // 2) % 2 else -1) + by_group * (1 if group == "a" else -1)
        for number in generator.choice(80, size=each, replace=False):
            first, second = items[number]["candidates"]
            gap = np.log1p(len(first["text"])) - np.log1p(len(second["text"]))
            likes = generator.random() < 1 / (1 + np.exp(-taste * gap))
            shown = [first["candidate"], second["candidate"]]
            judgements.append(
                {
                    "item": f"i{number:02}",
                    "annotator": f"a{who}",
                    "kind": "pairwise",
                    "outcome": "prefers",
                    "shown": shown if number % 2 else shown[::-1],
                    "preferred": shown[0] if likes else shown[1],
                }
            )
    return pl.DataFrame(judgements), pl.DataFrame(items), pl.DataFrame(annotators)


def curve(world: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], parts: int = 1) -> dict[str, Any]:
    judgements, items, annotators = world
    taken = LearningParts(annotators, group="group")
    for part in range(parts):
        mine = items.filter(pl.col("item").str.tail(2).cast(int) % parts == part)
        taken.add(judgements.join(mine, on="item", how="semi"), mine)
    return taken.finish()


def test_weights_are_the_minimum_of_what_is_stated() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(40, 3))
    y = (generator.random(40) < 0.6).astype(float)
    towards = np.array([0.5, 0.0, -1.0])

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, -(2 * y - 1) * (x @ w)).sum() + 2.5 * ((w - towards) ** 2).sum())

    found = fit_weights(x, y, towards=towards, ridge=5.0)
    assert found == pytest.approx(minimize(loss, np.zeros(3), tol=1e-12).x, abs=1e-4)
    assert fit_weights(x[:0], y[:0], towards=towards, ridge=RIDGE_CLOSER).tolist() == towards.tolist()


def test_people_of_different_taste_are_worth_their_judgements() -> None:
    found = curve(world(60, 50, personal=2.5, by_group=0.0))
    rows = found["per_person"]
    assert rows[0]["judgements"] == 0
    assert rows[0]["gain"] == 0
    assert rows[0]["accuracy"] == pytest.approx(0.5, abs=0.1)
    assert rows[-1]["judgements"] == 32
    assert rows[-1]["accuracy"] > 0.85
    assert rows[-1]["gain_low"] > 0.1
    assert [row["gain"] for row in rows] == sorted(row["gain"] for row in rows)


def test_people_of_one_taste_gain_nothing() -> None:
    found = curve(world(60, 50, personal=0.0, by_group=0.0, seed=3))
    assert all(row["gain_low"] < 0.01 for row in found["per_person"])


def test_a_group_that_differs_gains_from_its_own() -> None:
    found = curve(world(60, 40, personal=0.0, by_group=2.5))
    for rows in found["per_group"].values():
        assert rows[0]["accuracy"] < 0.7  # half of all people like the contrary
        assert rows[-1]["accuracy"] > 0.85
    # the fallback of somebody new is the group's, so it is good at once
    assert found["per_person"][0]["fallback_accuracy"] > 0.85
    assert found["per_person"][0]["everybody_log_loss"] > found["per_person"][0]["fallback_log_loss"] + 0.2


def test_parts_and_order_change_nothing() -> None:
    made = world(20, 20, personal=1.0, by_group=1.0)
    whole = curve(made)
    assert curve(made, parts=3) == whole
    judgements, items, annotators = made
    assert curve((judgements.sample(fraction=1, shuffle=True, seed=2), items, annotators)) == whole


def test_a_sample_is_the_same_in_parts_and_says_what_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = judgements, items, annotators = world(20, 20, personal=1.0, by_group=1.0)
    everything = curve(made)
    assert (everything["people_left_out"], everything["preferences_left_out"]) == (0, 0)
    monkeypatch.setattr("annotation.learning_curve.MOST_OF_A_PERSON", 6)
    sampled = curve(made)
    assert curve(made, parts=5) == curve(made, parts=80) == sampled
    assert sampled["preferences"] == 20 * 6
    assert sampled["preferences_left_out"] == 20 * 14
    # The sample is each person's first preferences by the hash that the module states.
    judged = judgements.select("annotator", "item").rows()
    first = [
        key
        for who in annotators["annotator"]
        for key in sorted((key for key in judged if key[0] == who), key=lambda key: _u(*key))[:6]
    ]
    kept = pl.DataFrame(first, schema=["annotator", "item"], orient="row")
    alone = curve((judgements.join(kept, on=["annotator", "item"], how="semi"), items, annotators))
    assert sampled == alone | {"preferences_left_out": 20 * 14}
    sentence = learning_section({"learning_curve": sampled | {"people_left_out": 3}})
    assert "3 people and 280 more preferences" in sentence
    assert "sample" not in learning_section({"learning_curve": everything})


def test_too_little_is_said() -> None:
    judgements, items, annotators = world(3, 2, personal=1.0, by_group=0.0)
    assert "too few people" in curve((judgements, items, annotators))["reason"]
    assert "no preference" in curve((judgements.head(0), items, annotators))["reason"]


def test_enough_is_said_of_those_numbers_only_where_it_holds() -> None:
    """Once "from 1 on" was said where the interval at 8 held no gain."""

    def said(*lows: float) -> str:
        rows = [{"judgements": n, "gain_low": low} for n, low in zip((0, 1, 4, 8), lows, strict=True)]
        return _enough(rows)

    assert "fallback at 1, 4:" in said(0.0, 0.1, 0.1, -0.1)
    assert "at the other numbers it does not" in said(0.0, 0.1, 0.1, -0.1)
    assert "at every number tried" in said(0.0, 0.1, 0.1, 0.1)
    assert said(0.0, 0.0, 0.0, 0.0).startswith("At no number")
