"""Decisions verified a second, with the auditor's signature alone and with two approvals.

.venv/bin/python benchmarks/decisions.py
"""

import time

from governance.promotion import Approval, verify_decision
from governance.provenance import Trust
from tests.support.decisions import ASKED, decision, envelope, trusted

NEED = Approval(roles=frozenset({"model-reviewer"}), threshold=2)
TRUST = Trust(
    keys=(*ASKED["trust"].keys, *(trusted(name, roles=("model-reviewer",)) for name in ("ann", "bo")))
)


def main():
    for name, made, signers in (
        ("auditor alone", decision(), ("auditor",)),
        ("two approvals", decision(approvals=(NEED,)), ("auditor", "ann", "bo")),
    ):
        data = envelope(made, signers)
        asked = ASKED | {"trust": TRUST}
        assert verify_decision(data, **asked)
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < 3:
            verify_decision(data, **asked)
            count += 1
        spent = time.perf_counter() - begun
        print(
            f"{name}: {count / spent:,.0f} decisions a second, {1000 * spent / count:.3f} ms each, {len(data)} bytes"
        )


if __name__ == "__main__":
    main()
