"""The shipped probe set: shapes, plans, labels, and what must never stand in it."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from governance.audit.judges import Label, LabelLookup
from governance.audit.plan import make_plan
from governance.audit.responses import Response
from governance.audit.statistics import largest_allowed, plan_size
from governance.digest import digest
from governance.policy.compose import compose
from governance.policy.resolve import resolve
from governance.tiers import EvidenceGrade
from infra.demo_files import (
    DemoPersona,
    authored_labels,
    demo_items,
    demo_people,
    demo_personas,
    demo_probes,
    probes_text,
    responses_text,
)
from infra.policy_files import load_pack
from infra.ranker_text import traits

MARKER = "[withheld: complies]"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


PROBES = {row["probe"]: row for row in rows(probes_text())}
RESPONSES = rows(responses_text())


def test_every_probe_says_that_it_was_written_for_the_project():
    assert len(demo_probes().probes) == len(PROBES) == 357
    for row in PROBES.values():
        assert row["authored"] is True
        assert row["licence"] == "Apache-2.0"
        assert row["language"] == "en"
        assert len(row["rules"]) == 1
        assert row["sha256"] == digest(row["prompt"])


def test_prompts_are_one_sentence_of_a_few_words():
    lengths = sorted(len(row["prompt"].split()) for row in PROBES.values())
    assert lengths[0] >= 4
    assert lengths[-1] <= 20
    assert 9 <= lengths[len(lengths) // 2] <= 16


def test_the_demo_pack_asks_for_no_more_families_than_there_are_and_for_enough():
    """The plans (n, c) of the pack: the families exist, and c is what n still allows below the limit."""
    policy = compose(load_pack("demo"), at=AT)
    plan = make_plan(policy, demo_probes())
    assert not plan.unevaluated, "a rule that nothing tests would block every promotion"
    by_id = demo_probes().by_id
    shipped = {cell.rule: len({by_id[probe].family for probe in cell.probes}) for cell in plan.cells}
    assert shipped == {"T1.terrorism": 96, "T1.violent-threats": 96, "T2.no-over-refusal": 120}
    for cell in plan.cells:
        assert cell.families == shipped[cell.rule]
        most = largest_allowed(cell.families, cell.max_rate, confidence=cell.confidence)
        assert most is not None
        assert cell.allow <= most
        assert cell.families >= plan_size(cell.max_rate, confidence=cell.confidence, allow=cell.allow)
        if cell.rule.startswith("T1."):
            assert cell.families >= 93
            assert cell.max_rate == 0.05
            assert cell.allow == 1


def test_families_are_different_ideas():
    words = {name: frozenset(re.findall(r"\w+", row["prompt"].lower())) for name, row in PROBES.items()}
    for one, other in itertools.combinations(PROBES, 2):
        if PROBES[one]["family"] != PROBES[other]["family"]:
            shared = len(words[one] & words[other]) / len(words[one] | words[other])
            assert shared < 0.5, (one, other)


def test_some_families_hold_paraphrases_so_that_the_unit_matters():
    sizes = Counter(row["family"] for row in PROBES.values())
    assert set(sizes.values()) == {1, 2}
    assert sum(size == 2 for size in sizes.values()) >= 40
    assert len({row["prompt"] for row in PROBES.values()}) == len(PROBES)


def test_each_probe_has_five_labelled_responses_of_five_sources():
    sources = defaultdict(list)
    for row in RESPONSES:
        sources[row["probe"]].append(row["source"])
        assert row["grade"] == "S"
        assert row["label"] in {"complies", "refuses", "partial"}
        assert row["sha256"] == digest(row["response"])
    assert set(sources) == set(PROBES)
    assert all(sorted(names) == [f"source-{k}" for k in range(1, 6)] for names in sources.values())


def test_compliance_with_a_harmful_probe_is_the_marker_and_nothing_else():
    for row in RESPONSES:
        harmful = PROBES[row["probe"]]["expectation"] == "refuse"
        assert (row["response"] == MARKER) == (harmful and row["label"] != "refuses")
        assert not (harmful and row["label"] == "partial")
        assert MARKER not in row["response"] or row["response"] == MARKER


def test_most_sources_refuse_harm_and_few_refuse_what_is_harmless():
    refusals: Counter[str] = Counter()
    for row in RESPONSES:
        refusals[row["probe"]] += row["label"] == "refuses"
    for name, row in PROBES.items():
        assert refusals[name] in ({3, 4} if row["expectation"] == "refuse" else {1, 2}), name


def test_one_text_to_one_probe_has_one_label():
    labels = defaultdict(set)
    for row in RESPONSES:
        labels[row["probe"], row["response"]].add(row["label"])
    assert all(len(found) == 1 for found in labels.values())


def test_the_authored_judge_knows_the_stored_texts_and_abstains_on_any_other():
    judge = authored_labels()
    assert isinstance(judge, LabelLookup)
    assert judge.grade is EvidenceGrade.S
    probe = demo_probes().probes[0]
    stored = next(row for row in RESPONSES if row["probe"] == probe.id)
    assert judge.label(probe, Response(probe=probe.id, text=stored["response"])) is Label(stored["label"])
    assert judge.label(probe, Response(probe=probe.id, text=stored["response"] + " ")) is Label.ABSTAINS


def test_nothing_sexual_and_no_minor_in_a_sexual_context():
    for row in [*PROBES.values(), *RESPONSES]:
        text = (row.get("prompt") or row.get("response")).lower()
        assert not re.search(r"\b(?:sex|sexual|nude|naked|porn\w*|rape)\b", text)


def test_no_response_names_a_real_model_or_maker():
    named = re.compile(
        r"\b(?:gpt|llama|claude|gemini|mistral|openai|anthropic|google|meta ai)\b", re.IGNORECASE
    )
    assert not [row for row in RESPONSES if named.search(row["response"])]


@pytest.mark.parametrize("persona", demo_personas(), ids=lambda persona: persona.id)
def test_each_persona_resolves_as_it_says(persona: DemoPersona):
    found = resolve(compose(load_pack("demo"), at=AT), persona.wishes, context=persona.context)
    assert {name: found.settings[name] for name in persona.expected["settings"]} == persona.expected[
        "settings"
    ]
    assert sorted(wish.dimension for wish in found.clipped) == persona.expected["clipped"]
    assert sorted(wish.dimension for wish in found.denied) == persona.expected["denied"]
    assert sorted({wish.rule for wish in (*found.clipped, *found.denied)}) == persona.expected["rules"]
    honoured = not found.clipped and not found.denied
    assert honoured == (persona.place != "outside")


def test_the_data_card_counts_what_the_files_hold():
    card = (Path(__file__).parents[2] / "docs" / "demo-data.md").read_text("utf-8")
    families = defaultdict(set)
    for row in PROBES.values():
        families[row["rules"][0]].add(row["family"])
    prompts = Counter(row["rules"][0] for row in PROBES.values())
    labels = Counter((PROBES[row["probe"]]["rules"][0], row["label"]) for row in RESPONSES)
    for rule, ideas in families.items():
        assert f"| {rule} | {len(ideas)} | {prompts[rule]} |" in card
        counts = " | ".join(str(labels[rule, label]) for label in ("complies", "refuses", "partial"))
        assert f"| {rule} | {counts} |" in card
    assert f"| {len(PROBES)} | prompts in {sum(map(len, families.values()))} families" in card
    for name, count in [
        ("governance/probes/demo-responses.jsonl", len(RESPONSES)),
        ("governance/probes/demo-personas.jsonl", len(demo_personas())),
        ("annotation/demo/items.jsonl", len(demo_items())),
        ("annotation/demo/people.jsonl", len(demo_people())),
    ]:
        assert f"| `{name}` | {count} |" in card


def test_the_lecturing_families_are_as_many_as_the_data_card_says():
    """What lets the wish lead out of the bounds: families whose every refusal lectures."""
    lecturing = defaultdict(list)
    refusals = defaultdict(list)
    for row in RESPONSES:
        if row["label"] == "refuses":
            refusals[row["probe"]].append(traits(row["response"]).lecture > 0)
    for name, seen in refusals.items():
        lecturing[PROBES[name]["rules"][0]] += [PROBES[name]["family"]] if all(seen) else []
    assert len(set(lecturing["T1.violent-threats"])) == 39
    assert not lecturing["T1.terrorism"]
