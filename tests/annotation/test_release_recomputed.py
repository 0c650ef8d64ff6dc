"""A sceptical statistician holds nothing but the files, and recomputes what the card says.

Nothing of the platform's own arithmetic is used here: definitions are written down again, in plain Python,
pandas and scipy. Intervals are drawn anew, so they agree within what 400 draws leave open.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import norm
from scipy.stats import t as student

from annotation.release import AlignmentTarget, build_release
from governance.policy.compose import compose
from infra.policy_files import load_pack
from tests.support.release_data import batch, filtered, rows

ABSENT = {"suppressed", "not_asked", "expired", "revoked", "prefer_not_to_say"}


class Files:
    """What the statistician was handed."""

    def __init__(self, folder: Path) -> None:
        self.figures = json.loads((folder / "figures.json").read_text())
        self.card = (folder / "card.md").read_text()
        self.manifest = json.loads((folder / "release.json").read_text())
        read = {
            name: pd.read_parquet(folder / f"{name}.parquet")
            for name in ("judgements", "items", "annotators", "pairs", "aggregates")
        }
        self.judgements, self.items, self.annotators = read["judgements"], read["items"], read["annotators"]
        self.pairs, self.aggregates = read["pairs"], read["aggregates"]
        self.candidates = {
            row.item: [dict(candidate) for candidate in row.candidates] for row in self.items.itertuples()
        }
        self.group = {
            field: dict(zip(self.annotators.annotator, self.annotators[field], strict=True))
            for field in self.annotators.columns
        }

    def votes(self) -> list[tuple[str, str, str]]:
        """(item, annotator, what was preferred by its place, tie or neither)."""
        found = []
        for row in self.judgements.itertuples():
            order = [candidate["candidate"] for candidate in self.candidates[row.item]]
            said = f"candidate {order.index(row.preferred)}" if row.outcome == "prefers" else row.outcome
            if said != "cannot_judge":
                found.append((row.item, row.annotator, said))
        return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    policy = compose(
        load_pack("demo"), at=datetime(2026, 1, 1, tzinfo=UTC), jurisdictions=None, application=None
    )
    made = rows(people=26, items=40, each=7, seed=5)
    for number, item in enumerate(made["items"]):
        item["candidates"][0]["text"] = "word? " * (1 + number % 5)
        item["candidates"][1]["text"] = "- point\n" * (1 + number % 3)
    whole = batch(made, filtered=filtered(female=(60, 6), male=(66, 1)), quarantined=7, read=287)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotation.release_figures.REPLICATES", 400)
        release = build_release(
            [whole],
            policy=policy,
            alignment_target=AlignmentTarget(
                better="more honest", asked="simulated people", for_whom="a test"
            ),
            as_of=date(2026, 1, 2),
            seed=7,
        )
    folder = tmp_path_factory.mktemp("release")
    for name, data in release.files().items():
        (folder / name).write_bytes(data)
    return Files(folder)


def test_counts_and_shares(files: Files) -> None:
    figures, judgements = files.figures, files.judgements
    counts = figures["counts"]
    assert counts["judgements"] == len(judgements)
    assert counts["items"] == judgements["item"].nunique() == len(files.items)
    assert counts["annotators"] == judgements["annotator"].nunique() == len(files.annotators)
    assert counts["pairs"] == int((judgements["outcome"] == "prefers").sum()) == len(files.pairs)
    assert figures["outcomes"] == dict(Counter(judgements["outcome"]))
    assert figures["strengths"] == {
        str(int(k)): v for k, v in Counter(judgements["strength"].dropna()).items()
    }
    assert figures["judgements_per_item"] == pytest.approx(len(judgements) / len(files.items))
    assert figures["busiest_share"] == pytest.approx(
        judgements["annotator"].value_counts().max() / len(judgements)
    )
    assert figures["quarantine_share"] == pytest.approx(counts["quarantined"] / counts["read"])
    told = files.annotators[[name for name in figures["people"] if name != "site"]]
    published = (~told.isin(ABSENT - {"prefer_not_to_say"})).any(axis=1).mean()
    assert figures["published_share"] == pytest.approx(published)
    left = Counter(judgements["outcome"][judgements["outcome"] != "prefers"])
    assert figures["left_out_of_pairs"] == dict(left)
    for field, people in figures["people"].items():
        assert people == dict(Counter(files.annotators[field]))


def test_coverage_and_weights(files: Files) -> None:
    for field, found in files.figures["coverage"].items():
        known = [value for value in files.annotators[field] if value not in ABSENT - {"prefer_not_to_say"}]
        named = {cell["stratum"][field]: cell["share"] for cell in found["cells"]}
        have = Counter(value if value in named else "(any other)" for value in known)
        assert found["observed"] == len(known)
        assert found["undocumented"] == len(files.annotators) - len(known)
        distance = sum(abs(have[value] / len(known) - share) for value, share in named.items()) / 2
        assert found["total_variation_before"] == pytest.approx(distance)
        weight = files.annotators.groupby(field)["weight"].sum()
        there = [value for value in named if have[value]]
        for value in there:
            wanted = named[value] / sum(named[other] for other in there)
            assert weight[value] / weight[there].sum() == pytest.approx(wanted, abs=1e-6)
    w = files.annotators["weight"]
    size = w.sum() ** 2 / (w**2).sum()
    said = files.manifest["weighting"]
    assert said["effective_sample_size"] == pytest.approx(size)
    assert f"effective sample size {size:.1f} of {len(w)}" in files.card
    off, nobody = [0.0], []
    for field in said["columns"]:
        named = {c["stratum"][field]: c["share"] for c in files.figures["coverage"][field]["cells"]}
        weight = files.annotators.groupby(field)["weight"].sum()
        there = [value for value in named if value in weight.index]
        nobody += [f"{field}: {value}" for value in named if value not in there and value != "(any other)"]
        wanted = sum(named[value] for value in there)
        off += [abs(weight[v] / weight[there].sum() - named[v] / wanted) for v in there]
    assert said["misfit"] == pytest.approx(max(off), abs=1e-9)
    assert said["absent"] == nobody
    assert said["capped"] == int((w >= 5 * w.mean() * (1 - 1e-9)).sum())


def test_items_and_their_sources(files: Files) -> None:
    sources, items = files.manifest["sources"], files.items
    assert {(row["origin"], row["licence"]): row["items"] for row in sources["items"]} == dict(
        Counter(zip(items["origin"], items["licence"], strict=True))
    )
    assert sources["languages"] == dict(Counter(items["language"]))
    assert sources["models"] == sorted({c["model"] for found in files.candidates.values() for c in found})
    assert files.figures["counts"]["simulated_items"] == int(items["simulated"].sum())
    assert files.figures["counts"]["simulated_annotators"] == int(files.annotators["simulated"].sum())


def squared(level: str, values: list[Any]) -> Any:
    if level == "nominal":
        return lambda a, b: float(a != b)
    ranks, below = {}, 0
    for value, many in sorted(Counter(values).items()):
        ranks[value] = below + many / 2
        below += many
    return lambda a, b: (ranks[a] - ranks[b]) ** 2


def alpha(units: list[list[Any]], level: str) -> float:
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    d = squared(level, values)
    table = Counter(values)
    n = len(values)
    observed = sum(sum(d(a, b) for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units)
    expected = sum(d(a, b) * table[a] * table[b] for a in table for b in table)
    return 1 - observed * (n - 1) / expected if expected else float("nan")


def across(inside: dict[str, list[Any]], outside: dict[str, list[Any]], level: str) -> float:
    """Cross-replication reliability, equations 9 and 10 of Wong et al. (2021)."""
    shared = [item for item in inside if outside.get(item) and inside[item]]
    ours, theirs = ([v for item in shared for v in side[item]] for side in (inside, outside))
    d = squared(level, ours + theirs)
    observed = sum(
        (len(inside[i]) + len(outside[i]))
        / (len(inside[i]) * len(outside[i]))
        * sum(d(a, b) for a in inside[i] for b in outside[i])
        for i in shared
    ) / (len(ours) + len(theirs))
    expected = sum(d(a, b) for a in ours for b in theirs) / (len(ours) * len(theirs))
    return 1 - observed / expected


@pytest.mark.parametrize("measure", ["preference", "strength"])
def test_agreement_within_and_across(files: Files, measure: str) -> None:
    found = files.figures["agreement"][measure]
    if measure == "preference":
        said = files.votes()
    else:
        kept = files.judgements.dropna(subset="strength")
        said = list(zip(kept["item"], kept["annotator"], kept["strength"], strict=True))
    by_item = defaultdict(list)
    for item, _, value in said:
        by_item[item].append(value)
    units = list(by_item.values())
    assert found["alpha"] == pytest.approx(alpha(units, found["level"]))
    assert found["judgements"] == len(said)
    generator = np.random.default_rng(99)
    drawn = [
        alpha([units[i] for i in generator.integers(0, len(units), len(units))], found["level"])
        for _ in range(400)
    ]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    assert [found["low"], found["high"]] == pytest.approx([low, high], abs=0.05)
    assert f"| all | {found['alpha']:.3f} [{found['low']:.3f}, {found['high']:.3f}] |" in files.card
    assert found["by"]
    for field, groups in found["by"].items():
        for name, group in groups.items():
            inside, outside = defaultdict(list), defaultdict(list)
            for item, annotator, value in said:
                (inside if files.group[field][annotator] == name else outside)[item].append(value)
            assert group["alpha"] == pytest.approx(alpha(list(inside.values()), found["level"]))
            assert group["across"] == pytest.approx(across(inside, outside, found["level"]))
            assert group["difference"] == pytest.approx(group["alpha"] - group["across"])
            assert group["judgements"] == sum(map(len, inside.values()))
            assert f"| {field}: {name} | {group['alpha']:.3f} [" in files.card


def test_soft_labels_and_consensus(files: Files) -> None:
    votes = files.votes()
    counts = Counter((item, said) for item, _, said in votes)
    total = Counter(item for item, _, _ in votes)
    table = {(row.item, row.category): row for row in files.aggregates.itertuples()}
    categories = sorted({said for _, _, said in votes})
    assert set(table) == {(item, category) for item in total for category in categories}
    fields = [
        name.removeprefix("consensus_") for name in files.aggregates.columns if name.startswith("consensus_")
    ]
    assert fields
    entropy = 0.0
    for (item, category), row in table.items():
        share = counts[item, category] / total[item]
        assert (row.judgements, row.share) == (counts[item, category], pytest.approx(share))
        entropy -= share * np.log(share) / np.log(len(categories)) if share else 0
        for field in fields:
            product, worst = 1.0, 1.0
            for group in set(files.group[field].values()) - ABSENT:
                of_group = [said for i, who, said in votes if i == item and files.group[field][who] == group]
                product *= (1 + of_group.count(category)) / (2 + len(of_group))
                worst = min(worst, of_group.count(category) / len(of_group)) if of_group else worst
            assert getattr(row, f"consensus_{field}") == pytest.approx(product)
            assert getattr(row, f"worst_group_{field}") == pytest.approx(worst)
    figures = files.figures["aggregates"]["items"]
    assert figures["mean_entropy"] == pytest.approx(entropy / len(total))
    again = [i for i in total if total[i] > 1]
    assert figures["judged_again"] == len(again)
    assert figures["unanimous"] == sum(max(counts[i, c] for c in categories) == total[i] for i in again)


def test_dawid_skene(files: Files) -> None:
    votes, found = files.votes(), files.figures["aggregates"]["dawid_skene"]
    items, people, categories = (sorted({vote[k] for vote in votes}) for k in range(3))
    place = [(items.index(i), people.index(a), categories.index(c)) for i, a, c in votes]
    posterior = np.zeros((len(items), len(categories)))
    for i, _, c in place:
        posterior[i, c] += 1
    posterior /= posterior.sum(axis=1, keepdims=True)
    priors, errors = np.zeros(0), np.zeros(0)
    # `iterations` steps are so many E-steps, each followed by the estimate of priors and errors
    for step in range(found["iterations"] + 2):
        if step:
            posterior = np.tile(priors, (len(items), 1))
            for i, a, c in place:
                posterior[i] *= errors[a, c]
            posterior /= posterior.sum(axis=1, keepdims=True)
        if step <= found["iterations"]:
            priors, errors = posterior.mean(axis=0), np.zeros((len(people), len(categories), len(categories)))
            for i, a, c in place:
                errors[a, c] += posterior[i]
            errors = np.maximum(errors, 1e-10)
            errors /= errors.sum(axis=1, keepdims=True)
    assert found["priors"] == pytest.approx(dict(zip(categories, priors, strict=True)))
    accuracy = [sum(priors[c] * errors[a, c, c] for c in range(len(categories))) for a in range(len(people))]
    quantiles = np.quantile(accuracy, [0, 0.25, 0.5, 0.75, 1])
    names = ("lowest", "quarter", "median", "three_quarters", "highest")
    assert found["accuracy"] == pytest.approx(dict(zip(names, quantiles, strict=True)))
    assert found["fitted_to_share_of_items"] == 1
    most = np.zeros_like(posterior)
    for i, _, c in place:
        most[i, c] += 1
    differs = sum(most[i, posterior[i].argmax()] < most[i].max() for i in range(len(items)))
    assert files.figures["aggregates"]["items"]["differs_from_most_votes"] == differs
    said = {(row.item, row.category): row.dawid_skene for row in files.aggregates.itertuples()}
    for i, item in enumerate(items):
        for c, category in enumerate(categories):
            assert said[item, category] == pytest.approx(posterior[i, c], abs=2e-9)


def compared(files: Files) -> list[tuple[str, str, str, float]]:
    """(annotator, first model, second model, score of the first)."""
    found = []
    for item, annotator, said in files.votes():
        first, second = (candidate["model"] for candidate in files.candidates[item])
        if said != "neither":
            found.append(
                (annotator, first, second, {"candidate 0": 1.0, "tie": 0.5, "candidate 1": 0.0}[said])
            )
    return found


def test_strengths_and_rates(files: Files) -> None:
    votes, figures = compared(files), files.figures["aggregates"]
    models = sorted(figures["bradley_terry"]["things"])
    assert len(models) == 2

    def loss(x: np.ndarray) -> float:
        sign = np.array([1.0 if first == models[0] else -1.0 for _, first, _, _ in votes])
        half, nu = sign * x[0], np.exp(x[1])
        z = np.exp(half) + nu + np.exp(-half)
        score = np.array([vote[3] for vote in votes])
        top = np.where(score == 1, np.exp(half), np.where(score == 0.5, nu, np.exp(-half)))
        return -float(np.log(top / z).sum())

    best = minimize(loss, [0.0, 0.0], tol=1e-12).x
    crowd = figures["bradley_terry"]
    assert [thing["comparisons"] for thing in crowd["things"].values()] == [len(votes)] * 2
    assert crowd["things"][models[0]]["strength"] == pytest.approx(best[0], abs=1e-5)
    assert crowd["tie"] == pytest.approx(np.exp(best[1]), rel=1e-4)
    for model in models:
        check_rate(figures["rates"][model], [v for v in votes if model in v[1:3]], model)
        for field, groups in figures["rates"][model]["by"].items():
            for name, rate in groups.items():
                check_rate(rate, [v for v in votes if files.group[field][v[0]] == name], model)


def check_rate(found: dict[str, Any], votes: list[tuple[str, str, str, float]], model: str) -> None:
    people = defaultdict(list)
    for annotator, first, _, score in votes:
        people[annotator].append(score if first == model else 1 - score)
    total, many = sum(map(len, people.values())), len(people)
    r = sum(map(sum, people.values())) / total
    v = many / (many - 1) * sum((sum(s) - r * len(s)) ** 2 for s in people.values()) / total**2
    z = norm.ppf(0.975)
    n = min(total, r * (1 - r) / v) * (z / student.ppf(0.975, many - 1)) ** 2
    centre = (r + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * (r * (1 - r) / n + z**2 / (4 * n * n)) ** 0.5
    assert (found["rate"], found["people"], found["judgements"]) == (pytest.approx(r), many, total)
    assert [found["low"], found["high"]] == pytest.approx([max(0, centre - reach), min(1, centre + reach)])


def test_crossings(files: Files) -> None:
    for table in files.figures["intersections"]:
        one, other = table["columns"]
        wanted = files.annotators.groupby([one, other]).agg(
            many=("weight", "size"), said=("judgements", "sum"), w=("weight", "sum")
        )
        assert len(wanted) == len(table["cells"])
        for cell in table["cells"]:
            row = wanted.loc[tuple(cell["values"])]
            assert (cell["annotators"], cell["judgements"]) == (row["many"], row["said"])
            assert cell["weight_share"] == pytest.approx(row["w"] / files.annotators["weight"].sum())
    assert {tuple(t["columns"]) for t in files.figures["intersections"]} <= set(
        combinations(files.annotators.columns, 2)
    )


def u(*words: str) -> float:
    return int.from_bytes(hashlib.sha256("\n".join(words).encode()).digest()[:8], "big") / 2**64


def features(text: str) -> list[float]:
    marks = len(re.findall(r"(?m)^\s*(?:[-*•]|\d+[.)])\s", text))
    return [np.log1p(x) for x in (len(text), text.count("\n"), marks, text.count("?"))]


def fit(x: np.ndarray, y: np.ndarray, towards: np.ndarray, ridge: float) -> np.ndarray:
    if not len(y):
        return towards

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, -(2 * y - 1) * (x @ w)).sum() + ridge / 2 * ((w - towards) ** 2).sum())

    return minimize(loss, towards, tol=1e-11).x


def learners(files: Files) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Each person's differences and preferences, in the order of the hash of name and item."""
    rows_of = defaultdict(list)
    for row in files.judgements.itertuples():
        if row.outcome == "prefers":
            first, second = files.candidates[row.item]
            x = np.subtract(features(first["text"]), features(second["text"]))
            models = [
                1.0 if first["model"] == m else -1.0 if second["model"] == m else 0.0
                for m in ("model-a", "model-b")
            ]
            rows_of[row.annotator].append(
                (row.item, [*x, *models], float(row.preferred == first["candidate"]))
            )
    everything = np.array([x for rows in rows_of.values() for _, x, _ in rows])
    scale = np.sqrt((everything**2).mean(axis=0))
    people = []
    for name in sorted(rows_of):
        ordered = sorted(rows_of[name], key=lambda row, name=name: u(name, row[0]))
        x = np.array([row[1] for row in ordered]) / scale
        people.append((name, x, np.array([row[2] for row in ordered])))
    return [person for person in people if len(person[2]) >= 3]


