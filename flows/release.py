"""Release: freeze the accepted batches of every site into one set that says where each row came from.

The newest batch of each site counts. A batch that failed its rules goes into no release, unless the release
is made for study: it then says so itself, and no model trained from it passes an audit.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from annotation.release import AlignmentTarget, Release, Terms, release_of, require_terms
from annotation.release_inputs import LiveConsents
from annotation.release_policy import release_terms
from flows.running import OUTSIDE
from flows.wiring import Platform, clock, open_platform
from governance.errors import InputError, RefusedError
from governance.policy.model import EffectivePolicy
from infra import ledger
from infra.consents import live_consents
from infra.enrolment import withdrawal_requests
from infra.release_spill import BatchFolder, spill
from infra.scratch import scratch_folder
from infra.unfinished import require_stored
from infra.withdrawals import successors

if TYPE_CHECKING:
    import polars as pl

__all__ = ["release"]


def consents_for(platform: Platform, policy: EffectivePolicy) -> LiveConsents | None:
    """The consents live now for the purpose that the policy names; None where it names none."""
    purpose = release_terms(policy).consent_purpose
    if purpose is None:
        return None
    live = (row["consent"] for row in live_consents(platform.db) if row["purpose"] == purpose)
    rules = (need.id for need in policy.data_requirements if need.check == "consent")
    return LiveConsents(purpose=purpose, live=frozenset(live), rules=frozenset(rules))


def earlier_people(platform: Platform) -> list[pl.DataFrame]:
    """The published people of every earlier release that is still held: whoever has one may compare."""
    import polars as pl

    return [
        pl.read_parquet(io.BytesIO(platform.store.get_file("releases", row.tree, "annotators.parquet")))
        for row in ledger.releases(platform.db)
        if row.tree is not None and platform.store.has("releases", row.tree)
    ]


@task(name="build", cache_policy=NO_CACHE, **OUTSIDE)
def build(
    platform: Platform, batches: Sequence[str], terms: Terms, folder: Path, *, as_of: date, seed: int
) -> Release:
    """Read the batches, every file verified, and build the release into ``folder``."""
    # A try that failed half-way leaves its files; this one begins anew.
    work = Path(tempfile.mkdtemp(dir=folder))
    places = {name: work / name for name in ("batches", "parts", "files")}
    for place in places.values():
        place.mkdir()
    read = [
        BatchFolder(
            digest=batch, folder=platform.store.fetch_tree("batches", batch, places["batches"] / str(n))
        )
        for n, batch in enumerate(batches)
    ]
    return release_of(
        spill(read, places["parts"], consents=terms.consents),
        batches=batches,
        terms=terms,
        as_of=as_of,
        seed=seed,
        key=platform.settings.release_key,
        folder=places["files"],
        earlier=earlier_people(platform),
    )


@task(name="record", cache_policy=NO_CACHE, **OUTSIDE)
def record(platform: Platform, built: Release) -> tuple[str, str]:
    """Store the release, log it to MLflow, note it in the database; its tree and its run.

    Raises:
        RefusedError: Somebody in it has asked out since it was begun.
    """
    from infra.tracking import log_release

    _refuse_overtaken(platform, built.batches)
    tree = platform.store.put_tree("releases", built.contents())
    run = log_release(platform.mlflow_url, built, uri=platform.store.uri("releases", tree))
    _refuse_overtaken(platform, built.batches)
    require_stored(platform.store, "releases", tree)
    ledger.record_release(
        platform.db,
        ledger.Release(
            digest=built.digest,
            inputs_digest=built.inputs_digest,
            batches=built.batches,
            created_at=clock(),
            run_id=run,
            tree=tree,
        ),
    )
    return tree, run


def _refuse_overtaken(platform: Platform, batches: Sequence[str]) -> None:
    """A batch that still holds somebody who wants out is not released, whenever they asked."""
    why = [
        f"withdrawal {each.request} is not carried out (`bounds withdraw --pending`)"
        for each in withdrawal_requests(platform.db, open_only=True)
    ]
    why += [
        f"batch {batch} was replaced, because somebody in it withdrew: run the release again"
        for batch in sorted(set(batches) & successors(platform.db).keys())
    ]
    if why:
        raise RefusedError("the release", why)


def newest(platform: Platform) -> list[ledger.Batch]:
    """The newest batch of every site."""
    by_site = {batch.site: batch for batch in ledger.batches(platform.db)}
    return [by_site[site] for site in sorted(by_site, key=str)]


@flow(name="release", persist_result=False)
def release(
    better: str | None = None,
    asked: str | None = None,
    for_whom: str | None = None,
    as_of: date | None = None,
    seed: int = 0,
    for_study: bool = False,
    answers: dict[str, str] | None = None,
    home: str | None = None,
) -> dict[str, Any]:
    """Build a release from the newest batch of every site.

    Args:
        better: Alignment target: what "better" means here.
        asked: Alignment target: what annotators were asked.
        for_whom: Alignment target: whose preferences these are meant to be.
        as_of: The day the release speaks of; today by default.
        seed: Seed of splits and intervals.
        for_study: Also take batches that failed their rules; no model trained from it passes an audit.
        answers: Answers to the card's questions by key (:data:`annotation.card.QUESTIONS`).
        home: Data folder.

    Raises:
        InputError: There is no batch, or no such question.
        RefusedError: No alignment target, a failed batch, or nothing to release.
    """
    with open_platform(home) as platform:
        batches = newest(platform)
        if not batches:
            raise InputError(
                "there is no batch to release", field="batches", expected="run `bounds validate` first"
            )
        _refuse_overtaken(platform, [batch.digest for batch in batches])
        failed = [batch for batch in batches if batch.verdict != "PASSED"]
        if failed and not for_study:
            raise RefusedError(
                "the release",
                [
                    f"batch {batch.digest} of site {batch.site} failed its rules (see `bounds validate`)"
                    for batch in failed
                ],
            )
        target = AlignmentTarget(better=better or "", asked=asked or "", for_whom=for_whom or "")
        policy = platform.policy(clock())
        terms = require_terms(policy, target, consents_for(platform, policy), answers)
        with scratch_folder(platform.settings.home, "release") as folder:
            built = build(
                platform,
                [batch.digest for batch in batches],
                terms,
                folder,
                as_of=as_of or clock().date(),
                seed=seed,
            )
            tree, run = record(platform, built)
            card = built.card
    summary = {
        "release": built.digest,
        "tree": tree,
        "run": run,
        "batches": list(built.batches),
        "for_study": bool(failed),
        "figures": dict(built.figures),
    }
    get_run_logger().info("release %s", built.digest)
    create_markdown_artifact(key="release", markdown=card, description=f"Release {built.digest}")
    return summary
