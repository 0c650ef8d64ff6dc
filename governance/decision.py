"""The decision about one model version as a value: what the auditor signs, and how it is read back.

The predicate is documented in ``docs/formats/decision.md``. Reading is strict: any field missing, unknown,
empty or in another form is an error. What a gate asks of a decision is in :mod:`governance.promotion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from governance.audit.report import AuditReport
from governance.audit.statistics import Verdict
from governance.counted import Counted, counted_by
from governance.digest import is_digest
from governance.instants import parse_instant, stamp
from governance.provenance import Envelope, EnvelopeError, Statement
from governance.waived import Waived, covering, read_waived

__all__ = ["PREDICATE_TYPE", "WAIVING_TYPE", "Approval", "Decision", "decide", "parse_instant", "stamp"]

PREDICATE_TYPE: Final = "urn:bounds:promotion-decision:v1"
WAIVING_TYPE: Final = "urn:bounds:promotion-decision:v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """So many different persons out of these roles sign beside the auditor."""

    roles: frozenset[str]
    threshold: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"roles": sorted(self.roles), "threshold": self.threshold}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The predicate of a promotion decision.

    Attributes:
        model: Registered model; ``version`` of it; ``aliases`` the decision is good for.
        artifact: Digest of every file of the version (:func:`governance.provenance.manifest_digest`).
        findings: What determined the verdict: a row for each rule and direction.
        policies: Every policy document: id, version, digest, tier.
        policy: Digest of the policy in force, the meet of ``policies``.
        release: Digest of the release the version was trained from; None where none is known.
        audit: Digest of the audit report; ``plan`` of its plan.
        approvals: Signatures that the policy asks for beside the auditor's.
        waivers: Rules of Tier Two that did not pass and are waived; with one the predicate is ``…:v2``.
    """

    model: str
    version: str
    aliases: tuple[str, ...]
    artifact: str
    verdict: Verdict
    findings: tuple[Mapping[str, Any], ...]
    policies: tuple[Mapping[str, Any], ...]
    policy: str
    release: str | None
    audit: str
    plan: str
    approvals: tuple[Approval, ...]
    demonstration: bool
    issued: datetime
    expires: datetime
    waivers: tuple[Waived, ...] = ()

    @staticmethod
    def about(finding: Mapping[str, Any]) -> Counted:
        """What a finding counts, in a word."""
        return counted_by(str(finding["rule"]), str(finding["direction"]))

    def waived(self, finding: Mapping[str, Any]) -> Waived | None:
        """What covers a finding; nothing covers another than one of Tier Two."""
        return covering(self.waivers, rule=finding["rule"], tier=finding["tier"])

    @property
    def policy_digests(self) -> frozenset[str]:
        """Digests of the policy documents."""
        return frozenset(str(policy["digest"]) for policy in self.policies)

    def predicate(self) -> dict[str, Any]:
        """The JSON object that is signed."""
        return {
            "model": self.model,
            "version": self.version,
            "aliases": list(self.aliases),
            "artifact": self.artifact,
            "verdict": self.verdict.value,
            "findings": [dict(finding) for finding in self.findings],
            "policies": [dict(policy) for policy in self.policies],
            "policy": self.policy,
            "release": self.release,
            "audit": self.audit,
            "plan": self.plan,
            "approvals": [approval.as_json() for approval in self.approvals],
            "demonstration": self.demonstration,
            "issued": stamp(self.issued),
            "expires": stamp(self.expires),
            **({"waivers": [each.as_json() for each in self.waivers]} if self.waivers else {}),
        }

    def statement(self) -> Statement:
        """The in-toto Statement: its subject is the version, by the digest of its files."""
        return Statement(
            subject=f"models:/{self.model}/{self.version}",
            sha256=self.artifact.removeprefix("sha256:"),
            predicate_type=WAIVING_TYPE if self.waivers else PREDICATE_TYPE,
            predicate=self.predicate(),
        )

    @classmethod
    def from_statement(cls, statement: Statement) -> Decision:
        """The decision in a statement.

        Raises:
            EnvelopeError: Another predicate, or any field missing, unknown, empty or wrong.
        """
        return _read(statement)

    @classmethod
    def from_envelope(cls, data: bytes) -> Decision:
        """The decision in the bytes of an envelope, whoever signed it.

        Raises:
            EnvelopeError: No envelope, no statement, or see :meth:`from_statement`.
        """
        return cls.from_statement(Statement.parse(Envelope.parse(data).payload))


def decide(
    report: AuditReport,
    *,
    model: str,
    version: str,
    aliases: Sequence[str],
    artifact: str,
    release: str | None,
    now: datetime,
    validity: timedelta,
    approvals: Sequence[Approval] = (),
) -> Decision:
    """The decision that a report supports, whatever its verdict: refusals are signed and kept too.

    Raises:
        ValueError: An alias, digest, instant or validity that no gate could verify.
    """
    if report.subject_digest != artifact:
        raise ValueError("the audit is about other bytes than the artifact")
    used = {each.rule: each for each in map(report.waiver_of, report.findings) if each is not None}
    decision = Decision(
        model=model,
        version=version,
        aliases=tuple(sorted(set(aliases))),
        artifact=artifact,
        verdict=report.verdict,
        findings=tuple(map(_brief, report.as_json()["findings"])),
        policies=tuple(ref.as_json() for ref in report.policy),
        policy=report.policy_digest,
        release=release,
        audit=report.digest,
        plan=report.plan_digest,
        approvals=tuple(approvals),
        demonstration=report.is_demonstration,
        issued=now.astimezone(UTC).replace(microsecond=0),
        expires=min([now + validity, *(each.until for each in used.values())])
        .astimezone(UTC)
        .replace(microsecond=0),
        waivers=tuple(used[rule] for rule in sorted(used)),
    )
    try:
        return _read(decision.statement())
    except EnvelopeError as error:
        raise ValueError(str(error)) from error


