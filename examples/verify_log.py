"""Verify an exported log with nothing of bounds: Python's standard library and `cryptography`, Python 3.11 or later.

    python verify_log.py FOLDER --key "<verifier key of the log>" [--since CHECKPOINT]

Format: docs/formats/log.md. Exit 0: all holds; 1: something is wrong, said where. What it does: (1) the checkpoint is
signed by the log; (2) its root is that of the entries (RFC 6962), and of an older checkpoint too; (3) no act stands twice.
What the entries say is verified by verify_bundle.py, beside this file.
"""

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FAULTS = []
unbase = base64.b64decode


def expect(holds, what):
    FAULTS.extend([] if holds else [what])
    return holds


def sha(data):
    return hashlib.sha256(data).digest()


def signed(key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def checkpoint(data, vkey):  # C2SP signed-note: text, empty line, "— <name> <key hash and signature>"
    log, key_hash, key = vkey.split("+", 2)
    text, _, tail = data.decode().rpartition("\n\n")
    found = [unbase(sig) for _, by, sig in (line.split(" ") for line in tail.splitlines()) if by == log]
    mine = [raw[4:] for raw in found if raw[:4].hex() == key_hash]
    right = len(mine) == 1 and signed(unbase(key)[1:], mine[0], (text + "\n").encode())
    expect(right, "checkpoint: not signed by the log")
    origin, size, root = text.split("\n")
    expect(origin == log, "checkpoint: of another log")
    return int(size), unbase(root)


def root_of(leaves):  # RFC 6962, section 2.1
    stack = []  # (size, hash) of complete subtrees, left to right
    for leaf in leaves:
        stack.append((1, leaf))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            (_, right), (n, left) = stack.pop(), stack.pop()
            stack.append((2 * n, sha(b"\x01" + left + right)))
    value = stack.pop()[1] if stack else sha(b"")
    while stack:
        value = sha(b"\x01" + stack.pop()[1] + value)
    return value


def entries(folder, size):  # C2SP tlog-tiles: bundles of 256, each entry after its length
    for first in range(0, size, 256):
        width, number = min(256, size - first), first // 256
        high = [f"x{number // step % 1000:03d}/" for step in (1000000, 1000) if number >= step]
        path = "".join(high) + f"{number % 1000:03d}" + (f".p/{width}" if width < 256 else "")
        data, at, count = (folder / "tile/entries" / path).read_bytes(), 0, 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 2], "big")
            yield data[at + 2 : at + 2 + length]
            at, count = at + 2 + length, count + 1
        expect(count == width, f"tile/entries/{path}: {count} entries, {width} expected")


def whole_log(folder, vkey, since=None):  # the entries, once all of the above holds
    size, root = checkpoint((folder / "checkpoint").read_bytes(), vkey)
    raw = list(entries(folder, size))
    leaves = [sha(b"\x00" + data) for data in raw]
    expect(len(raw) == size and root_of(leaves) == root, "the entries are not those that were signed")
    if since:
        old, before = checkpoint(since.read_bytes(), vkey)
        begins = old <= size and root_of(leaves[:old]) == before
        expect(begins, f"the log does not begin with the {old} entries seen earlier")
    log, acts = [json.loads(data) for data in raw], {}
    for at, entry in enumerate(log):
        first = acts.setdefault((entry["kind"], json.dumps(entry["body"], sort_keys=True)), at)
        expect(first == at, f"entry {at}: repeats entry {first}")
    return log


def run(verify, **more):
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--key", required=True)
    options.add_argument("--since", type=Path)
    for name, settings in more.items():
        options.add_argument(f"--{name}", **settings)
    try:
        verify(options.parse_args())
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        FAULTS.append(f"not a whole bundle: {type(error).__name__}: {error}")
    wrong = [f"WRONG  {fault}" for fault in FAULTS]
    print(*wrong, f"{len(FAULTS)} faults" if FAULTS else "all holds", sep="\n")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(run(lambda asked: whole_log(asked.folder, asked.key, asked.since)))
