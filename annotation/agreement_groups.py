"""Agreement inside a group of annotators and across its border.

If a group agrees within itself more than with everybody else, its members see something the others do not;
one alpha over all would call that noise. Inside: Krippendorff's alpha. Across: cross-replication
reliability kappa_x. Both are taken on the same resampled items, so their difference has an honest interval.

Source: Wong, Paritosh and Aroyo (2021), doi:10.48550/arXiv.2106.07393 (kappa_x, equations 9 and 10);
Prabhakaran et al. (2024), GRASP, doi:10.18653/v1/2024.naacl-long.190 (in-group against cross-group).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from annotation.agreement import Coefficient, Distance, Level, alpha
from annotation.agreement_bootstrap import Interval, alpha_replicates, percentile_interval, resamples
from annotation.cross_pairs import Form, cross_sum, form_of
from annotation.patterns import Categories, Counts, PatternHistogram, histogram

__all__ = ["GroupAgreement", "border_agreement", "cross_kappa", "group_agreement", "inside_of", "joint_of"]

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
        simultaneous: Its interval at 1 - (1 - confidence) / G for G comparisons (Bonferroni), to be read when
            several groups are compared at once. So far in the tails few replicates lie: it is the hull of the
            percentile interval and the normal one with the replicates' standard deviation.
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
    form: Form


def _border(joint: PatternHistogram, plain: PatternHistogram, distance: Distance) -> _Border:
    width = len(plain.categories)
    inside, outside = joint.counts[:, :width], joint.counts[:, width:]
    r = np.asarray(inside.sum(axis=1), dtype=np.float64)
    s = np.asarray(outside.sum(axis=1), dtype=np.float64)
    rows = np.flatnonzero((r > 0) & (s > 0))
    inside, outside, r, s = inside[rows], outside[rows], r[rows], s[rows]
    # The ordinal distance ranks by all judgements on these items and stays fixed under resampling.
    margins = np.asarray(joint.items[rows] @ (inside + outside), dtype=np.float64)
    form = form_of(distance, plain, margins, unit=True)
    pairs = cross_sum(inside, outside, form)
    return _Border(
        rows=rows,
        disagreement=(r + s) / (r * s) * pairs,
        sizes=r + s,
        inside=inside,
        outside=outside,
        form=form,
    )


def _kappa_replicates(border: _Border, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.full(len(weights), np.nan)
    if len(border.rows) == 0:
        return result
    used = weights[:, border.rows]
    inside = np.asarray(used @ border.inside, dtype=np.float64)
    outside = np.asarray(used @ border.outside, dtype=np.float64)
    chance = cross_sum(inside, outside, border.form)
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


def joint_of(
    items: NDArray[np.int64],
    codes: NDArray[np.int64],
    member: NDArray[np.bool_],
    *,
    n_items: int,
    categories: Categories,
) -> PatternHistogram:
    """Patterns over 2C columns, (0, value) inside the group and (1, value) outside; parts merge by addition."""
    sides: Categories = tuple((side, value) for side in (0, 1) for value in categories)
    return histogram(items, codes + np.where(member, 0, len(categories)), n_items=n_items, categories=sides)


def inside_of(joint: PatternHistogram, categories: Categories, *, least: int = 1) -> PatternHistogram:
    """The group's own patterns, for items with ``least`` judgements inside; equal rows are not joined."""
    counts = joint.counts[:, : len(categories)]
    some = np.flatnonzero(np.asarray(counts.sum(axis=1)) >= least)
    return PatternHistogram(categories=categories, counts=counts[some], items=joint.items[some])


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
    return border_agreement(
        joint_of(items, codes, member, n_items=n_items, categories=categories),
        categories,
        distance=distance,
        replicates=replicates,
        seed=seed,
        confidence=confidence,
        groups=groups,
    )


def border_agreement(
    joint: PatternHistogram,
    categories: Categories,
    *,
    distance: Distance = Level.NOMINAL,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: int = 1,
) -> GroupAgreement:
    """The same from patterns over 2C columns (:func:`joint_of`)."""
    several = np.flatnonzero(np.asarray(joint.counts[:, : len(categories)].sum(axis=1)) >= 2)
    within = inside_of(joint, categories, least=2)
    border = _border(joint, within, distance)
    inside_values: list[NDArray[np.float64]] = [np.zeros(0)]
    across_values: list[NDArray[np.float64]] = [np.zeros(0)]
    for weights in resamples(joint.items, replicates=replicates, seed=seed):
        inside_values.append(alpha_replicates(within, distance, weights[:, several]))
        across_values.append(_kappa_replicates(border, weights))
    inside_all, across_all = np.concatenate(inside_values), np.concatenate(across_values)
    inside = alpha(within, distance)
    across = cross_kappa(joint, within, distance)
    difference = None
    if inside.value is not None and across.value is not None:
        difference = inside.value - across.value
    return GroupAgreement(
        inside=inside,
        inside_interval=percentile_interval(inside_all, confidence=confidence),
        across=across,
        across_interval=percentile_interval(across_all, confidence=confidence),
        difference=difference,
        difference_interval=percentile_interval(inside_all - across_all, confidence=confidence),
        simultaneous=_simultaneous(inside_all - across_all, difference, confidence=confidence, groups=groups),
        shared_items=int(joint.items[border.rows].sum()),
    )


def _simultaneous(
    replicates: NDArray[np.float64], difference: float | None, *, confidence: float, groups: int
) -> Interval:
    at = 1 - (1 - confidence) / max(1, groups)
    found = percentile_interval(replicates, confidence=at)
    if difference is None or found.low is None or found.high is None:
        return found
    reach = float(ndtri(1 - (1 - at) / 2) * np.nanstd(replicates))
    return replace(found, low=min(found.low, difference - reach), high=max(found.high, difference + reach))
