"""The shipped examples of Tier Two ask newer questions of the data: each finds the fault it is there for."""

from __future__ import annotations

from datetime import UTC, datetime

from annotation.policy_checks import checks_for
from annotation.quarantine import validate_batch
from annotation.validated import Validated
from governance.policy.compose import compose
from infra.policy_files import load_pack
from tests.support.batches import Batch

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def judged(pack: str, batch: Batch, before: Validated | None = None) -> Validated:
    """``batch`` under all data rules of a shipped stack."""
    policy = compose(load_pack(pack), at=NOW)
    return validate_batch(
        batch.rows,
        checks=checks_for(
            {"id": need.id, "check": need.check, **need.terms} for need in policy.data_requirements
        ),
        before=None if before is None else before.summary.distributions,
        **batch.surroundings(),
    )


def figure(found: Validated, rule: str) -> tuple[float | None, bool]:
    (finding,) = [finding for finding in found.summary.findings if finding.check.rule == rule]
    return finding.value, finding.passed


def answering(batch: Batch, outcome: str) -> None:
    for row in batch.rows:
        row |= {"outcome": outcome, "preferred": None, "strength": 0 if outcome == "tie" else None}


def chooses_the_first_answer(batch: Batch, number: int = 0) -> int:
    """An annotator prefers what is shown first, always; how often."""
    mine = [row for row in batch.rows if row["annotator"] == batch.annotators[number]]
    known = {item["item"]: [c["candidate"] for c in item["candidates"]] for item in batch.items}
    for row in mine:
        preferred = row["shown"][0]
        strength = -2 if preferred == known[row["item"]][0] else 2
        row |= {"outcome": "prefers", "preferred": preferred, "strength": strength}
    return len(mine)


def test_a_sound_batch_breaks_no_rule_about_rows() -> None:
    for pack in ("health", "companion"):
        batch = Batch(items=24)
        first = judged(pack, batch)
        assert first.summary.failed_rules == {}
        again = judged(pack, batch, first)
        drifts = [finding for finding in again.summary.findings if finding.check.rule.startswith("D.drift")]
        assert [finding.value for finding in drifts] == [0.0] * (1 if pack == "health" else 2)


def test_health_sets_aside_who_reads_faster_than_anybody_reads() -> None:
    batch = Batch(items=24)
    item = batch.items[0]
    item["candidates"] = [c | {"text": c["text"] + " It is well known." * 60} for c in item["candidates"]]
    hasty = next(row for row in batch.rows if row["item"] == item["item"])
    for row in batch.rows:
        if row["item"] == item["item"]:
            row["seconds"] = 60.0
    hasty["seconds"] = 20.0  # 2,200 characters in 20 s are 110 a second; in 60 s they are 37
    found = judged("health", batch)
    assert found.summary.failed_rules == {"D.reading-speed": 1}
    assert found.quarantine.column("judgement").to_pylist() == [hasty["judgement"]]


def test_straight_lining_is_set_aside_with_the_whole_run_by_each_examples_own_limit() -> None:
    batch = Batch(items=16)
    run = chooses_the_first_answer(batch)
    assert judged("health", batch).summary.failed_rules == {"D.straight-lining": run}
    assert judged("companion", batch).summary.failed_rules == {}  # 16 in a row are within its 20
    batch = Batch(items=24)
    run = chooses_the_first_answer(batch)
    assert judged("companion", batch).summary.failed_rules == {"D.straight-lining": run}


def test_a_batch_whose_answers_drifted_stops() -> None:
    before = judged("health", Batch(items=24))
    batch = Batch(items=24)
    answering(batch, "neither")
    found = judged("health", batch, before)
    value, passed = figure(found, "D.drift-outcome")
    assert value is not None
    assert value > 0.7
    assert not passed
    assert any("D.drift-outcome" in reason for reason in found.summary.stops)


def test_companion_stops_where_the_languages_or_the_sides_drifted() -> None:
    before = judged("companion", Batch(items=16))
    batch = Batch(items=16)
    for number, item in enumerate(batch.items):
        batch.items[number] = item | {"language": "fr" if number % 2 else "en"}
    for number in range(len(batch.annotators)):
        chooses_the_first_answer(batch, number)
    found = judged("companion", batch, before)
    assert figure(found, "D.drift-language") == (0.5, False)
    assert figure(found, "D.drift-position")[1] is False


def test_an_unknown_annotator_and_a_copied_item_are_set_aside() -> None:
    batch = Batch(items=24)
    batch.rows[3]["annotator"] = "a-stranger"
    texts = [candidate["text"] for candidate in batch.items[0]["candidates"]]
    batch.items[1]["prompt"] = batch.items[0]["prompt"]
    for candidate, text in zip(batch.items[1]["candidates"], texts, strict=True):
        candidate["text"] = text
    found = judged("health", batch)
    assert found.summary.failed_rules == {"D.consent": 1, "D.known-annotator": 1, "D.near-duplicates": 4}
