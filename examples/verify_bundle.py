"""Verify an exported bundle with nothing of bounds: Python's standard library and `cryptography`, Python 3.11 or later.

    python verify_bundle.py FOLDER --key "<verifier key of the log>" --trust sha256:<first trust version> [--since CHECKPOINT]

Formats: docs/formats/log.md and docs/formats/decision.md. Exit 0: all holds; 1: something is wrong, said where. What it
does beyond verify_log.py, beside this file: (1) trust.json follows from the pinned version, each change signed by the
previous threshold; (2) every object has its digest; (3) every decision is signed by an auditor; (4) every promotion rests
on a PASS that was live then, for these names, with the approvals it asks for, by different persons whose keys counted
then; a rule that did not pass is of Tier Two and waived by a policy owner.
"""

import json
import sys
from datetime import datetime

from verify_log import expect, run, sha, signed, unbase, whole_log

when = datetime.fromisoformat


def name(data):
    return "sha256:" + sha(data).hex()


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


def verify(asked):
    log = whole_log(asked.folder, asked.key, asked.since)
    replay(asked.folder, log, trust_chain(asked.folder, asked.trust))


if __name__ == "__main__":
    sys.exit(run(verify, trust={"required": True}))
