"""Aggregates against published tables, their own definitions and simulated truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from annotation.bradley_terry import Comparisons, bradley_terry, outcome_probabilities
from annotation.consensus import group_consensus, group_counts, worst_group_share
from annotation.crowd_bradley_terry import crowd_bradley_terry
from annotation.dawid_skene import answers, dawid_skene
from annotation.preference_rates import preference_rate
from annotation.soft_labels import category_counts, normalised_entropy, soft_labels

# Dawid and Skene (1979), table 1: 45 patients; the first anaesthetist saw each form three times.
ANAESTHETISTS = """
111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|122 2 1 1 1|333 3 4 3 3|222 2 2 2 3
232 2 2 2 3|444 4 4 4 4|222 3 3 4 3|111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1|111 1 1 1 1
222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|111 1 1 1 1|111 1 1 1 1|232 2 2 2 2
111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3
221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1|111 1 1 1 1|121 2 1 1 1|232 2 2 2 2|121 1 1 1 1|222 2 2 2 2
"""
# Stigler (1994): citations of row by column; Biometrika, Communications in Statistics, JASA, JRSS-B.
CITED = [[714, 730, 498, 221], [33, 425, 68, 17], [320, 813, 1072, 142], [284, 276, 325, 188]]


def anaesthetists() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = []
    patients = [patient for line in ANAESTHETISTS.split("\n") if line for patient in line.split("|")]
    for item, patient in enumerate(patients):
        rows += [(item, who, int(x) - 1) for who, said in enumerate(patient.split()) for x in said]
    items, people, codes = np.array(rows).T
    return items, people, codes


def of(table: list[tuple[int, int, int, float]]) -> Comparisons:
    first, second, outcome, weight = (np.array(column) for column in zip(*table, strict=True))
    return Comparisons(first=first, second=second, outcome=outcome, weight=weight.astype(float))


def test_dawid_and_skenes_published_table() -> None:
    items, people, codes = anaesthetists()
    assert len(items) == 45 * 7
    given = answers(items, people, codes, n_items=45, n_annotators=5, n_categories=4)
    model = dawid_skene([given], n_categories=4, iterations=500, tolerance=1e-12)
    assert model.converged
    assert model.priors == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=5e-3)
    # their table 2: the first anaesthetist says 1 of 89 % of the first class, 2 of 88 % of the second
    assert model.errors[0, 0, 0] == pytest.approx(0.89, abs=0.01)
    assert model.errors[0, 1, 1] == pytest.approx(0.88, abs=0.01)
    assert model.errors.sum(axis=1) == pytest.approx(np.ones((5, 4)))
    posterior = model.posterior(given)
    assert posterior.sum(axis=1) == pytest.approx(np.ones(45))
    assert posterior[0, 0] > 0.999
    assert posterior[10, 3] > 0.999


@pytest.mark.parametrize("parts", [2, 5])
def test_dawid_skene_in_parts_is_that_of_the_whole(parts: int) -> None:
    items, people, codes = anaesthetists()
    whole = answers(items, people, codes, n_items=45, n_annotators=5, n_categories=4)
    cut = [whole[np.arange(part, 45, parts)] for part in range(parts)]
    a, b = (dawid_skene(given, n_categories=4) for given in ([whole], cut))
    assert b.priors == pytest.approx(a.priors)
    assert b.errors == pytest.approx(a.errors)
    assert b.iterations == a.iterations
    assert b.log_likelihood == pytest.approx(a.log_likelihood)


def naive_step(items: Any, people: Any, codes: Any, posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two formulas of the paper in loops: (2.3) and (2.4), then (2.5)."""
    width = posterior.shape[1]
    priors = posterior.mean(axis=0)
    errors = np.zeros((max(people) + 1, width, width))
    for item, who, said in zip(items, people, codes, strict=True):
        errors[who, said] += posterior[item]
    errors = np.maximum(errors, 1e-10)
    errors /= errors.sum(axis=1, keepdims=True)
    updated = np.tile(priors, (len(posterior), 1))
    for item, who, said in zip(items, people, codes, strict=True):
        updated[item] *= errors[who, said]
    return updated / updated.sum(axis=1, keepdims=True), errors


def test_dawid_skene_is_its_definition() -> None:
    items, people, codes = anaesthetists()
    posterior = soft_labels(category_counts(items, codes, n_items=45, n_categories=4))
    for _ in range(4):
        posterior, errors = naive_step(items, people, codes, posterior)
    given = answers(items, people, codes, n_items=45, n_annotators=5, n_categories=4)
    model = dawid_skene([given], n_categories=4, iterations=3, tolerance=-1)
    assert model.errors == pytest.approx(errors)
    assert model.posterior(given) == pytest.approx(posterior)


