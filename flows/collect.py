"""Collect: put a site's queue before its annotators, pull what they judged, keep it as raw events.

Killed anywhere and run again it gives the same events: presentations are written before anything is shown,
tasks are found again by their presentation, a page of events and the cursor behind it are one transaction.
"""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from annotation.label_config import config_digest, pairwise_config
from annotation.ports import JudgementSource
from annotation.presentations import make_presentations
from annotation.records import Source
from flows.running import OUTSIDE
from flows.wiring import Platform, clock, open_platform
from infra import catalogue, collected, queues
from infra.events import events_digest, write_events

__all__ = ["collect", "present"]


def present(platform: Platform, site: str) -> list[catalogue.Presentation]:
    """Write the presentations that the site's queue still lacks; all of the site's presentations.

    INVARIANT: the order of the candidates is in the database before anybody can see the item.
    """
    settings = platform.site(site)
    now = clock()
    rows = make_presentations(
        catalogue.items(platform.db, queues.queue(platform.db, site)),
        site=site,
        overlap=settings.overlap,
        seed=settings.seed,
        config_digest=config_digest(),
        policy_digest=platform.policy(now).digest,
        consent=settings.consent,
        now=now,
    )
    catalogue.add_presentations(platform.db, [catalogue.Presentation(**row) for row in rows])
    return catalogue.presentations(platform.db, site)


@task(name="show", cache_policy=NO_CACHE, **OUTSIDE)
def show(platform: Platform, site: str) -> int:
    """Make sure that Label Studio has a task for every presentation; how many were noted now."""
    from dataclasses import asdict

    from infra.label_studio_tasks import import_presentations

    server = platform.label_studio(site)
    # A row written for an earlier page keeps its place there; it is never shown again on another one.
    rows = [
        row
        for row in present(platform, site)
        if row.source == Source.LABEL_STUDIO and row.config_digest == config_digest()
    ]
    if server is None or not rows:
        return 0
    project = server.ensure_project(platform.site(site).project, pairwise_config())
    items = {row["item"]: row for row in catalogue.items(platform.db, {row.item for row in rows})}
    tasks = import_presentations(server, project, [asdict(row) for row in rows], items)
    return catalogue.note_presentation_refs(
        platform.db, {presentation: f"{project}/{number}" for presentation, number in tasks.items()}
    )


@task(name="pull", task_run_name="pull-{source.name}", cache_policy=NO_CACHE, **OUTSIDE)
def pull(platform: Platform, source: JudgementSource) -> int:
    """Read a source from the cursor on; how many events were new. A retry goes on behind the last page kept."""
    known = collected.known(platform.db, source.site, source.name)
    cursor = collected.cursor(platform.db, source.site, source.name)
    return sum(
        write_events(
            platform.store,
            platform.db,
            page,
            site=source.site,
            source=source.name,
            now=clock(),
            keys=platform.keys,
        )
        for page in source.pages(cursor, known)
    )


def show_quotas(platform: Platform, site: str) -> None:
    """Keep achieved against target as an artifact of the run, where the site follows a plan."""
    from infra.assignment_files import quotas_of

    made = quotas_of(platform.settings, platform.db, site)
    if made is None:
        return
    plan, assigner = made
    found = assigner.achieved(clock())
    short = sum(each.is_under_filled for each in found)
    create_table_artifact(
        key=f"quotas-{site}",
        table=[
            {
                "cell": " / ".join(each.cell),
                "quota": each.quota,
                "done": each.done,
                "in flight": each.in_flight,
                "missing": each.missing if each.is_under_filled else 0,
                "filled by": each.forecast.isoformat(timespec="minutes") if each.forecast else "",
            }
            for each in found
        ],
        description=f"Plan **{plan.id}@{plan.version}**: {short} of {len(found) - 1} cells lack people",
    )


@flow(name="collect", flow_run_name="collect-{site}", persist_result=False)
def collect(site: str = "main", home: str | None = None) -> dict[str, Any]:
    """Collect a site's judgements.

    Args:
        site: The site.
        home: Data folder; ``BOUNDS_HOME`` by default.

    Returns:
        ``site``, tasks ``shown`` now, ``new`` events and the order-free digest of all ``events``.
    """
    with open_platform(home) as platform:
        shown = show(platform, site)
        new = {source.name: pull(platform, source) for source in platform.sources(site)}
        summary = {
            "site": site,
            "shown": shown,
            "new": sum(new.values()),
            "events": events_digest(platform.db, site),
        }
        show_quotas(platform, site)
    get_run_logger().info("site %s: %d new events", site, summary["new"])
    create_table_artifact(
        key=f"collect-{site}",
        table=[{"source": name, "new events": count} for name, count in new.items()],
        description=f"Raw events of site **{site}**: `{summary['events']}`",
    )
    return summary
