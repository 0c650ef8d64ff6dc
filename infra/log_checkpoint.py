"""Signed checkpoints of the platform's log, and the cosignatures of whoever watches it.

INVARIANT: a checkpoint is signed only over a log that begins with everything signed before; a log that was set back
or rewritten is refused here, before any outsider is asked to believe it.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path

from sqlalchemy import insert, select

from governance.errors import InputError, OutsideError, RefusedError, in_words
from governance.log.merkle import verify_consistency
from governance.log.note import (
    COSIGNATURE,
    Checkpoint,
    Note,
    NoteError,
    Verifier,
    cosigned_message,
    open_checkpoint,
)
from infra.database import Database
from infra.log import Tree
from infra.settings import Settings
from infra.signing import SigningKey, load_or_create_key
from infra.tables.log import LOG_CHECKPOINTS
from infra.trust import LOG_ROLE, log_verifier

__all__ = ["checkpoints", "cosign", "sign_checkpoint", "witness"]


def sign_checkpoint(settings: Settings, db: Database, now: datetime) -> bytes:
    """A signed checkpoint of the log as it is; the one signed before where nothing was appended since.

    Raises:
        RefusedError: The log does not begin with what was signed before.
    """
    verifier = log_verifier(settings)
    key = load_or_create_key(settings.keys_folder, LOG_ROLE)
    table = LOG_CHECKPOINTS.c
    with db.write() as connection:
        tree = Tree.at(connection)
        last = connection.execute(select(LOG_CHECKPOINTS).order_by(table.size.desc()).limit(1)).one_or_none()
        if last is not None:
            if last.size > tree.size:
                raise RefusedError(
                    "a checkpoint",
                    [f"the log has {tree.size} entries; a checkpoint of {last.size} was signed"],
                )
            if tree.root(last.size) != base64.b64decode(last.root):
                raise RefusedError(
                    "a checkpoint", [f"the first {last.size} entries are not those that were signed"]
                )
            if last.size == tree.size:
                return str(last.note).encode()
        point = Checkpoint(origin=verifier.name, size=tree.size, root=tree.root())
        note = Note(text=point.text())
        data = note.signed(verifier.name, verifier.hash + key.private.sign(note.text.encode())).to_bytes()
        row = {
            "size": point.size,
            "root": base64.b64encode(point.root).decode(),
            "note": data.decode(),
            "at": now,
        }
        connection.execute(insert(LOG_CHECKPOINTS), [row])
    return data


def checkpoints(db: Database) -> list[bytes]:
    """Every checkpoint signed so far, oldest first."""
    with db.read() as connection:
        rows = connection.execute(select(LOG_CHECKPOINTS.c.note).order_by(LOG_CHECKPOINTS.c.size)).scalars()
        return [text.encode() for text in rows]


def cosign(checkpoint: bytes, key: SigningKey, *, name: str, now: datetime) -> bytes:
    """The checkpoint with a witness's cosignature (C2SP cosignature/v1)."""
    note = Note.parse(checkpoint)
    verifier = Verifier(name=name, public_key=key.public_key, algorithm=COSIGNATURE)
    seconds = int(now.timestamp())
    signature = key.private.sign(cosigned_message(note.text, seconds))
    return note.signed(name, verifier.hash + seconds.to_bytes(8, "big") + signature).to_bytes()


def witness(
    checkpoint: bytes,
    proof: list[bytes],
    *,
    log: Verifier,
    memory: Path,
    key: SigningKey,
    name: str,
    now: datetime,
) -> bytes:
    """Cosign a checkpoint if the log only grew since the last one this witness saw; remember it.

    Args:
        checkpoint: A note signed by the log.
        proof: That the log seen last is its beginning; empty at the first sight.
        log: The log's verifier key.
        memory: The witness's own file: what it saw last.
        key: The witness's key.
        name: The witness's name.
        now: When it saw it.

    Raises:
        RefusedError: The log was set back or forked.
        InputError: The checkpoint is not the log's, or the memory is none.
        OutsideError: The memory cannot be written.
    """
    try:
        point = open_checkpoint(checkpoint, log=log)
    except NoteError as error:
        raise InputError(str(error), field="checkpoint") from error
    try:
        seen = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
        size, root = (
            (seen[point.origin]["size"], base64.b64decode(seen[point.origin]["root"]))
            if point.origin in seen
            else (0, b"")
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"not a witness's memory: {in_words(error)}", file=str(memory)) from error
    if size and not verify_consistency(size, root, point.size, point.root, proof):
        raise RefusedError(
            "the checkpoint",
            [
                f"nothing proves that the log of {size} entries seen before is the beginning of this one of {point.size}"
            ],
        )
    seen[point.origin] = {"size": point.size, "root": base64.b64encode(point.root).decode()}
    try:
        temporary = memory.with_name(memory.name + ".new")
        temporary.write_text(json.dumps(seen, sort_keys=True), encoding="utf-8")
        temporary.replace(memory)
    except OSError as error:
        raise OutsideError(f"{memory}: cannot be written: {error.strerror}") from error
    return cosign(checkpoint, key, name=name, now=now)
