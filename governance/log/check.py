"""Judging a log from files alone: its checkpoint, tiles and entries, against what was signed earlier.

What is read is given as a function from names to bytes; nothing here touches a disk. A fault names the file and the
entry, so that whoever keeps the log knows what was changed. See :mod:`governance.log.record` for what entries say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from governance.log.entry import Entry, EntryError, identity
from governance.log.merkle import EMPTY_ROOT, Frontier, fold, leaf_hash
from governance.log.note import Checkpoint, NoteError, Verifier, open_checkpoint
from governance.log.tiles import Tile, hashes_of, tiles_of, unbundle

__all__ = ["Check", "LogFiles", "check_log"]

Reader = Callable[[str], bytes | None]
_SHOWN_FAULTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at: what it says if it holds, and every fault if not."""

    what: str
    faults: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.faults


@dataclass(slots=True, kw_only=True)
class LogFiles:
    """What came out of the files: the checks, and the entries as far as they could be read."""

    checks: list[Check] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    entries: list[Entry | None] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.checks) and all(self.checks)

    def add(self, what: str, faults: Iterable[str] = ()) -> None:
        """Note a check with its faults, the first fifty by name."""
        found = list(faults)
        more = [f"and {len(found) - _SHOWN_FAULTS} more"] if len(found) > _SHOWN_FAULTS else []
        self.checks.append(Check(what=what, faults=(*found[:_SHOWN_FAULTS], *more)))


def check_log(
    read: Reader,
    names: Collection[str],
    *,
    log: Verifier,
    witnesses: Sequence[Verifier] = (),
    quorum: int = 0,
    earlier: Sequence[bytes] = (),
) -> LogFiles:
    """Judge the files of a log.

    Args:
        read: Bytes of a file by its name (``checkpoint``, ``tile/0/000``, ``tile/entries/000``, …), None if absent.
        names: Every file that is there under ``tile/``.
        log: The key that the reader believes to be the log's.
        witnesses: Keys of witnesses the reader believes.
        quorum: So many of the witnesses must have seen the checkpoint.
        earlier: Checkpoints the reader kept: the log must begin with each of them.
    """
    found = LogFiles()
    try:
        point = open_checkpoint(read("checkpoint") or b"", log=log, witnesses=witnesses, quorum=quorum)
    except NoteError as error:
        found.add(f"checkpoint signed by {log.name}", [f"checkpoint: {error}"])
        return found
    found.checkpoint = point
    seen = f", seen by {quorum} witnesses" if quorum else ""
    found.add(f"checkpoint of {point.size} entries signed by {log.name}{seen}")
    tiles = list(tiles_of(point.size))
    expected = {tile.path() for tile in tiles} | {tile.entries_path() for tile in tiles if not tile.level}
    found.add(
        f"{len(expected)} files of tiles and entries, none missing, none besides",
        [
            *(f"{name}: missing" for name in sorted(expected - set(names))),
            *(f"{name}: not part of a log of {point.size} entries" for name in sorted(set(names) - expected)),
        ],
    )
    leaves = _check_entries(found, read, [tile for tile in tiles if not tile.level])
    _check_upper(found, read, [tile for tile in tiles if tile.level])
    _check_roots(found, point, leaves, earlier, log)
    _check_meaning(found)
    return found


def _check_entries(found: LogFiles, read: Reader, tiles: Sequence[Tile]) -> list[bytes]:
    """Leaf hashes of the entries; the entries go into ``found``."""
    faults: list[str] = []
    leaves: list[bytes] = []
    for tile in tiles:
        first = tile.index * 256
        try:
            entries = unbundle(read(tile.entries_path()) or b"")
            hashes = hashes_of(read(tile.path()) or b"")
        except ValueError as error:
            faults.append(f"{tile.entries_path()} or {tile.path()}: {error}")
            entries, hashes = [], []
        if len(entries) != tile.width or len(hashes) != tile.width:
            faults.append(
                f"{tile.entries_path()}: {len(entries)} entries and {len(hashes)} hashes, {tile.width} expected"
            )
        for at in range(tile.width):
            data = entries[at] if at < len(entries) else b""
            leaf = leaf_hash(data)
            leaves.append(leaf)
            if at >= len(hashes) or hashes[at] != leaf:
                faults.append(
                    f"entry {first + at}: {tile.entries_path()} does not hold what {tile.path()} hashes"
                )
            try:
                found.entries.append(Entry.parse(data))
            except EntryError as error:
                found.entries.append(None)
                faults.append(f"entry {first + at}: {error}")
    found.add(f"{len(leaves)} entries, each in its one form and with its hash", faults)
    return leaves


def _check_upper(found: LogFiles, read: Reader, tiles: Sequence[Tile]) -> None:
    faults = []
    for tile in tiles:
        try:
            hashes = hashes_of(read(tile.path()) or b"")
        except ValueError as error:
            faults.append(f"{tile.path()}: {error}")
            continue
        if len(hashes) != tile.width:
            faults.append(f"{tile.path()}: {len(hashes)} hashes, {tile.width} expected")
        for at, each in enumerate(hashes[: tile.width]):
            below = Tile(tile.level - 1, tile.index * 256 + at, 256).path()
            try:
                is_right = fold(hashes_of(read(below) or b"")) == each
            except ValueError:
                is_right = False
            if not is_right:
                faults.append(f"{tile.path()}: hash {at} is not the root of {below}")
    if tiles:
        found.add(f"{len(tiles)} tiles above, each hash the root of the tile below", faults)


def _check_roots(
    found: LogFiles, point: Checkpoint, leaves: Sequence[bytes], earlier: Sequence[bytes], log: Verifier
) -> None:
    before: dict[int, list[Checkpoint]] = {}
    faults = []
    for number, data in enumerate(earlier, start=1):
        try:
            old = open_checkpoint(data, log=log)
        except NoteError as error:
            faults.append(f"earlier checkpoint {number}: {error}")
            continue
        if old.size > point.size:
            faults.append(
                f"the log was set back: {old.size} entries were signed earlier, there are {point.size} now"
            )
        before.setdefault(old.size, []).append(old)
    edge = Frontier()
    if any(old.root != EMPTY_ROOT for old in before.get(0, ())):
        faults.append("an earlier checkpoint of an empty log has a root that is not that of an empty log")
    for leaf in leaves:
        edge.add(leaf)
        faults.extend(
            f"the log was forked: its first {old.size} entries are not those signed earlier"
            for old in before.get(edge.size, ())
            if old.root != edge.root()
        )
    wrong = (
        []
        if edge.root() == point.root
        else [f"checkpoint: root {point.root.hex()}, entries give {edge.root().hex()}"]
    )
    found.add("root of the checkpoint is the root of the entries", wrong)
    if earlier:
        found.add(f"begins with {len(earlier)} earlier checkpoints", faults)


def _check_meaning(found: LogFiles) -> None:
    first: dict[str, int] = {}
    faults = []
    for position, entry in enumerate(found.entries):
        if entry is None:
            continue
        name = identity(entry.kind, entry.body)
        if name in first:
            faults.append(f"entry {position}: repeats entry {first[name]}")
        first.setdefault(name, position)
    found.add("no act stands twice", faults)
