"""Notes and checkpoints: a published signature, and every way in which one may be wrong."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from governance.log.merkle import root_of
from governance.log.note import (
    COSIGNATURE,
    Checkpoint,
    Note,
    NoteError,
    Verifier,
    cosigned_message,
    open_checkpoint,
)

# The example of Go's package golang.org/x/mod/sumdb/note, which C2SP's signed-note describes.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()


def private(name):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def verifier(name, algorithm=1):
    return Verifier(name=name, public_key=private(name).public_key().public_bytes_raw(), algorithm=algorithm)


def signed(checkpoint, *, name="example.org/log", witnesses=(), at=1_700_000_000):
    note = Note(text=checkpoint.text())
    note = note.signed(name, verifier(name).hash + private(name).sign(note.text.encode()))
    for witness in witnesses:
        raw = at.to_bytes(8, "big") + private(witness).sign(cosigned_message(note.text, at))
        note = note.signed(witness, verifier(witness, COSIGNATURE).hash + raw)
    return note.to_bytes()


POINT = Checkpoint(origin="example.org/log", size=3, root=root_of([b"a" * 32] * 3))
LOG = verifier("example.org/log")
WITNESSES = [verifier("w1", COSIGNATURE), verifier("w2", COSIGNATURE)]


def test_a_published_note_is_signed_by_its_published_key():
    key = Verifier.parse(PUBLISHED_KEY)
    assert key.signed_at(Note.parse(PUBLISHED)) == 0
    assert str(key) == PUBLISHED_KEY
    assert Note.parse(PUBLISHED).to_bytes() == PUBLISHED
    assert key.signed_at(Note.parse(PUBLISHED.replace(b"answer", b"Answer"))) is None


def test_a_checkpoint_opens_with_its_log_key():
    assert open_checkpoint(signed(POINT), log=LOG) == POINT


def test_witnesses_count_by_key():
    data = signed(POINT, witnesses=["w1", "w2"])
    assert open_checkpoint(data, log=LOG, witnesses=WITNESSES, quorum=2) == POINT
    with pytest.raises(NoteError, match="1 of 2 witnesses"):
        open_checkpoint(signed(POINT, witnesses=["w1"]), log=LOG, witnesses=WITNESSES, quorum=2)
    again = Verifier(name="other", public_key=WITNESSES[0].public_key, algorithm=COSIGNATURE)
    with pytest.raises(NoteError, match="1 of 2 witnesses"):
        open_checkpoint(data, log=LOG, witnesses=[WITNESSES[0], again], quorum=2)
    note = Note.parse(data)
    assert WITNESSES[0].signed_at(note) == 1_700_000_000


def test_each_byte_of_a_checkpoint_counts():
    data = signed(POINT)
    for at, byte in enumerate(data):
        for other in (byte ^ 1, 0x20, 0x0A, 0x41):
            if other != byte:
                with pytest.raises(NoteError):
                    open_checkpoint(data[:at] + bytes([other]) + data[at + 1 :], log=LOG)
        with pytest.raises(NoteError):
            open_checkpoint(data[:at], log=LOG)


def test_a_stranger_or_another_log_is_refused():
    with pytest.raises(NoteError, match="not signed by"):
        open_checkpoint(signed(POINT, name="elsewhere"), log=LOG)
    other = Checkpoint(origin="example.org/other", size=3, root=POINT.root)
    with pytest.raises(NoteError, match=r"of the log 'example\.org/other'"):
        open_checkpoint(signed(other), log=LOG)


def test_two_signatures_by_one_key_are_none():
    note = Note.parse(signed(POINT))
    twice = note.signed(*note.signatures[0]).to_bytes()
    with pytest.raises(NoteError, match="not signed by"):
        open_checkpoint(twice, log=LOG)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n3\n",
        "log\n03\n" + base64.b64encode(b"a" * 32).decode() + "\n",
        "log\n-3\n" + base64.b64encode(b"a" * 32).decode() + "\n",
        "log\n3\n" + base64.b64encode(b"a" * 31).decode() + "\n",
        "log\n3\n" + base64.b64encode(b"a" * 32).decode() + "\nextension\n",
        "\n3\n" + base64.b64encode(b"a" * 32).decode() + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused_even_when_signed(text):
    note = Note(text=text)
    data = note.signed(LOG.name, LOG.hash + private(LOG.name).sign(text.encode())).to_bytes()
    with pytest.raises(NoteError):
        open_checkpoint(data, log=LOG)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a+b", "a+00000000+AAAA", PUBLISHED_KEY.replace("c74f20a3", "c74f20a4"), " +" + PUBLISHED_KEY],
)
def test_what_is_no_verifier_key_is_refused(text):
    with pytest.raises(NoteError):
        Verifier.parse(text)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    with pytest.raises(NoteError):
        open_checkpoint(noise, log=LOG)
