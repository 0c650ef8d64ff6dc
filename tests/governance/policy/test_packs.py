from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from governance.policy.compose import compose
from governance.policy.document import TierOneDocument, TierTwoDocument, document_digest, parse
from governance.policy.render import render
from governance.policy.source import read
from infra.policy_files import POLICIES, load, load_pack, packs, read_source
from tests.support.policies import AT

FILES = sorted(
    path
    for folder in ("tier1", "tier2", "tier3", "demo", "personas")
    for path in (POLICIES / folder).rglob("*.yaml")
)
PACKS = ["baseline", "provider", "health", "companion", "demo", "persona-bounds"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_document_survives_a_round_trip(path: Path):
    document = load(path)
    assert document_digest(parse(read(render(document), name="again"))) == document_digest(document)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_document_says_that_it_is_an_example(path: Path):
    document = load(path)
    if document.tier < 3:
        assert document.notice
        assert "NOT LEGAL" in document.notice or "DEMONSTRATION" in document.notice


@pytest.mark.parametrize("path", sorted(POLICIES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_reader_of_yaml_sees_the_same_words(path: Path):
    def words(value):
        if isinstance(value, dict):
            return {key: words(inner) for key, inner in value.items() if key not in {"from", "until"}}
        return [words(inner) for inner in value] if isinstance(value, list) else value

    assert words(yaml.safe_load(path.read_text("utf-8"))) == words(read_source(path).data)


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("place", [None, "DE", "GB", "US", "BR"])
def test_every_pack_composes_with_pins_that_match(name: str, place: str | None):
    policy = compose(load_pack(name), at=AT, jurisdictions=[place] if place else None)
    assert policy.rule("T1.violent-threats") is not None


def test_every_pack_names_files_that_load():
    assert set(PACKS) < set(packs())
    for name in packs():
        assert load_pack(name)


def test_overlays_apply_where_they_bind():
    german = {ref.id for ref in compose(load_pack("provider"), at=AT, jurisdictions=["DE"]).documents}
    assert "law-eu" in german
    assert not german & {"law-uk", "law-us"}
    everywhere = {ref.id for ref in compose(load_pack("provider"), at=AT).documents}
    assert {"law-eu", "law-uk", "law-us"} <= everywhere


def test_only_the_demonstration_accepts_simulated_evidence():
    for path in FILES:
        document = load(path)
        if isinstance(document, TierTwoDocument) and document.promotion:
            grades = {grade for limit in document.promotion.limits for grade in limit.evidence}
            assert ("S" in grades) == path.is_relative_to(POLICIES / "demo")


def test_tier_one_rules_carry_sources_and_risks():
    for path in FILES:
        document = load(path)
        if isinstance(document, TierOneDocument):
            assert all(rule.sources and rule.risks and (rule.audit or rule.limits) for rule in document.rules)
