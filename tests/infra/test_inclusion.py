"""What the platform hands to its registries shows the decisions of its own log, with the approvals that were taken."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, update

from governance.digest import digest_bytes
from governance.errors import RefusedError
from governance.gate import open_terms, publisher_trust
from governance.log.entry import Entry, Kind
from governance.log.inclusion import open_inclusions
from infra import ledger, log
from infra.approvals import joined
from infra.gate.folder import publish, read_envelope, read_inclusions
from infra.inclusion import inclusions_of
from infra.tables.log import LOG_ENTRIES, LOG_HEAD
from infra.trust import current_trust, log_verifier, trust_file
from tests.governance.test_gate import KEY, terms
from tests.support import record
from tests.support.decisions import NOW, decision, envelope
from tests.support.record import fill

LATER = NOW + timedelta(hours=1)
settings, db = record.settings, record.db


@pytest.fixture
def rows(settings, db):
    return fill(settings, db, extra=300)


def shown(settings, db, *rows, at=NOW):
    """The inclusions about these decisions, and the envelopes with what was taken by then."""
    trust = current_trust(settings, db, at)
    whole = {row.digest: joined(db, row.envelope.encode(), trust=trust, now=at) for row in rows}
    envelopes = {digest_bytes(data): data for data in whole.values()}
    by = {digest_bytes(whole[row.digest]): row for row in rows}
    data = inclusions_of(settings, db, envelopes, decided=by, now=at)
    return open_inclusions(data, log=log_verifier(settings)), list(whole.values())


def test_every_decision_of_the_log_is_shown_with_its_approvals(settings, db, rows):
    found, envelopes = shown(settings, db, *rows)
    assert [found.why_not(each) for each in envelopes] == [(), ()]
    assert len(found.proofs[digest_bytes(envelopes[0])]) == 2  # ann's approval; bo's key was taken back
    places = [at for at, entry in log.entries(db, kinds=[Kind.DECISION])]
    assert [found.position(each) for each in envelopes] == places


def test_a_decision_that_never_reached_the_log_is_not_shown(settings, db, rows):
    data = envelope(decision(version="9"))
    row = ledger.Decision(
        digest=digest_bytes(data),
        model="chat",
        version="9",
        verdict="PASS",
        envelope=data.decode(),
        created_at=NOW,
    )
    found, _ = shown(settings, db, rows[0], row)
    assert found.why_not(data) == ("nothing shows that the decision is in the log",)
    with db.write() as connection:  # the owner of the database writes its row, and no entry
        connection.execute(insert(ledger.DECISIONS), [{name: getattr(row, name) for name in _columns()}])
    found, _ = shown(settings, db, row)
    assert found.why_not(data) == ("nothing shows that the decision is in the log",)


def _columns():
    return ("digest", "model", "version", "verdict", "envelope", "created_at")


def test_a_log_that_was_set_back_shows_nothing(settings, db, rows):
    shown(settings, db, *rows)  # signs a checkpoint
    with db.write() as connection:
        size = log.Tree.at(connection).size
        connection.execute(delete(LOG_ENTRIES).where(LOG_ENTRIES.c.position == size - 1))
        connection.execute(update(LOG_HEAD).values(size=size - 1))
    with pytest.raises(RefusedError, match="a checkpoint"):
        shown(settings, db, *rows)


def test_an_entry_that_was_changed_afterwards_shows_nothing(settings, db, rows):
    place = next(at for at, entry in log.entries(db, kinds=[Kind.DECISION]))
    shown(settings, db, *rows)
    [(_, entry)] = log.entries(db, begin=place, end=place + 1)
    other = Entry(kind=entry.kind, at=LATER, body=entry.body).to_bytes().decode()
    with db.write() as connection:
        connection.execute(update(LOG_ENTRIES).where(LOG_ENTRIES.c.position == place).values(entry=other))
    found, envelopes = shown(
        settings, db, *rows
    )  # nothing was appended, so the checkpoint is the one of before
    assert "is not in the log of" in found.why_not(envelopes[0])[0]


def test_inclusions_are_made_once_and_lie_beside_the_terms_that_name_them(settings, db, rows, tmp_path):
    made = []

    def inclusions():
        made.append(len(made))
        log.append(db, Kind.KEY, {"number": 1_000 + len(made)}, NOW)
        return inclusions_of(settings, db, {}, decided={}, now=NOW)

    def published(**changes):
        return publish(
            tmp_path / "gate",
            terms(**changes),
            chain=trust_file(settings).read_bytes(),
            envelopes={},
            inclusions=inclusions,
            key=KEY,
            now=NOW,
            validity=timedelta(days=1),
        )

    first = published()
    assert published() == first
    assert made == [0]
    for number in range(3):
        published(review=f"http://127.0.0.1/{number}")
    assert made == [0, 1, 2, 3]
    told = open_terms(read_envelope(tmp_path / "gate"), publisher=publisher_trust(KEY.public_key), now=NOW)
    held = open_inclusions(read_inclusions(tmp_path / "gate", told.inclusions), log=log_verifier(settings))
    assert held.checkpoint.size == log.size(db)
    assert len(list((tmp_path / "gate/inclusions").iterdir())) == 2  # these, and those of who is just reading
