"""Acts that stand twice: found wherever they lie, in parts handed on in any portions."""

import hashlib

import pytest

from governance.log import repeats
from governance.log.repeats import Acts, InMemory
from infra.log_spill import spilled


def act(number):
    return hashlib.sha256(str(number).encode()).digest()[:16]


def naive(acts):
    first, found = {}, []
    for at, name in enumerate(acts):
        if name in first:
            found.append((name, at, first[name]))
        first.setdefault(name, at)
    return [f"entry {at}: repeats entry {before}" for name, at, before in sorted(found)]


@pytest.mark.parametrize("held", [1, 7, 1 << 18])
def test_what_repeats_is_what_a_dictionary_of_all_finds(held, monkeypatch):
    monkeypatch.setattr(repeats, "_HELD", held)
    acts = [act(number % 2_900) for number in range(3_000)] + [
        b"\x00" * 16,
        b"\xff" * 16,
        b"\x00" * 16,
        act(5),
    ]
    expected = naive(acts)
    assert len(expected) == 102
    with spilled() as on_disk:
        for parts in (InMemory(), on_disk):
            found = Acts(parts)
            for at, name in enumerate(acts):
                found.note(name, at)
            assert list(found.repeated()) == expected


def test_a_log_without_entries_repeats_nothing():
    assert list(Acts().repeated()) == []


def test_no_more_is_held_than_the_rows_until_they_are_handed_on(monkeypatch):
    monkeypatch.setattr(repeats, "_HELD", 100)
    parts = InMemory()
    found = Acts(parts)
    for at in range(950):
        found.note(act(at), at)
        assert sum(map(len, found._rows)) < 100 * 24
    assert sum(map(len, parts.held.values())) == 900 * 24
