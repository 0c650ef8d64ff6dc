"""Judging what a log says: trust, decisions, approvals and promotions, replayed in order from files alone.

Every object that an entry names by its digest is asked for; every decision is opened with the trust it was made
under; every promotion is judged again with the approvals and revocations that stood in the log before it. What
cannot be judged later is said in :data:`NOT_JUDGED`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from governance.digest import digest_bytes
from governance.instants import stamp
from governance.log.check import LogFiles
from governance.log.entry import Entry, Kind
from governance.log.reread import Entries
from governance.promotion import AUDITOR, Decision, verify_decision
from governance.provenance import Envelope, EnvelopeError, Statement
from governance.tiers import Tier
from governance.trust import TrustVersion, open_chain, open_revocation
from governance.waiver import Waiver, open_waiver
from governance.wording import many

__all__ = ["NOT_JUDGED", "Record", "check_record", "inspect_decision", "standing"]

NOT_JUDGED: Final = (
    "whether the policy documents named by a decision were all that was in force when an alias moved",
    "whether an act was left out that never reached the log",
    "whether times are right beyond their order",
)

Objects = Callable[[str], bytes | None]


@dataclass(slots=True, kw_only=True)
class Record:
    """The log's meaning as far as it was read: statement digest → decision, with the approvals given so far."""

    chain: list[TrustVersion] = field(default_factory=list)
    decisions: dict[str, bytes] = field(default_factory=dict)
    by_envelope: dict[str, str] = field(default_factory=dict)
    approvals: dict[str, list[bytes]] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    waivers: dict[str, Waiver] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)


def check_record(found: LogFiles, objects: Objects, *, trust: bytes, pinned: str) -> Record:
    """Judge what the entries say; the checks are added to ``found``.

    Args:
        found: The log as :func:`governance.log.check.check_log` read it.
        objects: Bytes by their digest, None where they are not there.
        trust: The trust file.
        pinned: Digest of the trust version that the reader believes.
    """
    record = Record()
    logged = [str(entry.body.get("digest")) for _, entry in found.entries.of([Kind.TRUST])]
    try:
        record.chain = open_chain(trust, pinned=pinned, at_least=logged[-1] if logged else None)
    except EnvelopeError as error:
        found.add(f"trust from the pinned version {pinned} on", [f"trust.json: {error}"])
        return record
    unlogged = [v.serial for v in record.chain if v.digest not in logged]
    found.add(
        f"trust: {many(len(record.chain), 'version')} from the pinned one on, each signed as the one before demands, each in the log",
        [f"trust.json: version {serial} is not in the log" for serial in unlogged],
    )
    found.add(*_named_objects(found.entries, objects))
    kinds = (Kind.DECISION, Kind.APPROVAL, Kind.WAIVER, Kind.PROMOTION, Kind.REVOCATION)
    counts = dict.fromkeys(kinds, 0)
    faults: list[str] = []
    serial = 0
    versions = {version.digest: version for version in record.chain}
    for at, entry in found.entries.of([Kind.TRUST, *counts]):
        if entry.kind is Kind.TRUST and (version := versions.get(str(entry.body.get("digest")))):
            serial = version.serial
        if entry.kind in counts:
            counts[entry.kind] += 1
            faults += [
                f"entry {at} ({entry.kind}): {reason}"
                for reason in _judge(record, at, entry, objects, serial)
            ]
    what = ", ".join(f"{count} {kind}s" for kind, count in counts.items())
    found.add(f"replayed in order: {what}; every promotion was allowed when it happened", faults)
    return record


def _named_objects(entries: Entries, objects: Objects) -> tuple[str, list[str]]:
    names = {
        Kind.POLICY: ("digest",), Kind.RELEASE: ("digest",), Kind.AUDIT: ("digest",), Kind.DECISION: ("digest",),
        Kind.APPROVAL: ("approval",), Kind.WAIVER: ("waiver",), Kind.REVOCATION: ("revocation",),
    }  # fmt: skip
    faults, count = [], 0
    for at, entry in entries.of(names):
        for name in names[entry.kind]:
            digest = str(entry.body.get(name))
            data = objects(digest)
            count += 1
            if data is None:
                faults.append(
                    f"entry {at} ({entry.kind}): objects/{digest.removeprefix('sha256:')} is missing"
                )
            elif digest_bytes(data) != digest:
                faults.append(
                    f"entry {at} ({entry.kind}): objects/{digest.removeprefix('sha256:')} was changed"
                )
    return f"{many(count, 'object')} named by entries, each with its digest", faults


def _judge(record: Record, at: int, entry: Entry, objects: Objects, serial: int) -> Iterator[str]:
    try:
        if entry.kind is Kind.DECISION:
            yield from _decision(record, at, entry, objects)
        elif entry.kind is Kind.APPROVAL:
            yield from _approval(record, entry, objects)
        elif entry.kind is Kind.WAIVER:
            yield from _waiver(record, entry, objects, serial)
        elif entry.kind is Kind.REVOCATION:
            data = objects(str(entry.body["revocation"])) or b""
            record.revoked.add(open_revocation(data, version=_version(record, serial)).keyid)
        elif entry.body["outcome"] == "promoted":
            yield from _promotion(record, entry, serial)
    except (EnvelopeError, KeyError, StopIteration) as error:
        yield str(error)


