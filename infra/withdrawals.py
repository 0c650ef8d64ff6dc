"""Withdrawals as they are kept: who asked, what was found before anything was erased, the steps, the receipt.

What held a person must be known before it is erased and can no longer be seen afterwards; so it is written
down first, in a row that a killed run leaves to the next one (:mod:`infra.withdrawal_steps`).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from annotation.receipt import Done, Found
from governance.digest import canonical, digest
from governance.errors import InputError
from governance.log.entry import Kind, commitment
from infra.database import Database
from infra.enrolment import WithdrawalRequest, request_withdrawal
from infra.log import append_within
from infra.tables.collected import RAW_EVENTS
from infra.tables.people import ANNOTATORS, PANEL, PROFILES
from infra.tables.withdrawals import ERASED_BATCHES, FLAGGED_RELEASES, WITHDRAWAL_REQUESTS, WITHDRAWALS
from infra.withdrawal_steps import as_done

__all__ = [
    "Withdrawal",
    "add_found",
    "ask",
    "begin",
    "erased_batches",
    "finish",
    "flagged_releases",
    "mark_erased",
    "receipt_commitment",
    "receipt_of",
    "request_of",
    "successors",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A withdrawal as it stands."""

    found: Found
    done: tuple[Done, ...]
    receipt: Mapping[str, Any] | None


def ask(db: Database, site: str, annotator: str, *, via: str, now: datetime) -> WithdrawalRequest:
    """Record that a person wants out and stop serving at once; again gives the first request.

    Unlike the portal's button this also takes people who were never enrolled: those of a trusted panel, and
    those of an imported file.

    Raises:
        InputError: Nobody at the site has this pseudonym.
    """
    if (known := request_of(db, site, annotator)) is not None:
        return known
    with db.read() as connection:
        enrolled, *elsewhere = (
            connection.execute(
                select(func.count())
                .select_from(table)
                .where(table.c.site == site, table.c.annotator == annotator)
            ).scalar_one()
            for table in (ANNOTATORS, RAW_EVENTS, PROFILES, PANEL)
        )
    if enrolled:
        return request_withdrawal(db, site, annotator, via=via, now=now)
    if not any(elsewhere):
        raise InputError("nobody at this site has this pseudonym", field="annotator", value=annotator)
    row: dict[str, Any] = {
        "site": site,
        "annotator": annotator,
        "request": "w-" + secrets.token_hex(12),
        "requested_at": now,
        "via": via,
        "receipt": None,
        "done_at": None,
    }
    with db.write() as connection:
        db.insert_new(connection, WITHDRAWAL_REQUESTS, [row])
    made = request_of(db, site, annotator)
    assert made is not None  # noqa: S101 - it was written above
    return made


def request_of(db: Database, site: str, annotator: str) -> WithdrawalRequest | None:
    """The request of a person; None if they have not asked."""
    here = (WITHDRAWAL_REQUESTS.c.site == site) & (WITHDRAWAL_REQUESTS.c.annotator == annotator)
    with db.read() as connection:
        row = connection.execute(select(WITHDRAWAL_REQUESTS).where(here)).mappings().one_or_none()
    return None if row is None else WithdrawalRequest(**{str(name): value for name, value in row.items()})


def begin(db: Database, request: WithdrawalRequest, *, now: datetime) -> Withdrawal:
    """The withdrawal of a request, begun now or as an earlier run left it."""
    row: dict[str, Any] = {
        "request": request.request,
        "site": request.site,
        "found": asdict(Found()),
        "steps": [],
        "receipt": None,
        "digest": None,
        "begun_at": now,
        "done_at": None,
    }
    with db.write() as connection:
        db.insert_new(connection, WITHDRAWALS, [row])
    return _get(db, request.request)


def add_found(db: Database, request: str, found: Found) -> Found:
    """Write down what holds the person, beside what earlier runs found; all of it."""
    everything = _get(db, request).found.joined(found)
    with db.write() as connection:
        connection.execute(
            update(WITHDRAWALS)
            .where(WITHDRAWALS.c.request == request)
            .values(found={name: list(value) for name, value in asdict(everything).items()})
        )
    return everything


