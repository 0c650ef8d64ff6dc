"""Bootstrap interval of alpha over items, with annotators held fixed.

Items are drawn with replacement. Items that show the same pattern are exchangeable, so a replicate is one
multinomial draw over the patterns (exact, and 1,000 replicates of a million items cost milliseconds).
Where nearly every item has its own pattern (1-100 scores) a replicate is the same draw made as counts of
drawn item numbers. Given the histogram and the seed, the interval is the same everywhere: patterns come in
an order that depends on their content only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from annotation.agreement import Distance, Level, expected, midranks, within
from annotation.patterns import PatternHistogram

__all__ = ["Interval", "alpha_interval", "percentile_interval", "resamples"]

_CELLS: Final = 4_000_000  # float64 cells of weights held at once: 32 MB
_ITEMS_PER_PATTERN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A percentile interval.

    Attributes:
        low: Lower end, or None if fewer than half of the replicates were defined.
        high: Upper end, likewise.
        confidence: Nominal coverage.
        replicates: Replicates drawn.
        undefined: Replicates without a value (one category drawn), left out of the percentiles.
    """

    low: float | None
    high: float | None
    confidence: float
    replicates: int
    undefined: int


def resamples(items: NDArray[np.int64], *, replicates: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Weights (B, P) of the patterns in bootstrap samples of items, in chunks of replicates."""
    total = int(items.sum())
    patterns = len(items)
    generator = np.random.default_rng(seed)
    chunk = max(1, min(replicates, _CELLS // max(1, patterns)))
    owner = None if patterns * _ITEMS_PER_PATTERN <= total else np.repeat(np.arange(patterns), items)
    done = 0
    while done < replicates:
        many = min(chunk, replicates - done)
        if owner is None:
            drawn = generator.multinomial(total, items / total, size=many)
        else:
            drawn = np.empty((many, patterns), dtype=np.int64)
            for row in drawn:
                numbers = generator.integers(0, total, size=total)
                row[:] = np.bincount(owner[numbers], minlength=patterns)
        done += many
        yield drawn.astype(np.float64)


def percentile_interval(replicates: NDArray[np.float64], *, confidence: float) -> Interval:
    """Percentile interval of replicate values; NaN is undefined."""
    defined = replicates[~np.isnan(replicates)]
    undefined = len(replicates) - len(defined)
    low = high = None
    if len(defined) * 2 >= len(replicates) and len(defined):
        tail = (1 - confidence) / 2
        low, high = (float(end) for end in np.quantile(defined, [tail, 1 - tail]))
    return Interval(
        low=low, high=high, confidence=confidence, replicates=len(replicates), undefined=undefined
    )


def alpha_replicates(
    histogram: PatternHistogram, distance: Distance, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(B,) alpha of each row of pattern weights (B, P); NaN where undefined.

    ``histogram`` holds pairable patterns only. The ordinal level ranks anew in every replicate.
    """
    margins = np.asarray(weights @ histogram.counts, dtype=np.float64)
    n = margins.sum(axis=1)
    if distance is Level.ORDINAL:
        sizes = histogram.sizes.astype(np.float64)
        ranks = midranks(margins)
        ranks -= ranks.mean(axis=1, keepdims=True)
        share = weights / (sizes - 1)
        squares = (((share * sizes) @ histogram.counts) * ranks**2).sum(axis=1)
        sums = np.asarray(histogram.counts @ ranks.T)
        observed = 2 * (squares - (share.T * sums**2).sum(axis=0))
    else:
        observed = weights @ within(histogram.counts, distance, histogram)
    chance = expected(margins, distance, histogram)
    result = np.full(len(weights), np.nan)
    defined = chance > 1e-12 * np.maximum(n, 1) ** 2
    result[defined] = 1 - observed[defined] * (n[defined] - 1) / chance[defined]
    return result


def alpha_interval(
    histogram: PatternHistogram,
    distance: Distance = Level.NOMINAL,
    *,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Percentile bootstrap interval of Krippendorff's alpha over items.

    Args:
        histogram: Items by pattern; items with one judgement hold no pair and are not drawn.
        distance: As in :func:`annotation.agreement.alpha`.
        replicates: Bootstrap samples B.
        seed: Seed of the draws.
        confidence: Nominal coverage, 0 to 1.

    Source: Efron and Tibshirani (1993), chapter 13 (percentile interval).
    """
    pairs = histogram.pairable()
    if pairs.n_items == 0 or replicates == 0:
        return Interval(low=None, high=None, confidence=confidence, replicates=0, undefined=0)
    values = [
        alpha_replicates(pairs, distance, weights)
        for weights in resamples(pairs.items, replicates=replicates, seed=seed)
    ]
    return percentile_interval(np.concatenate(values), confidence=confidence)
