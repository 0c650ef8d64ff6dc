"""The log and what it names as files that anybody can verify: a bundle in a folder, tiles in the object store.

::

    checkpoint                 signed note (C2SP tlog-checkpoint)
    tile/<L>/<N>[.p/<W>]       hashes; tile/entries/<N>[.p/<W>] entries (C2SP tlog-tiles)
    trust.json                 who may sign as what, as a signed chain
    objects/<64 hex>           what entries name: decisions, approvals, revocations, audits, releases, policies
    keys.json                  the log's verifier key and the first trust version, to compare with what one was told

A folder is brought up to date in place: full tiles are written once, the checkpoint last. One that belongs to
another log, or to a longer or forked one, is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, update

from annotation.ports import ObjectStore
from governance.audit.report import NOT_DIGESTED
from governance.digest import canonical, digest_bytes
from governance.errors import InputError, RefusedError
from governance.log.note import Checkpoint, Note, NoteError
from governance.log.tiles import bundle, tiles_of
from infra import ledger
from infra.database import Database
from infra.given_files import cannot_be_written
from infra.kept_reports import kept_reports
from infra.log import Tree, raw_entries
from infra.log_checkpoint import sign_checkpoint
from infra.settings import Settings
from infra.tables.decisions import APPROVALS, REVOCATIONS, WAIVERS
from infra.tables.log import LOG_CHECKPOINTS
from infra.trust import log_verifier, newest_version, trust_file

__all__ = ["Exported", "export_bundle", "export_tiles", "write_tiles"]

_PREFIX = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote."""

    checkpoint: bytes
    size: int
    files: int
    objects: int


def export_bundle(
    settings: Settings, db: Database, store: ObjectStore, folder: Path, now: datetime
) -> Exported:
    """Write or bring up to date a bundle.

    Raises:
        RefusedError: The folder holds another log, or one that this one does not continue.
        InputError: The folder cannot be written to; another would do.
        OutsideError: The disk did not take a file.
    """
    newest_version(settings, db, now)
    checkpoint = sign_checkpoint(settings, db, now)
    point = Checkpoint.parse(Note.parse(checkpoint).text)
    with db.read() as connection:
        tree = Tree.at(connection)
        _check_folder(folder, tree, point)
        files = write_tiles(folder, tree, point.size)
    count = 0
    for data in _objects(db, store):
        count += 1
        _write(folder / "objects" / digest_bytes(data).removeprefix("sha256:"), data)
    _write(folder / "trust.json", trust_file(settings).read_bytes())
    first = next(iter(ledger_trust(db)), None)
    keys = {"log": str(log_verifier(settings)), "trust": first}
    _write(folder / "keys.json", json.dumps(keys, indent=1, sort_keys=True).encode() + b"\n")
    _write(folder / "checkpoint", checkpoint)
    return Exported(checkpoint=checkpoint, size=point.size, files=files, objects=count)


def write_tiles(folder: Path, tree: Tree, size: int) -> int:
    """Write every tile and bundle of the first ``size`` entries that is not there yet; how many files were written.

    Raises:
        OutsideError: A file cannot be written.
    """
    files = sum(_write(folder / name, data) for name, data in _tile_files(tree, size))
    _drop_partial(folder, size)
    return files


def export_tiles(settings: Settings, db: Database, store: ObjectStore, now: datetime) -> str:
    """Put the checkpoint and every tile and bundle into the object store; the digest of the tree that names them.

    Files are blobs under ``log``, each stored once; the tree holds the checkpoint and ``tiles.json``, from path to digest.
    """
    checkpoint = sign_checkpoint(settings, db, now)
    size = Checkpoint.parse(Note.parse(checkpoint).text).size
    with db.read() as connection:
        table = LOG_CHECKPOINTS.c
        before = connection.execute(
            select(table.tree).where(table.tree.is_not(None)).order_by(table.size.desc()).limit(1)
        ).scalar()
        known = json.loads(store.get_file(_PREFIX, before, "tiles.json")) if before else {}
        index = {}
        for name, data in _tile_files(Tree.at(connection), size, skip=known):
            index[name] = known[name] if name in known else store.put(_PREFIX, data)
    tree = store.put_tree(_PREFIX, {"checkpoint": checkpoint, "tiles.json": canonical(index)})
    with db.write() as connection:
        connection.execute(update(LOG_CHECKPOINTS).where(LOG_CHECKPOINTS.c.size == size).values(tree=tree))
    return tree