def test_dawid_skene_finds_who_answers_at_random() -> None:
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 3, size=2000)
    skill = np.array([0.9, 0.8, 0.7, 0.6, 1 / 3])
    said = np.where(
        generator.random((2000, 5)) < skill,
        truth[:, None],
        (truth[:, None] + generator.integers(1, 3, (2000, 5))) % 3,
    )
    said[:, 4] = generator.integers(0, 3, size=2000)
    rows, columns = np.nonzero(said >= 0)
    given = answers(rows, columns, said.ravel(), n_items=2000, n_annotators=5, n_categories=3)
    model = dawid_skene([given], n_categories=3, tolerance=1e-9)
    assert model.accuracy == pytest.approx(skill, abs=0.04)
    assert (model.posterior(given).argmax(axis=1) == truth).mean() > (said[:, 0] == truth).mean()


def test_dawid_skene_needs_an_answer() -> None:
    with pytest.raises(ValueError, match="needs an answer"):
        dawid_skene([], n_categories=3)


def test_bradley_terry_published_citations() -> None:
    rows = [(i, j, -1, float(CITED[i][j])) for i in range(4) for j in range(4) if i != j]
    found = bradley_terry(of(rows), n=4)
    assert found.strengths is not None
    assert found.strengths - found.strengths[0] == pytest.approx([0, -2.94907, -0.47957, 0.26895], abs=1e-5)
    assert found.tie == 0
    assert found.errors is not None


def by_optimiser(given: Comparisons, n: int) -> tuple[np.ndarray, float]:
    def loss(x: np.ndarray) -> float:
        theta = np.append(x[: n - 1], 0)
        p = outcome_probabilities(theta[given.first] - theta[given.second], np.exp(x[n - 1]))
        return -float(given.weight @ np.log(p[np.arange(len(given.first)), given.outcome + 1]))

    found = minimize(
        loss,
        np.zeros(n),
        method="Nelder-Mead",
        options={"maxiter": 20000, "maxfev": 20000, "xatol": 1e-10, "fatol": 1e-12},
    )
    theta = np.append(found.x[: n - 1], 0)
    return theta - theta.mean(), float(np.exp(found.x[n - 1]))


def test_davidson_is_the_maximum_of_its_likelihood() -> None:
    given = of(
        [
            (0, 1, -1, 12),
            (0, 1, 0, 5),
            (0, 1, 1, 6),
            (1, 2, -1, 9),
            (1, 2, 0, 2),
            (2, 0, -1, 4),
            (2, 0, 1, 11),
            (1, 2, 1, 7),
        ]
    )
    found = bradley_terry(given, n=3)
    theta, tie = by_optimiser(given, 3)
    assert found.strengths == pytest.approx(theta, abs=1e-5)
    assert found.tie == pytest.approx(tie, abs=1e-5)


def test_standard_errors_are_the_spread_of_repeated_samples() -> None:
    generator = np.random.default_rng(4)
    theta = np.array([0.8, 0.0, -0.8])
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    p = outcome_probabilities(theta[first] - theta[second], 0.5)
    estimates, stated = [], []
    for _ in range(300):
        counts = np.stack([generator.multinomial(120, row) for row in p])
        rows = [
            (int(first[k]), int(second[k]), o - 1, float(counts[k, o])) for k in range(3) for o in range(3)
        ]
        found = bradley_terry(of(rows), n=3)
        estimates.append(found.strengths)
        stated.append(found.errors)
    assert np.mean(estimates, axis=0) == pytest.approx(theta, abs=0.03)
    assert np.mean(stated, axis=0) == pytest.approx(np.std(estimates, axis=0), rel=0.12)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([(0, 1, -1, 5.0), (1, 2, -1, 3.0)], "always preferred"),
        ([(0, 1, 0, 5.0), (2, 3, 0, 3.0)], "2 parts"),
        ([(0, 1, 0, 0.0)], "nothing was compared"),
    ],
)
def test_no_finite_strength_is_said(rows: list[tuple[int, int, int, float]], why: str) -> None:
    found = bradley_terry(of(rows), n=1 + max(max(row[:2]) for row in rows))
    assert found.strengths is None
    assert why in str(found.reason)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-1, 1), st.integers(1, 9)),
        min_size=8,
        max_size=30,
    )
)
@settings(max_examples=40, deadline=None)
def test_turning_every_comparison_round_changes_nothing(rows: list[tuple[int, int, int, int]]) -> None:
    table = [(a, b, o, float(w)) for a, b, o, w in rows if a != b]
    table += [(a, (a + 1) % 4, o, 1.0) for a in range(4) for o in (-1, 1)]
    straight = bradley_terry(of(table), n=4)
    turned = bradley_terry(of([(b, a, -o, w) for a, b, o, w in table]), n=4)
    assert straight.strengths == pytest.approx(turned.strengths, abs=1e-6)
    assert straight.tie == pytest.approx(turned.tie, abs=1e-6)
    split = bradley_terry(of([(a, b, o, w / 2) for a, b, o, w in table * 2]), n=4)
    assert split.strengths == pytest.approx(straight.strengths, abs=1e-6)