def _version(record: Record, serial: int) -> TrustVersion:
    return next((v for v in record.chain if v.serial == serial), record.chain[0])


def _decision(record: Record, at: int, entry: Entry, objects: Objects) -> Iterator[str]:
    data = objects(str(entry.body["digest"])) or b""
    envelope = Envelope.parse(data)
    decision = Decision.from_statement(Statement.parse(envelope.payload))
    statement = digest_bytes(envelope.payload)
    said = {
        "statement": statement,
        "model": decision.model,
        "version": decision.version,
        "verdict": decision.verdict.value,
    }
    for name, value in said.items():
        if entry.body.get(name) != value:
            yield f"says {name} {entry.body.get(name)!r}, the decision {value!r}"
    if not any(_is_signed(envelope, version, decision) for version in record.chain):
        yield "no auditor of any version of the trust signed it"
    for waived in decision.waivers:
        known = record.waivers.get(waived.waiver)
        about = (waived.rule, waived.until, decision.model, decision.version)
        if known is None or (known.rule, known.until, known.model, known.version) != about:
            yield f"rests on a waiver of {waived.rule} that does not stand before it"
        elif known.document not in {p["digest"] for p in decision.policies if p["tier"] == Tier.TWO}:
            yield f"the waiver of {waived.rule} is of another wording than a Tier Two document of the decision"
    record.decisions[statement] = data
    record.by_envelope[str(entry.body["digest"])] = statement
    record.positions[statement] = at


def _is_signed(envelope: Envelope, version: TrustVersion, decision: Decision) -> bool:
    try:
        return any(AUDITOR in key.roles for key in envelope.signers(version.trust, now=decision.issued))
    except EnvelopeError:
        return False


def _approval(record: Record, entry: Entry, objects: Objects) -> Iterator[str]:
    data = objects(str(entry.body["approval"])) or b""
    envelope = Envelope.parse(data)
    statement = digest_bytes(envelope.payload)
    if statement != entry.body["statement"]:
        yield "is of another statement than its entry says"
    if statement not in record.decisions:
        yield "is of no decision that stands before it"
    if [keyid for keyid, _ in envelope.signatures] != [entry.body["keyid"]]:
        yield "is signed by another key than its entry says"
    record.approvals.setdefault(statement, []).append(data)


def _waiver(record: Record, entry: Entry, objects: Objects, serial: int) -> Iterator[str]:
    trust = _version(record, serial).with_revoked(record.revoked)
    digest = str(entry.body["waiver"])
    found, key = open_waiver(objects(digest) or b"", trust=trust, now=entry.at)
    said = {
        "rule": found.rule,
        "document": found.document,
        "model": found.model,
        "version": found.version,
        "keyid": key.id,
        "until": stamp(found.until),
    }
    for name, value in said.items():
        if entry.body.get(name) != value:
            yield f"says {name} {entry.body.get(name)!r}, the waiver {value!r}"
    record.waivers[digest] = found


def _promotion(record: Record, entry: Entry, serial: int) -> Iterator[str]:
    statement = record.by_envelope.get(str(entry.body["decision"]))
    if statement is None:
        yield "rests on no decision that stands before it"
        return
    decision = Decision.from_envelope(record.decisions[statement])
    for name, value in (("model", decision.model), ("version", decision.version)):
        if entry.body.get(name) != value:
            yield f"names the {name} {entry.body.get(name)!r}, its decision {value!r}"
    yield from standing(record, statement, alias=str(entry.body["alias"]), now=entry.at, serial=serial)


def standing(
    record: Record, statement: str, *, alias: str, now: datetime, serial: int | None = None
) -> tuple[str, ...]:
    """Why a decision, with the approvals read so far, does not allow an alias at an instant; empty where it does.

    Args:
        record: What was read.
        statement: Digest of the decision's statement.
        alias: The alias.
        now: The instant.
        serial: Trust version in force then; the newest by default.
    """
    version = record.chain[-1] if serial is None else _version(record, serial)
    trust = version.with_revoked(record.revoked)
    whole = Envelope.parse(record.decisions[statement])
    signatures = dict(whole.signatures)
    for data in record.approvals.get(statement, ()):
        given = Envelope.parse(data)
        try:
            given.signers(trust, now=now)
        except EnvelopeError:
            continue
        signatures.update(given.signatures)
    decision = Decision.from_statement(Statement.parse(whole.payload))
    return verify_decision(
        replace(whole, signatures=tuple(signatures.items())).to_bytes(),
        trust=trust,
        model=decision.model,
        version=decision.version,
        artifact=decision.artifact,
        alias=alias,
        policies=decision.policy_digests,
        accept_demonstration=True,
        now=now,
    ).reasons


def inspect_decision(data: bytes) -> Mapping[str, Any]:
    """The predicate of a decision's envelope, as plain values; nothing is verified here."""
    predicate: Mapping[str, Any] = json.loads(Envelope.parse(data).payload)["predicate"]
    return predicate
