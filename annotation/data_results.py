"""What stored batches say about the data rules of a policy, for the audit of a model trained from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.checks import Check, On, check_json
from annotation.policy_checks import RELEASE_ONLY
from governance.audit.data import DataResult
from governance.wording import many

__all__ = ["data_results"]


def data_results(
    checks: Sequence[Check], needs: Mapping[str, str], batches: Mapping[str, Mapping[str, Any]]
) -> list[DataResult]:
    """One result for each data rule and batch.

    A rule about rows is kept by what was accepted: rows that break it are in quarantine. A rule about the
    batch is kept where its figure lies inside its limits.

    Args:
        checks: The checks of the policy now in force (:func:`annotation.policy_checks.checks_for`).
        needs: Data rule id → kind of check, of the policy now in force.
        batches: Batch digest → the parsed ``checks.json`` it was stored with.
    """
    return [
        _result(
            rule,
            batch,
            [check for check in checks if check.rule == rule],
            content,
            release_only=kind in RELEASE_ONLY,
        )
        for rule, kind in sorted(needs.items())
        for batch, content in sorted(batches.items())
    ]


def _result(
    rule: str, batch: str, checks: Sequence[Check], content: Mapping[str, Any], *, release_only: bool
) -> DataResult:
    if release_only:
        return DataResult(
            rule=rule, batch=batch, passed=True, sentence="kept by the way the release is built"
        )
    stored = content["checks"]
    sentences: list[str] = []
    passed: bool | None = bool(checks)
    for check in checks:
        terms = _terms(check_json(check))
        found = next((entry for entry in stored if terms.items() <= _terms(entry).items()), None)
        if found is None:
            return DataResult(
                rule=rule,
                batch=batch,
                passed=None,
                sentence="the batch was validated under other terms of this rule; validate it again",
            )
        if check.on is On.FIGURES:
            sentences.append(str(found["sentence"]))
            passed = passed and bool(found["passed"])
        else:
            sentences.append(
                f"{check.statement}: {many(found['failed'], 'row failed and is', 'rows failed and are')} in quarantine"
            )
    return DataResult(
        rule=rule,
        batch=batch,
        passed=passed if checks else None,
        sentence="; ".join(dict.fromkeys(sentences)) or "no check stands for this rule",
    )


def _terms(check: Mapping[str, Any]) -> dict[str, Any]:
    """What a check asks and by which document; a later version of the document that says the same counts as this one."""
    said = check.get("origin") or {}
    return {**check, "origin": (said.get("kind"), said.get("document"))}
