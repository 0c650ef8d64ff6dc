"""Validate: judge every row of a site by the record's and the policy's rules; accept or quarantine it.

A batch is what stands at a site now: the newest version of every judgement, with the items and the
documented people behind it. The same events under the same rules give the same batch, byte for byte, so a
killed validation is simply run again. Great Expectations and the polars pass must agree on every count.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from annotation.checks import Check, check_json
from annotation.distributions import Distributions
from annotation.facts import CONSENTS, GOLD, PRESENTATIONS
from annotation.quarantine import validate_batch
from annotation.records import ITEMS, PROFILES, table
from annotation.staging import stage_events
from annotation.validated import Validated
from flows.audit import probes
from flows.running import OUTSIDE
from flows.wiring import Platform, clock, data_checks, open_platform
from governance.digest import digest
from governance.errors import InputError
from governance.policy.model import EffectivePolicy
from infra import catalogue, collected, ledger
from infra.consents import live_consents
from infra.events import events_digest, read_events
from infra.gold import gold_rows
from infra.policy_history import outdated

__all__ = ["validate", "validate_site"]


@task(name="check", cache_policy=NO_CACHE, **OUTSIDE)
def check(
    platform: Platform, site: str, checks: tuple[Check, ...], policy: EffectivePolicy, inputs: str
) -> Validated:
    """Judge every row of the site."""
    from annotation.events import latest

    staged = stage_events(latest(read_events(platform.store, platform.db, site, keys=platform.keys)))
    shown = [
        {
            "presentation": row.presentation,
            "item": row.item,
            "shown": list(row.shown),
            "consent": row.consent,
        }
        for row in catalogue.presentations(platform.db, site)
    ]
    judged_under = staged["policy_digest"].drop_nulls().unique().to_list()
    return validate_batch(
        staged,
        table(catalogue.items(platform.db), ITEMS),
        checks=checks,
        presentations=table(shown, PRESENTATIONS),
        profiles=table(platform.profiles(site), PROFILES),
        consents=table(live_consents(platform.db, site), CONSENTS),
        gold=table(gold_rows(platform.db, site), GOLD) if _asks(policy, "gold") else None,
        probes=[probe.prompt for probe in probes(platform).probes]
        if _asks(policy, "probe_contamination")
        else (),
        outdated=outdated(platform.db, judged_under, policy),
        before=last_distributions(platform, site, inputs) if _asks(policy, "drift") else None,
    )


def _asks(policy: EffectivePolicy, check: str) -> bool:
    return any(need.check == check for need in policy.data_requirements)


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
def expect(platform: Platform, validated: Validated, site: str, batch: str) -> str:
    """Run the same rules by Great Expectations and keep its result and Data Docs in MLflow; the run's id."""
    from infra.expectations import run
    from infra.tracking import log_validation
    from infra.validation_report import page

    with tempfile.TemporaryDirectory(prefix="bounds-docs-") as folder:
        result = run(validated, docs_folder=Path(folder))
        return log_validation(
            platform.mlflow_url,
            digest=batch,
            read=validated.read,
            accepted=validated.accepted.num_rows,
            quarantined=validated.quarantine.num_rows,
            failed_rules=validated.failed_rules,
            findings={finding.check.rule: finding.value for finding in validated.findings},
            passed=bool(validated),
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
    if not collected.event_digests(platform.db, site):
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
    validated = check(platform, site, checks, policy, inputs)
    if not validated.read:
        return None
    files = {**validated.tables(), "inputs.json": _inputs(site, inputs, policy.digest)}
    batch = platform.store.put_tree("batches", files)
    run = expect(platform, validated, site, batch)
    verdict = "PASSED" if validated else "FAILED"
    ledger.record_batch(
        platform.db,
        ledger.Batch(
            digest=batch,
            inputs_digest=inputs,
            read=validated.read,
            accepted=validated.accepted.num_rows,
            quarantined=validated.quarantine.num_rows,
            verdict=verdict,
            created_at=now,
            site=site,
        ),
    )
    summary = {
        "site": site,
        "batch": batch,
        "read": validated.read,
        "accepted": validated.accepted.num_rows,
        "quarantined": validated.quarantine.num_rows,
        "failed_rules": validated.failed_rules,
        "verdict": verdict,
        "stops": list(validated.stops),
        "run": run,
    }
    get_run_logger().info(
        "site %s: %d read, %d accepted, %s", site, validated.read, summary["accepted"], verdict
    )
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
