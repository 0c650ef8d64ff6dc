"""Alignment by stratum as an audit needs it: held-out judgements, the candidate's side, the champion's beside."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flows.audit_champion import champion_of
from flows.wiring import Platform
from governance.audit.alignment import HeldOut
from governance.audit.strata import Alignment, alignment_findings
from governance.policy.model import EffectivePolicy
from infra import ledger
from infra.artifacts import Fetched
from infra.registry import VersionInfo

if TYPE_CHECKING:
    from infra.held_out import Judged

__all__ = ["alignment"]

_SEED: Final = 7


def alignment(platform: Platform, policy: EffectivePolicy, info: VersionInfo, files: Fetched) -> Alignment:
    """What the policy's strata make of the version; nothing where the policy names none.

    The champion is the holder of the policy's first protected alias, unless it is the version itself; it is left
    out where it does not say which of two answers it prefers.
    """
    if not policy.promotion.strata:
        return Alignment(findings=())
    from infra.held_out import NoPreferenceError, PyfuncPreferences, apart, held_out

    questions = [question for need in policy.promotion.strata for question in need["by"]]
    judged, source = _judgements(platform, policy, info)
    if not judged:
        return alignment_findings(policy, None, why_not=f"{source} holds no held-out judgement")
    try:
        model = PyfuncPreferences(files)
        mine = held_out(judged, model, questions=questions, source=source)
        plain = None
        if any(one.settings for one in judged):
            unsteered = [replace(one, settings={}) for one in judged]
            plain = held_out(unsteered, model, questions=questions, source=source)
    except NoPreferenceError as error:
        return alignment_findings(policy, None, why_not=error.message)
    return alignment_findings(
        policy,
        mine,
        champion=_champion(platform, policy, info, judged, questions, source),
        plain=plain,
        apart=apart(judged, questions=questions),
    )


def _judgements(
    platform: Platform, policy: EffectivePolicy, info: VersionInfo
) -> tuple[Sequence[Judged], str]:
    if platform.settings.held_out == "demo":
        from infra.demo_panel import SOURCE, panel_judgements

        return panel_judgements(policy, seed=_SEED), SOURCE
    import pyarrow.parquet as pq

    from infra.held_out import judged_in

    found = {row.digest: row for row in ledger.releases(platform.db)}.get(info.release or "")
    if found is None:
        return (), "the model names no release of this platform, which"
    tree = str(found.tree)
    pairs, people = (
        pq.read_table(io.BytesIO(platform.store.get_file("releases", tree, name)))
        for name in ("pairs.parquet", "annotators.parquet")
    )
    return judged_in(pairs, people), f"the held-out judgements of release {found.digest}"


def _champion(
    platform: Platform,
    policy: EffectivePolicy,
    info: VersionInfo,
    judged: Sequence[Judged],
    questions: Sequence[str],
    source: str,
) -> HeldOut | None:
    from infra.artifacts import fetch
    from infra.held_out import NoPreferenceError, PyfuncPreferences, held_out
    from infra.scratch import scratch_folder

    holder = champion_of(platform, policy, info)
    if holder is None:
        return None
    with scratch_folder(platform.settings.home, "champion") as place:
        champion = PyfuncPreferences(fetch(holder.uri, place))
        try:
            return held_out(judged, champion, questions=questions, source=source)
        except NoPreferenceError:
            return None
