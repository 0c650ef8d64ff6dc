"""Who may sign as what, as a signed file that only the previous version's keepers can change.

``trust.json`` is a chain of versions, each in a DSSE envelope of its own payload type. Version n + 1 counts when so
many different persons as version n demands signed it, and as many as it demands itself: a replaced, forged or
shortened chain is refused by whoever pinned the digest of one version and remembers the newest seen. The first
version (or the pinned one) is believed because its digest is pinned; nothing else makes it true.

A key that is lost or stolen is revoked in a new version, or at once by one keeper or the key's own person
(:func:`open_revocation`); both stand in the log, so that taking a revocation back is seen.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from governance.decision import Approval, parse_instant, stamp
from governance.digest import canonical, digest_bytes, is_digest
from governance.log.note import NoteError, Verifier
from governance.provenance import Envelope, EnvelopeError, Trust, TrustedKey

__all__ = [
    "CHAIN_FORMAT",
    "KEEPER",
    "REVOCATION_TYPE",
    "TRUST_TYPE",
    "Revocation",
    "TrustVersion",
    "chain_bytes",
    "envelopes_of",
    "open_chain",
    "open_revocation",
    "persons_signed",
]

KEEPER: Final = "trust-keeper"
TRUST_TYPE: Final = "application/vnd.bounds.trust+json"
REVOCATION_TYPE: Final = "application/vnd.bounds.revocation+json"
CHAIN_FORMAT: Final = "bounds-trust-chain/1"
FORMAT: Final = "bounds-trust/2"
_FIELDS: Final = frozenset(
    {"format", "serial", "previous", "issued", "keys", "change", "revoked", "log", "witnesses", "quorum"}
)
_LARGEST: Final = 4 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustVersion:
    """One version of the trust file.

    Attributes:
        serial: 1, 2, 3, …
        previous: Digest of the version before; None for the first.
        issued: When it was made; signatures on it are judged at this instant.
        keys: The keys that count, and those revoked (``trust.revoked``).
        change: How many persons of which roles must sign the next version.
        log: The log's verifier key; None where no log is demanded.
        witnesses: Verifier keys of those who watch the log; ``quorum`` of them must have seen a checkpoint.
    """

    serial: int
    previous: str | None
    issued: datetime
    trust: Trust
    change: Approval
    log: Verifier | None = None
    witnesses: tuple[Verifier, ...] = ()
    quorum: int = 0

    @property
    def digest(self) -> str:
        """Digest of what is signed: the name under which a version is pinned."""
        return digest_bytes(self.payload())

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        plain = self.trust.as_json()
        return canonical(
            {
                "format": FORMAT,
                "serial": self.serial,
                "previous": self.previous,
                "issued": stamp(self.issued),
                "keys": plain["keys"],
                "revoked": plain["revoked"],
                "change": self.change.as_json(),
                "log": str(self.log) if self.log else None,
                "witnesses": sorted(map(str, self.witnesses)),
                "quorum": self.quorum,
            }
        )

    def with_revoked(self, keyids: Iterable[str]) -> Trust:
        """The trust in force, with what was revoked since this version was signed."""
        return replace(self.trust, revoked=self.trust.revoked | frozenset(keyids))

    @classmethod
    def parse(cls, payload: bytes) -> TrustVersion:
        """The version in these bytes.

        Raises:
            EnvelopeError: Any field is missing, unknown, empty or wrong.
        """
        value = _json(payload, "trust")
        if not isinstance(value, dict) or value.keys() != _FIELDS or value["format"] != FORMAT:
            raise EnvelopeError(f"trust: not {FORMAT} with {', '.join(sorted(_FIELDS))}")
        if type(value["serial"]) is not int or value["serial"] < 1:
            raise EnvelopeError("trust: serial is a number from 1")
        if value["previous"] is None if value["serial"] > 1 else value["previous"] is not None:
            raise EnvelopeError("trust: the first version has no previous one, every other has")
        if value["previous"] is not None and not is_digest(value["previous"]):
            raise EnvelopeError("trust: previous is not a digest")
        if not all(map(_is_keyid, _list(value["revoked"], "revoked"))):
            raise EnvelopeError("trust: revoked is a list of key ids")
        trust = Trust.from_json(
            {"format": "bounds-trust/1", "keys": value["keys"], "revoked": value["revoked"]}
        )
        found = cls(
            serial=value["serial"],
            previous=value["previous"],
            issued=parse_instant(value["issued"], "trust: issued"),
            trust=trust,
            change=_change(value["change"], trust),
            log=_verifier(value["log"]) if value["log"] is not None else None,
            witnesses=tuple(map(_verifier, _list(value["witnesses"], "witnesses"))),
            quorum=value["quorum"],
        )
        if type(found.quorum) is not int or not 0 <= found.quorum <= len(found.witnesses):
            raise EnvelopeError("trust: quorum is between 0 and the number of witnesses")
        if found.payload() != payload:
            raise EnvelopeError("trust: not in its one byte form (RFC 8785)")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """That a key counts no longer, by whom and since when it was said."""

    keyid: str
    issued: datetime

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return canonical({"format": "bounds-revocation/1", "keyid": self.keyid, "issued": stamp(self.issued)})


def chain_bytes(envelopes: Sequence[bytes]) -> bytes:
    """The file that holds these versions, oldest first."""
    return canonical({"format": CHAIN_FORMAT, "chain": [json.loads(each) for each in envelopes]})


def envelopes_of(data: bytes) -> list[bytes]:
    """The envelopes of a trust file, oldest first; nothing is verified yet.

    Raises:
        EnvelopeError: The bytes are no trust file.
    """
    value = _json(data, "trust file")
    if not isinstance(value, dict) or value.keys() != {"format", "chain"}:
        raise EnvelopeError("trust file: format and chain are needed, nothing else")
    if value["format"] != CHAIN_FORMAT or not isinstance(value["chain"], list) or not value["chain"]:
        raise EnvelopeError(f"trust file: not {CHAIN_FORMAT} with at least one version")
    return [canonical(each) for each in value["chain"]]


def open_chain(data: bytes, *, pinned: str, at_least: str | None = None) -> list[TrustVersion]:
    """The versions of a trust file from the pinned one on, each signed as the one before it demands.

    Args:
        data: The file.
        pinned: Digest of the version that is believed.
        at_least: Digest of the newest version known; a file that does not reach it is older than that.

    Raises:
        EnvelopeError: With the reason.
    """
    found: list[TrustVersion] = []
    for data_ in envelopes_of(data):
        envelope = Envelope.parse(data_)
        if envelope.payload_type != TRUST_TYPE:
            raise EnvelopeError(f"trust: unknown payloadType {envelope.payload_type!r}")
        version = TrustVersion.parse(envelope.payload)
        if not found and version.digest != pinned:
            continue
        _check_link(version, envelope, found[-1] if found else None)
        found.append(version)
    if not found:
        raise EnvelopeError(f"trust: the pinned version {pinned} is not in the file: it was replaced")
    if at_least is not None and at_least not in {version.digest for version in found}:
        raise EnvelopeError(f"trust: the file does not reach version {at_least}: it was set back or replaced")
    return found


def _check_link(version: TrustVersion, envelope: Envelope, before: TrustVersion | None) -> None:
    what = f"trust version {version.serial}"
    if before is not None:
        if version.serial != before.serial + 1 or version.previous != before.digest:
            raise EnvelopeError(f"{what}: does not follow version {before.serial}")
        if version.issued < before.issued:
            raise EnvelopeError(f"{what}: issued before version {before.serial}")
    _check_signatures(version, envelope, before)
    for each in (before, version):
        if each is None:
            continue
        # A key that the new version revokes does not help to make it.
        trust = each.with_revoked(version.trust.revoked)
        signed = persons_signed(envelope, trust, at=version.issued, roles=each.change.roles)
        if len(signed) < each.change.threshold:
            roles = " or ".join(sorted(each.change.roles))
            raise EnvelopeError(
                f"{what}: {len(signed)} of {each.change.threshold} signatures by {roles} of version {each.serial}"
            )


def _check_signatures(version: TrustVersion, envelope: Envelope, before: TrustVersion | None) -> None:
    """Every signature is by a key of one of the two versions and right; an odd one is no ornament."""
    if before is None and version.serial > 1:
        return  # pinned in the middle: keys of the version before it are not known here
    known = {key.id: key for each in (before, version) if each for key in each.trust.keys}
    begin = min(key.not_before for key in known.values())
    end = max(key.not_after for key in known.values())
    keys = tuple(replace(key, not_before=begin, not_after=end) for key in known.values())
    try:
        envelope.signers(Trust(keys=keys), now=begin)
    except EnvelopeError as error:
        raise EnvelopeError(f"trust version {version.serial}: {error}") from error


def persons_signed(
    envelope: Envelope, trust: Trust, *, at: datetime, roles: Collection[str]
) -> dict[str, TrustedKey]:
    """Person → key of those in these roles whose signature on the envelope is right and whose key counted then.

    Signatures that do not count are passed over: they are no reason for and none against.
    """
    found: dict[str, TrustedKey] = {}
    for keyid, signature in envelope.signatures:
        single = replace(envelope, signatures=((keyid, signature),))
        try:
            [key] = single.signers(trust, now=at)
        except EnvelopeError:
            continue
        if key.roles & frozenset(roles):
            found[key.person] = key
    return found


def open_revocation(data: bytes, *, version: TrustVersion) -> Revocation:
    """The revocation in an envelope, once a keeper or the key's own person signed it.

    Raises:
        EnvelopeError: With the reason.
    """
    envelope = Envelope.parse(data)
    if envelope.payload_type != REVOCATION_TYPE:
        raise EnvelopeError(f"revocation: unknown payloadType {envelope.payload_type!r}")
    value = _json(envelope.payload, "revocation")
    if (
        not isinstance(value, dict)
        or value.keys() != {"format", "keyid", "issued"}
        or not _is_keyid(value["keyid"])
    ):
        raise EnvelopeError("revocation: format, keyid and issued are needed, nothing else")
    found = Revocation(keyid=value["keyid"], issued=parse_instant(value["issued"], "revocation: issued"))
    if found.payload() != envelope.payload:
        raise EnvelopeError("revocation: not in its one byte form")
    key = version.trust.key(found.keyid)
    everybody = {role for each in version.trust.keys for role in each.roles}
    signed = persons_signed(envelope, version.trust, at=found.issued, roles=everybody)
    if not any(
        by.roles & version.change.roles or (key and by.person == key.person) for by in signed.values()
    ):
        raise EnvelopeError("revocation: neither a keeper nor the key's own person signed it")
    return found


def _change(value: Any, trust: Trust) -> Approval:
    if not isinstance(value, Mapping) or value.keys() != {"roles", "threshold"}:
        raise EnvelopeError("trust: change has roles and threshold")
    roles = value["roles"]
    if not isinstance(roles, list) or not roles or not all(isinstance(role, str) and role for role in roles):
        raise EnvelopeError("trust: change names at least one role")
    if type(value["threshold"]) is not int or value["threshold"] < 1:
        raise EnvelopeError("trust: change needs a threshold of at least 1")
    able = {key.person for key in trust.keys if key.roles & set(roles) and key.id not in trust.revoked}
    if len(able) < value["threshold"]:
        raise EnvelopeError(
            "trust: fewer persons may change it than its threshold demands: nobody ever could"
        )
    return Approval(roles=frozenset(roles), threshold=value["threshold"])


def _is_keyid(text: Any) -> bool:
    return (
        isinstance(text, str)
        and is_digest("sha256:" + text.removeprefix("ed25519:"))
        and text[:8] == "ed25519:"
    )


def _verifier(text: Any) -> Verifier:
    try:
        return Verifier.parse(str(text))
    except NoteError as error:
        raise EnvelopeError(f"trust: {error}") from error


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list) or len(set(map(str, value))) != len(value):
        raise EnvelopeError(f"trust: {what} is a list without repetitions")
    return value


def _json(data: bytes, what: str) -> Any:
    if len(data) > _LARGEST:
        raise EnvelopeError(f"{what}: larger than {_LARGEST} bytes")
    try:
        value = json.loads(data)
        form = canonical(value)
    except (ValueError, RecursionError, UnicodeDecodeError) as error:
        raise EnvelopeError(f"{what}: not canonical JSON") from error
    if form != data:
        raise EnvelopeError(f"{what}: not in its one byte form (RFC 8785)")
    return value
