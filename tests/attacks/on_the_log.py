"""Attacks on what shows the gate that a decision stands in the log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from governance.decision import Approval
from governance.digest import digest_bytes
from governance.gate import PUBLISHER
from governance.log.entry import Entry, Kind
from governance.log.inclusion import inclusions_bytes
from governance.provenance import statement_digest
from infra.gate.folder import TERMS_FILE
from infra.signing import sign
from tests.attacks.attack import attack, onto_bad
from tests.attacks.deployment import MODEL, Deployment
from tests.attacks.folder import decision_of, lay, published, with_decision
from tests.support.decisions import envelope, signing_key


def _refused(answer, *said):
    assert answer.status_code == 403, answer.text
    assert any(words in answer.text for words in said), answer.text
    return answer


def _publish(d: Deployment, signed: bytes, shown: bytes):
    """The publisher itself names this decision and these inclusions, under a newer number; then the set is tried."""
    bad = d.versions["bad"]
    kept = d.decisions[MODEL, bad.version]
    newest = d.publish().sequence
    lay(d, signed)
    _keep(d, shown)
    d.decisions[MODEL, bad.version] = signed
    try:
        terms = d.terms(sequence=newest + 1, inclusions=digest_bytes(shown))
        named = sign(terms.statement(), signing_key(PUBLISHER, role=PUBLISHER))
        (d.folder / "gate" / TERMS_FILE).write_bytes(named)
        return d.set_alias(bad.version)
    finally:
        d.decisions[MODEL, bad.version] = kept
        d.publish()  # under a number after theirs


def _passed(d: Deployment) -> bytes:
    """What would let the refused version pass, by the auditor's own key, and is in no log."""
    signed = envelope(decision_of(d, "bad"))
    d.places[digest_bytes(signed)] = []
    return signed


@attack(by="a signed decision")
def a_decision_that_is_not_in_the_log(d):
    return _refused(published(d, _passed(d)), "nothing shows that the decision is in the log")


@attack(by="a signed decision")
def approvals_that_are_not_in_the_log(d):
    """Two reviewers signed; one of them past the log."""
    need = (Approval(roles=frozenset({"model-reviewer"}), threshold=2),)
    made = decision_of(d, "bad", approvals=need)
    whole = envelope(made, signers=("auditor", "reviewer", "officer"))
    logged = envelope(made, signers=("auditor", "reviewer"))
    d.places[digest_bytes(whole)] = d.log.decide(logged, approvals=("reviewer",))
    return _refused(published(d, whole), "not with these signatures")


@attack(by="the publisher's key")
def a_log_entry_replayed_for_another_decision(d):
    signed = _passed(d)
    other = d.places[digest_bytes(d.decisions[MODEL, d.versions["good"].version])]
    shown = d.shown(places={digest_bytes(signed): other})
    return _refused(_publish(d, signed, shown), "about another decision")


@attack(by="the publisher's key")
def an_entry_of_ones_own_in_the_place_of_another(d):
    """The place and the way to the root are right, for the entry that stands there."""
    signed = _passed(d)
    body = {"statement": statement_digest(signed), "digest": digest_bytes(signed), "verdict": "PASS"}
    entry = Entry(kind=Kind.DECISION, at=datetime.now(UTC), body=body).to_bytes()
    [good] = d.places[digest_bytes(d.decisions[MODEL, d.versions["good"].version])]
    row = replace(d.log.included(good), entry=entry)
    shown = inclusions_bytes(d.log.checkpoint(), {digest_bytes(signed): [row]})
    return _refused(_publish(d, signed, shown), "is not in the log of")


@attack(by="the gate's folder")
def an_older_pass_appended_to_the_log_again(d):
    """A decision that passed once stands in the log a second time, after the refusal, so that it looks newest."""
    passed = envelope(decision_of(d, "bad"))
    first = d.log.decide(passed)
    body = Entry.parse(d.log.entries[first[0]]).body
    d.places[digest_bytes(passed)] = [d.log.append(Kind.DECISION, body)]
    d.publish(review=f"http://127.0.0.1:8800/review-{len(d.log.entries)}")
    return _refused(with_decision(d, passed), "no signed decision")


