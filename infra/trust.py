"""The trust in force: ``trust.json`` beside the keys, held to what the log knows of it.

A data folder without one gets a first version of its own: its auditor's key, its log's key, and a keeper who may
change the file. From then on only what the versions themselves demand changes it, and the file must reach the
newest version that the log holds: one that was set back or replaced is refused.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from governance.decision import Approval
from governance.digest import digest_bytes
from governance.errors import OutsideError, RefusedError
from governance.log.entry import Kind
from governance.log.note import Verifier
from governance.promotion import AUDITOR
from governance.provenance import Envelope, EnvelopeError, Trust, pae
from governance.trust import (
    KEEPER,
    REVOCATION_TYPE,
    TRUST_TYPE,
    Revocation,
    TrustVersion,
    chain_bytes,
    envelopes_of,
    open_chain,
    open_revocation,
)
from infra import log
from infra.database import Database
from infra.settings import Settings
from infra.signing import SigningKey, load_or_create_key
from infra.tables.decisions import REVOCATIONS

__all__ = [
    "add_version",
    "current_trust",
    "first_version",
    "log_verifier",
    "newest_version",
    "revocation_of",
    "revocations",
    "revoke",
    "sign_payload",
    "start_chain",
    "trust_file",
]

LOG_ROLE: Final = "log"
_YEARS: Final = timedelta(days=5 * 365)


def trust_file(settings: Settings) -> Path:
    """Where the trust of a data folder lies."""
    return settings.keys_folder / "trust.json"


def log_verifier(settings: Settings) -> Verifier:
    """The verifier key of the platform's own log; its name is that of the settings or made of the key."""
    key = load_or_create_key(settings.keys_folder, LOG_ROLE)
    return Verifier(
        name=settings.log_origin or f"bounds-log/{key.id.removeprefix('ed25519:')[:16]}",
        public_key=key.public_key,
    )


def sign_payload(payload: bytes, payload_type: str, keys: Sequence[SigningKey]) -> bytes:
    """An envelope of any payload type with the signatures of these keys."""
    message = pae(payload_type, payload)
    signatures = tuple((key.id, key.private.sign(message)) for key in {key.id: key for key in keys}.values())
    return Envelope(payload_type=payload_type, payload=payload, signatures=signatures).to_bytes()


def first_version(settings: Settings, at: datetime) -> TrustVersion:
    """What a data folder of its own trusts: its auditor, its keeper, its log, for five years."""
    begin = at.replace(microsecond=0) - timedelta(days=1)
    keys = [
        load_or_create_key(settings.keys_folder, role).trusted(
            person=person, not_before=begin, not_after=begin + _YEARS
        )
        for role, person in ((AUDITOR, "embedded auditor"), (KEEPER, "embedded keeper"))
    ]
    return TrustVersion(
        serial=1,
        previous=None,
        issued=begin + timedelta(days=1),
        trust=Trust(keys=tuple(keys)),
        change=Approval(roles=frozenset({KEEPER}), threshold=1),
        log=log_verifier(settings),
    )


def start_chain(settings: Settings, db: Database, envelope: bytes, now: datetime) -> TrustVersion:
    """Make a signed first version the trust of a data folder that has none.

    Raises:
        RefusedError: There is a trust already, or the version is not signed as it demands itself.
    """
    what = f"a first trust for {settings.home}"
    try:
        version = TrustVersion.parse(Envelope.parse(envelope).payload)
        open_chain(chain_bytes([envelope]), pinned=version.digest)
    except EnvelopeError as error:
        raise RefusedError(what, [str(error)]) from error
    if log.entries(db, kinds=[Kind.TRUST]) or not _write(
        trust_file(settings), chain_bytes([envelope]), new=True
    ):
        raise RefusedError(what, ["there is one already; change it by its own keepers"])
    return newest_version(settings, db, now)


