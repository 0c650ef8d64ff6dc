"""Which grants the floor on PostgreSQL is given: what the published terms allow, judged by the same rule as the gate.

The files are left to the gate, which digests them when an alias moves; a grant says that a decision stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from governance.decision import Decision
from governance.gate import Terms
from governance.promotion import verify_decision
from governance.provenance import EnvelopeError, Trust
from infra.gate.floor import Grant

__all__ = ["grants_of"]


def grants_of(terms: Terms, envelopes: Mapping[str, bytes], *, trust: Trust, now: datetime) -> list[Grant]:
    """A grant for each protected alias that a version may carry now; none outlives the terms.

    Args:
        terms: What is published.
        envelopes: The decisions that the terms name, by digest.
        trust: Whose signatures count, without keys that were taken back.
        now: The one reference time.
    """
    policies = {row["digest"] for row in terms.policies}
    found: list[Grant] = []
    for model, index in sorted(terms.decisions.items()):
        if not terms.governs(model):
            continue
        for version, digest in sorted(index.items()):
            try:
                said = Decision.from_envelope(envelopes[digest])
            except EnvelopeError:
                continue
            found += [
                Grant(
                    model=model,
                    alias=alias,
                    version=int(version),
                    decision=digest,
                    expires=min(said.expires, terms.expires),
                )
                for alias in terms.aliases
                if verify_decision(
                    envelopes[digest],
                    trust=trust,
                    model=model,
                    version=version,
                    artifact=said.artifact,
                    alias=alias,
                    policies=policies,
                    approvals=terms.approvals,
                    accept_demonstration=terms.demonstration,
                    now=now,
                )
            ]
    return found
