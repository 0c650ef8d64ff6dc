"""Who is missing from a release because they did not agree: counted by group, and never told in small numbers.

Counted is everybody of whom the batches hold a judgement, accepted or quarantined for want of consent, and of
whom no judgement is in the release. People who withdrew altogether are not counted: nothing is held of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import polars as pl

from annotation.release_people import wide_profiles
from annotation.suppression import SUPPRESSED, suppress_counts

__all__ = ["PEOPLE", "missing_figures", "refused_people"]

PEOPLE: Final = {"annotator": pl.String, "site": pl.String}
"""Schema of a table of people."""


def refused_people(quarantine: pl.DataFrame, rules: Collection[str]) -> pl.DataFrame:
    """``annotator, site`` of the rows that failed one of the rules, once each.

    Args:
        quarantine: ``annotator``, ``site``, ``rules``.
        rules: Ids of rules.
    """
    failed = pl.col("rules").list.eval(pl.element().is_in(list(rules))).list.any()
    return quarantine.filter(failed).select(list(PEOPLE)).drop_nulls().unique()


def missing_figures(
    missing: pl.DataFrame, profiles: pl.DataFrame, fields: Sequence[str], *, k: int | None
) -> dict[str, Any]:
    """``people`` and ``by`` (field to group to people): numbers rounded down to a multiple of k.

    A group of fewer than k is not named, and neither is one more where the total would tell it; they stand together
    as ``suppressed``, without a number (None). With fewer than k people missing nothing is said but None.
    Rounding keeps two releases laid side by side from telling of a single person's decision.

    Args:
        missing: ``annotator, site``.
        profiles: Their codebook answers.
        fields: Fields that the release publishes.
        k: Smallest number of people told of; None (no rule of the policy says) tells of none.
    """
    if not missing.height:
        return {"people": 0, "by": {}}
    if k is None or missing.height < k:
        return {"people": None, "by": {}}
    wide, present = wide_profiles(missing, profiles, fields)
    by: dict[str, dict[str, int | None]] = {}
    for field in ["site", *(name for name in fields if name in present)]:
        counts = {str(name): int(many) for name, many in wide[field].value_counts().sort(field).iter_rows()}
        told = suppress_counts(counts, k=k)
        groups: dict[str, int | None] = {name: many // k * k for name, many in told.items() if many}
        if len(groups) < len(counts):
            groups[SUPPRESSED] = None
        by[field] = dict(sorted(groups.items()))
    return {"people": missing.height // k * k, "by": by}
