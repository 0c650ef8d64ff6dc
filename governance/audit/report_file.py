"""A report that was written before, read back: of this format, whole, and as it was when it was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from governance.audit.report import FORMAT, NOT_DIGESTED
from governance.audit.statistics import Verdict
from governance.digest import digest
from governance.errors import InputError
from governance.strict_json import JsonError, read_json
from governance.tiers import Direction

__all__ = ["read_report"]


def read_report(text: str, *, source: str) -> Mapping[str, Any]:
    """The report in ``report.json``, or in what ``bounds audit --json`` printed about one subject.

    Its digest says that nothing in it was changed since; who wrote it, a signed decision says.

    Raises:
        InputError: No report of this format, several of them, or one that its digest does not fit.
    """
    try:
        value = read_json(text)
    except JsonError as error:
        raise InputError(f"not JSON: {error}", file=source) from error
    if isinstance(value, dict) and isinstance(several := value.get("reports"), list):
        if len(several) != 1:
            raise InputError(
                "holds several reports, or none", file=source, value=len(several), expected="one report"
            )
        (value,) = several
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError("not an audit report", file=source, expected=f"an object of format {FORMAT}")
    try:
        now = digest({name: part for name, part in value.items() if name not in NOT_DIGESTED})
    except ValueError as error:
        raise InputError(f"not an audit report: {error}", file=source) from error
    if now != value.get("digest"):
        raise InputError(
            "was changed since it was written: its digest is another",
            file=source, field="digest", value=now, expected=value.get("digest"),
        )  # fmt: skip
    _check_findings(value, source)
    return value


def _check_findings(report: Mapping[str, Any], source: str) -> None:
    findings = report.get("findings")
    if not isinstance(findings, list):
        raise InputError("not an audit report", file=source, field="findings", expected="a list")
    wanted = {"verdict": [each.value for each in Verdict], "direction": [each.value for each in Direction]}
    for place, finding in enumerate(findings):
        whole = isinstance(finding, dict) and isinstance(finding.get("rule"), str)
        if not whole or any(finding.get(name) not in words for name, words in wanted.items()):
            raise InputError(
                "not a finding",
                file=source,
                field=f"findings[{place}]",
                expected="rule, direction and verdict",
            )
