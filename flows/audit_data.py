"""The data finding of an audit: the release behind a version, by its batches and by consent as it stands now.

What the batches say was found when they were validated. Two things go on changing, and are looked at anew: consent
(whoever withdrew since the release was built is still in the model), and the policy under which people were asked.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from annotation.data_results import data_results
from flows.wiring import Platform, data_checks
from governance.audit.data import DataResult, data_findings
from governance.audit.verdicts import Finding
from governance.policy.model import DataNeed, EffectivePolicy
from governance.wording import many
from infra import ledger, withdrawals
from infra.consents import ended_since
from infra.policy_history import outdated

if TYPE_CHECKING:
    import polars as pl

__all__ = ["data"]


def data(platform: Platform, policy: EffectivePolicy, release: str | None) -> tuple[Finding, ...]:
    """A finding for each data rule of the policy, about the release that a version names.

    A batch that was erased because a person withdrew is judged by its successor; where nothing is left of it, by
    nothing, which leaves the rules UNDECIDED.
    """
    row = {row.digest: row for row in ledger.releases(platform.db)}.get(release or "")
    if row is None:
        return data_findings(policy, (), release=None)
    places = _places(platform, row.batches)
    contents = {
        batch: json.loads(platform.store.get_file("batches", place, "checks.json"))
        if place
        else {"checks": []}
        for batch, place in places.items()
    }
    needs = {need.id: need.check for need in policy.data_requirements}
    results = data_results(data_checks(policy), needs, contents)
    if {"consent", "stale_share"} & set(needs.values()):  # else nobody asks what changed since
        judged = _judged(platform, [place for place in places.values() if place])
        results += [*_consents(platform, policy, row, judged), *_stale(platform, policy, row, judged)]
    return data_findings(policy, results, release=row.digest)


def _places(platform: Platform, batches: Iterable[str]) -> dict[str, str | None]:
    """Batch → the one that holds its rows now, through every withdrawal; None where none does."""
    successors = withdrawals.successors(platform.db)
    found: dict[str, str | None] = {}
    for batch in batches:
        place: str | None = batch
        while place is not None and place in successors:
            place = successors[place]
        found[batch] = place
    return found


def _judged(platform: Platform, batches: Iterable[str]) -> pl.DataFrame:
    """``consent`` and ``policy_digest`` of every accepted judgement of the batches."""
    import polars as pl

    columns = ["consent", "policy_digest"]
    parts = [
        pl.read_parquet(
            io.BytesIO(platform.store.get_file("batches", batch, "judgements.parquet")), columns=columns
        )
        for batch in batches
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def _consents(
    platform: Platform, policy: EffectivePolicy, row: ledger.Release, judged: pl.DataFrame
) -> list[DataResult]:
    """What became, since the release was built, of the consents behind it; nothing where no rule asks for them."""
    left = len(withdrawals.flagged_releases(platform.db).get(row.digest, ()))
    held = frozenset(judged["consent"].drop_nulls())
    return [
        _consent(platform, row, need, left=left, held=held)
        for need in policy.data_requirements
        if need.check == "consent"
    ]


def _stale(
    platform: Platform, policy: EffectivePolicy, row: ledger.Release, judged: pl.DataFrame
) -> list[DataResult]:
    """How much was judged under rulings that are not those of the policy now; nothing where no rule limits it."""
    needs = [need for need in policy.data_requirements if need.check == "stale_share"]
    if not needs:
        return []
    old = outdated(platform.db, judged["policy_digest"].drop_nulls().unique().to_list(), policy)
    share = judged["policy_digest"].is_in(list(old)).sum() / judged.height if judged.height else None
    return [
        DataResult(
            rule=need.id,
            batch=row.digest,
            passed=None if share is None else share <= float(need.terms["at_most"]),
            sentence="no judgement is left to look at"
            if share is None
            else f"under the policy now in force, {share:.1%} of the judgements behind the release were given "
            f"under other rulings, at most {float(need.terms['at_most']):.1%} may be"
            + "".join(f"; {why}" for why in sorted(set(old.values()))[:3]),
        )
        for need in needs
    ]


def _consent(
    platform: Platform, row: ledger.Release, need: DataNeed, *, left: int, held: frozenset[str]
) -> DataResult:
    purpose = str(need.terms["purpose"])
    ended = len(held & ended_since(platform.db, purpose, row.created_at))
    reasons = [
        *(
            [
                f"{many(left, 'person who is in the release has', 'people who are in the release have')} withdrawn since"
            ]
            if left
            else []
        ),
        *(
            [
                f"{many(ended, 'person whose judgements are in the release no longer consents', 'people whose judgements are in the release no longer consent')} to {purpose}"
            ]
            if ended
            else []
        ),
    ]
    sentence = (
        "; ".join([*reasons, "train from a release without them"])
        if reasons
        else f"nobody behind the release has withdrawn consent to {purpose} since it was built"
    )
    return DataResult(rule=need.id, batch=row.digest, passed=not reasons, sentence=sentence)