_BRIEF: Final = (
    "rule", "direction", "tier", "verdict", "families", "violations", "abstentions", "missing",
    "low", "high", "limit", "confidence", "grade", "reasons",
)  # fmt: skip


def _brief(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {name: finding[name] for name in _BRIEF}


def _read(statement: Statement) -> Decision:
    if statement.predicate_type not in {PREDICATE_TYPE, WAIVING_TYPE}:
        raise EnvelopeError(f"not a promotion decision: {statement.predicate_type!r}")
    fields = dict(statement.predicate)
    names = set(Decision.__dataclass_fields__)
    if statement.predicate_type == PREDICATE_TYPE:
        names.remove("waivers")
    if fields.keys() != names:
        odd = ", ".join(sorted(fields.keys() ^ names))
        raise EnvelopeError(f"decision: fields missing or unknown: {odd}")
    _check_words(fields)
    issued, expires = (parse_instant(fields[name], f"decision: {name}") for name in ("issued", "expires"))
    if issued >= expires:
        raise EnvelopeError("decision: expires before it is issued")
    decision = Decision(
        model=fields["model"],
        version=fields["version"],
        aliases=tuple(fields["aliases"]),
        artifact=fields["artifact"],
        verdict=Verdict(fields["verdict"]),
        findings=_rows(fields["findings"], "findings", set(_BRIEF)),
        policies=_rows(fields["policies"], "policies", {"id", "version", "digest", "tier"}),
        policy=fields["policy"],
        release=fields["release"],
        audit=fields["audit"],
        plan=fields["plan"],
        approvals=_approvals(fields["approvals"]),
        demonstration=fields["demonstration"],
        issued=issued,
        expires=expires,
        waivers=read_waived(fields["waivers"]) if "waivers" in fields else (),
    )
    _check_whole(decision, statement)
    return decision


def _check_words(fields: Mapping[str, Any]) -> None:
    for name in ("model", "version"):
        if not isinstance(fields[name], str) or not fields[name]:
            raise EnvelopeError(f"decision: {name} is empty")
    for name in ("artifact", "policy", "audit", "plan"):
        if not is_digest(fields[name]):
            raise EnvelopeError(f"decision: {name} is not a digest")
    if fields["release"] is not None and not is_digest(fields["release"]):
        raise EnvelopeError("decision: release is neither null nor a digest")
    aliases = fields["aliases"]
    if (
        not isinstance(aliases, list)
        or not aliases
        or not all(isinstance(name, str) and name for name in aliases)
    ):
        raise EnvelopeError("decision: aliases are a list of names, at least one")
    if not _is_verdict(fields["verdict"]):
        raise EnvelopeError("decision: unknown verdict")
    if not isinstance(fields["demonstration"], bool):
        raise EnvelopeError("decision: demonstration is true or false")


def _check_whole(decision: Decision, statement: Statement) -> None:
    name = f"models:/{decision.model}/{decision.version}"
    if statement.subject != name or f"sha256:{statement.sha256}" != decision.artifact:
        raise EnvelopeError("decision: the statement's subject is not the version it decides about")
    for finding in decision.findings:
        if (
            not _is_verdict(finding["verdict"])
            or not isinstance(finding["reasons"], list)
            or not finding["reasons"]
        ):
            raise EnvelopeError("decision: a finding has a verdict and reasons")
    if any(each.until < decision.expires for each in decision.waivers):
        raise EnvelopeError("decision: it lives longer than a waiver that it rests on")
    if not all(is_digest(policy["digest"]) for policy in decision.policies):
        raise EnvelopeError("decision: a policy's digest is not a digest")


def _is_verdict(word: object) -> bool:
    return isinstance(word, str) and word in set(Verdict)


def _rows(value: Any, what: str, names: set[str]) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not value:
        raise EnvelopeError(f"decision: {what} are empty")
    for row in value:
        if not isinstance(row, dict) or set(row) != names:
            raise EnvelopeError(f"decision: a row of {what} has {', '.join(sorted(names))}")
    return tuple(value)


def _approvals(value: Any) -> tuple[Approval, ...]:
    if not isinstance(value, list):
        raise EnvelopeError("decision: approvals are a list")
    found = []
    for row in value:
        if (
            not isinstance(row, dict)
            or set(row) != {"roles", "threshold"}
            or not isinstance(row["roles"], list)
            or not row["roles"]
            or not all(isinstance(role, str) and role for role in row["roles"])
            or type(row["threshold"]) is not int
            or row["threshold"] < 1
        ):
            raise EnvelopeError("decision: an approval has roles and a threshold of at least 1")
        found.append(Approval(roles=frozenset(row["roles"]), threshold=row["threshold"]))
    return tuple(found)
