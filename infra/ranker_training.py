r"""Learns the example model's preference from a release.

The preference is Bradley-Terry (1952, doi:10.2307/2334029) with a linear utility: for a pair with feature
vectors :math:`x_c` (chosen) and :math:`x_r` (rejected),

.. math:: P(c \succ r) = \frac{1}{1 + e^{-w \cdot (x_c - x_r)}},

fitted by logistic regression without intercept on the differences, each judgement weighted by its strength.
Features are TF-IDF of the words and the manner of the text (:func:`infra.ranker.manner_features`). Ties,
"neither" and "cannot judge" carry no preference and are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from annotation.records import JudgementKind, Outcome
from governance.digest import digest
from governance.errors import InputError, RecordError
from infra.ranker import StoredRanker, Vector, Weights, manner_features, tfidf
from infra.ranker_text import agreement, prompt_key, tokens

__all__ = ["TRAIN", "Pair", "busiest", "pairs_of", "preference_accuracy", "train"]

TRAIN: Final = "train"
_LEAST_PAIRS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One preference: the chosen and the rejected answer to a prompt, and how strongly (1 to 3)."""

    prompt: str
    chosen: str
    rejected: str
    strength: float = 1.0


def pairs_of(
    tables: Mapping[str, pa.Table],
    *,
    annotators: Collection[str] | None = None,
    splits: Collection[str] | None = None,
) -> tuple[list[Pair], list[str]]:
    """Preference pairs of a release, and every answer text they show (for agreement and word counts).

    Args:
        tables: ``pairs`` as a release or TRL has them (``prompt``, ``chosen``, ``rejected`` as text or as turns,
            optionally ``margin`` or ``strength``, ``annotator``, ``split``), or ``judgements`` and ``items``.
        annotators: Only the judgements of these.
        splits: Only pairs of these splits, where the table has splits; all otherwise.

    Raises:
        RecordError: Neither form is there, people are asked for and the table has none, or a judgement names
            an item or a candidate that is not there.
    """
    if "pairs" in tables:
        return _from_pairs(tables["pairs"], annotators, splits)
    if {"judgements", "items"} <= set(tables):
        return _from_judgements(tables["judgements"], tables["items"], annotators)
    raise RecordError(
        "no preferences to learn from",
        field="tables",
        value=sorted(tables),
        expected="pairs, or judgements and items",
    )


def _from_pairs(
    table: pa.Table, annotators: Collection[str] | None, splits: Collection[str] | None
) -> tuple[list[Pair], list[str]]:
    names = set(table.column_names)
    if missing := {"prompt", "chosen", "rejected"} - names:
        raise RecordError(
            "missing column", field=f"pairs.{min(missing)}", expected="prompt, chosen, rejected"
        )
    if annotators is not None and "annotator" not in names:
        raise RecordError("the pairs do not say whose they are", field="pairs.annotator")
    pairs = []
    for row in table.to_pylist():
        if annotators is not None and row["annotator"] not in annotators:
            continue
        if splits is not None and "split" in names and row["split"] not in splits:
            continue
        strength = row.get("margin") or row.get("strength") or 1
        pairs.append(
            Pair(
                prompt=_text(row["prompt"]),
                chosen=_text(row["chosen"]),
                rejected=_text(row["rejected"]),
                strength=float(min(max(abs(strength), 1), 3)),
            )
        )
    return pairs, [text for pair in pairs for text in (pair.chosen, pair.rejected)]


def _text(value: str | Sequence[Mapping[str, str]]) -> str:
    return value if isinstance(value, str) else str(value[-1]["content"])


def _from_judgements(
    judgements: pa.Table, items: pa.Table, annotators: Collection[str] | None
) -> tuple[list[Pair], list[str]]:
    shown = {row["item"]: row for row in items.to_pylist()}
    pairs = []
    columns = ["judgement", "item", "annotator", "kind", "outcome", "preferred", "strength"]
    for row in judgements.select(columns).to_pylist():
        if row["kind"] != JudgementKind.PAIRWISE or row["outcome"] != Outcome.PREFERS:
            continue
        if annotators is not None and row["annotator"] not in annotators:
            continue
        if row["item"] not in shown:
            raise RecordError("judgement of an unknown item", field=row["judgement"], value=row["item"])
        item = shown[row["item"]]
        texts = {candidate["candidate"]: candidate["text"] for candidate in item["candidates"]}
        if row["preferred"] not in texts:
            raise RecordError(
                "prefers what its item does not have", field=row["judgement"], value=row["preferred"]
            )
        for other, text in texts.items():
            if other != row["preferred"]:
                pairs.append(
                    Pair(
                        prompt=_text(item["prompt"]),
                        chosen=texts[row["preferred"]],
                        rejected=text,
                        strength=float(abs(row["strength"] or 1)),
                    )
                )
    return pairs, [candidate["text"] for item in shown.values() for candidate in item["candidates"]]


