"""Release: freeze the accepted batches of every site into one set that says where each row came from.

The newest batch of each site counts. A batch that failed its rules goes into no release, unless the release
is made for study: it then says so itself, and no model trained from it passes an audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from annotation.release import AlignmentTarget, Release, build_release
from annotation.release_inputs import Batch, LiveConsents
from annotation.release_policy import release_terms
from flows.running import OUTSIDE
from flows.wiring import Platform, clock, open_platform
from governance.errors import InputError, RefusedError
from infra import ledger
from infra.consents import live_consents
from infra.enrolment import withdrawal_requests

__all__ = ["release"]

_FILES = ("judgements.parquet", "items.parquet", "profiles.parquet", "checks.json")


@task(name="build", cache_policy=NO_CACHE, **OUTSIDE)
def build(
    platform: Platform, batches: Sequence[str], target: AlignmentTarget, *, as_of: date, seed: int
) -> Release:
    """Read the batches, every file verified, and build the release."""
    read = [
        Batch.from_files(batch, {name: platform.store.get_file("batches", batch, name) for name in _FILES})
        for batch in batches
    ]
    policy = platform.policy(clock())
    purpose = release_terms(policy).consent_purpose
    consents = None
    if purpose is not None:
        # As they stand now, not as they stood when the batches were made.
        live = {row["consent"] for row in live_consents(platform.db) if row["purpose"] == purpose}
        consents = LiveConsents(purpose=purpose, live=frozenset(live))
    return build_release(
        read,
        policy=policy,
        consents=consents,
        alignment_target=target,
        as_of=as_of,
        seed=seed,
        key=platform.settings.release_key,
    )


@task(name="record", cache_policy=NO_CACHE, **OUTSIDE)
def record(platform: Platform, built: Release) -> tuple[str, str]:
    """Store the release, log it to MLflow, note it in the database; its tree and its run."""
    from infra.tracking import log_release

    tree = platform.store.put_tree("releases", built.files())
    run = log_release(platform.mlflow_url, built, uri=platform.store.uri("releases", tree))
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
        home: Data folder.

    Raises:
        RefusedError: No alignment target, a failed batch, or nothing to release.
    """
    with open_platform(home) as platform:
        batches = newest(platform)
        if not batches:
            raise InputError(
                "there is no batch to release", field="batches", expected="run `bounds validate` first"
            )
        # A batch that still holds somebody who wants out is not released, whatever the flow is doing meanwhile.
        if asked_out := [each.request for each in withdrawal_requests(platform.db, open_only=True)]:
            raise RefusedError(
                "the release",
                [f"withdrawal {each} is not carried out (`bounds withdraw --pending`)" for each in asked_out],
            )
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
        built = build(
            platform, [batch.digest for batch in batches], target, as_of=as_of or clock().date(), seed=seed
        )
        tree, run = record(platform, built)
    summary = {
        "release": built.digest,
        "tree": tree,
        "run": run,
        "batches": list(built.batches),
        "for_study": bool(failed),
        "figures": dict(built.figures),
    }
    get_run_logger().info("release %s", built.digest)
    create_markdown_artifact(key="release", markdown=built.card, description=f"Release {built.digest}")
    return summary