def ledger_trust(db: Database) -> list[str]:
    """Digests of the trust versions in the log, oldest first."""
    from governance.log.entry import Kind
    from infra.log import entries

    return [str(entry.body["digest"]) for _, entry in entries(db, kinds=[Kind.TRUST])]


def _tile_files(tree: Tree, size: int, skip: Mapping[str, str] | None = None) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every tile and bundle of the first ``size`` entries; those in ``skip`` without bytes."""
    skip = skip or {}
    for tile in tiles_of(size):
        is_full = tile.width == 256
        if is_full and tile.path() in skip:
            yield tile.path(), b""
            if not tile.level:
                yield tile.entries_path(), b""
            continue
        yield tile.path(), b"".join(tree.tile(tile.level, tile.index)[: tile.width])
        if not tile.level:
            begin = tile.index * 256
            yield tile.entries_path(), _bundle(tree, begin, begin + tile.width)


def _bundle(tree: Tree, begin: int, end: int) -> bytes:
    return bundle(data for _, data in raw_entries(tree.connection, begin, end))


def _objects(db: Database, store: ObjectStore) -> Iterator[bytes]:
    for decision in ledger.decisions(db):
        yield decision.envelope.encode()
    with db.read() as connection:
        for table in (APPROVALS, REVOCATIONS, WAIVERS):
            yield from (text.encode() for text in connection.execute(select(table.c.envelope)).scalars())
    for policy in ledger.policies(db):
        yield policy.text.encode()
    for release in ledger.releases(db):
        if release.tree:
            yield store.get_file("releases", release.tree, "release.json")
    wanted = {audit.digest for audit in ledger.audits(db)}
    for _, data in kept_reports(store):
        try:
            report = json.loads(data)
        except ValueError:
            continue  # no report of ours
        if report.get("digest") in wanted:
            yield canonical({name: part for name, part in report.items() if name not in NOT_DIGESTED})


def _check_folder(folder: Path, tree: Tree, point: Checkpoint) -> None:
    path = folder / "checkpoint"
    if not path.exists():
        if folder.exists() and any(folder.iterdir()) and not (folder / "tile").exists():
            raise InputError(
                "the folder holds something else than a bundle", file=str(folder), expected="a new folder"
            )
        return
    try:
        old = Checkpoint.parse(Note.parse(path.read_bytes()).text)
    except NoteError as error:
        raise InputError(f"not a checkpoint: {error}", file=str(path)) from error
    reasons = []
    if old.origin != point.origin:
        reasons.append(f"it is of the log {old.origin}, this is {point.origin}")
    elif old.size > point.size:
        reasons.append(f"it has {old.size} entries, this log {point.size}: the log was set back")
    elif tree.root(old.size) != old.root:
        reasons.append(f"its {old.size} entries are not the first of this log: one of them was forked")
    if reasons:
        raise RefusedError(f"the bundle in {folder}", reasons)


def _drop_partial(folder: Path, size: int) -> None:
    """Remove the partial tiles of a shorter log; what they held lies in larger ones now."""
    current = {folder / tile.path() for tile in tiles_of(size)}
    current |= {folder / tile.entries_path() for tile in tiles_of(size) if not tile.level}
    for path in list((folder / "tile").rglob("*.p/*")):
        if path not in current:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def _write(path: Path, data: bytes) -> int:
    """Write a file whole; 0 where it is there already with these bytes."""
    try:
        if path.is_file() and path.read_bytes() == data:
            return 0
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise cannot_be_written(path, error) from error
    return 1
