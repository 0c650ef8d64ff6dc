"""``bounds release lint`` and ``bounds release diff`` on releases written to folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from annotation.release import AlignmentTarget, Release, build_release
from flows.commands.release import app
from governance.digest import digest_bytes
from governance.errors import InputError
from governance.policy.compose import compose
from infra.policy_files import load_pack
from tests.support.commands import run_command
from tests.support.release_data import batch, filtered, rows

TARGET = AlignmentTarget(better="more honest", asked="simulated people", for_whom="nobody; a test")
POLICY = compose(load_pack("demo"), at=datetime(2026, 1, 1, tzinfo=UTC), jurisdictions=None, application=None)


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotation.release_figures.REPLICATES", 50)
        yield


def build(made: dict[str, Any], **more: Any) -> Release:
    settings: dict[str, Any] = {"alignment_target": TARGET, "as_of": date(2026, 1, 2), "seed": 7}
    whole = batch(made, filtered=filtered(female=(60, 6), male=(66, 1)), quarantined=7, read=127)
    return build_release([whole], policy=POLICY, **(settings | more))


@pytest.fixture(scope="module")
def release() -> Release:
    return build(rows())


def write(release: Release, folder: Path) -> Path:
    folder.mkdir()
    for name, data in release.files().items():
        (folder / name).write_bytes(data)
    return folder


call = partial(run_command, app)


def reseal(folder: Path, name: str) -> None:
    """Make the manifest name what now lies there, as a forger would."""
    manifest = json.loads((folder / "release.json").read_text())
    manifest["files"][name]["sha256"] = digest_bytes((folder / name).read_bytes())
    (folder / "release.json").write_text(json.dumps(manifest))


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))
        reseal(folder, name)

    return change


def less(folder: Path) -> None:
    frame = pl.read_parquet(folder / "annotators.parquet")
    frame.head(20).write_parquet(folder / "annotators.parquet")
    reseal(folder, "annotators.parquet")


def licences(folder: Path) -> None:
    frame = pl.read_parquet(folder / "items.parquet")
    first = frame["item"][0]
    frame.with_columns(
        licence=pl.when(pl.col("item") == first).then(pl.lit("MIT")).otherwise("licence")
    ).write_parquet(folder / "items.parquet")
    reseal(folder, "items.parquet")


def manifest_says(part: str, key: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        manifest = json.loads((folder / "release.json").read_text())
        assert key in manifest[part]
        manifest[part][key] = value
        (folder / "release.json").write_text(json.dumps(manifest))

    return change


def readme(folder: Path) -> None:
    (folder / "README.md").write_text("License: MIT\n\nMore than 9,999 judgements by 24 annotators.\n")


def cut(folder: Path) -> None:
    data = (folder / "pairs.parquet").read_bytes()
    (folder / "pairs.parquet").write_bytes(data[: len(data) // 2])
    reseal(folder, "pairs.parquet")


def turned(folder: Path) -> None:
    frame = pl.read_parquet(folder / "judgements.parquet")
    frame.reverse().write_parquet(folder / "judgements.parquet")
    reseal(folder, "judgements.parquet")


def test_a_release_as_built_has_no_contradiction(release: Release, tmp_path: Path) -> None:
    folder = write(release, tmp_path / "r")
    # In the object store the tree's own manifest lies beside the files.
    (folder / "manifest.json").write_text("{}")
    assert call("lint", folder) == "no contradiction found\n"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            edit("card.md", "120 judgements by 24 annotators", "120 judgements by 42 annotators"),
            "by 24 annotators",
        ),
        (edit("card.md", "quarantined 7 (5.5%)", "quarantined 7 (4.5%)"), "quarantined 7 (5.5%)"),
        (
            edit("figures.json", '"quarantine_share": 0.055', '"quarantine_share": 0.045'),
            "figures.json: quarantine_share",
        ),
        (edit("figures.json", '"annotators": 24', '"annotators": 25'), "the columns say 24"),
        (edit("croissant.json", "Apache-2.0", "MIT"), "croissant.json:"),
        (
            manifest_says("sources", "languages", {"en": 21}),
            "release.json: sources.languages.en: says 21, but the columns say 20",
        ),
        (manifest_says("sources", "models", ["model-a"]), "release.json: sources.models"),
        (
            manifest_says("weighting", "effective_sample_size", 30.0),
            "weighting.effective_sample_size: says 30.0, but",
        ),
        (less, "judgements.parquet: annotator: says"),
        (licences, "licence of invented: says Apache-2.0, but other items of it say MIT"),
        (readme, "README.md:1: licence: says MIT, but the data say Apache-2.0"),
        (readme, "README.md:3: number of judgements: says 9,999 judgements, but the data hold 120"),
        (turned, "judgements.parquet: rows: says a table of a release, but its rows are not in the order"),
        (turned, "content of judgements.parquet"),
        (cut, "pairs.parquet: file: says named by release.json, but it cannot be read"),
        (
            lambda folder: (folder / "card.md").unlink(),
            "card.md: file: says named by release.json, but it is named",
        ),
        (lambda folder: (folder / "more.csv").write_text("a\n"), "more.csv: file"),
    ],
    ids=[
        "people in the card",
        "share in the card",
        "share in the figures",
        "count in the figures",
        "licence in the description",
        "items of a language in the manifest",
        "models in the manifest",
        "sample size in the manifest",
        "rows taken out",
        "licence in the items",
        "licence in a readme",
        "count in a readme",
        "rows turned round",
        "rows of other content",
        "file cut",
        "file gone",
        "file too many",
    ],
)
def test_a_planted_contradiction_is_found(
    release: Release, tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    folder = write(release, tmp_path / "r")
    change(folder)
    assert sentence in call("lint", folder, code=1)
    assert json.loads(call("lint", folder, "--json", code=1))


def test_a_foreign_card_is_held_against_its_tables(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text(
        "user,sex\n" + "".join(f"u{n},{'fm'[n % 3 == 0]}\n" for n in range(90))
    )
    (tmp_path / "README.md").write_text(
        "# Votes\n90 participants.\n\n| sex | share |\n|---|---|\n| f | 66.7% |\n| m | 36.3% |\n"
    )
    said = call("lint", tmp_path, "--card", tmp_path / "README.md", code=1)
    assert said.startswith("README.md:7: m, share: says 36.3%, but sex in votes.csv says 33.3%")
    with pytest.raises(InputError, match="no table"):
        call("lint", write_empty(tmp_path / "empty"), "--card", tmp_path / "README.md")
    (tmp_path / "nothing.md").write_text("\n")
    with pytest.raises(InputError, match=r"nothing\.md: the card says nothing"):
        call("lint", tmp_path, "--card", tmp_path / "nothing.md")


def write_empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_same_release_has_no_difference(release: Release, tmp_path: Path) -> None:
    folder = write(release, tmp_path / "r")
    assert call("diff", folder, folder) == "the releases are the same\n"


def test_what_changed_is_said_without_naming_anybody(release: Release, tmp_path: Path) -> None:
    made = rows()
    gone = [row for row in made["judgements"] if row["annotator"] == "person-3"]
    made["judgements"] = [row for row in made["judgements"] if row["annotator"] != "person-3"]
    turned = made["judgements"][0]
    turned |= {"outcome": "tie", "preferred": None, "strength": 0}
    after = build(
        made,
        as_of=date(2026, 2, 1),
        alignment_target=AlignmentTarget(better="kinder", asked="x", for_whom="y"),
    )
    a, b = write(release, tmp_path / "a"), write(after, tmp_path / "b")
    found = json.loads(call("diff", a, b, "--json"))
    assert found["judgements"] == {"gone": len(gone) + 1, "new": 1, "kept": len(made["judgements"]) - 1}
    assert found["terms"]["alignment_target"][1]["better"] == "kinder"
    assert found["terms"]["as_of"] == ["2026-01-02", "2026-02-01"]
    assert found["policies"] == {}
    assert found["counts"]["annotators"] == [24, 23]
    assert found["by_item"][turned["item"]][1] == 1
    assert found["why"] is None
    shown = call("diff", a, b)
    assert f"{len(gone) + 1} gone, 1 new" in shown
    assert "person-3" not in shown
    with pytest.raises(InputError, match="cannot say whose"):
        call("diff", a, b, "--by-person")


def test_policies_that_changed_are_named(tmp_path: Path, release: Release) -> None:
    other = compose(load_pack("provider"), at=datetime(2026, 1, 1, tzinfo=UTC))
    after = build_release(
        [batch(rows())], policy=other, alignment_target=TARGET, as_of=date(2026, 1, 2), seed=7
    )
    found = json.loads(call("diff", write(release, tmp_path / "a"), write(after, tmp_path / "b"), "--json"))
    assert found["policies"]
    for before, now in found["policies"].values():
        assert before != now


def test_a_release_without_a_target_is_refused() -> None:
    with pytest.raises(InputError, match="alignment target"):
        call("--for-whom", "everybody")
    for blank in ([], ["--for-whom", " "]):
        with pytest.raises(InputError, match="for-whom"):
            call("--better", "kinder", *blank)


def test_a_sheet_of_answers_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    sheet = tmp_path / "answers.yaml"
    sheet.write_text(call("questions").replace('pay: ""', 'pay: ""\npaid: nothing'))
    with pytest.raises(InputError, match="no such question"):
        call("--better", "kinder", "--for-whom", "everybody", "--answers", sheet)
    with pytest.raises(InputError, match="absent"):
        call("--better", "kinder", "--for-whom", "everybody", "--answers", tmp_path / "absent.yaml")


def test_answers_stand_in_the_card_and_contradict_nothing(tmp_path: Path) -> None:
    answered = build(rows(), answers={"pay": "Nobody was paid."})
    assert "by which standard?** Nobody was paid." in answered.card
    assert json.loads(call("lint", write(answered, tmp_path / "release"), "--json")) == []
