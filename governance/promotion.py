"""Promotion: whether signed bytes allow one alias on one model version now.

:func:`verify_decision` answers with every reason why not; :func:`require_decision` raises instead.
INVARIANT: what is missing, unknown, empty, expired, not yet valid, about another subject or by another key
is refused. The bytes are judged alone, at one reference time; nothing else is read.

:func:`~governance.decision.decide` makes the decision of a report; what it holds is in :mod:`governance.decision`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from governance.audit.statistics import Verdict
from governance.counted import finding_sentence
from governance.decision import PREDICATE_TYPE, Approval, Decision, decide, stamp
from governance.digest import is_digest
from governance.errors import RefusedError
from governance.provenance import EnvelopeError, Trust, TrustedKey, open_envelope
from governance.wording import many

__all__ = [
    "AUDITOR",
    "PREDICATE_TYPE",
    "Approval",
    "Decision",
    "Verification",
    "decide",
    "require_decision",
    "verify_decision",
]

AUDITOR: Final = "auditor"
_CLOCK_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether a decision allows what was asked, and every reason why not.

    INVARIANT: true only with a decision and without any reason.
    """

    decision: Decision | None
    signers: tuple[TrustedKey, ...]
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.decision is not None and not self.reasons


def verify_decision(
    envelope: bytes,
    *,
    trust: Trust,
    model: str,
    version: str,
    artifact: str,
    alias: str,
    policies: Collection[str],
    now: datetime,
    approvals: Sequence[Approval] = (),
    accept_demonstration: bool = False,
) -> Verification:
    """Whether these bytes allow ``alias`` on this version now.

    Args:
        envelope: The signed bytes as stored.
        trust: Whose signatures count as what.
        model: Registered model the alias is to be set on.
        version: Version it is to name.
        artifact: Digest of that version's files as they are now.
        alias: The alias; names are compared without case, as MLflow does.
        policies: Digests of the policy documents in force now; the decision must have been made under
            exactly these.
        now: The one reference time.
        approvals: What the policy in force asks for beside the auditor; the decision's own demands hold too.
        accept_demonstration: Whether a decision on simulated evidence may do.
    """
    if now.tzinfo is None:
        return Verification(decision=None, signers=(), reasons=("the reference time has no offset",))
    try:
        statement, signers = open_envelope(envelope, trust=trust, now=now, roles=(AUDITOR,))
        decision = Decision.from_statement(statement)
    except EnvelopeError as error:
        return Verification(decision=None, signers=(), reasons=(str(error),))
    reasons = [
        *_subject(decision, model=model, version=version, artifact=artifact, alias=alias),
        *_policies(decision, policies),
        *_times(decision, signers, now),
        *_verdict(decision, accept_demonstration=accept_demonstration),
        *_approved(signers, (*approvals, *decision.approvals)),
    ]
    return Verification(decision=decision, signers=signers, reasons=tuple(dict.fromkeys(reasons)))


def require_decision(
    envelope: bytes | None, *, trust: Trust, alias: str, model: str, version: str, **asked: Any
) -> Decision:
    """The decision that allows ``alias``; ``asked`` as for :func:`verify_decision`.

    Raises:
        RefusedError: With every reason; also where there is no envelope at all.
    """
    what = f"alias {alias!r} on {model} version {version}"
    if envelope is None:
        raise RefusedError(what, ["there is no signed decision about this version"])
    verification = verify_decision(envelope, trust=trust, alias=alias, model=model, version=version, **asked)
    if not verification or verification.decision is None:
        raise RefusedError(what, verification.reasons)
    return verification.decision


def _subject(decision: Decision, *, model: str, version: str, artifact: str, alias: str) -> Iterable[str]:
    if not model or decision.model != model:
        yield f"the decision is about the model {decision.model!r}, not {model!r}"
    if not version or decision.version != version:
        yield f"the decision is about version {decision.version}, not {version}"
    if not is_digest(artifact) or decision.artifact != artifact:
        yield "the version's files are not those that were audited"
    if not alias or alias.casefold() not in {good.casefold() for good in decision.aliases}:
        yield f"the decision is good for {', '.join(decision.aliases)}, not for {alias!r}"


def _policies(decision: Decision, policies: Collection[str]) -> Iterable[str]:
    if not policies:
        yield "no policy is in force, so nothing can have been passed"
    now, then = set(policies), decision.policy_digests
    for policy in decision.policies:
        if policy["digest"] not in now:
            yield f"made under {policy['id']} {policy['version']}, which is not in force in that wording"
    if missing := len(now - then):
        yield f"{many(missing, 'policy document in force was', 'policy documents in force were')} not audited"


def _times(decision: Decision, signers: Sequence[TrustedKey], now: datetime) -> Iterable[str]:
    if now < decision.issued - _CLOCK_SKEW:
        yield f"the decision is not yet valid: issued {stamp(decision.issued)}"
    if now >= decision.expires:
        yield f"the decision expired {stamp(decision.expires)}"
    for key in signers:
        if not key.is_valid(decision.issued):
            yield f"the key of {key.person} was not valid when the decision was issued"


def _verdict(decision: Decision, *, accept_demonstration: bool) -> Iterable[str]:
    if decision.verdict is not Verdict.PASS:
        yield f"the verdict is {decision.verdict}"
    for finding in sorted(decision.findings, key=lambda each: Verdict(each["verdict"]).place):
        if finding["verdict"] != Verdict.PASS and decision.waived(finding) is None:
            yield finding_sentence(
                finding["rule"], finding["direction"], finding["verdict"], finding["reasons"]
            )
    if decision.demonstration and not accept_demonstration:
        yield "the decision rests on a demonstration policy with simulated evidence"


def _approved(signers: Sequence[TrustedKey], approvals: Sequence[Approval]) -> Iterable[str]:
    """Persons count, not keys; the auditor's own signature never counts as an approval."""
    auditors = {key.person for key in signers if AUDITOR in key.roles}
    for approval in approvals:
        persons = {key.person for key in signers if key.roles & approval.roles} - auditors
        if not approval.roles or approval.threshold < 1:
            yield "an approval without roles or threshold can never be met"
        elif len(persons) < approval.threshold:
            roles = " or ".join(sorted(approval.roles))
            yield f"{len(persons)} of {approval.threshold} approvals by {roles}"
