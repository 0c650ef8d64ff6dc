"""A release is verified from its folder alone; whatever is changed in it is named."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from annotation.release import AlignmentTarget, Release, build_release
from annotation.release_verify import verify_release
from flows.commands.release import app
from governance.digest import digest, digest_bytes
from governance.errors import InputError
from governance.policy.compose import compose
from infra.policy_files import load_pack
from tests.support.release_data import batch, rows


@pytest.fixture(scope="module")
def release() -> Release:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotation.release_figures.REPLICATES", 20)
        return build_release(
            [batch(rows())],
            policy=compose(load_pack("demo"), at=datetime(2026, 1, 1, tzinfo=UTC)),
            alignment_target=AlignmentTarget(better="kinder", asked="nobody", for_whom="a test"),
            as_of=date(2026, 1, 2),
            seed=0,
        )


@pytest.fixture
def folder(release: Release, tmp_path: Path) -> Path:
    for name, data in release.files().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_a_release_as_built_holds(release: Release, folder: Path) -> None:
    found = verify_release(folder, expected=release.digest)
    assert found
    assert (found.digest, found.files) == (release.digest, 10)


def test_one_byte_a_missing_file_and_a_stranger_are_named(release: Release, folder: Path) -> None:
    data = bytearray((folder / "pairs.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "pairs.parquet").write_bytes(bytes(data))
    (folder / "card.md").unlink()
    (folder / "notes.txt").write_text("hello")
    faults = verify_release(folder).faults
    assert {fault.split(":")[0] for fault in faults} == {"pairs.parquet", "card.md", "notes.txt"}


def test_other_rows_under_an_edited_manifest_are_found_by_their_content(
    release: Release, folder: Path
) -> None:
    path = folder / "judgements.parquet"
    pq.write_table(pl.read_parquet(path).reverse().to_arrow(), path)
    manifest = json.loads((folder / "release.json").read_text())
    entry = manifest["files"]["judgements.parquet"]
    entry |= {"sha256": digest_bytes(path.read_bytes()), "bytes": path.stat().st_size}
    (folder / "release.json").write_text(json.dumps(manifest))
    found = verify_release(folder, expected=release.digest)
    assert any("judgements.parquet: its rows are" in fault for fault in found.faults)
    assert any("release.json: is sha256" in fault for fault in found.faults)


def test_half_a_table_is_no_table(folder: Path) -> None:
    path = folder / "items.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    assert any("not a sound and complete Parquet table" in fault for fault in verify_release(folder).faults)


def test_another_name_is_another_release(folder: Path) -> None:
    assert not verify_release(folder, expected=digest("another"))
    (folder / "release.json").write_text("{}")
    with pytest.raises(InputError, match="not the manifest"):
        verify_release(folder)


@pytest.mark.parametrize("name", ["../release.json", "/etc/hostname", "a/b.parquet", ".."])
def test_a_manifest_names_files_of_its_folder_alone(folder: Path, name: str) -> None:
    manifest = json.loads((folder / "release.json").read_text())
    manifest["files"][name] = {"sha256": "x", "bytes": 1}
    (folder / "release.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="no name of a file"):
        verify_release(folder)


def test_a_manifest_without_files_or_without_the_content_of_a_table_does_not_hold(folder: Path) -> None:
    manifest = json.loads((folder / "release.json").read_text())
    del manifest["files"]["items.parquet"]["content"]
    (folder / "release.json").write_text(json.dumps(manifest))
    assert any("items.parquet: is a table whose content" in fault for fault in verify_release(folder).faults)
    (folder / "release.json").write_text(json.dumps(manifest | {"files": {}}))
    with pytest.raises(InputError, match="names no file"):
        verify_release(folder)


def test_the_command_says_what_holds(release: Release, folder: Path) -> None:
    command = CliRunner()
    good = command.invoke(app, ["verify", str(folder), "--digest", release.digest, "--json"])
    assert (good.exit_code, json.loads(good.stdout)["faults"]) == (0, [])
    (folder / "card.md").write_text("another card")
    bad = command.invoke(app, ["verify", str(folder)])
    assert bad.exit_code == 1
    assert "card.md" in bad.stdout