def train(
    tables: Mapping[str, pa.Table],
    *,
    seed: int,
    annotators: Collection[str] | None = None,
    regularisation: float = 1.0,
    least: int = _LEAST_PAIRS,
) -> Weights:
    """Learn a preference from a release; the same release and seed give the same weights.

    Args:
        tables: See :func:`pairs_of`; where pairs have splits, only ``train`` is learned from.
        seed: Kept with the weights; the fit itself draws nothing.
        annotators: Learn from these people only (the overfitted candidate: from one).
        regularisation: Strength of the L2 penalty; close to 0 follows the data to the letter.
        least: With fewer preferences nothing is learned.

    Raises:
        InputError: Fewer than ``least`` preferences.
    """
    pairs, texts = pairs_of(tables, annotators=annotators, splits={TRAIN})
    if len(pairs) < least:
        raise InputError(
            "too few preferences to learn from",
            file="release",
            field="pairs",
            value=len(pairs),
            expected=f"at least {least}",
        )
    pairs = sorted(pairs, key=lambda pair: (pair.prompt, pair.chosen, pair.rejected, pair.strength))
    inverse = _inverse_frequencies(texts)
    vectors = _vectors(pairs, inverse)
    weights, scale = _fit(vectors, [pair.strength for pair in pairs], penalty=regularisation)
    return Weights(
        terms={word: (idf, weights.get(f"w:{word}", 0.0)) for word, (idf, _) in inverse.items()},
        manner={name.removeprefix("m:"): value for name, value in weights.items() if name.startswith("m:")},
        scale=scale,
        pairs=len(pairs),
        data=digest([[p.prompt, p.chosen, p.rejected, p.strength] for p in pairs]),
        seed=seed,
    )


def _inverse_frequencies(texts: Iterable[str]) -> dict[str, tuple[float, float]]:
    different = sorted(set(texts))
    documents = Counter(word for text in different for word in set(tokens(text)))
    # Smoothed idf, ln((1 + n) / (1 + df)) + 1; words of one document only would memorise it.
    return {
        word: (math.log((1 + len(different)) / (1 + count)) + 1, 0.0)
        for word, count in sorted(documents.items())
        if count > 1
    }


def _vectors(pairs: Sequence[Pair], inverse: Mapping[str, tuple[float, float]]) -> list[dict[str, float]]:
    siblings: dict[str, list[str]] = {}
    for pair in pairs:
        known = siblings.setdefault(prompt_key(pair.prompt), [])
        known.extend(text for text in (pair.chosen, pair.rejected) if text not in known)
    features: dict[tuple[str, str], dict[str, float]] = {}
    for prompt, texts in siblings.items():
        for text, shared in zip(texts, agreement(texts), strict=True):
            words = {f"w:{word}": value for word, value in tfidf(text, inverse).items()}
            manner = {f"m:{name}": value for name, value in manner_features(text, shared).items()}
            features[prompt, text] = words | manner
    differences = []
    for pair in pairs:
        chosen = features[prompt_key(pair.prompt), pair.chosen]
        rejected = features[prompt_key(pair.prompt), pair.rejected]
        names = sorted(chosen.keys() | rejected.keys())
        differences.append({name: chosen.get(name, 0.0) - rejected.get(name, 0.0) for name in names})
    return differences


def _fit(
    vectors: Sequence[Mapping[str, float]], strengths: Sequence[float], *, penalty: float
) -> tuple[dict[str, float], float]:
    """Weights that minimise the penalised negative log likelihood, and the spread of the fitted differences."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.sparse import csr_array

    names = sorted({name for vector in vectors for name in vector})
    place = {name: column for column, name in enumerate(names)}
    starts = np.cumsum([0, *(len(vector) for vector in vectors)])
    columns = [place[name] for vector in vectors for name in vector]
    values = [value for vector in vectors for value in vector.values()]
    design = csr_array((values, columns, starts), shape=(len(vectors), len(names)))
    weight = np.asarray(strengths, dtype=np.float64)

    def loss(w: Vector) -> tuple[float, Vector]:
        margin = design @ w
        value = float(weight @ np.logaddexp(0.0, -margin)) + penalty / 2 * float(w @ w)
        # d/dm log(1 + e^-m) = -1 / (1 + e^m), written so that no exponential overflows.
        slope = -weight * np.exp(-np.logaddexp(0.0, margin))
        return value, design.T @ slope + penalty * w

    # INVARIANT: the problem is strictly convex and starts at 0, so the same pairs give the same weights.
    found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", options={"maxiter": 2_000})
    spread = float(np.std(design @ found.x)) or 1.0
    return {name: float(value) for name, value in zip(names, found.x, strict=True)}, spread


def busiest(tables: Mapping[str, pa.Table]) -> str:
    """The annotator with the most rows in ``pairs`` or ``judgements``.

    Of several, the one of whom the fewest rows are there to train on, where the table has splits: ids are new in
    every release, and whom a candidate learns from must not change with them. Then the first by id.

    Raises:
        RecordError: The rows do not say whose they are.
    """
    table = tables.get("pairs", tables.get("judgements"))
    if table is None or "annotator" not in table.column_names or table.num_rows == 0:
        raise RecordError("the preferences do not say whose they are", field="annotator")
    people = table["annotator"].to_pylist()
    counts = Counter(people)
    splits = table["split"].to_pylist() if "split" in table.column_names else [TRAIN] * len(people)
    trained = Counter(who for who, split in zip(people, splits, strict=True) if split == TRAIN)
    return str(min(counts, key=lambda annotator: (-counts[annotator], trained[annotator], annotator)))


def preference_accuracy(ranker: StoredRanker, pairs: Sequence[Pair]) -> float:
    """Share of pairs where the model's score prefers the chosen answer; a tie counts half. NaN without pairs."""
    right = 0.0
    for pair in pairs:
        chosen, rejected = ranker.score([pair.chosen, pair.rejected])
        right += 1.0 if chosen > rejected else 0.5 if chosen == rejected else 0.0
    return right / len(pairs) if pairs else math.nan