@attack(by="the publisher's key")
def an_older_checkpoint_served_again(d):
    """Right and signed once, with a newer number on the terms: the host has seen more of the log."""
    good = d.decisions[MODEL, d.versions["good"].version]
    size = max(d.places[digest_bytes(good)]) + 1
    d.log.append(Kind.KEY, {"number": len(d.log.entries)})
    d.publish(review=f"http://127.0.0.1:8800/review-{len(d.log.entries)}")
    assert d.set_alias(d.versions["good"].version).status_code == 200  # the host has seen it
    older = d.log.inclusions({digest_bytes(good): d.places[digest_bytes(good)]}, size=size)
    return _refused(_publish(d, _passed(d), older), "an older checkpoint was put back")


@attack(by="the log's key and the publisher's")
def a_fork_of_the_log(d):
    """As long as the log that the host has seen, signed by its key, with another entry in it."""
    signed = _passed(d)
    d.log.append(Kind.KEY, {"number": len(d.log.entries)})
    d.publish(review=f"http://127.0.0.1:8800/review-{len(d.log.entries)}")
    assert d.set_alias(d.versions["good"].version).status_code == 200
    kept = list(d.log.entries)
    d.log.entries.pop()
    try:
        shown = d.log.inclusions({digest_bytes(signed): d.log.decide(signed)})
    finally:
        d.log.entries[:] = kept
    return _refused(_publish(d, signed, shown), "the log was forked")


@attack(by="the publisher's key")
def a_checkpoint_by_a_key_of_ones_own(d):
    signed = _passed(d)
    kept = list(d.log.entries)
    try:
        places = {digest_bytes(signed): d.log.decide(signed)}
        forged = d.log.inclusions(places, checkpoint=d.log.checkpoint(key=signing_key("mallory")))
    finally:
        d.log.entries[:] = kept
    return _refused(_publish(d, signed, forged), "is not signed by")


@attack(by="the gate's folder")
def take_the_proofs_away(d):
    """What the terms name is gone, or is another's: the gate is shut, and nothing is taken off either."""
    newest = d.publish(review="http://127.0.0.1:8800/other").inclusions
    file = d.folder / "gate" / "inclusions" / (newest.removeprefix("sha256:") + ".json")
    before = file.read_bytes()
    try:
        for change in (file.unlink, lambda: file.write_bytes(before[:-2] + b"}\n")):
            change()
            taken = d.call(
                "DELETE",
                "mlflow/registered-models/alias",
                json={"name": MODEL, "alias": onto_bad(d)["alias"]},
            )
            _refused(taken, "the gate is shut")
            answer = _refused(d.set_alias(onto_bad(d)["version"]), "the gate is shut")
        return answer
    finally:
        file.write_bytes(before)
        d.publish()


@attack(by="the gate's folder")
def take_a_decision_away_to_take_the_alias_off(d):
    """The version could not be set without it; that is no reason to let the alias go."""
    newest = digest_bytes(d.decisions[MODEL, d.versions["good"].version])
    file = d.folder / "gate" / "decisions" / (newest.removeprefix("sha256:") + ".json")
    before = file.read_bytes()
    try:
        file.unlink()
        body = {"name": MODEL, "alias": onto_bad(d)["alias"]}
        return _refused(d.call("DELETE", "mlflow/registered-models/alias", json=body), "is not there")
    finally:
        file.write_bytes(before)


def _keep(d: Deployment, shown: bytes) -> None:
    """Lay a file of inclusions where the gate reads them."""
    name = digest_bytes(shown).removeprefix("sha256:") + ".json"
    (d.folder / "gate" / "inclusions" / name).write_bytes(shown)