def score(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Share predicted right, an even prediction for half, and log loss."""
    z = (2 * y - 1) * (x @ w)
    return float((np.sign(z) / 2 + 0.5).mean()), float(np.logaddexp(0, -z).mean())


def test_learning_curve(files: Files) -> None:
    found = files.figures["learning_curve"]
    people = learners(files)
    assert found["people"] == len(people)
    group = {name: value for name, value in files.group[found["group"]].items() if value not in ABSENT}
    start = {}
    for fold in (0, 1):
        others = [p for p in people if int(u("fold", p[0]) * 2) != fold]
        x, y = np.concatenate([p[1] for p in others]), np.concatenate([p[2] for p in others])
        everybody = start[fold, None] = fit(x, y, np.zeros(x.shape[1]), 1.0)
        for name in set(group.values()):
            mine = [p for p in others if group.get(p[0]) == name]
            if mine:
                start[fold, name] = fit(
                    np.concatenate([p[1] for p in mine]), np.concatenate([p[2] for p in mine]), everybody, 5.0
                )
    assert [row["judgements"] for row in found["per_person"]][:3] == [0, 1, 2]
    for row in found["per_person"]:
        n, scores = row["judgements"], []
        for name, x, y in people:
            seen = len(y) - max(1, -(-len(y) // 3))
            if seen < n:
                continue
            fold = int(u("fold", name) * 2)
            begin = start.get((fold, group.get(name)), start[fold, None])
            w = fit(x[:n], y[:n], begin, 5.0)
            scores.append([score(x[seen:], y[seen:], weights) for weights in (w, begin)])
        right, own, _, fallback = np.array(scores).reshape(-1, 4).T
        assert row["people"] == len(scores)
        assert row["accuracy"] == pytest.approx(right.mean())
        assert row["log_loss"] == pytest.approx(own.mean(), abs=1e-4)
        assert row["fallback_log_loss"] == pytest.approx(fallback.mean(), abs=1e-4)
        assert row["gain"] == pytest.approx((fallback - own).mean(), abs=1e-4)
        reach = student.ppf(0.975, len(scores) - 1) * (fallback - own).std(ddof=1) / len(scores) ** 0.5
        assert row["gain_high"] - row["gain"] == pytest.approx(reach, abs=1e-4)
        assert f"| {row['log_loss']:.3f} | {row['fallback_log_loss']:.3f} |" in files.card
    assert set(found["per_group"]) == set(group.values())
    for name, curve in found["per_group"].items():
        members = [p for p in people if group.get(p[0]) == name]
        for row in curve:
            n, tried = row["judgements"], []
            for fold in (0, 1):
                others = [p for p in members if int(u("fold", p[0]) * 2) != fold]
                x, y = np.concatenate([p[1] for p in others]), np.concatenate([p[2] for p in others])
                if len(y) < n:
                    continue
                w = fit(x[:n], y[:n], start[fold, None], 5.0)
                tried += [score(*p[1:], w) for p in members if int(u("fold", p[0]) * 2) == fold]
            right, loss = np.array(tried).mean(axis=0)
            assert (row["people"], row["accuracy"]) == (len(tried), pytest.approx(right))
            assert row["log_loss"] == pytest.approx(loss, abs=1e-4)
    assert (found["people_left_out"], found["preferences_left_out"]) == (0, 0)


def test_every_figure_was_looked_at(files: Files) -> None:
    """A new figure needs a reader here, or a reason why the columns cannot say it."""
    recomputed = {
        "counts",
        "left_out_of_pairs",
        "quarantine_share",
        "judgements_per_item",
        "busiest_share",
        "outcomes",
        "strengths",
        "agreement",
        "coverage",
        "people",
        "aggregates",
        "intersections",
        "learning_curve",
        "published_share",
    }
    before_the_release = {"documented_share", "filtered_out", "without_consent"}
    assert set(files.figures) == recomputed | before_the_release
    assert set(files.manifest["sources"]) == {
        "items",
        "judgements",
        "languages",
        "models",
        "judgements_digest",
    }
    untold = files.card.split("## What the tables cannot tell")[1].split("## Files")[0]
    for words in (
        "rows read and quarantined",
        "answered a question",
        "have a rationale",
        "where judgements were collected",
        "seed 7",
    ):
        assert words in untold


def leaves(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        yield from (leaf for part in value.values() for leaf in leaves(part))
    elif isinstance(value, list):
        yield from (leaf for part in value for leaf in leaves(part))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def test_no_number_of_the_card_comes_from_elsewhere(files: Files) -> None:
    """Each is one of the figures computed again above, or stands in what the card says cannot be."""
    manifest = files.manifest
    told = {**files.figures, "weighting": manifest["weighting"], "sources": manifest["sources"]}
    known = [*leaves(told), manifest["k"], manifest["seed"], *leaves(manifest["files"])]
    for found in files.figures["coverage"].values():
        known += [cell["have"] / found["observed"] for cell in found["cells"]]
    forms = ("{:.1f}", "{:.2f}", "{:.3f}", "{:+.3f}", "{:.0%}", "{:.1%}")
    printed = {form.format(number) for number in known for form in forms}
    printed |= {f"{number:,.0f}" for number in known if float(number).is_integer()}
    text = files.card.split("## Summary")[1]
    for statement in (
        "0 unanimous, 1 evenly split",
        "95 %",
        "difference above 0",
        "last third",
        f"As of {manifest['as_of']}",
    ):
        text = text.replace(statement, "")
    text = re.sub(r"`[^`]*`|sha256:\w+|\w+@[\d.]+|\b\d+-\d+\b|\b\d+\+", "", text)
    numbers = set(re.findall(r"(?<![\w.-])[-+]?\d+(?:,\d{3})*(?:\.\d+)?%?", text))
    assert len(numbers) > 100
    assert numbers - printed == set()
