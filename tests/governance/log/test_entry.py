"""What may stand in the log, and that its bytes have one form."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.digest import canonical, digest
from governance.log import entry
from governance.log.entry import Entry, EntryError, Kind, commitment, identity

AT = datetime(2026, 6, 2, 12, 0, 0, 500_000, tzinfo=UTC)
BODY = {"release": digest("r"), "batches": [digest("a"), digest("b")], "rows": 3, "for_study": False}


def test_the_bytes_are_canonical_and_read_back():
    data = Entry(kind=Kind.RELEASE, at=AT, body=BODY).to_bytes()
    assert data.startswith(b'{"at":"2026-06-02T12:00:00Z","body":{"batches":[')
    again = Entry.parse(data)
    assert again.kind is Kind.RELEASE
    assert dict(again.body) == BODY
    assert again.at == AT.replace(microsecond=0)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True),
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(max_size=60).filter(lambda text: text.isprintable() and "@" not in text),
        min_size=1,
        max_size=8,
    )
)
def test_every_body_reads_back(body):
    data = Entry(kind=Kind.KEY, at=AT, body=body).to_bytes()
    assert data == canonical(json.loads(data))
    assert dict(Entry.parse(Entry(kind=Kind.KEY, at=AT, body=body).to_bytes()).body) == body


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"who": "ann@example.org"},
        {"text": "two\nlines"},
        {"text": "x" * 501},
        {"rate": 0.5},
        {"nested": {"a": 1}},
        {"Name": "x"},
        {"n": 2**60},
        {f"f{number}": 1 for number in range(41)},
        {"many": ["x" * 500] * 40},
    ],
)
def test_what_may_not_stand_in_the_log(body):
    with pytest.raises((EntryError, ValueError)):
        Entry(kind=Kind.KEY, at=AT, body=body).to_bytes()


def test_every_byte_of_an_entry_has_one_form():
    data = Entry(kind=Kind.RELEASE, at=AT, body=BODY).to_bytes()
    for change in (
        data + b"\n",
        data.replace(b":", b": ", 1),
        data.replace(b"release", b"unknown"),
        data.replace(b"bounds-log/1", b"bounds-log/2"),
        data[:-1],
        b"[]",
        b"{}",
        b"\xff",
    ):
        with pytest.raises(EntryError):
            Entry.parse(change)


def test_the_short_way_of_reading_takes_nothing_that_the_long_one_refuses():
    body = {"digest": "sha256:" + "0" * 64, "name": "Zoë", "number": 12, "rules": ["T1.a", None, True]}
    data = Entry(kind=Kind.KEY, at=datetime(2026, 6, 2, 23, 59, 1, tzinfo=UTC), body=body).to_bytes()
    assert entry._read_formed(data) == entry._read_any(data)
    others = [
        data[:at] + bytes([new]) + data[at + 1 :] for at in range(len(data)) for new in b'"}{,: 09aZ\x00\xff'
    ]
    others += [data[:at] + data[at + 1 :] for at in range(len(data))]
    others += [data + b"\n", data.replace(b"T23:59", b"T24:00"), data.replace(b'"body":{', b'"body":{ ')]
    taken = 0
    for other in others:
        short = entry._read_formed(other)
        if short is not None:
            taken += 1
            assert short == entry._read_any(other)
    assert taken > 500  # times, texts and numbers that are as good as the first ones


def test_an_act_is_named_by_what_it_says_not_by_when():
    assert identity(Kind.RELEASE, BODY) == identity(Kind.RELEASE, dict(reversed(BODY.items())))
    assert identity(Kind.RELEASE, BODY) != identity(Kind.AUDIT, BODY)
    assert identity(Kind.RELEASE, BODY) != identity(Kind.RELEASE, BODY | {"rows": 4})


def test_a_commitment_binds_and_hides():
    salt = b"s" * 16
    expected = hmac.new(salt, b"bounds-commitment/1\x00receipt", hashlib.sha256).hexdigest()
    assert commitment(b"receipt", salt) == f"sha256:{expected}"
    assert commitment(b"receipt", b"t" * 16) != commitment(b"receipt", salt)
    with pytest.raises(ValueError, match="salt"):
        commitment(b"receipt", b"short")
