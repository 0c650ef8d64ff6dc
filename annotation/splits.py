"""Splits by item and by annotator, fixed by a hash and a seed: the same for every partition and order.

Items with the same prompt fall into the same split, so no prompt is trained on and tested on. Annotators
are split on their own, for questions about people the model has not heard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

__all__ = ["FRACTIONS", "prompt_digest", "prompt_splits", "split_of"]

FRACTIONS: Final[Mapping[str, float]] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def split_of(key: str, *, seed: int, fractions: Mapping[str, float] = FRACTIONS) -> str:
    """The split of ``key``: u = first 64 bits of SHA-256(``seed``, ``key``) / 2^64 against the cumulated fractions.

    Args:
        key: What is split (digest of a prompt, id of an annotator).
        seed: Seed of the release.
        fractions: Split to share, in order; they sum to 1.
    """
    u = int.from_bytes(hashlib.sha256(f"{seed}\n{key}".encode()).digest()[:8], "big") / 2**64
    names = list(fractions)
    cumulated = 0.0
    for name in names[:-1]:
        cumulated += fractions[name]
        if u < cumulated:
            return name
    return names[-1]


def prompt_splits(items: pl.DataFrame, *, seed: int) -> dict[str, str]:
    """Item → split, by the digest of its prompt: items with one prompt fall into one split."""
    return {
        item: split_of(prompt_digest(prompt), seed=seed)
        for item, prompt in items.select("item", "prompt").iter_rows()
    }


def prompt_digest(prompt: Sequence[Mapping[str, str]]) -> str:
    """:func:`governance.digest.digest` of a list of turns, written out for speed.

    Of objects that hold nothing but text, this JSON is the canonical one (RFC 8785).
    """
    text = json.dumps(list(prompt), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
