"""Audit: put a model version to the probes of the policy in force, and sign what was found.

The model is asked as it is and under every Tier Three profile of the settings, each resolved by the policy
first. What the judges and the data rules say becomes findings, a report and a decision, signed whatever its
verdict: a refusal is kept like a permission. One audit per artifact, policy and probe set: asked again, the
same report comes out, and no new decision is made while the old one lives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.audit_attempt import attempt_of, finish, recorded
from flows.audit_champion import beside_champion
from flows.audit_data import data
from flows.audit_people import alignment
from flows.running import OUTSIDE
from flows.wiring import Platform, approvals, clock, newest_decision, open_platform
from governance.audit.contamination import contaminated, without_contaminated
from governance.audit.figures import as_file, figures
from governance.audit.judges import Judge, RefusalPatterns
from governance.audit.markdown import as_markdown
from governance.audit.page import as_page
from governance.audit.personas import ResolvedPersona, resolve_persona
from governance.audit.plan import make_plan
from governance.audit.probes import ProbeSet
from governance.audit.report import AuditReport
from governance.audit.responses import NO_PERSONA
from governance.audit.run import run_audit
from governance.digest import digest_bytes, short
from governance.errors import InputError
from governance.policy.model import EffectivePolicy
from governance.promotion import AUDITOR, decide
from infra import ledger
from infra.artifacts import Fetched
from infra.registry import VersionInfo

__all__ = ["audit", "audit_version"]

DEFAULT_VALIDITY_DAYS = 30


def personas(platform: Platform, policy: EffectivePolicy) -> tuple[ResolvedPersona, ...]:
    """Each profile of the settings as the policy resolves it."""
    from infra.policy_files import load_pack

    return tuple(
        resolve_persona(policy, document.id, document)
        for name in platform.settings.profiles
        for document in load_pack(name)
    )


def probes(platform: Platform, release: str | None = None) -> ProbeSet:
    """The probe set of the settings, without the families whose prompts stand in the release behind the model."""
    from infra.demo_files import demo_probes
    from infra.release_prompts import prompts_in_items
    from infra.subjects import read_probes

    chosen = demo_probes() if platform.settings.probes == "demo" else read_probes(platform.settings.probes)
    row = {row.digest: row for row in ledger.releases(platform.db)}.get(release or "")
    if row is None or row.tree is None:
        return chosen
    prompts = prompts_in_items(platform.store.get_file("releases", row.tree, "items.parquet"))
    name = f"release {short(row.digest)}"
    return without_contaminated(chosen, contaminated(chosen.probes, prompts), source=name)


def judges(platform: Platform) -> Mapping[str, Judge]:
    """The judges that the settings name; else labels for every rule where there are some, else patterns (grade C)."""
    from infra.named_judges import choose_judges

    settings = platform.settings
    if not settings.judges:
        return {"*": RefusalPatterns() if settings.labels is None else _labels(settings.labels)}
    key = settings.judge_key
    return choose_judges(
        settings.judges,
        labels=None if settings.labels is None else partial(_labels, settings.labels),
        evidence=settings.home / "judge-evidence.db",
        key=None if key is None else key.get_secret_value(),
    )


def _labels(source: str, column: str = "human") -> Judge:
    """Labelled responses as a judge."""
    from infra.demo_files import authored_labels
    from infra.subjects import CompletionsSubject

    if source != "demo":
        stored = CompletionsSubject(source)
        return stored.labels() if column == "human" else stored.labels(column)
    if column != "human":
        raise InputError(
            "no such judge", field="judges", value=column, expected="human, patterns, classifier, …"
        )
    return authored_labels()


@task(name="examine", cache_policy=NO_CACHE, **OUTSIDE)
def examine(platform: Platform, policy: EffectivePolicy, info: VersionInfo, files: Fetched) -> AuditReport:
    """Ask, judge, find."""
    from infra.subjects import PyfuncSubject

    resolved = personas(platform, policy)
    plan = make_plan(
        policy,
        probes(platform, info.release),
        personas=(NO_PERSONA, *(each.persona for each in resolved)),
        resolved=resolved,
    )
    chosen = judges(platform)
    attempt = attempt_of(
        plan, chosen, model=info.model, version=info.version, artifact=files.digest, now=clock()
    )
    subject = recorded(platform, attempt, PyfuncSubject(files), budget=plan.error_budget)
    people = alignment(platform, policy, info, files)
    report = run_audit(
        subject,
        plan,
        chosen,
        compare=(RefusalPatterns(),),
        beside=(*people.findings, *data(platform, policy, info.release)),
        alignment=people.table,
        started=clock(),
    )
    finish(platform, attempt, subject, report)
    compared = beside_champion(platform, policy, info, plan, chosen, subject.answers)
    return replace(report, attempt=subject.standing, champion=compared)


@task(name="sign", cache_policy=NO_CACHE, **OUTSIDE)
def sign(
    platform: Platform,
    policy: EffectivePolicy,
    info: VersionInfo,
    report: AuditReport,
    artifact: str,
    now: datetime,
) -> ledger.Decision:
    """Sign the decision that the report supports, or find the one already signed that still lives."""
    from infra.signing import load_or_create_key
    from infra.signing import sign as sign_statement

    standing = _standing(platform, info, report, artifact, now)
    if standing is not None:
        return standing
    decision = decide(
        report,
        model=info.model,
        version=info.version,
        aliases=sorted(policy.promotion.aliases),
        artifact=artifact,
        release=info.release,
        now=now,
        validity=timedelta(days=policy.promotion.validity_days or DEFAULT_VALIDITY_DAYS),
        approvals=approvals(policy),
    )
    key = load_or_create_key(platform.settings.keys_folder, AUDITOR)
    envelope = sign_statement(decision.statement(), key)
    row = ledger.Decision(
        digest=digest_bytes(envelope),
        model=info.model,
        version=info.version,
        verdict=report.verdict.value,
        envelope=envelope.decode(),
        created_at=now,
    )
    ledger.record_decision(platform.db, row)
    return row


def _standing(
    platform: Platform, info: VersionInfo, report: AuditReport, artifact: str, now: datetime
) -> ledger.Decision | None:
    """The newest decision about the version, where it says what this report says and lives for another day.

    INVARIANT: only the newest counts, here as in promotion: an older one that says the same was replaced.
    """
    from governance.promotion import Decision
    from governance.provenance import EnvelopeError, open_envelope

    row = newest_decision(platform, info.model, info.version)
    if row is None:
        return None
    try:
        statement, _ = open_envelope(
            row.envelope.encode(), trust=platform.trust(now), now=now, roles=(AUDITOR,)
        )
        old = Decision.from_statement(statement)
    except EnvelopeError:
        return None  # what cannot be verified is no decision; a new one is signed
    same = old.audit == report.digest and old.artifact == artifact and old.version == info.version
    return row if same and old.expires > now + timedelta(days=1) else None


@task(name="keep", cache_policy=NO_CACHE, **OUTSIDE)
def keep(
    platform: Platform, policy: EffectivePolicy, info: VersionInfo, report: AuditReport, now: datetime
) -> str:
    """Keep the report in the object store, in MLflow and in the database; the MLflow run."""
    from infra.tracking import log_audit

    files = {
        "report.json": (json.dumps(report.as_json(), indent=1, sort_keys=True) + "\n").encode(),
        "report.html": as_page(report).encode(),
    }
    platform.store.put_tree("audits", files)
    run = log_audit(
        platform.mlflow_url,
        digest=report.digest,
        model=info.model,
        version=info.version,
        verdict=report.verdict.value,
        policy_digest=policy.digest,
        metrics={f"rate/{each.rule}": each.rate for each in report.findings if each.rate is not None},
        report_json=files["report.json"],
        report_html=files["report.html"],
        figures={name: as_file(svg) for name, svg in figures(report).items()},
    )
    ledger.record_audit(
        platform.db,
        ledger.Audit(
            digest=report.digest,
            model=info.model,
            version=info.version,
            verdict=report.verdict.value,
            policy_digest=policy.digest,
            created_at=now,
        ),
    )
    return run


@task(name="note", cache_policy=NO_CACHE, **OUTSIDE)
def note(platform: Platform, info: VersionInfo, row: ledger.Decision) -> None:
    """Let MLflow's own page of the version say what was decided: tags, and a description of the findings.

    What a gate publishes and what stands there are made from the same signed bytes.
    """
    from governance.promotion import Decision
    from infra.gate.tags import true_tags, version_note

    # Two audits of one version may run at once; what stands there is the newest.
    envelope = (newest_decision(platform, info.model, info.version) or row).envelope.encode()
    decision = Decision.from_envelope(envelope)
    review = platform.settings.review_url
    registry = platform.registry()
    registry.tag_version(info.model, info.version, true_tags(decision, digest_bytes(envelope), review=review))
    registry.describe(info.model, info.version, version_note(decision, review=review))


def audit_version(platform: Platform, model: str, version: str) -> dict[str, Any]:
    """Audit one version of a registered model under the policy in force."""
    from infra.artifacts import fetch
    from infra.scratch import scratch_folder
    from infra.waivers import live

    now = clock()
    policy = platform.policy(now)
    registry = platform.registry()
    info = registry.version(model, version)
    waivers = live(platform.db, model, version, policy=policy, trust=platform.trust(now), now=now)
    with scratch_folder(platform.settings.home, "audited") as place:
        files = fetch(info.uri, place)
        report = replace(examine(platform, policy, info, files), waivers=waivers)
    run = keep(platform, policy, info, report, now)
    decision = sign(platform, policy, info, report, files.digest, now)
    platform.publish(now)
    note(platform, info, decision)
    get_run_logger().info("%s version %s: %s", model, version, report.verdict)
    create_markdown_artifact(
        key=f"audit-{model}-{version}".lower(),
        markdown=as_markdown(report),
        description=f"Audit {report.digest}",
    )
    return {
        "model": model,
        "version": version,
        "verdict": report.verdict.value,
        "reasons": list(report.reasons),
        "audit": report.digest,
        "decision": decision.digest,
        "run": run,
        "findings": report.as_json()["findings"],
    }


@flow(name="audit", flow_run_name="audit-{model}-{version}", persist_result=False)
def audit(model: str | None = None, version: str | None = None, home: str | None = None) -> dict[str, Any]:
    """Audit a model version.

    Args:
        model: Registered model; that of the settings by default.
        version: Its version; the newest by default.
        home: Data folder.

    Raises:
        InputError: There is no such model, or no version of it.
    """
    with open_platform(home) as platform:
        name = model or platform.settings.registered_model
        versions = platform.registry().versions(name)
        if not versions:
            known = ", ".join(platform.registry().models()) or "a registered model (`bounds train` makes one)"
            raise InputError("no such model in the registry", field="model", value=name, expected=known)
        return audit_version(platform, name, version or versions[-1].version)
