"""A batch validated in parts is the batch validated whole, byte for byte, whatever the parts and the order of arrival."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.item_facts import item_facts
from annotation.policy_checks import checks_for
from annotation.quarantine import JudgedRows, judge_rows, validate_batch
from annotation.records import ITEMS, make_item, table
from annotation.staging import stage_rows
from governance.errors import OutsideError, RecordError
from infra import validation_parts
from infra.copies_on_disk import CopySearch
from infra.dealt import Dealt
from infra.duck import duck
from infra.scratch import scratch_folder, sweep
from infra.validation_parts import ValidatedFiles, validate_parts
from tests.support.batches import REQUIREMENTS, Batch
from tests.support.faults import FAULTS
from tests.support.whole_catalogue import whole_catalogue

CHECKS = checks_for(REQUIREMENTS)


def by_parts(batch: Batch, scratch: Path, *, parts: int, at_once: int, seed: int = 1) -> ValidatedFiles:
    """``batch`` in parts, its rows in another order than they were given in, some at a time."""
    around = batch.surroundings()
    staged = stage_rows(batch.rows).sample(fraction=1, shuffle=True, seed=seed)
    outdated = around.pop("outdated")
    return validate_parts(
        [staged[start : start + at_once] for start in range(0, staged.height, at_once)],
        slices(around.pop("items"), 5),
        presentations=slices(around.pop("presentations"), 70),
        checks=CHECKS,
        parts=parts,
        scratch=scratch,
        outdated=lambda used: {digest: why for digest, why in outdated.items() if digest in used},
        **around,
    )


def slices(whole: pa.Table, rows: int) -> Iterator[pa.Table]:
    yield from (whole.slice(start, rows) for start in range(0, len(whole), rows))


def contents(found: ValidatedFiles) -> dict[str, bytes]:
    return {name: f if isinstance(f, bytes) else f.read_bytes() for name, f in found.files.items()}


def assert_same(batch: Batch, found: ValidatedFiles) -> None:
    whole = validate_batch(batch.rows, checks=CHECKS, **batch.surroundings())
    assert found.summary == whole.summary
    assert contents(found) == whole.tables()


@pytest.mark.parametrize(
    ("parts", "at_once"),
    [(3, 500), pytest.param(1, 10_000, marks=pytest.mark.slow), pytest.param(7, 97, marks=pytest.mark.slow)],
)
def test_every_fault_at_once_is_found_in_parts_as_in_the_whole(
    tmp_path: Path, parts: int, at_once: int
) -> None:
    batch = whole_catalogue()
    found = by_parts(batch, tmp_path, parts=parts, at_once=at_once)
    assert all(found.summary.counts.values())  # every check of rows has something to find
    assert_same(batch, found)


def test_great_expectations_counts_over_all_parts_what_the_parts_count(tmp_path: Path) -> None:
    from infra.expectations import run_on_files

    found = by_parts(whole_catalogue(), tmp_path, parts=4, at_once=300)
    counted = run_on_files(found).unexpected
    assert {key: counted[key] for key in found.summary.counts} == found.summary.counts
    # A row that the parts lose is missed by the other machine, which looks at the whole.
    pl.read_parquet(found.screened[1])[:-40].write_parquet(found.screened[1])
    found.scratch.joinpath("expectations.duckdb").unlink()
    with pytest.raises(OutsideError, match="disagrees with itself"):
        run_on_files(found)


def test_a_part_with_many_rows_is_judged_in_pieces_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[pl.DataFrame] = []

    def seen(staged: pl.DataFrame, *args: Any, **kwargs: Any) -> JudgedRows:
        pieces.append(staged)
        return judge_rows(staged, *args, **kwargs)

    monkeypatch.setattr(validation_parts, "ROWS_OF_A_PART", 400)
    monkeypatch.setattr(validation_parts, "judge_rows", seen)
    batch = whole_catalogue()
    # One name of no item: all its rows lie in one part.
    for row in batch.rows[::3]:
        row["item"] = "i-unknown"
    found = by_parts(batch, tmp_path, parts=3, at_once=200)
    assert_same(batch, found)
    unknown = sum((piece["item"] == "i-unknown").sum() for piece in pieces)
    assert unknown > 300
    assert max(piece.height for piece in pieces) < 600
    assert pl.read_parquet(found.screened).height == len(batch.rows)


PLANTED = given(
    names=st.lists(st.sampled_from(sorted(FAULTS)), max_size=6),
    seed=st.integers(0, 10_000),
    parts=st.integers(1, 9),
    at_once=st.integers(3, 200),
)
EXAMPLES = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_alike(folder: Path, names: list[str], seed: int, parts: int, at_once: int) -> None:
    batch = Batch(items=10, annotators=4, seed=seed)
    for name in names:
        FAULTS[name].plant(batch)
    if len({item["item"] for item in batch.items}) != len(batch.items):
        return
    with scratch_folder(folder, "test") as scratch:
        assert_same(batch, by_parts(batch, scratch, parts=parts, at_once=at_once, seed=seed))


@settings(EXAMPLES, max_examples=3)
@PLANTED
def test_some_faults_in_any_parts(
    tmp_path: Path, names: list[str], seed: int, parts: int, at_once: int
) -> None:
    assert_alike(tmp_path, names, seed, parts, at_once)


@pytest.mark.slow
@settings(EXAMPLES, max_examples=100)
@PLANTED
def test_any_faults_in_any_parts(
    tmp_path: Path, names: list[str], seed: int, parts: int, at_once: int
) -> None:
    assert_alike(tmp_path, names, seed, parts, at_once)


def test_nothing_and_rows_that_name_nothing(tmp_path: Path) -> None:
    batch = Batch(items=3, annotators=2)
    batch.rows = []
    (tmp_path / "none").mkdir()
    assert_same(batch, by_parts(batch, tmp_path / "none", parts=3, at_once=5))
    batch.rows = [{"problem": "an empty result"}] * 7 + [{"judgement": "j", "problem": "another"}] * 2
    (tmp_path / "void").mkdir()
    assert_same(batch, by_parts(batch, tmp_path / "void", parts=3, at_once=5))


def texts(seed: int, items: int) -> list[dict[str, Any]]:
    """Items of few words, so that many nearly repeat another and some repeat one."""
    words = ["red", "green", "small", "round"]
    made = []
    for number in range(items):
        chance = random.Random(f"{seed} {number % (items - 5)}")  # the last ones repeat the first
        made.append(
            make_item(
                prompt=[{"role": "user", "content": " ".join(chance.choices(words, k=chance.randint(1, 6)))}],
                candidates=[(f"m-{number}", chance.choice(words)), ("m-x", chance.choice(words[:2]))],
                language="en",
                topic=None,
                origin="generated",
                licence="Apache-2.0",
                source_ref=str(number),
                simulated=True,
            )
        )
    return made


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("column", ["near_duplicate_0_15", "prompt_twin_0_4", "near_duplicate_0_999"])
def test_copies_are_found_among_parts_as_among_all(tmp_path: Path, column: str, seed: int) -> None:
    items = pl.DataFrame(table(texts(seed, 120), ITEMS)).unique("item").sort("item")
    expected = item_facts(items, [column]).drop_nulls().sort("item")
    search = CopySearch(tmp_path, column)
    for part in range(4):
        search.add(items.filter(pl.int_range(pl.len()) % 4 == part))
    with duck(tmp_path) as connection:
        found = pl.concat([expected.clear(), *search.found(connection)])
    assert not expected.is_empty()
    assert found.sort("item").equals(expected)


def test_two_items_of_one_id_are_refused_wherever_they_come(tmp_path: Path) -> None:
    batch = Batch()
    batch.items.append(batch.items[0] | {"digest": "sha256:" + "0" * 64})
    with pytest.raises(RecordError, match="same id"):
        by_parts(batch, tmp_path, parts=3, at_once=50)


def staged_in_parts(folder: Path) -> Dealt:
    frame = pl.DataFrame({"a": range(1000), "b": ["text"] * 1000})
    dealt = Dealt(folder, "rows", frame.schema)
    dealt.deal(frame[:600], pl.col("a").cast(pl.UInt32) % 3)
    dealt.deal(frame[600:], pl.col("a").cast(pl.UInt32) % 3)
    return dealt


def test_a_part_that_vanishes_is_named(tmp_path: Path) -> None:
    dealt = staged_in_parts(tmp_path)
    assert dealt.read(1)["a"].to_list() == list(range(1, 1000, 3))
    (tmp_path / "rows-00001.arrows").unlink()
    with pytest.raises(OutsideError, match=r"rows-00001.*run again"):
        dealt.read(1)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.99])
def test_a_part_that_is_cut_short_is_named(tmp_path: Path, share: float) -> None:
    dealt = staged_in_parts(tmp_path)
    path = tmp_path / "rows-00002.arrows"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(OutsideError, match=r"rows-00002.*run again"):
        dealt.read(2)


@pytest.mark.parametrize("harm", [pytest.param("gone", marks=pytest.mark.slow), "cut"])
def test_files_between_the_passes_that_vanish_or_are_cut_are_named(tmp_path: Path, harm: str) -> None:
    from infra.expectations import run_on_files

    found = by_parts(Batch(items=4, annotators=2), tmp_path, parts=2, at_once=50)
    path = found.screened[1]
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(OutsideError, match="screened-00001"):
        run_on_files(found)


CHILD = """
import sys
from pathlib import Path
from infra.scratch import scratch_folder
from tests.infra.test_validation_parts import by_parts, contents
from tests.support.whole_catalogue import whole_catalogue
from governance.digest import digest_bytes
home = Path(sys.argv[1])
with scratch_folder(home, "validate") as scratch:
    found = contents(by_parts(whole_catalogue(), scratch, parts=5, at_once=200))
print("\\n".join(f"{name} {digest_bytes(data)}" for name, data in sorted(found.items())))
"""


@pytest.mark.slow
@pytest.mark.parametrize("at", ["dealt-rows-*", "screened-*", "judgements.parquet"])
def test_killed_between_parts_and_run_again_is_alike(tmp_path: Path, at: str) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    until = time.monotonic() + 120
    while not list(tmp_path.glob(f"scratch/validate-*/work/{at}")):
        assert child.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert list(tmp_path.glob("scratch/validate-*"))
    outputs = [subprocess.run(command, check=True, capture_output=True, timeout=120).stdout for _ in range(2)]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == 5
    assert not list(tmp_path.glob("scratch/validate-*"))  # what the killed run left is gone too


def test_scratch_of_the_living_stays_and_of_the_dead_goes(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, "validate") as first, scratch_folder(tmp_path, "validate") as second:
        assert first.is_dir()
        assert second.is_dir()
        dead = tmp_path / "scratch" / "validate-dead"
        dead.mkdir()
        (dead / ".lock").touch()
        (dead / "rows").write_text("what somebody wrote")
        assert sweep(tmp_path, "validate") == 1
        assert not dead.exists()
    assert not list((tmp_path / "scratch").iterdir())
