"""Judging a log from files alone: its checkpoint, tiles and entries, against what was signed earlier.

What is read is given as a function from names to bytes; nothing here touches a disk. A fault names the file and the
entry, so that whoever keeps the log knows what was changed. See :mod:`governance.log.record` for what entries say.

The log is read once, bundle by bundle. What is kept is the right edge of the tree, a digest and a root of each bundle (about
a byte an entry), and the first fifty faults of a kind; what finds acts that stand twice lies where the caller says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from governance.log.entry import EntryError, read_entry
from governance.log.merkle import EMPTY_ROOT, Frontier, fold, leaf_hash
from governance.log.note import Checkpoint, NoteError, Verifier, open_checkpoint
from governance.log.repeats import Acts, InMemory, Parts
from governance.log.reread import Entries
from governance.log.tiles import WIDTH, Tile, hashes_of, tiles_of, unbundle
from governance.wording import many

__all__ = ["Check", "LogFiles", "check_log"]

Reader = Callable[[str], bytes | None]
_SHOWN_FAULTS = 50
_TILE_LEVEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at: what it says if it holds, and every fault if not."""

    what: str
    faults: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.faults


@dataclass(slots=True)
class Faults:
    """Faults as they are found: the first fifty by name, of the others their number."""

    first: list[str] = field(default_factory=list)
    more: int = 0

    def append(self, fault: str) -> None:
        """Note one."""
        if len(self.first) < _SHOWN_FAULTS:
            self.first.append(fault)
        else:
            self.more += 1

    def extend(self, faults: Iterable[str]) -> None:
        """Note several."""
        for fault in faults:
            self.append(fault)

    def shown(self) -> tuple[str, ...]:
        """As a check says them."""
        return (*self.first, *([f"and {self.more} more"] if self.more else []))


@dataclass(slots=True, kw_only=True)
class LogFiles:
    """What came out of the files: the checks, and a way to the entries as far as they could be read."""

    checks: list[Check] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    entries: Entries = field(default_factory=Entries)

    def __bool__(self) -> bool:
        return bool(self.checks) and all(self.checks)

    def add(self, what: str, faults: Iterable[str] | Faults = ()) -> None:
        """Note a check with its faults, the first fifty by name."""
        if not isinstance(faults, Faults):
            given, faults = faults, Faults()
            faults.extend(given)
        self.checks.append(Check(what=what, faults=faults.shown()))


def check_log(
    read: Reader,
    names: Collection[str],
    *,
    log: Verifier,
    witnesses: Sequence[Verifier] = (),
    quorum: int = 0,
    earlier: Sequence[bytes] = (),
    parts: Parts | None = None,
) -> LogFiles:
    """Judge the files of a log.

    Args:
        read: Bytes of a file by its name (``checkpoint``, ``tile/0/000``, ``tile/entries/000``, …), None if absent.
        names: Every file that is there under ``tile/``.
        log: The key that the reader believes to be the log's.
        witnesses: Keys of witnesses the reader believes.
        quorum: So many of the witnesses must have seen the checkpoint.
        earlier: Checkpoints the reader kept: the log must begin with each of them.
        parts: Where 24 bytes of each entry lie until the end; in memory by default.
    """
    found = LogFiles()
    try:
        point = open_checkpoint(read("checkpoint") or b"", log=log, witnesses=witnesses, quorum=quorum)
    except NoteError as error:
        found.add(f"checkpoint signed by {log.name}", [f"checkpoint: {error}"])
        return found
    found.checkpoint = point
    seen = f", seen by {quorum} witnesses" if quorum else ""
    found.add(f"checkpoint of {many(point.size, 'entry', 'entries')} signed by {log.name}{seen}")
    tiles = list(tiles_of(point.size))
    expected = {tile.path() for tile in tiles} | {tile.entries_path() for tile in tiles if not tile.level}
    found.add(
        f"{many(len(expected), 'file')} of tiles and entries, none missing, none besides",
        [
            *(f"{name}: missing" for name in sorted(expected - set(names))),
            *(f"{name}: not part of a log of {point.size} entries" for name in sorted(set(names) - expected)),
        ],
    )
    found.entries = Entries(read=read)
    before, faults = _earlier(point, earlier, log)
    pass_ = _Pass(found=found, read=read, before=before, acts=Acts(parts or InMemory()))
    for tile in tiles:
        if not tile.level:
            pass_.take(tile)
    found.add(
        f"{many(pass_.edge.size, 'entry', 'entries')}, each in its one form and with its hash", pass_.faults
    )
    _check_upper(found, read, [tile for tile in tiles if tile.level], pass_.roots)
    root = pass_.edge.root()
    wrong = f"checkpoint: root {point.root.hex()}, entries give {root.hex()}"
    found.add("root of the checkpoint is the root of the entries", [] if root == point.root else [wrong])
    if earlier:
        found.add(f"begins with {len(earlier)} earlier checkpoints", [*faults, *pass_.forks])
    found.add("no act stands twice", pass_.acts.repeated())
    return found


