"""Every kind of act that the log holds, as the platform's own functions do it; and processes that are killed in them.

    python -m tests.support.acts FOLDER POINT

does each in a data folder of its own below ``FOLDER``, in a process of its own, and prints how each ended. ``POINT`` is ``row`` (the act's own row is written, its entry not yet) or ``entry`` (its entry too, nothing is committed).
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from annotation.receipt import Found, make_receipt
from governance.audit.attempts import Attempt
from governance.digest import digest, digest_bytes
from governance.log.entry import Kind
from infra import attempts, ledger, log, people, withdrawals
from infra.approvals import approve, take
from infra.database import open_database
from infra.trust import current_trust, newest_version, revocation_of, revoke
from infra.waivers import take as take_waiver
from tests.support.decisions import NOW, decision, envelope, signing_key
from tests.support.record import POLICY, decided, settings_of, start
from tests.support.waivers import POLICY as EFFECTIVE
from tests.support.waivers import signed, waiver

PERSON = "a-ada"


def _batch(settings, db):
    row = ledger.Batch(
        digest=digest("batch"), inputs_digest=digest("in"), read=3, accepted=2, quarantined=1, verdict="PASSED",
        created_at=NOW,
    )  # fmt: skip
    ledger.record_batch(db, row)


def _release(settings, db):
    row = ledger.Release(
        digest=digest("release"), inputs_digest=digest("in"), batches=(digest("batch"),), created_at=NOW
    )
    ledger.record_release(db, row)


def _audit(settings, db):
    row = ledger.Audit(
        digest=digest("audit"), model="chat", version="3", verdict="PASS", policy_digest=digest("policy"),
        created_at=NOW,
    )  # fmt: skip
    ledger.record_audit(db, row)


def _attempt(settings, db):
    wanted = Attempt(
        model="chat", version="3", artifact=digest("files"), policy=digest("policy"), probe_set=digest("probes"),
        plan=digest("plan"), probes=frozenset({digest("probe")}), alpha=0.05, anytime=frozenset(), at=NOW,
    )  # fmt: skip
    attempts.register(db, wanted, budget=None, now=NOW)


def _policy(settings, db):
    row = ledger.PolicyVersion(
        id="law", version="1.0.0", digest=digest_bytes(POLICY), tier=1, text=POLICY.decode(), first_seen=NOW
    )
    ledger.record_policy(db, row)


def _move(outcome):
    def act(settings, db):
        row = ledger.Promotion(model="chat", alias="champion", version="3", outcome=outcome, at=NOW)
        ledger.record_promotion(db, row)

    return act


def _approval(settings, db):
    data = envelope(decision())
    approval = approve(data, signing_key("ann"))
    take(db, data, approval, trust=current_trust(settings, db, NOW), now=NOW)


def _waiver(settings, db):
    made = signed(replace(waiver(), issued=NOW, until=NOW + timedelta(days=10)))
    take_waiver(db, made, policy=EFFECTIVE, trust=current_trust(settings, db, NOW), now=NOW)


def _revocation(settings, db):
    revoke(settings, db, revocation_of(signing_key("bo").id, signing_key("kim"), NOW), NOW)


def _withdrawal(settings, db):
    people.add_profiles(db, [PROFILE])
    request = withdrawals.ask(db, "main", PERSON, via="command", now=NOW)
    withdrawals.begin(db, request, now=NOW)
    receipt = make_receipt(
        request=request.request,
        site="main",
        via="command",
        requested_at=NOW,
        finished_at=NOW,
        found=Found(batches=("b1",)),
        done=(),
        successors={"b1": "b2"},
        remains=[],
    )
    withdrawals.finish(db, request.request, receipt, now=NOW)


PROFILE = {
    "annotator": PERSON, "site": "main", "codebook": "c@1", "field": "age", "status": "answered", "value": "25-34",
    "simulated": True,
}  # fmt: skip
ACTS = {
    Kind.TRUST: lambda settings, db: newest_version(settings, db, NOW),
    Kind.KEY: lambda settings, db: newest_version(settings, db, NOW),
    Kind.POLICY: _policy,
    Kind.BATCH: _batch,
    Kind.RELEASE: _release,
    Kind.ATTEMPT: _attempt,
    Kind.AUDIT: _audit,
    Kind.DECISION: lambda settings, db: decided(db, decision()),
    Kind.APPROVAL: _approval,
    Kind.WAIVER: _waiver,
    Kind.PROMOTION: _move("promoted"),
    Kind.REFUSAL: _move("refused"),
    Kind.DEMOTION: _move("demoted"),
    Kind.REVOCATION: _revocation,
    Kind.WITHDRAWAL: _withdrawal,
    Kind.ERASURE: _withdrawal,
}
_OWN_TRUST = frozenset({Kind.TRUST, Kind.KEY})


def prepare(kind, home):
    """The data folder in which the act is done next."""
    settings = settings_of(home)
    if kind not in _OWN_TRUST:
        with open_database(settings, now=NOW) as db:
            start(settings, db)
    return settings


def _killed(home, kind, point):
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    settings = prepare(kind, home)
    with open_database(settings, now=NOW) as db:
        setattr(log, {"row": "_known", "entry": "_grow"}[point], die)
        ACTS[kind](settings, db)


def main(folder, point):
    for kind in ACTS:
        child = os.fork()
        if not child:
            _killed(Path(folder) / kind.value, kind, point)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(kind.value, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
