"""A release built on disk part by part is the one built in memory, byte for byte, whatever parts and batches."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from annotation.release import AlignmentTarget, Release, build_release, release_of, require_terms
from annotation.release_inputs import Batch, LiveConsents
from governance.digest import digest_bytes
from governance.errors import RecordError, RefusedError
from governance.policy.compose import compose
from governance.policy.model import EffectivePolicy
from infra import release_spill
from infra.policy_files import load_pack
from infra.release_spill import BatchFolder, spill
from tests.support.release_data import batch, filtered, rows, split_batches

TARGET = AlignmentTarget(better="more honest", asked="simulated people", for_whom="nobody; a test")
SETTINGS: dict[str, Any] = {"as_of": date(2026, 1, 2), "seed": 7}


@pytest.fixture(scope="module", autouse=True)
def small_groups() -> Any:
    """Row groups of a few rows, so that groups and parts cut the rows at different places."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotation.release_figures.REPLICATES", 50)
        patch.setattr("annotation.release_files._NARROW", 16)
        patch.setattr("annotation.release_files._GROUP", {"items.parquet": 7, "pairs.parquet": 11})
        patch.setattr("infra.release_spill._ROWS_AT_ONCE", 13)
        yield


@pytest.fixture(scope="module")
def policy() -> EffectivePolicy:
    return compose(load_pack("demo"), at=datetime(2026, 1, 1, tzinfo=UTC))


def stored(batches: list[Batch], folder: Path) -> list[BatchFolder]:
    found = []
    for number, one in enumerate(batches):
        place = folder / f"batch-{number}"
        place.mkdir(parents=True)
        for name in ("judgements", "items", "profiles"):
            pq.write_table(getattr(one, name), place / f"{name}.parquet", row_group_size=9)
        counts = [
            {
                "field": c.field,
                "status": c.status,
                "value": c.value,
                "read": c.read,
                "quarantined": c.quarantined,
            }
            for c in one.filtered
        ]
        checks = {"read": one.read, "quarantined": one.quarantined, "filtered_out": counts}
        (place / "checks.json").write_text(json.dumps(checks))
        found.append(BatchFolder(digest=one.digest, folder=place))
    return found


def on_disk(
    policy: EffectivePolicy,
    batches: list[Batch],
    folder: Path,
    *,
    part: int,
    consents: LiveConsents | None = None,
) -> Release:
    places = {name: folder / name for name in ("parts", "files")}
    for place in places.values():
        place.mkdir(parents=True)
    return release_of(
        spill(stored(batches, folder / "batches"), places["parts"], consents=consents, rows=part),
        batches=[one.digest for one in batches],
        terms=require_terms(policy, TARGET, consents, None),
        folder=places["files"],
        **SETTINGS,
    )


@pytest.mark.parametrize(("parts", "size"), [(1, 1000), (1, 20), (3, 40), (5, 30)])
def test_disk_and_memory_give_the_same_bytes(
    policy: EffectivePolicy, tmp_path: Path, parts: int, size: int
) -> None:
    made = rows(people=24, items=40, each=5)
    whole = batch(made, filtered=filtered(female=(60, 6), male=(66, 1)), quarantined=7, read=207)
    memory = build_release([whole], policy=policy, alignment_target=TARGET, **SETTINGS)
    batches = [whole] if parts == 1 else split_batches(made, parts, seed=parts)
    disk = on_disk(policy, batches, tmp_path, part=size)
    if parts > 1:
        memory = build_release(batches, policy=policy, alignment_target=TARGET, **SETTINGS)
    assert disk.files() == memory.files()
    assert (disk.digest, disk.inputs_digest, disk.batches) == (
        memory.digest,
        memory.inputs_digest,
        memory.batches,
    )
    contents = disk.contents()
    assert all(isinstance(content, Path) for content in contents.values())
    for name, entry in disk.manifest["files"].items():
        assert digest_bytes(disk.file(name)) == entry["sha256"]
        assert len(disk.file(name)) == entry["bytes"]
    assert pq.ParquetFile(str(contents["judgements.parquet"])).num_row_groups > 5


def test_partition_changes_no_byte_on_disk_either(policy: EffectivePolicy, tmp_path: Path) -> None:
    made = rows(items=30)
    files = [
        on_disk(policy, split_batches(made, parts, seed=parts), tmp_path / str(parts), part=size).files()
        for parts, size in ((2, 60), (6, 25))
    ]
    assert files[0] == files[1]


def test_consent_is_asked_for_in_every_part(policy: EffectivePolicy, tmp_path: Path) -> None:
    made = rows(items=12)
    purpose = "training"
    consents = LiveConsents(purpose=purpose, live=frozenset(f"consent-person-{n}" for n in range(0, 24, 2)))
    memory = build_release(
        [batch(made)], policy=policy, alignment_target=TARGET, consents=consents, **SETTINGS
    )
    disk = on_disk(policy, [batch(made)], tmp_path, part=10, consents=consents)
    assert disk.files() == memory.files()
    assert disk.figures["counts"]["without_consent"] > 0
    nobody = LiveConsents(purpose=purpose, live=frozenset())
    with pytest.raises(RefusedError, match="no judgement is left"):
        on_disk(policy, [batch(made)], tmp_path / "none", part=10, consents=nobody)


def test_a_batch_that_cannot_be_read_is_named(policy: EffectivePolicy, tmp_path: Path) -> None:
    (one,) = stored([batch(rows())], tmp_path)
    whole = (one.folder / "judgements.parquet").read_bytes()
    (one.folder / "judgements.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "parts").mkdir()
    with pytest.raises(RecordError, match=rf"{one.digest}/judgements\.parquet"):
        spill([one], tmp_path / "parts", consents=None)
    table = pq.read_table(one.folder / "items.parquet").drop_columns(["licence"])
    (one.folder / "judgements.parquet").write_bytes(whole)
    pq.write_table(table, one.folder / "items.parquet")
    with pytest.raises(RecordError, match="licence"):
        spill([one], tmp_path / "parts", consents=None)


def test_contradicting_batches_are_an_error_on_disk(policy: EffectivePolicy, tmp_path: Path) -> None:
    made = rows()
    other = made | {"judgements": [made["judgements"][0] | {"seconds": 99.0}]}
    with pytest.raises(RecordError, match="different rows"):
        on_disk(policy, [batch(made), batch(other, name="other")], tmp_path, part=20)
    with pytest.raises(RefusedError, match="no batch"):
        spill([], tmp_path, consents=None)


def test_a_file_that_vanishes_in_the_middle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = stored(split_batches(rows(), 2, seed=1), tmp_path)
    (tmp_path / "parts").mkdir()
    real = release_spill._borders

    def then_gone(*asked: Any) -> list[str]:
        borders = real(*asked)
        (other.folder / "items.parquet").unlink()
        return borders

    monkeypatch.setattr(release_spill, "_borders", then_gone)
    with pytest.raises(RecordError, match=rf"{other.digest}/items\.parquet"):
        spill([one, other], tmp_path / "parts", consents=None)
