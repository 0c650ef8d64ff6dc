"""What the judge of a log sets aside lies in no folder, and a disk that does not take it is named."""

import tempfile

import pytest

from governance.errors import OutsideError
from infra.log_spill import Spill, spilled


def test_parts_are_given_back_whole_and_no_file_is_left_or_even_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with spilled() as parts:
        parts.add(1, b"one")
        parts.add(255, b"last")
        parts.add(1, b" more")
        assert (parts.read(1), parts.read(255), parts.read(7)) == (b"one more", b"last", b"")
        parts.add(1, b" still")
        assert parts.read(1) == b"one more still"
        assert list(tmp_path.iterdir()) == []  # killed here, nothing would be left


def test_no_folder_for_it_is_a_fault_of_the_outside(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(OutsideError, match="TMPDIR"), spilled():
        pass


def test_a_full_disk_is_a_fault_of_the_outside():
    with open("/dev/full", "r+b", buffering=0) as full, pytest.raises(OutsideError, match="No space left"):  # noqa: PTH123
        Spill(full).add(0, b"x")
