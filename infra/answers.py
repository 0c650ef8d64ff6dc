"""Codebook answers of the portal's people: appended, sealed under each person's key, read as profiles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select

from annotation.enrolment import GivenAnswer
from annotation.records import AnswerStatus
from infra.database import Database
from infra.person_keys import PersonKeyDestroyedError, PersonKeys
from infra.tables.people import ANNOTATORS, CODEBOOK_ANSWERS

__all__ = ["answers_of", "give_answers", "portal_profiles"]

# Every item that is given out by a plan asks for a person's answers, so the statement is built once.
_NEWEST: Final = (
    select(CODEBOOK_ANSWERS)
    .where(
        CODEBOOK_ANSWERS.c.site == bindparam("site"),
        CODEBOOK_ANSWERS.c.annotator == bindparam("annotator"),
        CODEBOOK_ANSWERS.c.codebook == bindparam("codebook"),
    )
    .order_by(CODEBOOK_ANSWERS.c.revision)
)


def give_answers(
    db: Database,
    keys: PersonKeys,
    site: str,
    annotator: str,
    codebook: str,
    answers: Iterable[tuple[str, str, str | None, str | None]],
    *,
    now: datetime,
) -> int:
    """Append answers; one that says what stands already is left out. Returns how many were written.

    Args:
        db: The database.
        keys: The keys of the site's people.
        site: Place of collection.
        annotator: Who answers.
        codebook: ``id@version`` of the questions.
        answers: ``(field, status, value, words)`` each.
        now: When.

    Raises:
        PersonKeyDestroyedError: The person was erased.
    """
    written = 0
    with db.write() as connection:
        db.lock(connection, "answers", site, annotator)
        held = _newest(connection, site, codebook, annotator)
        for field, status, value, words in answers:
            before = held.get(field)
            said = {"value": value, "words": words}
            if before is not None and before["status"] == status and _open(keys, before) == said:
                continue
            sealed = None
            if status == AnswerStatus.ANSWERED:
                sealed = keys.encrypt(annotator, json.dumps(said, sort_keys=True).encode())
            connection.execute(
                insert(CODEBOOK_ANSWERS).values(
                    site=site,
                    annotator=annotator,
                    codebook=codebook,
                    field=field,
                    revision=1 if before is None else before["revision"] + 1,
                    status=status,
                    sealed=sealed,
                    at=now,
                )
            )
            written += 1
    return written


def answers_of(
    db: Database, keys: PersonKeys, site: str, annotator: str, codebook: str
) -> dict[str, GivenAnswer]:
    """What the person's answers are now, by field."""
    with db.read() as connection:
        rows = _newest(connection, site, codebook, annotator)
    return {
        field: GivenAnswer(field=field, status=row["status"], at=row["at"], **_open(keys, row))
        for field, row in rows.items()
    }


def portal_profiles(db: Database, keys: PersonKeys, site: str) -> list[dict[str, Any]]:
    """``PROFILES`` rows of the site's people; nobody whose key was destroyed is among them.

    A person's own words stay where they are: only categories become part of a profile.
    """
    with db.read() as connection:
        simulated = {
            row.annotator: bool(row.simulated)
            for row in connection.execute(
                select(ANNOTATORS.c.annotator, ANNOTATORS.c.simulated).where(ANNOTATORS.c.site == site)
            )
        }
        query = select(CODEBOOK_ANSWERS.c.annotator, CODEBOOK_ANSWERS.c.codebook).distinct()
        pairs = sorted(
            (row.annotator, row.codebook)
            for row in connection.execute(query.where(CODEBOOK_ANSWERS.c.site == site))
        )
        newest = {pair: _newest(connection, site, pair[1], pair[0]) for pair in pairs}
    rows: list[dict[str, Any]] = []
    for (annotator, codebook), fields in newest.items():
        try:
            opened = {field: _open(keys, row) for field, row in sorted(fields.items())}
        except PersonKeyDestroyedError:
            continue
        rows.extend(
            {
                "annotator": annotator,
                "site": site,
                "codebook": codebook,
                "field": field,
                "status": fields[field]["status"],
                "value": said["value"],
                "simulated": simulated[annotator],
            }
            for field, said in opened.items()
        )
    return rows


def _newest(connection: Connection, site: str, codebook: str, annotator: str) -> dict[str, dict[str, Any]]:
    of = {"site": site, "annotator": annotator, "codebook": codebook}
    # Later revisions overwrite earlier ones.
    return {
        row["field"]: {str(name): value for name, value in row.items()}
        for row in connection.execute(_NEWEST, of).mappings()
    }


def _open(keys: PersonKeys, row: Mapping[str, Any]) -> dict[str, str | None]:
    if row["sealed"] is None:
        return {"value": None, "words": None}
    opened: dict[str, str | None] = json.loads(keys.decrypt(row["annotator"], row["sealed"]))
    return opened
