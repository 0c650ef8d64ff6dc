"""What is done to the folder that the platform publishes: by who can write it, and by the platform itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from governance.digest import digest_bytes
from infra.gate.folder import TERMS_FILE
from tests.attacks.attack import onto_bad
from tests.attacks.deployment import ALIAS, MODEL, Deployment
from tests.support.decisions import decision

__all__ = ["decision_of", "lay", "published", "with_decision", "with_terms"]


def with_terms(d: Deployment, tamper: Callable[[bytes], bytes | None]):
    """Put other terms in the folder, try, and put the right ones back."""
    file = d.folder / "gate" / TERMS_FILE
    before = file.read_bytes()
    try:
        changed = tamper(before)
        file.unlink() if changed is None else file.write_bytes(changed)
        answer = d.set_alias(onto_bad(d)["version"])
        assert answer.status_code == 403, answer.text
        return answer
    finally:
        file.write_bytes(before)


def decision_of(d: Deployment, name: str, **changes):
    """What would let the version pass, had an auditor signed it."""
    version = d.versions[name]
    now = datetime.now(UTC).replace(microsecond=0)
    fields = {
        "model": MODEL, "version": version.version, "artifact": version.artifact, "aliases": (ALIAS,),
        "issued": now - timedelta(minutes=1), "expires": now + timedelta(days=30), **changes,
    }  # fmt: skip
    return decision(**fields)


def lay(d: Deployment, signed: bytes) -> None:
    name = digest_bytes(signed).removeprefix("sha256:") + ".json"
    (d.folder / "gate" / "decisions" / name).write_bytes(signed)


def with_decision(d: Deployment, signed: bytes, name: str = "bad"):
    """Put other bytes under the name of the newest decision, beside naming them rightly."""
    newest = d.decisions[MODEL, d.versions[name].version]
    file = d.folder / "gate" / "decisions" / (digest_bytes(newest).removeprefix("sha256:") + ".json")
    before = file.read_bytes()
    try:
        lay(d, signed)
        file.write_bytes(signed)
        answer = d.set_alias(d.versions[name].version)
        assert answer.status_code == 403, answer.text
        return answer
    finally:
        file.write_bytes(before)


def published(d: Deployment, signed: bytes, name: str = "bad", **terms):
    """Publish this as the newest decision, try, and publish the old state again."""
    version = d.versions[name].version
    kept = d.decisions.get((MODEL, version))
    d.decisions[MODEL, version] = signed
    try:
        d.publish(**terms)
        answer = d.set_alias(version)
        assert answer.status_code == 403, answer.text
        return answer
    finally:
        if kept is None:
            del d.decisions[MODEL, version]
        else:
            d.decisions[MODEL, version] = kept
        d.publish()
