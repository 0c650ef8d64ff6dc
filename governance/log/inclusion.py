"""That decisions and the approvals on them stand in the log, shown to who has neither the log nor a connection to it.

One file holds a signed checkpoint and, for each decision, the entries that speak of it with their inclusion proofs::

    {"format": "bounds-inclusions/1", "checkpoint": "<signed note>",
     "proofs": {"<digest of the envelope>": [{"position": 7, "entry": "<its bytes>", "path": ["<base64>", …]}, …]}}

INVARIANT: every signature on the envelope is accounted for: those with an entry of their own are approvals, and the
others make exactly the envelope whose digest the decision's entry names. One that is not in the log counts against.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from governance.digest import canonical, digest_bytes, is_digest
from governance.log.entry import Entry, EntryError, Kind
from governance.log.merkle import leaf_hash, verify_inclusion
from governance.log.note import Checkpoint, NoteError, Verifier, open_checkpoint
from governance.provenance import Envelope, EnvelopeError

__all__ = ["Included", "Inclusions", "InclusionsError", "inclusions_bytes", "open_inclusions"]

_FORMAT: Final = "bounds-inclusions/1"


class InclusionsError(ValueError):
    """Bytes that are no inclusions, or whose checkpoint the log did not sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Included:
    """An entry, where it stands, and the hashes that lead from it to the checkpoint's root."""

    position: int
    entry: bytes
    path: tuple[bytes, ...]

    def is_in(self, point: Checkpoint) -> bool:
        """Whether the log of this checkpoint holds the entry there."""
        return verify_inclusion(leaf_hash(self.entry), self.position, point.size, self.path, point.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusions:
    """A checkpoint that the log signed, and what is said to be in it; each proof is judged when it is asked for."""

    checkpoint: Checkpoint
    proofs: Mapping[str, tuple[Included, ...]]

    def position(self, envelope: bytes) -> int:
        """Where the decision's entry is said to stand; -1 where nobody says so."""
        for row in self.proofs.get(digest_bytes(envelope), ()):
            if _kind(row) is Kind.DECISION:
                return row.position
        return -1

    def why_not(self, envelope: bytes) -> tuple[str, ...]:
        """Every reason why the decision in this envelope, with its approvals, is not shown to be in the log."""
        rows = self.proofs.get(digest_bytes(envelope))
        if not rows:
            return ("nothing shows that the decision is in the log",)
        point, found = self.checkpoint, []
        for row in rows:
            if not row.is_in(point):
                return (f"entry {row.position} is not in the log of {point.size} entries of {point.origin}",)
            try:
                found.append(Entry.parse(row.entry))
            except EntryError as error:
                return (f"entry {row.position} of the log: {error}",)
        try:
            return _unaccounted(Envelope.parse(envelope), found)
        except EnvelopeError as error:
            return (str(error),)


def inclusions_bytes(checkpoint: bytes, proofs: Mapping[str, Sequence[Included]]) -> bytes:
    """The file."""
    return canonical(
        {
            "format": _FORMAT,
            "checkpoint": checkpoint.decode(),
            "proofs": {
                name: [
                    {
                        "position": row.position,
                        "entry": row.entry.decode(),
                        "path": [base64.b64encode(each).decode("ascii") for each in row.path],
                    }
                    for row in rows
                ]
                for name, rows in proofs.items()
            },
        }
    )


def open_inclusions(data: bytes, *, log: Verifier | None) -> Inclusions:
    """The inclusions in these bytes, once the log's key signed their checkpoint.

    Args:
        data: The file.
        log: The log that the trust names; None where it names none, and then nothing is shown by a log.

    Raises:
        InclusionsError: Any field is missing, unknown or wrong, or the checkpoint is not the log's.
    """
    if log is None:
        raise InclusionsError("the trust names no log, so nothing shows that a decision is in one")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InclusionsError(f"inclusions: not JSON: {error}") from error
    if not isinstance(value, dict) or value.keys() != {"format", "checkpoint", "proofs"}:
        raise InclusionsError("inclusions: format, checkpoint and proofs are needed, nothing else")
    if value["format"] != _FORMAT or not isinstance(value["checkpoint"], str):
        raise InclusionsError(f"inclusions: not {_FORMAT} with a checkpoint")
    if not isinstance(value["proofs"], dict) or not all(map(is_digest, value["proofs"])):
        raise InclusionsError("inclusions: proofs are named by the digest of an envelope")
    try:
        point = open_checkpoint(value["checkpoint"].encode(), log=log)
    except NoteError as error:
        raise InclusionsError(f"inclusions: {error}") from error
    return Inclusions(
        checkpoint=point,
        proofs={name: tuple(map(_included, _list(rows))) for name, rows in value["proofs"].items()},
    )


def _unaccounted(envelope: Envelope, entries: Sequence[Entry]) -> tuple[str, ...]:
    """What of an envelope these entries of the log do not speak of."""
    statement = digest_bytes(envelope.payload)
    mine = [entry for entry in entries if entry.body.get("statement") == statement]
    if len(mine) != len(entries):
        return ("the entries of the log are about another decision",)
    approved = {entry.body.get("approval") for entry in mine if entry.kind is Kind.APPROVAL}
    rest = tuple(
        row
        for row in envelope.signatures
        if digest_bytes(replace(envelope, signatures=(row,)).to_bytes()) not in approved
    )
    decided = {entry.body.get("digest") for entry in mine if entry.kind is Kind.DECISION}
    if len(decided) != 1:
        return ("the log does not show the decision's own entry",)
    if not rest or digest_bytes(replace(envelope, signatures=rest).to_bytes()) not in decided:
        return ("the log holds the decision, but not with these signatures",)
    return ()


def _kind(row: Included) -> Kind | None:
    try:
        return Entry.parse(row.entry).kind
    except EntryError:
        return None


def _included(value: Any) -> Included:
    if not isinstance(value, dict) or value.keys() != {"position", "entry", "path"}:
        raise InclusionsError("inclusions: a proof has entry, path, position")
    if type(value["position"]) is not int or not isinstance(value["entry"], str):
        raise InclusionsError("inclusions: a position is a number, an entry a text")
    try:
        path = tuple(base64.b64decode(each, validate=True) for each in _list(value["path"]))
    except (TypeError, ValueError, binascii.Error) as error:
        raise InclusionsError("inclusions: a path is a list of hashes in base64") from error
    return Included(position=value["position"], entry=value["entry"].encode(), path=path)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise InclusionsError("inclusions: entries and paths are lists")
    return value
