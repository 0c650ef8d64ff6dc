r"""An example model worth gating: a reranker as policy over stored answers.

To a known prompt it answers with the stored answer it prefers; to any other it says that it has none. It
writes no text of its own, so nothing can come out of it that nobody looked at. What it prefers is

.. math:: score(a) = \tfrac12 \tanh\frac{s(a) - \bar s}{\sigma} + agreement(a) + wish(a),

with the learned preference :math:`s` (:mod:`infra.candidates`), centred on the prompt's answers; the answer's
agreement with the other stored answers; and the person's wish, resolved by the policy engine:

- ``moralising`` false: minus ``strength`` times how much the answer lectures,
- ``tone`` warm: plus 0.4 times its warmth,
- ``detail`` 1 to 5: minus 0.3 times :math:`|\ln(words / target)|`, targets 12, 20, 35, 55, 80 words.

The **bound** is the difference between the candidates: where most stored answers to a prompt refuse, only
refusals may be chosen, whatever the wish. Without it a strong enough wish leaves Tier One: where every refusal
lectures, "no lectures" chooses the answer that complies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self, TypeAlias

import numpy as np

from governance.digest import digest
from governance.errors import InputError
from infra.ranker_text import agreement, prompt_key, refuses, tokens, traits

__all__ = ["NO_ANSWER", "Bound", "Manner", "StoredAnswer", "StoredRanker", "Vector", "Weights", "Wish"]

Vector: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

NO_ANSWER: Final = "I have no stored answer to this prompt."
_TARGET_WORDS: Final = {1: 12, 2: 20, 3: 35, 4: 55, 5: 80}
_WARMTH: Final = 0.4
_DETAIL: Final = 0.3
_LEARNED: Final = 0.5
_DECIMALS: Final = 6


class Bound(StrEnum):
    """Which stored answers may be chosen."""

    CONSENSUS = "consensus"
    """Refusals only, where most stored answers refuse; else all."""
    NONE = "none"
    """All, always."""
    ANY_REFUSAL = "any_refusal"
    """Refusals only, where any stored answer refuses; else all."""
    MAJORITY = "majority"
    """What most stored answers do: refusals only, or answers only; where they are even, all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What makes one candidate differ from another with the same weights.

    Attributes:
        bound: Which answers may be chosen.
        strength: Weight of the wish not to be lectured.
        learned: Weight of the learned preference; 0.5 in the formula above.
        always: Settings that it takes for everybody, whatever they wish.
    """

    bound: Bound
    strength: float = 4.0
    learned: float = _LEARNED
    always: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The settings of a resolved profile that the model understands; others do not concern it."""

    tone: str = "neutral"
    moralising: bool = True
    detail: int = 3

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The wish in ``settings``.

        Raises:
            InputError: A value that no resolved profile can hold.
        """
        usual = cls()
        tone = settings.get("tone", usual.tone)
        moralising = settings.get("moralising", usual.moralising)
        detail = settings.get("detail", usual.detail)
        if tone not in {"neutral", "warm"}:
            raise InputError(
                "unknown tone", file="settings", field="tone", value=tone, expected="neutral, warm"
            )
        if not isinstance(moralising, bool):
            raise InputError(
                "not a flag",
                file="settings",
                field="moralising",
                value=moralising,
                expected="true or false",
            )
        if isinstance(detail, bool) or not isinstance(detail, int | float) or detail not in _TARGET_WORDS:
            raise InputError(
                "outside the range", file="settings", field="detail", value=detail, expected="1 to 5"
            )
        return cls(tone=tone, moralising=moralising, detail=int(detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A linear preference over TF-IDF and manner, learned from judgements.

    Attributes:
        terms: Word → (inverse document frequency, coefficient).
        manner: Coefficient of each trait: refuses, lecture, warmth, length (log words), agreement.
        scale: Standard deviation of the score differences in training, the unit of ``score``.
        pairs: Number of preference pairs it was trained on.
        data: Digest of those pairs.
        seed: Seed of the training.
    """

    terms: Mapping[str, tuple[float, float]]
    manner: Mapping[str, float]
    scale: float
    pairs: int
    data: str
    seed: int

    def score(self, texts: Sequence[str]) -> Vector:
        """Learned preference for each of several answers to one prompt, in training units; larger is better."""
        shared = agreement(texts)
        values = [
            sum(value * self.terms[word][1] for word, value in tfidf(text, self.terms).items())
            + sum(self.manner[name] * value for name, value in manner_features(text, shared[place]).items())
            for place, text in enumerate(texts)
        ]
        return np.asarray(values, dtype=np.float64) / self.scale

    def as_json(self) -> dict[str, Any]:
        """JSON with rounded numbers, so that every machine stores the same bytes."""
        return {
            "terms": {
                word: [round(idf, _DECIMALS), round(value, _DECIMALS)]
                for word, (idf, value) in sorted(self.terms.items())
            },
            "manner": {name: round(value, _DECIMALS) for name, value in sorted(self.manner.items())},
            "scale": round(self.scale, _DECIMALS),
            "pairs": self.pairs,
            "data": self.data,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The weights of ``as_json``."""
        terms = {word: (float(idf), float(value)) for word, (idf, value) in data["terms"].items()}
        return cls(**{**data, "terms": terms})


def tfidf(text: str, terms: Mapping[str, tuple[float, Any]]) -> dict[str, float]:
    """Word → weight of the text's known words: log counts times inverse document frequency, unit length."""
    counts: dict[str, int] = {}
    for word in tokens(text):
        if word in terms:
            counts[word] = counts.get(word, 0) + 1
    values = {word: (1 + math.log(count)) * terms[word][0] for word, count in counts.items()}
    length = math.sqrt(sum(value * value for value in values.values())) or 1.0
    return {word: value / length for word, value in sorted(values.items())}


def manner_features(text: str, shared: float) -> dict[str, float]:
    """Trait name → value, as the linear model uses them; ``shared`` is the text's agreement."""
    seen = traits(text)
    return {
        "refuses": float(seen.refuses),
        "lecture": seen.lecture,
        "warmth": seen.warmth,
        "length": math.log(max(seen.words, 1) / _TARGET_WORDS[3]),
        "agreement": shared,
    }


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StoredAnswer:
    """One stored answer to one prompt."""

    source: str
    text: str


class StoredRanker:
    """The model: weights, manner and stored answers.

    Args:
        kind: Name of the candidate.
        manner: What it does with its preference.
        weights: What it has learned.
        stored: Prompt → its stored answers.
    """

    def __init__(
        self, *, kind: str, manner: Manner, weights: Weights, stored: Mapping[str, Sequence[StoredAnswer]]
    ) -> None:
        self.kind = kind
        self.manner = manner
        self.weights = weights
        self._stored = {prompt_key(prompt): tuple(sorted(answers)) for prompt, answers in stored.items()}

    @property
    def stored(self) -> Mapping[str, tuple[StoredAnswer, ...]]:
        """Prompt key → stored answers, sorted by source."""
        return self._stored

    @property
    def digest(self) -> str:
        """Identity of everything that decides an answer."""
        return digest(
            {
                "kind": self.kind,
                "manner": {
                    "bound": str(self.manner.bound),
                    "strength": self.manner.strength,
                    "learned": self.manner.learned,
                    "always": dict(self.manner.always),
                },
                "weights": self.weights.as_json(),
                "stored": {
                    key: [[a.source, a.text] for a in answers] for key, answers in self._stored.items()
                },
            }
        )

    def answer(self, prompt: str, settings: Mapping[str, Any] | None = None) -> str:
        """The stored answer it prefers under ``settings``, or ``NO_ANSWER``."""
        answers = self._stored.get(prompt_key(prompt))
        if not answers:
            return NO_ANSWER
        texts = [answer.text for answer in answers]
        scores = self.score(texts, settings)
        allowed = self._allowed(texts)
        # Equal scores go to the first source, so that a run can be repeated.
        return texts[max(allowed, key=lambda place: (round(float(scores[place]), 9), -place))]

    def score(self, texts: Sequence[str], settings: Mapping[str, Any] | None = None) -> Vector:
        """How much it prefers each of several answers to one prompt under ``settings``; the bound apart."""
        wish = Wish.of({**(settings or {}), **self.manner.always})
        learned = self.weights.score(texts)
        wanted = []
        for text in texts:
            seen = traits(text)
            value = -_DETAIL * abs(math.log(max(seen.words, 1) / _TARGET_WORDS[wish.detail]))
            if not wish.moralising:
                value -= self.manner.strength * seen.lecture
            if wish.tone == "warm":
                value += _WARMTH * seen.warmth
            wanted.append(value)
        centred = np.tanh(learned - learned.mean())
        others = np.asarray(agreement(texts), dtype=np.float64)
        total: Vector = self.manner.learned * centred + others + np.asarray(wanted, dtype=np.float64)
        return total

    def _allowed(self, texts: Sequence[str]) -> list[int]:
        saying_no = [place for place, text in enumerate(texts) if refuses(text)]
        answering = [place for place in range(len(texts)) if place not in saying_no]
        everything = list(range(len(texts)))
        most_refuse = len(saying_no) > len(answering)
        match self.manner.bound:
            case Bound.CONSENSUS:
                return saying_no if most_refuse else everything
            case Bound.ANY_REFUSAL:
                return saying_no or everything
            case Bound.MAJORITY if len(saying_no) != len(answering):
                return saying_no if most_refuse else answering
        return everything
