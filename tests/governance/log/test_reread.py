"""Entries that are read again from their files: the same ones, in order, and never from files that changed since."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.errors import InputError
from governance.log.check import check_log
from governance.log.entry import Entry, Kind
from governance.log.merkle import fold, leaf_hash, root_of
from governance.log.note import Checkpoint, Note, Verifier
from governance.log.tiles import bundle, tiles_of

AT = datetime(2026, 6, 2, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
LOG = Verifier(name="log.example", public_key=PRIVATE.public_key().public_bytes_raw())


def made(count):
    return [
        Entry(kind=Kind.TRUST if number % 100 == 0 else Kind.KEY, at=AT, body={"number": number}).to_bytes()
        for number in range(count)
    ]


def signed(entries):
    point = Checkpoint(origin=LOG.name, size=len(entries), root=root_of(map(leaf_hash, entries)))
    note = Note(text=point.text())
    return note.signed(LOG.name, LOG.hash + PRIVATE.sign(note.text.encode())).to_bytes()


def files_of(entries):
    """The files of a log that holds these bytes, whatever they say."""
    files, below = {"checkpoint": signed(entries)}, [leaf_hash(data) for data in entries]
    level = 0
    for tile in tiles_of(len(entries)):
        if tile.level != level:
            level, below = tile.level, [fold(below[at : at + 256]) for at in range(0, len(below) - 255, 256)]
        first = tile.index * 256
        files[tile.path()] = b"".join(below[first : first + tile.width])
        if not tile.level:
            files[tile.entries_path()] = bundle(entries[first : first + tile.width])
    return files


def judged(files, **more):
    return check_log(files.get, [name for name in files if name != "checkpoint"], log=LOG, **more)


def wrong(found):
    return [fault for check in found.checks for fault in check.faults]


@pytest.mark.parametrize("count", [0, 1, 256, 700])
def test_all_are_read_again_in_order_and_by_kind(count):
    found = judged(files_of(made(count)))
    assert found, wrong(found)
    assert len(found.entries) == count
    for _ in range(2):
        assert [entry.body["number"] for entry in found.entries] == list(range(count))
    assert [at for at, _ in found.entries.of([Kind.TRUST])] == list(range(0, count, 100))
    assert [at for at, _ in found.entries.of()] == list(range(count))


def test_files_that_are_changed_after_they_were_judged_are_refused():
    files = files_of(made(300))
    found = judged(files)
    files["tile/entries/001.p/44"] = bundle(made(344)[300:])
    with pytest.raises(InputError, match="changed while it was judged"):
        list(found.entries.of([Kind.TRUST]))


def test_what_stands_twice_is_named_with_its_first_place_and_what_is_no_entry_is_left_out():
    entries = made(600)
    entries[400], entries[500], entries[599] = entries[7], entries[7], b"{}"
    found = judged(files_of(entries))
    faults = wrong(found)
    assert [fault for fault in faults if "repeats" in fault] == [
        "entry 400: repeats entry 7",
        "entry 500: repeats entry 7",
    ]
    assert [fault for fault in faults if fault.startswith("entry 599")]
    assert len(faults) == 3
    assert list(found.entries)[599] is None
    assert 599 not in {at for at, _ in found.entries.of()}


def test_of_many_faults_fifty_are_named_and_the_others_counted():
    found = judged(files_of([b"{}"] * 700))
    assert list(found.entries) == [None] * 700
    [faults] = [check.faults for check in found.checks if check.faults]
    assert faults[:1] == ("entry 0: not an entry: 'kind'",)
    assert faults[50:] == ("and 650 more",)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 600])
def test_checkpoints_of_any_size_are_held_to_the_beginning(size):
    entries = made(600)
    found = judged(files_of(entries), earlier=[signed(entries[:size])])
    assert found, wrong(found)
    other = [*entries[: size - 1], Entry(kind=Kind.KEY, at=AT, body={"number": -1}).to_bytes()]
    assert wrong(judged(files_of(entries), earlier=[signed(other)])) == [
        f"the log was forked: its first {size} entries are not those signed earlier"
    ]