@dataclass(slots=True, kw_only=True)
class _Pass:
    """One way through the bundles, lowest position first.

    Attributes:
        before: Roots signed earlier, by size.
        acts: Which act each entry is; what is no entry is none.
        roots: The root of each full tile of leaves, as the tile's own hashes give it; None where they give none.
    """

    found: LogFiles
    read: Reader
    before: Mapping[int, Sequence[Checkpoint]]
    acts: Acts
    edge: Frontier = field(default_factory=Frontier)
    roots: list[bytes | None] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    forks: list[str] = field(default_factory=list)

    def take(self, tile: Tile) -> None:
        """Judge one bundle and the tile of its leaf hashes."""
        first, path = tile.index * WIDTH, tile.entries_path()
        data = self.read(path) or b""
        self.found.entries.bundles.append((path, hashlib.sha256(data).digest(), tile.width))
        entries, hashes = self._contents(tile, data)
        leaves = []
        for at in range(tile.width):
            entry = entries[at] if at < len(entries) else b""
            leaves.append(leaf_hash(entry))
            if at >= len(hashes) or hashes[at] != leaves[at]:
                self.faults.append(f"entry {first + at}: {path} does not hold what {tile.path()} hashes")
            try:
                self.acts.note(bytes.fromhex(read_entry(entry)[1]), first + at)
            except EntryError as error:
                self.faults.append(f"entry {first + at}: {error}")
        root = fold(leaves) if tile.width == WIDTH else None
        if tile.width == WIDTH:
            self.roots.append(root if leaves == hashes else _root(hashes))
        self._grow(leaves, root)

    def _contents(self, tile: Tile, data: bytes) -> tuple[list[bytes], list[bytes]]:
        try:
            entries, hashes = unbundle(data), hashes_of(self.read(tile.path()) or b"")
        except ValueError as error:
            self.faults.append(f"{tile.entries_path()} or {tile.path()}: {error}")
            entries, hashes = [], []
        if len(entries) != tile.width or len(hashes) != tile.width:
            self.faults.append(
                f"{tile.entries_path()}: {len(entries)} entries and {len(hashes)} hashes, {tile.width} expected"
            )
        return entries, hashes

    def _grow(self, leaves: Sequence[bytes], root: bytes | None) -> None:
        begin = self.edge.size
        if root is not None and not any(begin < size <= begin + WIDTH for size in self.before):
            self.edge.add(root, _TILE_LEVEL)
            return
        for leaf in leaves:
            self.edge.add(leaf)
            self.forks.extend(
                f"the log was forked: its first {old.size} entries are not those signed earlier"
                for old in self.before.get(self.edge.size, ())
                if old.root != self.edge.root()
            )


def _root(hashes: Sequence[bytes]) -> bytes | None:
    return fold(hashes) if len(hashes) == WIDTH else None


def _check_upper(found: LogFiles, read: Reader, tiles: Sequence[Tile], below: Sequence[bytes | None]) -> None:
    """Hold each tile above the leaves to the roots of the tiles under it, level by level."""
    faults: list[str] = []
    level = 1
    above: list[bytes | None] = []
    for tile in tiles:
        if tile.level != level:
            level, below, above = tile.level, above, []
        try:
            hashes = hashes_of(read(tile.path()) or b"")
        except ValueError as error:
            faults.append(f"{tile.path()}: {error}")
            hashes = []
        if hashes and len(hashes) != tile.width:
            faults.append(f"{tile.path()}: {len(hashes)} hashes, {tile.width} expected")
        for at, each in enumerate(hashes[: tile.width]):
            if below[tile.index * WIDTH + at] != each:
                under = Tile(tile.level - 1, tile.index * WIDTH + at, WIDTH).path()
                faults.append(f"{tile.path()}: hash {at} is not the root of {under}")
        if tile.width == WIDTH:
            above.append(_root(hashes))
    if tiles:
        found.add(f"{len(tiles)} tiles above, each hash the root of the tile below", faults)


def _earlier(
    point: Checkpoint, earlier: Sequence[bytes], log: Verifier
) -> tuple[dict[int, list[Checkpoint]], list[str]]:
    """Checkpoints that the reader kept, by their size, and what is wrong with them already."""
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
    if any(old.root != EMPTY_ROOT for old in before.get(0, ())):
        faults.append("an earlier checkpoint of an empty log has a root that is not that of an empty log")
    return before, faults
