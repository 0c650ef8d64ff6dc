"""Validate: judge every row of a site by the record's and the policy's rules; accept or quarantine it.

A batch is what stands at a site now: the newest version of every judgement, with the items and the
documented people behind it. It is gone through part by part on disk, in the memory of one part. The same events
under the same rules give the same batch, byte for byte, whatever the parts, so a killed validation is simply run
again. Great Expectations and the polars pass must agree on every count.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from annotation.checks import Check, check_json
from annotation.distributions import Distributions
from annotation.records import PROFILES, table
from annotation.staging import stage_events
from annotation.surroundings import CONSENTS, GOLD
from flows.audit import probes
from flows.running import OUTSIDE
from flows.wiring import Platform, clock, data_checks, open_platform
from governance.digest import digest
from governance.errors import InputError
from governance.policy.model import EffectivePolicy
from infra import collected, ledger
from infra.catalogue_tables import item_tables, presentation_tables
from infra.consents import live_consents
from infra.events import events_digest, read_events
from infra.gold import gold_rows
from infra.policy_history import outdated
from infra.scratch import scratch_folder
from infra.unfinished import require_stored
from infra.validation_parts import ValidatedFiles, parts_for, validate_parts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["validate", "validate_site"]

_ROWS_AT_ONCE: Final = 50_000


@task(name="check", cache_policy=NO_CACHE, **OUTSIDE)
def check(
    platform: Platform,
    site: str,
    checks: tuple[Check, ...],
    policy: EffectivePolicy,
    inputs: str,
    scratch: Path,
) -> ValidatedFiles:
    """Judge every row of the site."""
    # A try that failed half-way leaves its files; this one begins anew.
    work = Path(tempfile.mkdtemp(dir=scratch))
    return validate_parts(
        staged(platform, site),
        item_tables(platform.db),
        checks=checks,
        parts=parts_for(collected.count_events(platform.db, site)),
        scratch=work,
        presentations=presentation_tables(platform.db, site),
        profiles=table(platform.profiles(site), PROFILES),
        consents=table(live_consents(platform.db, site), CONSENTS),
        gold=table(gold_rows(platform.db, site), GOLD) if _asks(policy, "gold") else None,
        probes=[probe.prompt for probe in probes(platform).probes]
        if _asks(policy, "probe_contamination")
        else (),
        outdated=lambda judged_under: outdated(platform.db, judged_under, policy),
        before=last_distributions(platform, site, inputs) if _asks(policy, "drift") else None,
    )


def _asks(policy: EffectivePolicy, check: str) -> bool:
    return any(need.check == check for need in policy.data_requirements)


def staged(platform: Platform, site: str) -> Iterator[pl.DataFrame]:
    """What stands at the site, some rows at a time."""
    events = read_events(platform.store, platform.db, site, keys=platform.keys, newest=True)
    while some := list(islice(events, _ROWS_AT_ONCE)):
        yield stage_events(some)


def last_distributions(platform: Platform, site: str, inputs: str) -> Distributions | None:
    """How the answers of the batch before this one were distributed; None where this is the first.

    The batch before is the one recorded last before these inputs were recorded first, so that validating
    again compares with the same.
    """
    rows = [batch for batch in ledger.batches(platform.db) if batch.site == site]
    first = next((at for at, batch in enumerate(rows) if batch.inputs_digest == inputs), len(rows))
    for batch in reversed(rows[:first]):
        try:
            found = json.loads(platform.store.get_file("batches", batch.digest, "checks.json"))
        except KeyError:
            continue  # erased by a withdrawal; its successor, if any, stands before it
        if "distributions" in found:
            told: Distributions = found["distributions"]
            return told
    return None


@task(name="expect", cache_policy=NO_CACHE, **OUTSIDE)
def expect(platform: Platform, validated: ValidatedFiles, site: str, batch: str) -> str:
    """Run the same rules by Great Expectations and keep its result and Data Docs in MLflow; the run's id."""
    from infra.expectations import run_on_files
    from infra.tracking import log_validation
    from infra.validation_report import page

    summary = validated.summary
    with tempfile.TemporaryDirectory(prefix="bounds-docs-") as folder:
        result = run_on_files(validated, docs_folder=Path(folder))
        return log_validation(
            platform.mlflow_url,
            digest=batch,
            read=summary.read,
            accepted=summary.accepted,
            quarantined=summary.quarantined,
            failed_rules=summary.failed_rules,
            findings={finding.check.rule: finding.value for finding in summary.findings},
            passed=bool(summary),
            gx_json=result.json_bytes(),
            docs_folder=result.docs,
            report_html=page(validated, result, title=f"Batch of site {site}").encode(),
            tags={"bounds.site": site},
        )