def mark_erased(db: Database, request: str, batch: str, successor: str | None, *, now: datetime) -> None:
    """The bytes of a batch are to go, and what takes its place; the first word on it counts."""
    with db.write() as connection:
        db.insert_new(
            connection,
            ERASED_BATCHES,
            [{"batch": batch, "request": request, "successor": successor, "erased_at": now}],
        )


def erased_batches(db: Database, request: str) -> dict[str, str | None]:
    """Batch → successor of what a withdrawal erased."""
    query = select(ERASED_BATCHES).where(ERASED_BATCHES.c.request == request)
    with db.read() as connection:
        return {row.batch: row.successor for row in connection.execute(query)}


def successors(db: Database) -> dict[str, str | None]:
    """Every erased batch → the one that took its place; None where nothing was left of it."""
    with db.read() as connection:
        return {row.batch: row.successor for row in connection.execute(select(ERASED_BATCHES))}


def flagged_releases(db: Database) -> dict[str, tuple[str, ...]]:
    """Release → the withdrawals of people who are in it."""
    query = select(FLAGGED_RELEASES).order_by(FLAGGED_RELEASES.c.release, FLAGGED_RELEASES.c.request)
    found: dict[str, tuple[str, ...]] = {}
    with db.read() as connection:
        for row in connection.execute(query):
            found[row.release] = (*found.get(row.release, ()), row.request)
    return found


def finish(db: Database, request: str, receipt: Mapping[str, Any], *, now: datetime) -> Mapping[str, Any]:
    """Keep the receipt, flag the releases, answer the request and append to the log, all in one transaction.

    A receipt that was kept before stays as it is and is given back. It gets a ``salt``: what stands in the log is a
    commitment that only whoever has the receipt can open.
    """
    receipt = {**receipt, "salt": secrets.token_hex(16)}
    identity = digest(receipt)
    with db.write() as connection:
        here = WITHDRAWALS.c.request == request
        kept = connection.execute(select(WITHDRAWALS.c.receipt).where(here)).scalar_one()
        if kept is not None:
            return dict(kept)
        connection.execute(
            update(WITHDRAWALS)
            .where(here)
            .values(receipt=dict(receipt), steps=receipt["done"], digest=identity, done_at=now)
        )
        connection.execute(
            update(WITHDRAWAL_REQUESTS)
            .where(WITHDRAWAL_REQUESTS.c.request == request)
            .values(receipt=identity, done_at=now)
        )
        db.insert_new(
            connection,
            FLAGGED_RELEASES,
            [{"release": release, "request": request, "flagged_at": now} for release in receipt["releases"]],
        )
        acts: list[tuple[Kind, Mapping[str, Any]]] = [
            (
                Kind.ERASURE,
                {"request": request, "batch": each["erased"], "successor": each["successor"]},
            )
            for each in receipt["batches"]
        ]
        # No pseudonym and no commitment to one: the random id of the request is all that outsiders need.
        acts.append(
            (
                Kind.WITHDRAWAL,
                {
                    "request": request,
                    "site": receipt["site"],
                    "receipt": receipt_commitment(receipt),
                    "releases": len(receipt["releases"]),
                    "models": len(receipt["models"]),
                },
            )
        )
        append_within(connection, acts, now)
    return dict(receipt)


def receipt_commitment(receipt: Mapping[str, Any]) -> str:
    """What the log holds of a receipt, made of the receipt: by this its holder shows that it is the one."""
    body = {name: value for name, value in receipt.items() if name != "salt"}
    return commitment(canonical(body), bytes.fromhex(receipt["salt"]))


def receipt_of(db: Database, request: str) -> Mapping[str, Any] | None:
    """The receipt of a request; None while the withdrawal is not finished.

    Raises:
        InputError: There is no such withdrawal.
    """
    return _get(db, request).receipt


def _get(db: Database, request: str) -> Withdrawal:
    with db.read() as connection:
        row = connection.execute(select(WITHDRAWALS).where(WITHDRAWALS.c.request == request)).one_or_none()
    if row is None:
        raise InputError("no such withdrawal", field="request", value=request)
    return Withdrawal(
        found=Found(**{name: tuple(value) for name, value in row.found.items()}),
        done=as_done(row.steps),
        receipt=row.receipt,
    )
