"""Files that a person names: what is wrong with one is said in words, without the numbers of the system."""

import errno
import os

import pytest

from governance.errors import InputError, OutsideError, in_words
from infra.given_files import cannot_be_written, is_special, read_text, write_whole


def test_what_cannot_be_read_is_named_in_words(tmp_path):
    (tmp_path / "latin").write_bytes(b"a\nb\xe4\n")
    for name, words in (
        ("none", "cannot be read: No such file or directory (expected a table)"),
        ("latin/below", "cannot be read: Not a directory (expected a table)"),
        ("", "cannot be read: Is a directory (expected a table)"),
        ("n" * 300, "cannot be read: File name too long (expected a table)"),
    ):
        with pytest.raises(InputError) as caught:
            read_text(tmp_path / name, expected="a table")
        assert caught.value.diagnostics() == f"{tmp_path / name}: {words}"
    with pytest.raises(InputError, match=r"latin:2: not UTF-8 \(expected UTF-8 text\)"):
        read_text(tmp_path / "latin")


def test_a_mark_of_spreadsheets_is_no_part_of_the_text(tmp_path):
    (tmp_path / "sheet").write_bytes(b"\xef\xbb\xbfitem,answer\n")
    assert read_text(tmp_path / "sheet", encoding="utf-8-sig") == "item,answer\n"


def test_a_file_is_written_whole_or_nothing_is_left(tmp_path):
    write_whole(tmp_path / "file", b"one")
    write_whole(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"two"
    (tmp_path / "folder").mkdir()
    for place in ("folder", "none/file", "file/below"):
        with pytest.raises(InputError, match=r"cannot be written: (Is a|No such file or|Not a) directory"):
            write_whole(tmp_path / place, b"three")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_link_is_written_through_and_no_pipe_is_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"one")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"one"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", b"two")
    assert os.read(reader, 10) == b"two"
    os.close(reader)
    assert is_special(tmp_path / "pipe")
    assert not any(is_special(tmp_path / name) for name in ("file", "link", "none", ""))


def test_a_full_disk_is_not_the_fault_of_who_named_the_file(tmp_path):
    full = cannot_be_written(tmp_path, OSError(errno.ENOSPC, "No space left on device"))
    assert isinstance(full, OutsideError)
    assert full.diagnostics() == f"{tmp_path}: cannot be written: No space left on device"


def test_errors_of_the_system_lose_their_number_and_their_path():
    assert in_words(FileNotFoundError(2, "No such file or directory", "a/b")) == "No such file or directory"
    assert in_words(ValueError("not a number")) == "not a number"
    with pytest.raises(UnicodeDecodeError) as caught:
        b"ab\xff".decode()
    assert in_words(caught.value) == "not text in UTF-8 (byte 3)"
