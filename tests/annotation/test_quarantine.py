"""Every planted fault goes to quarantine under its rule, and under no other; nothing is lost."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.events import EventKind, RawEvent
from annotation.policy_checks import checks_for
from annotation.quarantine import validate_batch
from annotation.records import JUDGEMENTS, table
from annotation.staging import stage_events, stage_rows
from governance.digest import digest
from governance.errors import RecordError
from tests.support.batches import OUTDATED, REQUIREMENTS, Batch
from tests.support.faults import FAULTS

CHECKS = checks_for(REQUIREMENTS)


def validated(batch: Batch) -> Any:
    return validate_batch(batch.rows, checks=CHECKS, **batch.surroundings())


def test_a_sound_batch_is_accepted_whole() -> None:
    batch = Batch()
    result = validated(batch)
    assert result.summary
    assert result.accepted.num_rows == len(batch.rows) == result.summary.read
    assert result.quarantine.num_rows == 0
    assert result.summary.failed_rules == {}
    assert result.accepted.schema.equals(JUDGEMENTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught_and_named(name: str) -> None:
    batch = Batch()
    fault = FAULTS[name]
    fault.plant(batch)
    result = validated(batch)
    assert result.summary.failed_rules == fault.expected
    assert result.accepted.num_rows + result.quarantine.num_rows == result.summary.read == len(batch.rows)
    for row in result.quarantine.to_pylist():
        assert len(row["rules"]) == len(row["reasons"]) == len(row["values"])
        json.loads(row["row"])


def test_several_rules_are_all_named_with_their_values() -> None:
    batch = Batch()
    row = batch.rows[3]
    row |= {"seconds": 0.5, "source": "carrier pigeon", "strength": 9, "outcome": "maybe"}
    result = validated(batch)
    (found,) = result.quarantine.to_pylist()
    by_rule = dict(zip(found["rules"], found["values"], strict=True))
    assert json.loads(by_rule["D.duration"]) == {"seconds": 0.5}
    assert json.loads(by_rule["R.set.source"]) == {"source": "carrier pigeon"}
    assert json.loads(by_rule["R.set.outcome"]) == {"outcome": "maybe"}
    assert json.loads(by_rule["R.range.strength"]) == {"strength": 9}
    assert json.loads(found["row"])["seconds"] == 0.5
    assert "not so: time" in " ".join(found["reasons"]) or "not so: the time" in " ".join(found["reasons"])


def test_flagged_personal_data_is_not_repeated_among_the_values() -> None:
    batch = Batch()
    batch.rows[0]["rationale"] = "Write to jane.doe@example.org about it."
    (found,) = validated(batch).quarantine.to_pylist()
    assert found["rules"] == ["D.personal-data"]
    assert "example.org" not in " ".join(found["values"] + found["reasons"])


def test_an_undecodable_event_is_quarantined_with_its_problem() -> None:
    batch = Batch()
    events = [
        RawEvent(
            site="main",
            source="portal",
            ref=row["source_ref"],
            kind=EventKind.STATED,
            revision=1,
            raw={},
            judgement={
                name: value.isoformat() if hasattr(value, "isoformat") else value
                for name, value in row.items()
                if name != "source_digest"
            },
        )
        for row in batch.rows
    ]
    events.append(
        RawEvent(
            site="main",
            source="portal",
            ref="task/x",
            kind=EventKind.STATED,
            revision=1,
            raw={"result": []},
            problem="an empty result",
        )
    )
    result = validate_batch(stage_events(events), checks=CHECKS, **batch.surroundings())
    assert result.accepted.num_rows == len(batch.rows)
    (found,) = result.quarantine.to_pylist()
    assert found["rules"] == ["R.decodable"]
    assert found["source_ref"] == "task/x"
    assert "an empty result" in found["reasons"][0]


def test_a_deletion_is_no_row() -> None:
    event = RawEvent(site="main", source="portal", ref="r", kind=EventKind.DELETED, revision=2, raw={})
    with pytest.raises(RecordError, match="deletion"):
        stage_events([event])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), planted=st.sets(st.sampled_from(sorted(FAULTS)), max_size=4))
def test_nothing_is_lost_and_order_of_arrival_does_not_matter(seed: int, planted: set[str]) -> None:
    batch = Batch(items=10, annotators=4, seed=seed)
    for name in sorted(planted):
        FAULTS[name].plant(batch)
        # The next fault is planted in rows that this one left alone.
        batch.rows = batch.rows[10:] + batch.rows[:10]
    one = validated(batch)
    assert one.accepted.num_rows + one.quarantine.num_rows == one.summary.read == len(batch.rows)
    for rows in (batch.rows, batch.presentations, batch.items, batch.profiles, batch.consents):
        random.Random(seed).shuffle(rows)
    assert validated(batch).tables() == one.tables()


def test_a_table_and_its_rows_give_the_same_bytes() -> None:
    batch = Batch()
    batch.rows[5]["seconds"] = 0.1
    whole = table(batch.rows, JUDGEMENTS)
    frame = pl.from_arrow(whole)
    by_rows = validated(batch).tables()
    around = batch.surroundings()
    assert validate_batch(whole, checks=CHECKS, **around).tables() == by_rows
    assert validate_batch(frame, checks=CHECKS, **around).tables() == by_rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["outcome"]), "outcome: missing column"),
        (lambda t: t.rename_columns({"outcome": "verdict"}), "verdict: unknown column"),
    ],
)
def test_a_table_of_another_shape_is_refused(change: Callable[[pa.Table], pa.Table], message: str) -> None:
    batch = Batch()
    with pytest.raises(RecordError, match=message):
        validate_batch(change(table(batch.rows, JUDGEMENTS)), checks=CHECKS, **batch.surroundings())


def test_a_column_of_another_type_is_judged_row_by_row() -> None:
    batch = Batch()
    whole = table(batch.rows, JUDGEMENTS)
    texts = pa.array([str(row["seconds"]) for row in batch.rows[:-1]] + ["soon"])
    at = whole.schema.get_field_index("seconds")
    result = validate_batch(whole.set_column(at, "seconds", texts), checks=CHECKS, **batch.surroundings())
    # Text is not a number, even where it looks like one: the source has changed its type.
    assert result.summary.failed_rules == {"R.types": len(batch.rows)}


def test_two_items_with_one_id_are_refused() -> None:
    batch = Batch()
    batch.items.append(batch.items[0] | {"digest": digest("another")})
    with pytest.raises(RecordError, match="same id"):
        validated(batch)


def test_the_first_judgement_counts_even_if_it_fails_another_rule() -> None:
    batch = Batch()
    first = batch.preferring()
    second = first | {
        "judgement": digest("again"),
        "source_ref": "again",
        "submitted_at": first["submitted_at"] + timedelta(seconds=9),
    }
    first["seconds"] = 0.2
    batch.rows.append(second)
    result = validated(batch)
    assert result.summary.failed_rules == {"D.duration": 1, "D.one-judgement": 1}


def test_who_was_filtered_out_is_counted_by_answer() -> None:
    batch = Batch()
    for row in batch.rows:
        if row["annotator"] == batch.annotators[1]:
            row["seconds"] = 0.0
    counts = {(c.field, c.status, c.value): (c.read, c.quarantined) for c in validated(batch).summary.strata}
    assert counts == {
        ("gender", "answered", "female"): (12, 0),
        ("gender", "answered", "male"): (24, 12),
        ("gender", "prefer_not_to_say", None): (12, 0),
    }


@pytest.mark.parametrize(
    ("requirement", "value"),
    [
        ({"id": "D.o", "check": "overlap", "at_least": 5, "share": 0.1}, 0.0),
        ({"id": "D.o", "check": "overlap", "at_least": 4}, 1.0),
        ({"id": "D.b", "check": "busiest_share", "at_most": 0.2}, 0.25),
        ({"id": "D.d", "check": "documented_share", "at_least": 1.0, "questions": ["gender", "age"]}, 0.0),
        ({"id": "D.d", "check": "documented_share", "at_least": 1.0, "questions": ["gender"]}, 1.0),
        (
            {"id": "D.c", "check": "coverage", "question": "gender", "targets": {"male": 0.5}, "at_least": 1},
            0.5,
        ),
        (
            {
                "id": "D.c",
                "check": "coverage",
                "question": "gender",
                "targets": {"female": 0.5},
                "at_least": 1,
            },
            0.25,
        ),
        ({"id": "D.q", "check": "quarantine_share", "at_most": 0.0}, 0.0),
    ],
)
def test_figures_of_the_batch_are_held_against_their_limits(
    requirement: dict[str, Any], value: float
) -> None:
    batch = Batch()
    result = validate_batch(batch.rows, checks=checks_for([requirement]), **batch.surroundings())
    (finding,) = result.summary.findings
    assert finding.value == pytest.approx(value)
    low, high = finding.check.low, finding.check.high
    assert finding.passed == ((low is None or value >= low) and (high is None or value <= high))
    assert bool(result.summary) == finding.passed
    assert [why.partition(":")[0] for why in result.summary.stops] == [finding.check.rule] * (
        not finding.passed
    )


def test_an_empty_batch_stops_and_its_figures_are_undefined() -> None:
    batch = Batch()
    batch.rows.clear()
    result = validated(batch)
    assert not result.summary
    assert [finding.value for finding in result.summary.findings] == [None] * 9
    assert "no judgement was accepted" in result.summary.stops[0]


def test_people_without_a_profile_are_undocumented() -> None:
    batch = Batch()
    batch.profiles.clear()
    assert validated(batch).summary.failed_rules == {"D.known": len(batch.rows)}
    checks = checks_for([need for need in REQUIREMENTS if need["id"] != "D.known"])
    result = validate_batch(batch.rows, checks=checks, **batch.surroundings())
    assert [finding.check.rule for finding in result.summary.findings if not finding.passed] == [
        "D.coverage",
        "D.documented",
    ]


def test_consent_must_be_known_to_count() -> None:
    batch = Batch()
    batch.consents.clear()
    assert validated(batch).summary.failed_rules == {"D.consent": len(batch.rows)}


def test_alpha_counts_canonical_preferences() -> None:
    batch = Batch(items=2, annotators=3)
    # Item one: first, first, second; item two: second, second, second. By hand: pairs that differ within
    # items 2 * 2 / 2 = 2; margins first 2, second 4: 2 * 2 * 4 / 5 = 3.2; alpha = 1 - 2 / 3.2 = 0.375.
    choices = {0: [0, 0, 1], 1: [1, 1, 1]}
    for number, item in enumerate(batch.items):
        rows = [row for row in batch.rows if row["item"] == item["item"]]
        for row, choice in zip(rows, choices[number], strict=True):
            row |= {
                "outcome": "prefers",
                "preferred": item["candidates"][choice]["candidate"],
                "strength": (-1, 1)[choice],
            }
    checks = checks_for([{"id": "D.a", "check": "agreement", "at_least": 0.4}])
    (finding,) = validate_batch(batch.rows, checks=checks, **batch.surroundings()).summary.findings
    assert finding.value == pytest.approx(0.375)
    assert not finding.passed


def test_staging_keeps_every_row_and_names_what_did_not_fit() -> None:
    staged = stage_rows(
        [
            {"judgement": "j1", "seconds": float("nan"), "shown": ["a", 3]},
            {"judgement": 7, "strength": True, "verdict": "x"},
            {"judgement": "j0", "submitted_at": "2026-01-05T10:00:00"},
        ]
    )
    assert staged.height == 3
    found = {row["judgement"]: json.loads(row["misfits"]) for row in staged.iter_rows(named=True)}
    assert found == {
        "j0": {"submitted_at": "'2026-01-05T10:00:00'"},
        "j1": {"seconds": "nan", "shown": "['a', 3]"},
        None: {"judgement": "7", "strength": "True", "verdict": "'x'"},
    }


def test_more_than_64_checks_of_rows_are_all_applied() -> None:
    batch = Batch()
    batch.rows[0]["seconds"] = 30.5
    needs = [{"id": f"D.duration-{n}", "check": "duration", "at_least": n} for n in range(1, 41)]
    result = validate_batch(batch.rows, checks=checks_for(needs), **batch.surroundings())
    assert sum(check.rule.startswith(("R.", "D.")) for check in result.summary.checks) > 64
    assert result.summary.failed_rules == {f"D.duration-{n}": 1 for n in range(31, 41)}


def test_judgements_under_an_outdated_policy_are_kept_and_marked() -> None:
    batch = Batch()
    (old,) = OUTDATED
    for row in batch.rows[:30]:
        row["policy_digest"] = old
    result = validated(batch)
    assert result.accepted.num_rows == len(batch.rows)
    (stale,) = result.summary.stale
    assert (stale.policy_digest, stale.judgements) == (old, 30)
    assert "T1.rule" in stale.changed
    (finding,) = [finding for finding in result.summary.findings if finding.check.rule == "D.stale"]
    assert finding.value == 30 / 48
    assert not finding.passed


def test_drift_is_the_distance_from_the_last_batch() -> None:
    batch = Batch()
    first = validated(batch)
    assert {f.check.rule: f.value for f in first.summary.findings}["D.drift"] == 0.0
    for row in batch.rows:
        row |= {"outcome": "tie", "preferred": None, "strength": 0}
    ties = first.summary.distributions["outcome"].get("tie", 0) / len(batch.rows)
    second = validate_batch(
        batch.rows, checks=CHECKS, before=first.summary.distributions, **batch.surroundings()
    )
    assert {f.check.rule: f.value for f in second.summary.findings}["D.drift"] == pytest.approx(1 - ties)


def test_prompts_that_nearly_repeat_are_counted_once_for_each_item() -> None:
    batch = Batch()
    words = "please tell me in a few words which of these two answers you would rather be given and why"
    for number in (0, 1, 2):
        batch.items[number]["prompt"] = [{"role": "user", "content": f"{words} {'now' * (number == 2)}"}]
    checks = checks_for([{"id": "D.split", "check": "split_contamination", "at_most": 0.1}])
    (finding,) = validate_batch(batch.rows, checks=checks, **batch.surroundings()).summary.findings
    # Two items share one prompt and so one split; the third nearly repeats it and may fall into another.
    assert finding.value == 3 / 12
    assert not finding.passed


@pytest.mark.slow
def test_a_text_of_100_megabytes_goes_to_quarantine_and_takes_nobody_with_it() -> None:
    batch = Batch()
    batch.rows[3]["rationale"] = "a@b.example " * (100_000_000 // 12)
    result = validated(batch)
    assert result.summary.failed_rules == {"R.length.rationale": 1}
    assert result.accepted.num_rows == len(batch.rows) - 1


def test_a_rule_of_gold_items_without_any_is_refused_not_passed() -> None:
    batch = Batch()
    around = batch.surroundings() | {"gold": None}
    checks = checks_for([{"id": "D.gold", "check": "gold", "at_least": 0.8}])
    with pytest.raises(RecordError) as refused:
        validate_batch(batch.rows, checks=checks, **around)
    assert "D.gold" in str(refused.value)
    assert "gold" in str(refused.value)
