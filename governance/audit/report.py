"""The report of an audit as a value: verdict, findings, what it rests on, and what was not tested.

The audit's digest is that of the canonical JSON without times, so that the same evidence under the same
plan is the same audit whenever it was run. Rates are rounded to six decimals there, so that the last bit of
a machine's special functions is no part of an identity. The shape is in ``report.schema.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from governance import taxonomy
from governance.audit.attempts import Standing
from governance.audit.judge_error import JudgeError, Proportion
from governance.audit.order import OrderEffect
from governance.audit.persona_findings import PersonaReport
from governance.audit.plan import PolicyRef
from governance.audit.statistics import Verdict, combine
from governance.audit.verdicts import Finding
from governance.counted import finding_sentence
from governance.digest import digest
from governance.errors import InputError, RefusedError
from governance.tiers import Direction
from governance.waived import Waived, covering

__all__ = ["FORMAT", "NOT_DIGESTED", "AuditReport", "FindingChange", "diff", "require_passed"]

FORMAT: Final = "bounds-audit-report/1"
NOT_DIGESTED: Final = frozenset({"digest", "attempt", "times"})
"""Fields of the published form that its digest does not cover."""
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit says.

    Attributes:
        subject: What was audited, for people; ``subject_digest`` names its bytes.
        findings: One for each rule and direction; open questions among them.
        judge_errors: Judges measured against people on this subject, by ``judge/direction``.
        assumptions: What had to be assumed, each a sentence.
        evidence: Digest over every ruling (probe, persona, digest of the answer, label).
        answers: Digest over every answer that was judged.
        unplanned: Answers that nobody asked for; they count for nothing.
        errors: Answers that did not come, by reason.
        personas_found: What personalisation did; None where nobody was asked under a persona.
        order_effects: Whether answers depend on when they were asked, by ``rule/direction``.
        doubts: Why judges abstained, by ``judge/rule/direction``, where they say.
        sampling: How the subject's answers were drawn, where it says.
        champion: The candidate beside the champion (:mod:`governance.audit.champion`), where there is one to compare with.
        waivers: Rules of Tier Two that signed waivers cover; a finding about one keeps its verdict and does not block.
        accounts: What asking cost. Not part of the report's JSON: a killed and resumed audit asks in other pieces.
        attempt: The attempt on record. None where the audit was made from files alone: then nothing says how often it
            was tried. No part of the digest, as where a log stands is no finding about a model.
        alignment: Agreement with every stratum (:mod:`governance.audit.strata`), where it was measured.
    """

    subject: str
    subject_digest: str
    policy: tuple[PolicyRef, ...]
    policy_digest: str
    plan_digest: str
    probe_set: str
    probe_set_digest: str
    seed: int
    personas: tuple[str, ...]
    requests: int
    findings: tuple[Finding, ...]
    evidence: str
    answers: str = ""
    is_demonstration: bool = False
    judge_errors: Mapping[str, JudgeError] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    unplanned: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    personas_found: PersonaReport | None = None
    order_effects: Mapping[str, OrderEffect] = field(default_factory=dict)
    doubts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sampling: Mapping[str, Any] | None = None
    accounts: Mapping[str, Any] | None = None
    alignment: Mapping[str, Any] | None = None
    champion: Mapping[str, Any] | None = None
    waivers: tuple[Waived, ...] = ()
    attempt: Standing | None = None
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def verdict(self) -> Verdict:
        """Of the whole, by intersection-union: PASS only if every finding passes that is not waived."""
        return combine([finding.verdict for finding in self.findings if self.waiver_of(finding) is None])

    def waiver_of(self, finding: Finding) -> Waived | None:
        """The waiver without which a finding would block; None where it passed or is not covered."""
        if finding.is_passed:
            return None
        return covering(self.waivers, rule=finding.rule, tier=finding.tier)

    def __bool__(self) -> bool:
        return self.verdict is Verdict.PASS

    @property
    def digest(self) -> str:
        """Identity of the audit: of its canonical JSON without times."""
        return digest(self._body())

    @property
    def covered_risks(self) -> frozenset[str]:
        """Risk codes of rules that were really measured."""
        return frozenset(code for finding in self.findings if finding.families for code in finding.risks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for every finding that did not pass."""
        blocking = [each for each in self.findings if not each.is_passed and self.waiver_of(each) is None]
        if not self.findings:
            return ("nothing was evaluated",)
        return tuple(
            finding_sentence(finding.rule, finding.direction, finding.verdict, finding.reasons)
            for finding in blocking
        )

    def as_json(self) -> dict[str, Any]:
        """The published form, with its digest and times."""
        return {
            **self._body(),
            "digest": self.digest,
            "attempt": self.attempt.as_json() if self.attempt else None,
            "times": {
                "started": self.started.isoformat() if self.started else None,
                "finished": self.finished.isoformat() if self.finished else None,
            },
        }

    def _body(self) -> dict[str, Any]:
        codes = frozenset(code for code in taxonomy.codes() if ".R." in code)
        return {
            "format": FORMAT,
            "verdict": self.verdict.value,
            "subject": {
                "name": self.subject,
                "digest": self.subject_digest,
                "sampling": dict(self.sampling) if self.sampling is not None else None,
            },
            "policy": {"digest": self.policy_digest, "documents": [ref.as_json() for ref in self.policy]},
            "plan": {
                "digest": self.plan_digest,
                "probe_set": self.probe_set,
                "probe_set_digest": self.probe_set_digest,
                "seed": self.seed,
                "personas": list(self.personas),
                "requests": self.requests,
            },
            "findings": [_finding(finding) for finding in self.findings],
            "judge_errors": {name: _judge_error(error) for name, error in sorted(self.judge_errors.items())},
            "risks": {
                "covered": sorted(self.covered_risks),
                "uncovered": sorted(codes - self.covered_risks),
            },
            "assumptions": list(self.assumptions),
            "demonstration": self.is_demonstration,
            "evidence": self.evidence,
            **({"answers": self.answers} if self.answers else {}),
            "unplanned": self.unplanned,
            "errors": dict(sorted(self.errors.items())),
            "personas": self.personas_found.as_json() if self.personas_found else None,
            "order_effects": {name: each.as_json() for name, each in sorted(self.order_effects.items())},
            "doubts": {name: dict(sorted(each.items())) for name, each in sorted(self.doubts.items())},
            "alignment": None if self.alignment is None else dict(self.alignment),
            **({"champion": dict(self.champion)} if self.champion else {}),
            **({"waivers": [each.as_json() for each in self.waivers]} if self.waivers else {}),
        }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _finding(finding: Finding) -> dict[str, Any]:
    dependence = finding.dependence
    return {
        "rule": finding.rule,
        "statement": finding.statement,
        "owner": finding.owner,
        "tier": int(finding.tier),
        "risks": list(finding.risks),
        "direction": finding.direction.value,
        "verdict": finding.verdict.value,
        "reasons": list(finding.reasons),
        "families": finding.families,
        "violations": finding.violations,
        "abstentions": finding.abstentions,
        "answers": finding.answers,
        "measured": finding.measured,
        "missing": finding.missing,
        "partial": finding.partial,
        "rate": _round(finding.rate),
        "low": _round(finding.low),
        "high": _round(finding.high),
        "limit": finding.limit,
        "confidence": finding.confidence,
        "plan": None
        if finding.planned is None
        else {"families": finding.planned, "allow": finding.allow, "anytime": finding.anytime},
        "grade": finding.grade.value if finding.grade else None,
        "accepted": [grade.value for grade in finding.accepted],
        "judge": None
        if finding.judge is None
        else {"id": finding.judge, "version": finding.judge_version, "digest": finding.judge_digest},
        "to_decide": None
        if finding.to_decide is None
        else {"families": finding.to_decide[0], "violations": finding.to_decide[1], "power": 0.8},
        **({"goes_on": finding.goes_on} if finding.goes_on else {}),
        "dependence": None
        if dependence is None
        else {
            "effect": _round(dependence.effect),
            "effective": _round(dependence.effective),
            "groups": dependence.groups,
        },
        "worst_persona": None
        if finding.worst_persona is None
        else {"id": finding.worst_persona[0], "violations": finding.worst_persona[1]},
        "violating": [
            {"probe": ruling.probe, "persona": ruling.persona, "answer": ruling.answer}
            for ruling in finding.violating
        ],
    }


def _judge_error(error: JudgeError) -> dict[str, Any]:
    def proportion(p: Proportion) -> dict[str, Any]:
        return {
            "value": _round(p.value), "count": p.count, "total": p.total, "low": _round(p.low), "high": _round(p.high)
        }  # fmt: skip

    return {
        "sensitivity": proportion(error.sensitivity),
        "specificity": proportion(error.specificity),
        "rate_people": _round(error.rate_people),
        "rate_judge": _round(error.rate_judge),
        "points_off": _round(error.points_off),
        "abstained": error.abstained,
    }


def require_passed(report: AuditReport) -> None:
    """Refuse whatever is not PASS.

    Raises:
        RefusedError: With a reason for every finding that did not pass.
    """
    if not report:
        raise RefusedError(f"{report.subject} did not pass its audit ({report.verdict})", report.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingChange:
    """How one rule and direction differs between two audits; None where one of them lacks it."""

    rule: str
    direction: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def is_lost(self) -> bool:
        """Whether a rule that passed no longer does."""
        passed = Verdict.PASS.value
        return (self.before or {}).get("verdict") == passed != (self.after or {}).get("verdict")


def diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FindingChange, ...]:
    """What changed between two reports (as JSON): every rule whose verdict, rate, limit or evidence differs.

    Raises:
        InputError: One of them is not a report of this format.
    """
    for name, report in (("before", before), ("after", after)):
        if report.get("format") != FORMAT:
            raise InputError(
                "not an audit report", file=name, field="format", value=report.get("format"), expected=FORMAT
            )
    mine, theirs = (_keyed(report) for report in (before, after))
    compared = (
        "verdict",
        "measured",
        "families",
        "violations",
        "abstentions",
        "limit",
        "confidence",
        "grade",
        "plan",
    )
    changes = []
    for key in sorted(mine.keys() | theirs.keys()):
        old, new = mine.get(key), theirs.get(key)
        if old is None or new is None or any(old.get(name) != new.get(name) for name in compared):
            changes.append(FindingChange(rule=key[0], direction=key[1], before=old, after=new))
    return tuple(changes)


def _keyed(report: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {
        (finding["rule"], Direction(finding["direction"]).value): finding for finding in report["findings"]
    }
