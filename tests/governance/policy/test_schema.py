"""The published JSON Schema is the code's, and says of the shipped documents what the code says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from governance.policy.document import json_schema
from infra.policy_files import POLICIES, read_source

SCHEMA = POLICIES.parent / "policy.schema.json"


def test_the_schema_that_is_checked_in_is_the_codes(request):
    """Written anew by ``python -m flows.cli policy schema > governance/policy.schema.json``."""
    assert json.loads(SCHEMA.read_text("utf-8")) == json_schema()


@pytest.mark.parametrize(
    "path", sorted(POLICIES.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_every_shipped_document_is_valid_by_the_schema(path: Path):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(json_schema()).validate(read_source(path).data)


@pytest.mark.parametrize(
    "damage",
    [
        {"rules": [{"id": "T1.x"}]},
        {"waivers": []},
        {"tier": 4},
        {"id": "сsam"},
        {"promotion": {}},
        {"version": "1"},
    ],
)
def test_the_schema_refuses_what_the_code_refuses(damage):
    jsonschema = pytest.importorskip("jsonschema")
    data = read_source(POLICIES / "tier1" / "baseline.yaml").data | damage
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(data)