@flow(name="validate", flow_run_name="validate-{site}", persist_result=False)
def validate(site: str | None = None, home: str | None = None) -> list[dict[str, Any]]:
    """Validate what was collected at a site, or at every site.

    Args:
        site: The site; every site by default.
        home: Data folder; ``BOUNDS_HOME`` by default.

    Returns:
        For each site that has judgements: ``batch`` digest, ``read``, ``accepted``, ``quarantined``,
        ``verdict`` (PASSED or FAILED) and why it ``stops``.

    Raises:
        InputError: Nothing was collected.
    """
    with open_platform(home) as platform:
        sites = [platform.site(site).id] if site else [each.id for each in platform.settings.sites]
        found = [batch for each in sites if (batch := validate_site(platform, each)) is not None]
    if site and not found:
        raise InputError(
            "nothing was collected", field="site", value=site, expected="run `bounds collect` first"
        )
    return found


def validate_site(platform: Platform, site: str) -> dict[str, Any] | None:
    """Validate one site, inside a flow: what :func:`validate` says of it; None where nothing stands there."""
    if not collected.count_events(platform.db, site):
        return None
    now = clock()
    policy = platform.policy(now)
    checks = data_checks(policy)
    inputs = digest(
        {
            "events": events_digest(platform.db, site),
            "profiles": digest(platform.profiles(site)),
            "consents": digest(live_consents(platform.db, site)),
            "policy": policy.digest,
            "checks": [check_json(each) for each in checks],
            # Named only where a rule asks: other known answers change nothing then.
            **({"gold": digest(gold_rows(platform.db, site))} if _asks(policy, "gold") else {}),
        }
    )
    with scratch_folder(platform.settings.home, "validate") as scratch:
        validated = check(platform, site, checks, policy, inputs, scratch)
        found = validated.summary
        if not found.read:
            return None
        files = {**validated.files, "inputs.json": _inputs(site, inputs, policy.digest)}
        batch = platform.store.put_tree("batches", files)
        run = expect(platform, validated, site, batch)
    require_stored(platform.store, "batches", batch)
    verdict = "PASSED" if found else "FAILED"
    ledger.record_batch(
        platform.db,
        ledger.Batch(
            digest=batch,
            inputs_digest=inputs,
            read=found.read,
            accepted=found.accepted,
            quarantined=found.quarantined,
            verdict=verdict,
            created_at=now,
            site=site,
        ),
    )
    summary = {
        "site": site,
        "batch": batch,
        "read": found.read,
        "accepted": found.accepted,
        "quarantined": found.quarantined,
        "failed_rules": dict(found.failed_rules),
        "verdict": verdict,
        "stops": list(found.stops),
        "run": run,
    }
    get_run_logger().info("site %s: %d read, %d accepted, %s", site, found.read, summary["accepted"], verdict)
    create_markdown_artifact(
        key=f"batch-{site}",
        markdown=_markdown(summary, _links(platform, batch, run)),
        description=f"Batch {batch}",
    )
    return summary


def _inputs(site: str, inputs: str, policy: str) -> bytes:
    return (
        json.dumps({"site": site, "inputs_digest": inputs, "policy_digest": policy}, sort_keys=True).encode()
        + b"\n"
    )


def _links(platform: Platform, batch: str, run: str) -> list[str]:
    """Where a person reads on: the page of the batch, and the run with Data Docs and the whole report."""
    from infra.tracking import BATCHES, run_address

    links = [f"[report and Data Docs in MLflow]({run_address(platform.mlflow_url, BATCHES, run)})"]
    if platform.settings.web_url:
        name = batch.removeprefix("sha256:")
        links.insert(0, f"[what failed and why]({platform.settings.web_url.rstrip('/')}/batches/{name})")
    return links


def _markdown(summary: dict[str, Any], links: list[str]) -> str:
    lines = [
        (
            f"**{summary['verdict']}**: {summary['read']} read = {summary['accepted']} accepted "
            f"+ {summary['quarantined']} quarantined"
        ),
        "",
        *(f"- {reason}" for reason in summary["stops"]),
        "",
        ", ".join(links),
        "",
        "| rule | rows |",
        "|---|---|",
        *(f"| {rule} | {count} |" for rule, count in summary["failed_rules"].items()),
    ]
    return "\n".join(lines)
