"""The page of a validation: what was checked, what failed, who was filtered out, in words.

One self-contained HTML file for MLflow and the flow run. It shows ids, rules and counts; never a prompt, an
answer or a rationale, since what was flagged may be personal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from annotation.checks import Check, On
from annotation.validated import Found, Summary

__all__ = ["page"]

_EXAMPLES: Final = 5
_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("infra"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One rule of rows on the page."""

    rule: str
    statement: str
    limit: str
    source: str
    failed: int
    examples: tuple[str, ...]


def page(validated: Found, gx: object | None = None, *, title: str = "Validation of a batch") -> str:
    """The page as HTML.

    Args:
        validated: What was found.
        gx: The result of :func:`infra.expectations.run`, which exists only where it counted the same; None
            where it was not run.
        title: Heading, plain text.
    """
    found = validated.summary
    lines = sorted(_lines(validated), key=lambda line: (-line.failed, line.rule))
    return _ENVIRONMENT.get_template("validation.html").render(
        title=title,
        found=found,
        accepted=found.accepted,
        quarantined=found.quarantined,
        failed=[line for line in lines if line.failed],
        held=sorted((line for line in lines if not line.failed), key=lambda line: line.rule),
        findings=[(finding, _source(finding.check)) for finding in found.findings],
        fields=_fields(found),
        agreed=gx is not None,
    )


def _lines(validated: Found) -> list[_Line]:
    examples, counts = _examples(validated), validated.summary.counts
    return [
        _Line(
            rule=check.rule,
            statement=check.statement,
            limit=check.limit,
            source=_source(check),
            failed=counts[check.key],
            examples=examples.get(check.rule, ()) if counts[check.key] else (),
        )
        for check in validated.summary.checks
        if check.on is not On.FIGURES
    ]


def _examples(validated: Found) -> Mapping[str, tuple[str, ...]]:
    """Rule → references of the first rows that failed it, enough to find them in their source."""
    found: dict[str, dict[str, None]] = {}
    for some in validated.quarantined(["source", "source_ref", "judgement", "rules"]):
        if all(len(found.get(rule, ())) >= _EXAMPLES for rule in validated.summary.failed_rules):
            break
        for source, ref, judgement, rules in zip(*some.to_pydict().values(), strict=True):
            name = f"{source or '?'}:{ref or judgement or '?'}"[:80]
            for rule in rules:
                if len(found.setdefault(rule, {})) < _EXAMPLES:
                    found[rule][name] = None
    return {rule: tuple(names) for rule, names in found.items()}


def _source(check: Check) -> str:
    origin = check.origin
    if origin.document is None:
        return "record" if origin.kind == "record" else origin.kind
    return f"{origin.document} {origin.version or ''}".strip()


def _fields(found: Summary) -> Mapping[str, list[dict[str, Any]]]:
    """Codebook field → its answers with the share of their rows that was filtered out, most hit first."""
    fields: dict[str, list[dict[str, Any]]] = {}
    for count in found.strata:
        fields.setdefault(count.field, []).append(
            {
                "answer": count.value if count.value is not None else count.status.replace("_", " "),
                "read": count.read,
                "quarantined": count.quarantined,
                "share": count.quarantined / count.read if count.read else 0.0,
            }
        )
    for rows in fields.values():
        rows.sort(key=lambda row: (-row["share"], str(row["answer"])))
    return dict(islice(fields.items(), 40))