def newest_version(settings: Settings, db: Database, now: datetime) -> TrustVersion:
    """The newest version of the trust file, verified and in the log.

    Raises:
        RefusedError: The file was replaced, set back, or changed by others than its keepers.
        OutsideError: It is gone, although the log knows one.
    """
    known = [str(entry.body["digest"]) for _, entry in log.entries(db, kinds=[Kind.TRUST])]
    path = trust_file(settings)
    if not path.exists():
        if known or settings.trust:
            raise OutsideError(
                f"{path}: gone; the log knows version {known[-1] if known else settings.trust}"
            )
        first = first_version(settings, now)
        keeper = load_or_create_key(settings.keys_folder, KEEPER)
        _write(path, chain_bytes([sign_payload(first.payload(), TRUST_TYPE, [keeper])]), new=True)
    try:
        data = path.read_bytes()
        pinned = settings.trust or (known[0] if known else _first(data))
        chain = open_chain(data, pinned=pinned, at_least=known[-1] if known else None)
    except OSError as error:
        raise OutsideError(f"{path}: cannot be read: {error.strerror}") from error
    except EnvelopeError as error:
        raise RefusedError(f"the trust in {path}", [str(error)]) from error
    for before, version in zip([None, *chain], chain, strict=False):
        if version.digest not in known:
            trust = (Kind.TRUST, {"serial": version.serial, "digest": version.digest})
            log.append_all(db, [trust, *_key_events(before, version)], now)
    return chain[-1]


def _key_events(before: TrustVersion | None, version: TrustVersion) -> list[tuple[Kind, Mapping[str, Any]]]:
    """Which keys came, went, or were taken back with a version; of the pinned one, which there are."""
    old = {key.id for key in before.trust.keys} if before else set()
    new = {key.id for key in version.trust.keys}
    gone = version.trust.revoked - (before.trust.revoked if before else frozenset())
    events = [("added", new - old), ("removed", old - new), ("revoked", gone)]
    return [
        (Kind.KEY, {"keyid": keyid, "event": event, "trust": version.digest})
        for event, keyids in events
        for keyid in sorted(keyids)
    ]


def current_trust(settings: Settings, db: Database, now: datetime) -> Trust:
    """Whose signatures count now: the newest version, without the keys taken back since."""
    return newest_version(settings, db, now).with_revoked(revocations(db))


def add_version(settings: Settings, db: Database, envelope: bytes, now: datetime) -> TrustVersion:
    """Put a signed next version into force.

    Raises:
        RefusedError: It does not follow the newest one, or too few of its keepers signed.
    """
    newest = newest_version(settings, db, now)
    path = trust_file(settings)
    before = envelopes_of(path.read_bytes())
    if any(Envelope.parse(each).payload == Envelope.parse(envelope).payload for each in before):
        return newest
    data = chain_bytes([*before, envelope])
    try:
        open_chain(data, pinned=newest.digest)
    except EnvelopeError as error:
        raise RefusedError("the next version of the trust", [str(error)]) from error
    _write(path, data, new=False)
    return newest_version(settings, db, now)


def revoke(settings: Settings, db: Database, envelope: bytes, now: datetime) -> Revocation:
    """Take a key back at once; in the log for good.

    Raises:
        RefusedError: Neither a keeper nor the key's own person signed.
    """
    try:
        found = open_revocation(envelope, version=newest_version(settings, db, now))
    except EnvelopeError as error:
        raise RefusedError("the revocation", [str(error)]) from error
    with db.write() as connection:
        row = {"keyid": found.keyid, "envelope": envelope.decode(), "at": now}
        db.insert_new(connection, REVOCATIONS, [row])
        body = {"keyid": found.keyid, "revocation": digest_bytes(envelope)}
        log.append_within(connection, [(Kind.REVOCATION, body)], now)
    return found


def revocations(db: Database) -> dict[str, bytes]:
    """Key id → envelope of every key taken back; a removed row is missed by the log, which has the last word.

    Raises:
        OutsideError: The log knows a revocation that is not in the table.
    """
    with db.read() as connection:
        rows = {
            row.keyid: row.envelope.encode()
            for row in connection.execute(select(REVOCATIONS.c.keyid, REVOCATIONS.c.envelope))
        }
    logged = {str(entry.body["keyid"]) for _, entry in log.entries(db, kinds=[Kind.REVOCATION])}
    if gone := sorted(logged - rows.keys()):
        raise OutsideError(f"revocations were removed from the database: {', '.join(gone)}")
    return rows


def revocation_of(keyid: str, key: SigningKey, now: datetime) -> bytes:
    """A signed revocation of a key."""
    return sign_payload(Revocation(keyid=keyid, issued=now).payload(), REVOCATION_TYPE, [key])


def _first(data: bytes) -> str:
    return TrustVersion.parse(Envelope.parse(envelopes_of(data)[0]).payload).digest


def _write(path: Path, data: bytes, *, new: bool) -> bool:
    """Write a file whole or not at all; where it must be new, False if somebody was first."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(prefix=".trust.", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if not new:
            Path(temporary).replace(path)
            return True
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        finally:
            Path(temporary).unlink()
    except OSError as error:
        raise OutsideError(f"{path}: cannot be written: {error.strerror}") from error
    return True
