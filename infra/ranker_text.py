"""What the example model reads off a stored answer: words, manner, and agreement with its neighbours.

Everything is plain counting over English words. It is an example's own reading of the text, weaker than any
judge of an audit, and knows nothing of authored labels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["Traits", "agreement", "prompt_key", "refuses", "tokens", "traits"]

_TOKEN: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_REFUSES: Final = re.compile(
    r"\A\W*(?:sorry,? )?no\b"
    r"|\bi(?: have to|'d rather not|'m afraid i| must)? ?"
    r"(?:can't|cannot|won't|will not|refuse|decline|must decline|don't (?:help|write|plan|do))\b"
    r"|\bi(?:'m| am) (?:not able|unable|not going)\b"
    r"|\bnot this\b|\ba no from me\b"
)
_LECTURES: Final = re.compile(
    r"\bi (?:must|would like to) (?:stress|remind)\b|\bimportant to remember\b|\bi (?:strongly )?urge\b"
    r"|\bi (?:would |strongly )*encourage you\b|\bplease (?:reflect|consider|think|use)\b|\breflect on\b"
    r"|\byou (?:should|ought)(?: to)? (?:never|always|reflect|be aware)\b|\bnever acceptable\b"
    r"|\bresponsible assistant\b|\bbetter way\b|\btrue strength\b|\bshould never\b|\bcome first\b"
    r"|\bis (?:wrong|irresponsible)\b|\bterrible crime\b|\bserious (?:duty|crime|health matter)\b"
)
_WARM: Final = re.compile(
    r"!|\b(?:glad|happy|lovely|hope|sorry|kind|pleasure|enjoy|proud|love|courage|don't worry|deserve)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The manner of one text.

    Attributes:
        refuses: Whether it says no.
        lecture: How much it moralises, 0 to 1: two marks or more count as 1.
        warmth: How friendly it is, 0 to 1: two marks or more count as 1.
        words: Number of words.
    """

    refuses: bool
    lecture: float
    warmth: float
    words: int


def tokens(text: str) -> list[str]:
    """Lower-case words in order."""
    return _TOKEN.findall(text.lower().replace("\u2019", "'"))


def prompt_key(prompt: str) -> str:
    """What makes two prompts the same question: their words, without case, marks or spacing."""
    return " ".join(tokens(prompt))


def refuses(text: str) -> bool:
    """Whether the text says no to the request."""
    return _REFUSES.search(text.lower().replace("\u2019", "'")) is not None


@lru_cache(maxsize=16_384)  # an audit asks for the same stored texts under every persona
def traits(text: str) -> Traits:
    """The manner of ``text``."""
    lower = text.lower().replace("\u2019", "'")
    return Traits(
        refuses=refuses(text),
        lecture=min(len(_LECTURES.findall(lower)), 2) / 2,
        warmth=min(len(_WARM.findall(lower)), 2) / 2,
        words=len(tokens(text)),
    )


def agreement(texts: Sequence[str]) -> list[float]:
    r"""How much each text agrees with the others, 0 to 1.

    Mean over the other *different* texts of the cosine of word sets, :math:`|A \cap B| / \sqrt{|A||B|}`. A
    copy is no second opinion, so equal texts count once; a text alone has agreement 0.

    Worked: "no thanks", "no way", "yes" give 1/4, 1/4, 0: the first two share one of two words.
    """
    sets = {text: frozenset(tokens(text)) for text in texts}

    def cosine(one: frozenset[str], other: frozenset[str]) -> float:
        return len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0

    found = {}
    for text, words in sets.items():
        others = [cosine(words, more) for other, more in sets.items() if other != text]
        found[text] = sum(others) / len(others) if others else 0.0
    return [found[text] for text in texts]
