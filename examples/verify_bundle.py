"""Verify an exported bundle with nothing of bounds: Python's standard library and `cryptography`, Python 3.11 or later.

    python verify_bundle.py FOLDER --key "<verifier key of the log>" --trust sha256:<first trust version> [--since CHECKPOINT]

Formats: docs/formats/log.md and docs/formats/decision.md. Exit 0: all holds; 1: something is wrong, said where.
What it does: (1) the checkpoint is signed by the log; (2) its root is that of the entries (RFC 6962), and of an older
checkpoint too; (3) trust.json follows from the pinned version, each change signed by the previous threshold; (4) every
object has its digest; (5) every decision is signed by an auditor; (6) every promotion rests on a PASS that was live then,
for these names, with the approvals it asks for, by different persons whose keys counted then; a rule that did not pass
is of Tier Two and waived by a policy owner.
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
when = datetime.fromisoformat
unbase = base64.b64decode


def expect(holds, what):
    FAULTS.extend([] if holds else [what])
    return holds


def sha(data):
    return hashlib.sha256(data).digest()


def name(data):
    return "sha256:" + sha(data).hex()


def signed(key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def checkpoint(
    data, vkey
):  # C2SP signed-note: text, empty line, "— <name> <base64 of key hash and signature>"
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


def payload_of(envelope):
    return unbase(envelope["payload"])


def signers(envelope, trust, at, revoked=()):  # DSSE: person -> roles, by keys that counted at that time
    kind, payload = envelope["payloadType"].encode(), payload_of(envelope)
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    found, gone = {}, {*trust["revoked"], *revoked}
    for key in trust["keys"]:
        live = when(key["not_before"]) <= at < when(key["not_after"]) and key["keyid"] not in gone
        for row in envelope["signatures"] if live else ():
            if row["keyid"] == key["keyid"] and signed(unbase(key["key"]), unbase(row["sig"]), message):
                found.setdefault(key["person"], set()).update(key["roles"])
    return found


def enough(found, need, without=()):
    persons = [p for p, roles in found.items() if roles & set(need["roles"]) and p not in without]
    return len(persons) >= need["threshold"]


def trust_chain(folder, pinned):  # digest -> version, from the pinned one on
    chain = []
    for envelope in json.loads((folder / "trust.json").read_bytes())["chain"]:
        version = json.loads(payload_of(envelope)) | {"digest": name(payload_of(envelope))}
        if chain or version["digest"] == pinned:
            for judge in [chain[-1], version] if chain else [version]:
                found = signers(envelope, judge, when(version["issued"]), version["revoked"])
                expect(enough(found, judge["change"]), f"trust {version['serial']}: too few keepers signed")
            follows = not chain or version["previous"] == chain[-1]["digest"]
            expect(follows, f"trust {version['serial']}: does not follow the version before it")
            chain.append(version)
    expect(chain, "trust.json: the pinned version is not there")
    return {version["digest"]: version for version in chain}


def promotion(body, time, said, found):  # why a decision did not allow it then
    auditors = {person for person, roles in found.items() if "auditor" in roles}
    names = (said["model"], said["version"]) == (body["model"], body["version"])
    waived = {row["rule"] for row in said.get("waivers", []) if time < when(row["until"])}
    bad = [f for f in said["findings"] if f["verdict"] != "PASS"]
    passed = said["verdict"] == "PASS" and all(f["tier"] == 2 and f["rule"] in waived for f in bad)
    yield auditors, "no auditor whose key counted"
    yield names and body["alias"] in said["aliases"], "the decision is about something else"
    yield passed and time < when(said["expires"]), "the decision did not allow it then"
    yield all(enough(found, need, auditors) for need in said["approvals"]), "approvals are missing"


def replay(folder, log, chain):
    trust, revoked, decisions, approvals, waivers = None, set(), {}, {}, {}
    objects = {"approval": "approval", "revocation": "revocation", "waiver": "waiver"}
    for at, entry in enumerate(log):
        kind, body, time = entry["kind"], entry["body"], when(entry["at"])
        if kind in {"policy", "release", "audit", "decision", *objects}:
            digest = body[objects.get(kind, "digest")]
            data = (folder / "objects" / digest.removeprefix("sha256:")).read_bytes()
            expect(name(data) == digest, f"entry {at}: its object was changed")
        if kind == "trust":
            trust = chain.get(body["digest"])
            expect(trust, f"entry {at}: trust {body['serial']} is not in trust.json")
        elif kind == "revocation":
            revoked.add(body["keyid"])
        elif kind == "waiver":
            envelope = json.loads(data)
            waivers[digest] = json.loads(payload_of(envelope))
            owner = any("policy-owner" in roles for roles in signers(envelope, trust, time, revoked).values())
            expect(owner, f"entry {at}: no policy owner signed the waiver")
        elif kind == "decision":
            decisions[digest] = envelope = json.loads(data)
            said = json.loads(payload_of(envelope))["predicate"]
            expect(body["statement"] == name(payload_of(envelope)), f"entry {at}: another statement")
            by = [signers(envelope, t, when(said["issued"])) for t in chain.values()]
            expect(any("auditor" in r for f in by for r in f.values()), f"entry {at}: no auditor signed")
            for row in said.get("waivers", []):
                keys = ("rule", "until", "model", "version")
                same = [waivers.get(row["waiver"], {}).get(k) == (row | said)[k] for k in keys]
                expect(all(same), f"entry {at}: rests on a waiver that does not stand before it")
        elif kind == "approval":
            approvals.setdefault(body["statement"], []).append(json.loads(data))
        elif kind == "promotion":
            envelope = decisions.get(body["decision"])
            if not expect(trust and envelope, f"entry {at}: promoted without a decision or trust"):
                continue
            given = approvals.get(name(payload_of(envelope)), [])
            rows = [r for a in given if a["payload"] == envelope["payload"] for r in a["signatures"]]
            whole = envelope | {"signatures": envelope["signatures"] + rows}
            said = json.loads(payload_of(envelope))["predicate"]
            for holds, what in promotion(body, time, said, signers(whole, trust, time, revoked)):
                expect(holds, f"entry {at}: {what}")


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
            begins = old <= size and root_of(leaves[:old]) == before
            expect(begins, f"the log does not begin with the {old} entries seen earlier")
        replay(asked.folder, [json.loads(data) for data in raw], trust_chain(asked.folder, asked.trust))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        FAULTS.append(f"not a whole bundle: {type(error).__name__}: {error}")
    for fault in FAULTS:
        print("WRONG ", fault)
    print("all holds" if not FAULTS else f"{len(FAULTS)} faults")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
