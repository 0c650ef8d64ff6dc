"""The folder through which the platform tells its registries: written by the platform, read by MLflow's host.

::

    terms.json             the newest terms, signed by the publisher; replaced in one step, last
    trust/<hex>.json       the chain of trust.json up to the version that terms name
    decisions/<hex>.json   envelopes of decisions, by digest
    inclusions/<hex>.json  a checkpoint of the log, and proofs that these decisions stand in it

Everything beside ``terms.json`` is named by a digest that it is held to, so whoever can only write here can take away (and is
then refused everything) but not put in another's place.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from governance.digest import digest_bytes
from governance.errors import InputError, OutsideError
from governance.gate import Terms, open_terms, publisher_trust
from governance.provenance import EnvelopeError
from governance.trust import TrustVersion, open_chain
from infra.signing import SigningKey, sign

__all__ = ["TERMS_FILE", "publish", "read_decision", "read_envelope", "read_inclusions", "read_trust"]

TERMS_FILE: Final = "terms.json"
_LARGEST: Final = 16 * 2**20


def publish(
    folder: Path,
    terms: Terms,
    *,
    chain: bytes,
    envelopes: Mapping[str, bytes],
    inclusions: Callable[[], bytes],
    key: SigningKey,
    now: datetime,
    validity: timedelta,
) -> Terms:
    """Publish terms, if they say anything new or the old ones have run for a quarter of their time.

    Killed at any point and run again, the result is the same: what terms name is written before them.

    Args:
        folder: The folder; made if it is not there.
        terms: What they shall say; number, times and inclusions are set here.
        chain: The trust file up to the version that they name.
        envelopes: For each digest that they name, the bytes.
        inclusions: Makes what shows that these stand in the log; asked only if anything is published.
        key: The publisher's.
        now: When.
        validity: How long they hold.

    Raises:
        InputError: No gate could read the terms.
    """
    moment = now.replace(microsecond=0)
    with _written(folder):
        before = _current(folder, key, now)
        if before and before.content == terms.content and moment - before.issued < validity / 4:
            return before
        # From the time, so that a lost folder does not begin at 1 again and shut every gate that remembers.
        number = max(int(moment.timestamp()), before.sequence + 1 if before else 1)
        shown = inclusions()
        fresh = replace(
            terms,
            sequence=number,
            inclusions=digest_bytes(shown),
            issued=moment,
            expires=moment + validity,
        )
        _keep(folder / "inclusions" / _name(fresh.inclusions), shown)
        _keep(folder / "trust" / _name(terms.trust), chain)
        for name, data in envelopes.items():
            _keep(folder / "decisions" / _name(name), data)
        envelope = sign(fresh.statement(), key)
        try:
            open_terms(envelope, publisher=publisher_trust(key.public_key), now=now)
        except EnvelopeError as error:
            raise InputError(f"terms that no gate could read: {error}", file=str(folder)) from error
        _replace(folder / TERMS_FILE, envelope)
        _forget(folder / "inclusions", {fresh.inclusions} | ({before.inclusions} if before else set()))
        return fresh


def read_envelope(folder: Path) -> bytes:
    """The bytes of the newest terms.

    Raises:
        OutsideError: There are none to read.
    """
    return _read(folder / TERMS_FILE)


def read_decision(folder: Path, named: str) -> bytes | None:
    """The envelope of that digest; None where it is not there or is not what its name says."""
    try:
        data = _read(folder / "decisions" / _name(named))
    except OutsideError:
        return None
    return data if digest_bytes(data) == named else None


def read_inclusions(folder: Path, named: str) -> bytes:
    """The inclusions of that digest.

    Raises:
        OutsideError: They are not there, or are not what their name says.
    """
    path = folder / "inclusions" / _name(named)
    data = _read(path)
    if digest_bytes(data) != named:
        raise OutsideError(f"{path}: not the bytes that the terms name")
    return data


def read_trust(folder: Path, named: str, *, pinned: str) -> TrustVersion:
    """The version of the trust of that digest, reached from the pinned one by its keepers alone.

    Raises:
        OutsideError: It is not there.
        EnvelopeError: The chain does not lead from one to the other.
    """
    chain = open_chain(_read(folder / "trust" / _name(named)), pinned=pinned, at_least=named)
    return next(version for version in chain if version.digest == named)


def _name(named: str) -> str:
    return named.removeprefix("sha256:") + ".json"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise OutsideError(f"{path}: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise OutsideError(f"{path}: larger than {_LARGEST} bytes")
    return data


def _current(folder: Path, key: SigningKey, now: datetime) -> Terms | None:
    try:
        return open_terms(read_envelope(folder), publisher=publisher_trust(key.public_key), now=now)
    except (OutsideError, EnvelopeError):
        return None


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        for part in (folder, folder / "trust", folder / "decisions", folder / "inclusions"):
            part.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
    except OSError as error:
        raise OutsideError(f"{folder}: cannot be published to: {error.strerror}") from error


def _keep(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        _replace(path, data)


def _forget(folder: Path, kept: set[str]) -> None:
    """Remove what older terms named; that of the last ones stays for who is just reading them."""
    names = {_name(named) for named in kept}
    for path in folder.glob("*.json"):
        if path.name not in names:
            path.unlink(missing_ok=True)


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
