"""Who is missing for want of consent: counted right, and never in numbers that tell of a person."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.quarantine import QUARANTINE
from annotation.records import PROFILES, table
from annotation.release import AlignmentTarget, Release, build_release
from annotation.release_inputs import LiveConsents, gather
from annotation.release_missing import missing_figures, refused_people
from governance.policy.compose import compose
from infra.policy_files import load_pack
from infra.release_spill import BatchFolder, spill
from tests.support.release_data import batch, profile_rows, rows, split_batches

TARGET = AlignmentTarget(better="more honest", asked="simulated people", for_whom="nobody; a test")
POLICY = compose(load_pack("provider"), at=datetime(2026, 1, 1, tzinfo=UTC))
RULE = next(need.id for need in POLICY.data_requirements if need.check == "consent")
K = next(need.terms["at_least"] for need in POLICY.data_requirements if need.check == "suppression")


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.release_figures.REPLICATES", 20)


def people(**groups: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """So many people with each answer to ``gender``."""
    names = [(f"{group}-{n}", group) for group, many in groups.items() for n in range(many)]
    missing = pl.DataFrame({"annotator": [name for name, _ in names], "site": ["main"] * len(names)})
    answers = [row for name, group in names for row in profile_rows(name, {"gender": group})]
    return missing, pl.DataFrame(table(answers, PROFILES))


@pytest.mark.parametrize(
    ("groups", "k", "expected"),
    [
        ({"female": 12, "male": 7}, 5, {"female": 10, "male": 5}),
        # A small group is not named, and one more is hidden: 12 minus 10 would tell it.
        ({"female": 10, "male": 2, "other": 6}, 5, {"female": 10, "suppressed": None}),
        ({"female": 20, "male": 3, "other": 4}, 5, {"female": 20, "suppressed": None}),
        ({"female": 6, "male": 1}, 5, {"suppressed": None}),
    ],
)
def test_small_groups_are_not_told(groups: dict[str, int], k: int, expected: dict[str, int | None]) -> None:
    found = missing_figures(*people(**groups), ["gender"], k=k)
    assert found["by"]["gender"] == expected
    assert found["by"]["site"] == {"main": sum(groups.values()) // k * k}
    assert found["people"] == sum(groups.values()) // k * k


def test_few_people_are_not_counted() -> None:
    assert missing_figures(*people(female=4), ["gender"], k=5) == {"people": None, "by": {}}
    assert missing_figures(*people(female=40), ["gender"], k=None) == {"people": None, "by": {}}
    assert missing_figures(*people(), ["gender"], k=5) == {"people": 0, "by": {}}
    assert "gender" not in missing_figures(*people(female=9), [], k=5)["by"]


def test_only_rows_that_failed_for_consent_count() -> None:
    frame = pl.DataFrame(
        {
            "annotator": ["a", "b", "c", None, "a"],
            "site": ["main"] * 5,
            "rules": [["D.x", RULE], ["D.x"], [], [RULE], [RULE]],
        },
        schema_overrides={"rules": pl.List(pl.String)},
    )
    assert refused_people(frame, {RULE}).rows() == [("a", "main")]
    assert refused_people(frame, set()).is_empty()


def build(batches: list[Any], live: frozenset[str]) -> Release:
    return build_release(
        batches,
        policy=POLICY,
        alignment_target=TARGET,
        as_of=date(2026, 1, 2),
        seed=7,
        consents=LiveConsents(purpose="training", live=live, rules=frozenset({RULE})),
    )


def test_the_card_says_who_did_not_agree() -> None:
    made = rows(people=48, items=40, each=8)
    said_no = {f"person-{n}" for n in range(16)}
    stopped = {f"person-{n}" for n in range(16, 20)}  # quarantined for want of consent before
    refused = [row for row in made["judgements"] if row["annotator"] in stopped]
    kept = [row for row in made["judgements"] if row["annotator"] not in stopped]
    # One judgement of somebody who otherwise agreed: that person is not missing.
    other = next(row for row in kept if row["annotator"] == "person-30")
    other["consent"] = "consent-of-before"
    live = frozenset(row["consent"] for row in kept if row["annotator"] not in said_no and row is not other)
    failed = [
        {name: row[name] for name in ("judgement", "annotator", "site")}
        | {"rules": [RULE], "reasons": [""], "values": [None], "row": "{}"}
        for row in refused
    ]
    whole = batch(made | {"judgements": kept}, quarantine=table_of(failed))
    release = build([whole], live)
    gender = {row["annotator"]: row["value"] for row in made["profiles"] if row["field"] == "gender"}
    counts = Counter(gender[name] for name in said_no | stopped)
    found = release.figures["without_consent"]
    assert found["people"] == 20 // K * K
    assert min(counts.values()) >= K
    assert found["by"]["gender"] == {name: many // K * K for name, many in sorted(counts.items())}
    assert f"missing for want of consent: {20 // K * K:,} or a few more" in release.card
    for name, many in found["by"]["gender"].items():
        assert f"| {name} | {many} |" in release.card
    assert "person-" not in release.card
    # Another partition says the same, byte for byte.
    parts = split_batches(made | {"judgements": kept}, 3, seed=1)
    none = [row for row in made["profiles"] if row["annotator"] in said_no | stopped]
    more = batch(
        {"judgements": [], "items": [], "profiles": none}, name="more", quarantine=table_of(failed), read=0
    )
    assert build([*parts, more], live).figures["without_consent"] == found


def table_of(failed: list[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(failed, schema=QUARANTINE)


def test_the_flow_s_folders_say_the_same(tmp_path: Path) -> None:
    """On disk the quarantine lies beside the batch, and the figures are those of memory."""
    made = rows(people=24, items=20)
    kept = [row for row in made["judgements"] if row["annotator"] not in ("person-0", "person-1")]
    failed = [
        {name: row[name] for name in ("judgement", "annotator", "site")}
        | {"rules": [RULE], "reasons": [""], "values": [None], "row": "{}"}
        for row in made["judgements"]
        if row not in kept
    ]
    live = frozenset(
        row["consent"] for row in kept if row["annotator"] not in [f"person-{n}" for n in range(2, 9)]
    )
    consents = LiveConsents(purpose="training", live=live, rules=frozenset({RULE}))
    whole = batch(made | {"judgements": kept}, quarantine=table_of(failed))
    for name in ("judgements", "items", "profiles", "quarantine"):
        pq.write_table(getattr(whole, name), tmp_path / f"{name}.parquet")
    (tmp_path / "checks.json").write_text('{"read": 120, "quarantined": 12, "filtered_out": []}')
    (tmp_path / "parts").mkdir()
    disk = spill(
        [BatchFolder(digest="sha256:0", folder=tmp_path)], tmp_path / "parts", consents=consents, rows=30
    )
    memory = gather([whole], consents=consents)
    assert disk.missing is not None
    assert memory.missing is not None
    assert disk.missing.equals(memory.missing)
    assert disk.missing["annotator"].to_list() == [f"person-{n}" for n in range(9)]
    assert set(disk.missing_profiles["annotator"]) == set(disk.missing["annotator"])


def test_everybody_agreed_and_nobody_was_asked() -> None:
    made = rows()
    everybody = build([batch(made)], frozenset(row["consent"] for row in made["judgements"]))
    assert everybody.figures["without_consent"] == {"people": 0, "by": {}}
    assert "Nobody whose judgements were collected is missing" in everybody.card
    silent = build_release(
        [batch(made)], policy=POLICY, alignment_target=TARGET, as_of=date(2026, 1, 2), seed=7
    )
    assert silent.figures["without_consent"] is None
    assert "missing for want of consent" not in silent.card