def test_reliability_finds_who_orders_the_other_way() -> None:
    generator = np.random.default_rng(5)
    theta = np.array([1.5, 0.5, -0.5, -1.5])
    eta = np.array([0.95, 0.95, 0.9, 0.9, 0.85, 0.1])
    rows, people = [], []
    for who, along in enumerate(eta):
        for _ in range(600):
            a, b = generator.choice(4, size=2, replace=False)
            p = outcome_probabilities(np.array([theta[a] - theta[b]]), 0.4)[0]
            outcome = int(generator.choice([-1, 0, 1], p=p))
            rows.append((int(a), int(b), outcome if generator.random() < along else -outcome, 1.0))
            people.append(who)
    found = crowd_bradley_terry(of(rows), np.array(people), n=4, n_annotators=6)
    assert found.converged
    assert found.reliability == pytest.approx(eta, abs=0.08)
    assert found.strengths.strengths is not None
    assert found.strengths.strengths == pytest.approx(theta, abs=0.25)
    plain = bradley_terry(of(rows), n=4).strengths
    assert plain is not None
    assert np.abs(plain - theta).max() > np.abs(found.strengths.strengths - theta).max()


def test_joined_rows_give_the_same_reliability() -> None:
    rows = [(0, 1, -1, 1.0), (0, 1, -1, 1.0), (0, 1, 1, 1.0), (0, 1, 0, 1.0)]
    joined = [(0, 1, -1, 2.0), (0, 1, 1, 1.0), (0, 1, 0, 1.0)]
    a = crowd_bradley_terry(of(rows), np.array([0, 0, 1, 1]), n=2, n_annotators=2)
    b = crowd_bradley_terry(of(joined), np.array([0, 1, 1]), n=2, n_annotators=2)
    assert a.reliability == pytest.approx(b.reliability)
    assert a.strengths.strengths == pytest.approx(b.strengths.strengths)


def test_soft_labels_by_hand() -> None:
    counts = category_counts(np.array([0, 0, 0, 0, 2]), np.array([0, 0, 0, 1, 2]), n_items=3, n_categories=3)
    shares = soft_labels(counts)
    assert shares[0].tolist() == [0.75, 0.25, 0]
    assert np.isnan(shares[1]).all()
    assert normalised_entropy(shares[[0, 2]]) == pytest.approx([0.562335 / np.log(3), 0], abs=1e-6)


def test_consensus_by_hand() -> None:
    # group x: 3 say a, 1 says b; group y: 2 say b
    counts = group_counts(
        np.zeros(6, int),
        np.array([0, 0, 0, 1, 1, 1]),
        np.array([0, 0, 0, 0, 1, 1]),
        n_items=2,
        n_categories=2,
        n_groups=3,
    )
    found = group_consensus(counts)
    # the third group did not judge: 1/2 for both
    assert found[0] == pytest.approx([4 / 6 * 1 / 4 / 2, 2 / 6 * 3 / 4 / 2])
    worst = worst_group_share(counts)
    assert worst[0].tolist() == [0.0, 0.25]
    assert np.isnan(worst[1]).all()


def test_rate_by_hand() -> None:
    found = preference_rate(np.array([1, 1, 0, 0.0]), np.ones(4, int))
    assert (found.rate, found.people, found.judgements) == (0.5, 4, 4)
    # v = 1/12 is worth 3 judgements; t of 3 degrees of freedom is 3.18245
    z = 1.959964
    n = 3 * (z / 3.182446) ** 2
    assert found.effective == pytest.approx(n)
    # Wilson: centre .5, reach z / (1 + z^2/n) sqrt(.25/n + z^2/4n^2)
    reach = z / (1 + z * z / n) * (0.25 / n + z * z / (4 * n * n)) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach), abs=1e-6)
    assert preference_rate(np.zeros(0), np.zeros(0, int)).rate is None
    alone = preference_rate(np.array([3.0]), np.array([4]))
    assert (alone.rate, alone.low) == (0.75, None)
    unanimous = preference_rate(np.full(5, 2.0), np.full(5, 2))
    assert unanimous.effective < 5
    assert (unanimous.low or 1) < 1


def test_rates_cover_though_people_differ() -> None:
    """95 % intervals of people with beta-distributed rates: covered in 91 to 99 % of 400 samples."""
    generator = np.random.default_rng(6)
    inside = 0
    for _ in range(400):
        rates = generator.beta(3, 2, size=25)
        judgements = generator.integers(5, 30, size=25)
        found = preference_rate(generator.binomial(judgements, rates).astype(float), judgements)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0.6 <= found.high
    assert 0.91 <= inside / 400 <= 0.99
