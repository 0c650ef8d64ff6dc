"""The record as other tools read it: OpenLineage run events and W3C PROV-JSON, out of the log's entries alone.

Nothing is added that the log does not say: batches make releases, a release and the policies stand behind an audit, an audit
behind a decision, approvals and waivers beside it, an erasure between two batches, and decisions behind the moves of aliases.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from governance.decision import stamp
from governance.log.entry import Entry, Kind

__all__ = ["openlineage", "prov"]

PRODUCER: Final = "urn:bounds:record"
_SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_SPACE: Final = uuid.UUID("6f0f4a1e-0c8b-5d55-9a53-0b6f1b0a7b01")
# kind of entry -> (job, fields that name inputs, fields that name outputs)
_STEPS: Final[Mapping[Kind, tuple[str, tuple[str, ...], tuple[str, ...]]]] = {
    Kind.BATCH: ("validate", ("inputs_digest",), ("digest",)),
    Kind.RELEASE: ("release", ("inputs_digest", "batches_digest"), ("digest",)),
    Kind.AUDIT: ("audit", ("policy_digest",), ("digest",)),
    Kind.DECISION: ("decide", (), ("statement",)),
    Kind.APPROVAL: ("approve", ("statement",), ("approval",)),
    Kind.WAIVER: ("waive", ("document",), ("waiver",)),
    Kind.ERASURE: ("erase", ("batch",), ("successor",)),
    Kind.PROMOTION: ("promote", ("decision",), ()),
    Kind.REFUSAL: ("promote", ("decision",), ()),
    Kind.DEMOTION: ("demote", ("decision",), ()),
}


def openlineage(entries: Iterable[tuple[int, Entry]], *, namespace: str) -> list[dict[str, Any]]:
    """One COMPLETE event for each step in the log; the run's id is made of the log's name and the entry's place.

    Args:
        entries: Positions and entries.
        namespace: Name of the log.
    """
    found = []
    for position, entry in entries:
        if entry.kind not in _STEPS:
            continue
        job, inputs, outputs = _STEPS[entry.kind]
        version = _version(entry)
        read = [
            *_datasets(entry, inputs, namespace),
            *([version] if version and entry.kind is Kind.AUDIT else []),
        ]
        made = [*_datasets(entry, outputs, namespace), *([version] if version and not outputs else [])]
        found.append(
            {
                "eventType": "FAIL" if entry.kind is Kind.REFUSAL else "COMPLETE",
                "eventTime": stamp(entry.at),
                "producer": PRODUCER,
                "schemaURL": _SCHEMA,
                "run": {"runId": str(uuid.uuid5(_SPACE, f"{namespace}/{position}")), "facets": {}},
                "job": {"namespace": namespace, "name": job, "facets": {}},
                "inputs": read,
                "outputs": made,
            }
        )
    return found


def prov(entries: Iterable[tuple[int, Entry]], *, namespace: str) -> dict[str, Any]:
    """A PROV-JSON document: entities by digest, an activity for each entry, keys as agents.

    Args:
        entries: Positions and entries.
        namespace: Name of the log.
    """
    document: dict[str, dict[str, Any]] = {
        "prefix": {"bounds": "urn:bounds:", "log": f"urn:bounds:log:{namespace}:", "xsd": "http://www.w3.org/2001/XMLSchema#"},
        "entity": {}, "activity": {}, "agent": {}, "used": {}, "wasGeneratedBy": {}, "wasAssociatedWith": {},
    }  # fmt: skip
    for position, entry in entries:
        if entry.kind not in _STEPS:
            if entry.kind is Kind.POLICY:
                name = f"bounds:{entry.body['digest']}"
                document["entity"][name] = {
                    "bounds:kind": "policy",
                    "bounds:id": f"{entry.body['id']} {entry.body['version']}",
                }
            continue
        job, inputs, outputs = _STEPS[entry.kind]
        act = f"log:{position}"
        at = {"$": stamp(entry.at), "type": "xsd:dateTime"}
        document["activity"][act] = {"prov:startTime": at, "prov:endTime": at, "bounds:step": job}
        for relation, fields in (("used", inputs), ("wasGeneratedBy", outputs)):
            for field in fields:
                if entry.body.get(field):
                    _relate(document, relation, act, f"bounds:{entry.body[field]}", {"bounds:kind": field})
        if version := _version(entry):
            name = f"bounds:model:{version['name']}"
            relation = "wasGeneratedBy" if not outputs else "used"
            _relate(document, relation, act, name, {"bounds:kind": "model version"})
        if entry.kind in {Kind.APPROVAL, Kind.WAIVER}:
            agent = f"bounds:{entry.body['keyid']}"
            document["agent"].setdefault(agent, {"bounds:kind": "key"})
            document["wasAssociatedWith"][f"_:{position}-agent"] = {"prov:activity": act, "prov:agent": agent}
    return document


def _relate(
    document: dict[str, dict[str, Any]], relation: str, act: str, entity: str, about: dict[str, str]
) -> None:
    document["entity"].setdefault(entity, about)
    number = len(document[relation])
    document[relation][f"_:{relation}-{number}"] = {"prov:activity": act, "prov:entity": entity}


def _datasets(entry: Entry, fields: Iterable[str], namespace: str) -> list[dict[str, Any]]:
    return [
        {"namespace": namespace, "name": str(entry.body[field]), "facets": {}}
        for field in fields
        if entry.body.get(field)
    ]


def _version(entry: Entry) -> dict[str, Any] | None:
    if "model" not in entry.body or "version" not in entry.body:
        return None
    return {"namespace": "models", "name": f"{entry.body['model']}/{entry.body['version']}", "facets": {}}
