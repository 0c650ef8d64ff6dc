"""A log kept in a list, with its key: what the platform's log says to a gate, without a platform."""

from __future__ import annotations

from datetime import UTC, datetime

from governance.digest import digest_bytes
from governance.log.entry import Entry, Kind
from governance.log.inclusion import Included, inclusions_bytes
from governance.log.merkle import inclusion_ranges, leaf_hash, root_of
from governance.log.note import Checkpoint, Note, Verifier
from governance.provenance import Envelope, statement_digest
from tests.support.decisions import signing_key

NAME = "log.of.the/tests"


class MemoryLog:
    """Appends, signs, proves. ``key`` names the seed of its key."""

    def __init__(self, key="log"):
        self.key = signing_key(key, role="log")
        self.entries = []

    @property
    def verifier(self):
        return Verifier(name=NAME, public_key=self.key.public_key)

    def append(self, kind, body, at=None):
        entry = Entry(kind=kind, at=at or datetime.now(UTC), body=body).to_bytes()
        self.entries.append(entry)
        return len(self.entries) - 1

    def decide(self, envelope, *, approvals=()):
        """Append a decision; signatures by these keys are appended as approvals. Positions."""
        whole = Envelope.parse(envelope)
        apart = {signing_key(name).id for name in approvals}
        own = tuple(row for row in whole.signatures if row[0] not in apart)
        statement = statement_digest(envelope)
        first = {"statement": statement, "digest": digest_bytes(_with(whole, own)), "verdict": "PASS"}
        places = [self.append(Kind.DECISION, first)]
        for row in whole.signatures:
            if row[0] in apart:
                given = digest_bytes(_with(whole, (row,)))
                body = {"statement": statement, "keyid": row[0], "approval": given}
                places.append(self.append(Kind.APPROVAL, body))
        return places

    def checkpoint(self, size=None, *, key=None):
        size = len(self.entries) if size is None else size
        root = root_of(map(leaf_hash, self.entries[:size]))
        note = Note(text=Checkpoint(origin=NAME, size=size, root=root).text())
        signature = (key or self.key).private.sign(note.text.encode())
        return note.signed(NAME, self.verifier.hash + signature).to_bytes()

    def included(self, position, size=None):
        leaves = [leaf_hash(entry) for entry in self.entries[:size]]
        path = tuple(root_of(leaves[a:b]) for a, b in inclusion_ranges(position, len(leaves)))
        return Included(position=position, entry=self.entries[position], path=path)

    def inclusions(self, places, *, size=None, checkpoint=None):
        """The file about these envelopes: digest of each → positions of its entries."""
        proofs = {name: [self.included(at, size) for at in rows] for name, rows in places.items()}
        return inclusions_bytes(checkpoint or self.checkpoint(size), proofs)


def _with(envelope, signatures):
    return Envelope(
        payload_type=envelope.payload_type, payload=envelope.payload, signatures=signatures
    ).to_bytes()
