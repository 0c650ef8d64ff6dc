"""Verify an exported bundle with nothing of bounds: Python's standard library and `cryptography`, Python 3.11 or later.

    python verify_bundle.py FOLDER --key "<verifier key of the log>" --trust sha256:<first trust version> [--since CHECKPOINT]

Formats: docs/formats/log.md and docs/formats/decision.md. Exit 0: all holds; 1: something is wrong, said where.
What it does: (1) the checkpoint is signed by the log; (2) its root is that of the entries (RFC 6962), and of an older
checkpoint too; (3) trust.json follows from the pinned version, each change signed by the previous threshold; (4) every
object has its digest; (5) every decision is signed by an auditor; (6) every promotion rests on a PASS that was live then,
for these names, with the approvals it asks for, by different persons whose keys counted then.
"""

import argparse
import base64
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FAULTS = []


def expect(holds, what):
    if not holds:
        FAULTS.append(what)
    return holds


def sha(data):
    return hashlib.sha256(data).digest()


def signed(key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def checkpoint(data, vkey):
    name, key_hash, raw = vkey.split("+", 2)
    key = base64.b64decode(raw)[1:]
    text, _, tail = data.decode().rpartition("\n\n")
    lines = [line.split(" ") for line in tail.splitlines()]
    mine = [
        raw
        for raw in (base64.b64decode(line[2]) for line in lines if line[1] == name)
        if raw[:4].hex() == key_hash
    ]
    expect(
        len(mine) == 1 and signed(key, mine[0][4:], (text + "\n").encode()),
        "checkpoint: not signed by the log",
    )
    origin, size, root = text.split("\n")
    expect(origin == name, "checkpoint: of another log")
    return int(size), base64.b64decode(root)


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
        path = f"x{number // 1000000:03d}/" if number >= 1000000 else ""
        path += f"x{number // 1000 % 1000:03d}/" if number >= 1000 else ""
        path += f"{number % 1000:03d}" + (f".p/{width}" if width < 256 else "")
        data, at, count = (folder / "tile/entries" / path).read_bytes(), 0, 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 2], "big")
            yield data[at + 2 : at + 2 + length]
            at, count = at + 2 + length, count + 1
        expect(count == width, f"tile/entries/{path}: {count} entries, {width} expected")


def opened(envelope):  # DSSE: payload, and what its signatures are over
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    return payload, b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signers(
    envelope, trust, at, revoked=()
):  # person -> roles, of signatures by keys that counted at that time
    _, message = opened(envelope)
    found = {}
    for key in trust["keys"]:
        for row in envelope["signatures"]:
            live = datetime.fromisoformat(key["not_before"]) <= at < datetime.fromisoformat(key["not_after"])
            counts = (
                row["keyid"] == key["keyid"] and live and key["keyid"] not in {*trust["revoked"], *revoked}
            )
            if counts and signed(base64.b64decode(key["key"]), base64.b64decode(row["sig"]), message):
                found.setdefault(key["person"], set()).update(key["roles"])
    return found


def enough(found, need, without=()):
    return (
        len([p for p, roles in found.items() if roles & set(need["roles"]) and p not in without])
        >= need["threshold"]
    )


def when(text):
    return datetime.fromisoformat(text)


def trust_chain(folder, pinned):
    chain = []
    for envelope in json.loads((folder / "trust.json").read_bytes())["chain"]:
        payload, _ = opened(envelope)
        version = json.loads(payload) | {"digest": "sha256:" + sha(payload).hex()}
        if chain or version["digest"] == pinned:
            for judge in [chain[-1], version] if chain else [version]:
                found = signers(envelope, judge, when(version["issued"]), version["revoked"])
                expect(enough(found, judge["change"]), f"trust {version['serial']}: too few keepers signed")
            follows = not chain or version["previous"] == chain[-1]["digest"]
            expect(follows, f"trust {version['serial']}: does not follow the version before it")
            chain.append(version)
    expect(chain, "trust.json: the pinned version is not there")
    return {version["digest"]: version for version in chain}


def replay(folder, log, chain):
    trust, revoked, decisions, approvals = None, set(), {}, {}

    def object_of(digest, at):
        data = (folder / "objects" / digest.removeprefix("sha256:")).read_bytes()
        expect("sha256:" + sha(data).hex() == digest, f"entry {at}: its object was changed")
        return json.loads(data) if data[:1] == b"{" else data

    for at, entry in enumerate(log):
        kind, body, time = entry["kind"], entry["body"], when(entry["at"])
        if kind == "trust":
            trust = chain.get(body["digest"])
            expect(trust, f"entry {at}: trust {body['serial']} is not in trust.json")
        elif kind in {"policy", "release", "audit"}:
            object_of(body["digest"], at)
        elif kind == "revocation":
            revoked.add(body["keyid"])
            object_of(body["revocation"], at)
        elif kind == "decision":
            decisions[body["digest"]] = object_of(body["digest"], at)
            payload, _ = opened(decisions[body["digest"]])
            expect(body["statement"] == "sha256:" + sha(payload).hex(), f"entry {at}: another statement")
            found = [
                signers(decisions[body["digest"]], t, when(json.loads(payload)["predicate"]["issued"]))
                for t in chain.values()
            ]
            expect(
                any("auditor" in roles for f in found for roles in f.values()),
                f"entry {at}: no auditor signed",
            )
        elif kind == "approval":
            approvals.setdefault(body["statement"], []).append(object_of(body["approval"], at))
        elif kind == "promotion":
            envelope = decisions.get(body["decision"])
            if not expect(envelope and trust, f"entry {at}: promoted without a decision or trust"):
                continue
            payload, _ = opened(envelope)
            said, statement = json.loads(payload)["predicate"], "sha256:" + sha(payload).hex()
            given = [a for a in approvals.get(statement, []) if a["payload"] == envelope["payload"]]
            whole = envelope | {
                "signatures": envelope["signatures"] + [row for a in given for row in a["signatures"]]
            }
            found = signers(whole, trust, time, revoked)
            auditors = {person for person, roles in found.items() if "auditor" in roles}
            expect(auditors, f"entry {at}: no auditor whose key counted")
            named = (said["model"], said["version"]) == (body["model"], body["version"]) and body[
                "alias"
            ] in said["aliases"]
            expect(named, f"entry {at}: the decision is about something else")
            passed = said["verdict"] == "PASS" and all(f["verdict"] == "PASS" for f in said["findings"])
            expect(passed and time < when(said["expires"]), f"entry {at}: the decision did not allow it then")
            for need in said["approvals"]:
                expect(enough(found, need, auditors), f"entry {at}: approvals are missing")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--key", required=True)
    options.add_argument("--trust", required=True)
    options.add_argument("--since", type=Path)
    asked = options.parse_args()
    try:
        size, root = checkpoint((asked.folder / "checkpoint").read_bytes(), asked.key)
        raw = list(entries(asked.folder, size))
        leaves = [sha(b"\x00" + data) for data in raw]
        expect(len(raw) == size and root_of(leaves) == root, "the entries are not those that were signed")
        if asked.since:
            old, before = checkpoint(asked.since.read_bytes(), asked.key)
            expect(
                old <= size and root_of(leaves[:old]) == before,
                f"the log does not begin with the {old} entries seen earlier",
            )
        replay(asked.folder, [json.loads(data) for data in raw], trust_chain(asked.folder, asked.trust))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        FAULTS.append(f"not a whole bundle: {type(error).__name__}: {error}")
    for fault in FAULTS:
        print("WRONG ", fault)
    print("all holds" if not FAULTS else f"{len(FAULTS)} faults")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
