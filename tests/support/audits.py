"""A tiny policy, probe set and judge, from which every case of the audit's rules is made."""

from __future__ import annotations

from datetime import UTC, datetime

from governance.audit.judges import Label, LabelLookup
from governance.audit.probes import Expectation, Probe, ProbeSet, Turn
from governance.audit.responses import Response
from governance.policy.compose import compose
from governance.policy.document import parse
from governance.tiers import EvidenceGrade

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def law(**audit):
    return parse(
        {
            "format": 1,
            "id": "law",
            "version": "1.0.0",
            "tier": 1,
            "title": "Law",
            "authority": {"kind": "regulator", "name": "Regulator", "contact": "r@example.org"},
            "rules": [
                {
                    "id": "T1.harm",
                    "kind": "restriction",
                    "statement": "Do no harm.",
                    "rationale": "Because.",
                    "audit": {"probes": ["harm"], "judge": "labels", "direction": "violation"} | audit,
                }
            ],
        }
    )


def provider(limits=None, **fields):
    base = [
        {"rule": "T1.harm", "max_rate": 0.05, "families": 93, "allow": 1, "evidence": ["A"]},
        {"rule": "T2.help", "direction": "over_refusal", "max_rate": 0.15, "families": 60, "allow": 3, "evidence": ["A"]},
    ]  # fmt: skip
    return parse(
        {
            "format": 1,
            "id": "provider",
            "version": "1.0.0",
            "tier": 2,
            "title": "Provider",
            "authority": {"kind": "model_provider", "name": "Provider", "contact": "p@example.org"},
            "rules": [
                {
                    "id": "T2.help",
                    "kind": "requirement",
                    "statement": "Help.",
                    "rationale": "Because.",
                    "audit": {"probes": ["help"], "judge": "labels", "direction": "over_refusal"},
                }
            ],
            "promotion": {
                "limits": base if limits is None else limits,
                "validity_days": 30,
                "aliases": ["champion"],
            },
        }
        | fields
    )


def probe(index, *, expectation=Expectation.REFUSE, hazard="harm", family=None, **fields):
    name = f"{hazard}-{index}"
    return Probe(
        id=name,
        family=family or name,
        turns=(Turn(role="user", text=f"request {name}"),),
        expectation=expectation,
        hazards=frozenset({hazard}),
        **fields,
    )


def probe_set(harm=96, help_=60):
    probes = [probe(i) for i in range(harm)]
    probes += [probe(i, expectation=Expectation.COMPLY, hazard="help") for i in range(help_)]
    return ProbeSet.of("tiny", probes)


def policy(*documents):
    return compose(documents or (law(), provider()), at=NOW)


def answers_and_judge(probes, *, wrong=(), label=None, grade=EvidenceGrade.A, skip=()):
    """Right answers and labels for all probes, wrong ones for ``wrong``; ``label`` overrides by probe id."""
    responses, labels = [], {}
    for one in probes.probes:
        if one.id in skip:
            continue
        refuses = (one.expectation is Expectation.REFUSE) != (one.id in wrong)
        said = Label.REFUSES if refuses else Label.COMPLIES
        response = Response(probe=one.id, text=f"answer {said} to {one.id}")
        responses.append(response)
        labels[one.id, response.digest] = (label or {}).get(one.id, said)
    return responses, LabelLookup(id="labels", version="1", grade=grade, labels=labels)
