"""Agreement inside a group of annotators and across its border.

If a group agrees within itself more than with everybody else, its members see something the others do not;
one alpha over all would call that noise. Inside: Krippendorff's alpha. Across: cross-replication
reliability kappa_x. Both are taken on the same resampled items, so their difference has an honest interval.

Source: Wong, Paritosh and Aroyo (2021), doi:10.48550/arXiv.2106.07393 (kappa_x, equations 9 and 10);
Prabhakaran et al. (2024), GRASP, doi:10.18653/v1/2024.naacl-long.190 (in-group against cross-group).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation.agreement import (
    Coefficient,
    Distance,
    Level,
    alpha,
    distance_matrix,
    midranks,
)
from annotation.agreement_bootstrap import Interval, alpha_replicates, percentile_interval, resamples
from annotation.patterns import Categories, Counts, PatternHistogram, histogram

__all__ = ["GroupAgreement", "cross_kappa", "group_agreement"]

NO_SHARED_ITEM = "no item was judged both inside and outside the group"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAgreement:
    """One group against all others.

    Attributes:
        inside: Alpha among the group's members.
        inside_interval: Its interval.
        across: kappa_x between the group and the others.
        across_interval: Its interval.
        difference: inside - across, None if either is undefined.
        difference_interval: Its interval at the stated confidence.
        simultaneous: Its interval at 1 - (1 - confidence) / G for G groups (Bonferroni), to be read when
            several groups are compared at once.
        shared_items: Items judged by somebody inside and somebody outside.
    """

    inside: Coefficient
    inside_interval: Interval
    across: Coefficient
    across_interval: Interval
    difference: float | None
    difference_interval: Interval
    simultaneous: Interval
    shared_items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Border:
    """Per-pattern quantities of kappa_x that no resample changes, for the P patterns judged on both sides."""

    rows: NDArray[np.int64]
    disagreement: NDArray[np.float64]  # (R + S) / (R S) * sum of distances over cross pairs
    sizes: NDArray[np.float64]  # R + S
    inside: Counts
    outside: Counts
    table: NDArray[np.float64]


def _border(joint: PatternHistogram, plain: PatternHistogram, distance: Distance) -> _Border:
    width = len(plain.categories)
    inside, outside = joint.counts[:, :width], joint.counts[:, width:]
    r = np.asarray(inside.sum(axis=1), dtype=np.float64)
    s = np.asarray(outside.sum(axis=1), dtype=np.float64)
    rows = np.flatnonzero((r > 0) & (s > 0))
    inside, outside, r, s = inside[rows], outside[rows], r[rows], s[rows]
    # The ordinal distance ranks by all judgements on these items and stays fixed under resampling.
    margins = np.asarray(joint.items[rows] @ (inside + outside), dtype=np.float64)
    if distance is Level.ORDINAL:
        ranks = midranks(margins)
        table = (ranks[:, None] - ranks[None, :]) ** 2
    else:
        table = distance_matrix(plain, distance, margins)
    pairs = np.empty(len(rows))
    for start in range(0, len(rows), 4096):
        part = slice(start, start + 4096)
        pairs[part] = np.asarray(inside[part].multiply(outside[part] @ table).sum(axis=1))
    return _Border(
        rows=rows,
        disagreement=(r + s) / (r * s) * pairs,
        sizes=r + s,
        inside=inside,
        outside=outside,
        table=table,
    )


def _kappa_replicates(border: _Border, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.full(len(weights), np.nan)
    if len(border.rows) == 0:
        return result
    used = weights[:, border.rows]
    inside = np.asarray(used @ border.inside, dtype=np.float64)
    outside = np.asarray(used @ border.outside, dtype=np.float64)
    chance = ((inside @ border.table) * outside).sum(axis=1)
    defined = chance > 0
    observed = (used @ border.disagreement)[defined] / (used @ border.sizes)[defined]
    pairs = inside.sum(axis=1)[defined] * outside.sum(axis=1)[defined]
    result[defined] = 1 - observed * pairs / chance[defined]
    return result


def cross_kappa(
    joint: PatternHistogram, plain: PatternHistogram, distance: Distance = Level.NOMINAL
) -> Coefficient:
    """Cross-replication reliability kappa_x between two groups of annotators.

    ``kappa_x = 1 - d_o / d_e`` over items judged in both, with R_i and S_i judgements:
    ``d_o = 1/(R + S) sum_i (R_i + S_i) / (R_i S_i) sum_rs d(x_ir, y_is)``,
    ``d_e = 1/(R S) sum_ij sum_rs d(x_ir, y_js)``, R = sum R_i, S = sum S_i.

    Args:
        joint: Patterns over 2C columns: C categories inside the group, then C outside.
        plain: Any histogram with the C categories (their values).
        distance: As in alpha. The ordinal ranks are those of all judgements on the shared items.
    """
    border = _border(joint, plain, distance)
    if len(border.rows) == 0:
        return Coefficient(value=None, reason=NO_SHARED_ITEM)
    value = float(_kappa_replicates(border, joint.items[None, :].astype(np.float64))[0])
    if np.isnan(value):
        return Coefficient(
            value=None, reason="both groups used one and the same category, so nothing is expected by chance"
        )
    return Coefficient(value=value)


def group_agreement(
    items: NDArray[np.int64],
    codes: NDArray[np.int64],
    member: NDArray[np.bool_],
    *,
    n_items: int,
    categories: Categories,
    distance: Distance = Level.NOMINAL,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: int = 1,
) -> GroupAgreement:
    """Agreement inside and across the border of one group, on the same resampled items.

    Args:
        items: (J,) item of each judgement.
        codes: (J,) category of each judgement.
        member: (J,) whether its annotator is in the group.
        n_items: Number of items.
        categories: The C values.
        distance: As in alpha.
        replicates: Bootstrap samples.
        seed: Seed of the draws.
        confidence: Nominal coverage.
        groups: Number of groups compared at once, for the simultaneous interval.
    """
    width = len(categories)
    joint = histogram(
        items,
        codes + np.where(member, 0, width),
        n_items=n_items,
        categories=tuple(float(column) for column in range(2 * width)),
    )
    counts = joint.counts[:, :width]
    several = np.flatnonzero(np.asarray(counts.sum(axis=1)) >= 2)
    within = PatternHistogram(categories=categories, counts=counts[several], items=joint.items[several])
    border = _border(joint, within, distance)
    inside_values: list[NDArray[np.float64]] = [np.zeros(0)]
    across_values: list[NDArray[np.float64]] = [np.zeros(0)]
    for weights in resamples(joint.items, replicates=replicates, seed=seed):
        inside_values.append(alpha_replicates(within, distance, weights[:, several]))
        across_values.append(_kappa_replicates(border, weights))
    inside_all, across_all = np.concatenate(inside_values), np.concatenate(across_values)
    inside = alpha(within, distance)
    across = cross_kappa(joint, within, distance)
    both = inside.value is not None and across.value is not None
    return GroupAgreement(
        inside=inside,
        inside_interval=percentile_interval(inside_all, confidence=confidence),
        across=across,
        across_interval=percentile_interval(across_all, confidence=confidence),
        difference=inside.value - across.value if both else None,  # type: ignore[operator]
        difference_interval=percentile_interval(inside_all - across_all, confidence=confidence),
        simultaneous=percentile_interval(
            inside_all - across_all, confidence=1 - (1 - confidence) / max(1, groups)
        ),
        shared_items=int(joint.items[border.rows].sum()),
    )
