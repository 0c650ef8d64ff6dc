"""The people of a release: ids nobody can follow, and profiles nobody can be picked out by."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from annotation.records import AnswerStatus
from annotation.splits import split_of
from annotation.suppression import suppress_profiles
from annotation.suppression_across import hide_differences
from annotation.weights import Raked, rake
from governance.errors import RecordError

__all__ = ["RESERVED", "People", "release_people", "wide_profiles"]

RESERVED: Final = ("annotator", "site", "simulated", "split", "judgements", "weight")
_TOLD: Final = (str(AnswerStatus.ANSWERED), str(AnswerStatus.PREFER_NOT_TO_SAY))


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The annotators of a release.

    Attributes:
        table: ``annotator`` (release-scoped), ``site``, ``simulated``, ``split``, ``judgements``, ``weight``,
            then one column per codebook field, coarsened.
        ids: (annotator, site) inside the platform to release-scoped id. INVARIANT: never leaves this process.
        fields: Codebook fields published, most important first.
        withheld: Codebook fields not published, with why.
        documented: Annotators who answered at least one question, "prefer not to say" included.
        weighting: How the weights were made; None where the policy gives no target.
    """

    table: pl.DataFrame
    ids: Mapping[tuple[str, str], str]
    fields: tuple[str, ...]
    withheld: Mapping[str, str]
    documented: int
    weighting: Raked | None


def release_people(
    people: pl.DataFrame,
    profiles: pl.DataFrame,
    *,
    scope: bytes,
    seed: int,
    k: int | None,
    important: Sequence[str] = (),
    targets: Mapping[str, Mapping[str, float]],
    earlier: Sequence[pl.DataFrame] = (),
) -> People:
    """The annotators of a release, as it names and describes them.

    An id is ``a-`` and 80 bits of HMAC-SHA256(``scope``, site and pseudonym): the same person has another
    id in every release, and ids of two releases cannot be joined without the scope's secret.

    Args:
        people: ``annotator, site, simulated, judgements`` of everybody who judged, sorted.
        profiles: Their annotators' codebook answers.
        scope: Key of the release.
        seed: Seed of the split by annotator.
        k: Smallest published cell; None (no rule of the policy says) withholds every profile column.
        important: Codebook fields to keep longest when cells are small, most important first.
        targets: Codebook field to population share by value, for the weights.
        earlier: The ``annotators.parquet`` of earlier releases, whose readers may lay this one beside them.
    """
    ids = {
        (annotator, site): _scoped(scope, annotator, site)
        for annotator, site in people.select("annotator", "site").iter_rows()
    }
    wide, fields = wide_profiles(people, profiles, important)
    withheld: dict[str, str] = {}
    if k is None:
        withheld = dict.fromkeys(fields, "no rule of the policy says how small a published cell may be")
        wide, fields = wide.drop(fields), []
    else:
        wide = suppress_profiles(wide, ["site", *fields], k=k)
        wide = hide_differences(wide, ["site", *fields], earlier, k=k)
    named = wide.with_columns(
        pl.Series("annotator", [ids[key] for key in people.select("annotator", "site").iter_rows()]),
    ).sort("annotator")
    named = named.with_columns(
        pl.Series("split", [split_of(name, seed=seed) for name in named["annotator"]], dtype=pl.String)
    )
    # Weights come from the published columns, so that a reader gets the same and none tells what is hidden.
    known = {field: dict(targets[field]) for field in fields if field in targets}
    weighting = None
    if known and named.height:
        weighting = rake({field: named[field].to_list() for field in known}, known)
    weight = weighting.weights if weighting is not None else np.full(named.height, np.nan)
    table = named.with_columns(pl.Series("weight", weight).fill_nan(None)).select(*RESERVED, *fields)
    return People(
        table=table,
        ids=ids,
        fields=tuple(fields),
        withheld=withheld,
        documented=people.join(
            profiles.filter(pl.col("status").is_in(_TOLD)), on=["annotator", "site"], how="semi"
        ).height,
        weighting=weighting,
    )


def _scoped(scope: bytes, annotator: str, site: str) -> str:
    mac = hmac.new(scope, f"annotator\n{site}\n{annotator}".encode(), hashlib.sha256)
    return "a-" + mac.hexdigest()[:20]


def wide_profiles(
    people: pl.DataFrame, profiles: pl.DataFrame, important: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """One column per codebook field: the category, or the status where there is none.

    Raises:
        RecordError: A codebook field has the name of a column that the table has already.
    """
    told = profiles.with_columns(
        answer=pl.when(pl.col("status") == str(AnswerStatus.ANSWERED))
        .then(pl.col("value"))
        .otherwise(pl.col("status"))
        .fill_null(str(AnswerStatus.NOT_ASKED))
    )
    present = sorted(told["field"].unique().to_list())
    clash = sorted(set(present) & set(RESERVED))
    if clash:
        raise RecordError("a codebook field has a reserved name", field="field", value=clash[0])
    fields = [field for field in dict.fromkeys(important) if field in present]
    fields += [field for field in present if field not in fields]
    wide = people
    for field in fields:
        answers = (
            told.filter(pl.col("field") == field)
            .group_by("annotator", "site")
            .agg(pl.col("answer").unique().sort().str.join("+").alias(field))
        )
        wide = wide.join(answers, on=["annotator", "site"], how="left", maintain_order="left").with_columns(
            pl.col(field).fill_null(str(AnswerStatus.NOT_ASKED))
        )
    return wide, fields
