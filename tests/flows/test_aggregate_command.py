"""``bounds aggregate`` as a person calls it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer

from annotation.aggregates import aggregate as fit
from flows.commands.aggregate import aggregate
from governance.errors import InputError
from tests.support.commands import run_command
from tests.support.shared_data import shared

app = typer.Typer()
app.command()(aggregate)


call = partial(run_command, app)


def found(*words: str | Path) -> dict[str, Any]:
    return json.loads(call(*words, "--json"))


ROWS = [
    {
        "task": f"t{i}",
        "who": f"w{w}",
        "said": str((i + (w == 3)) % 3),
        "a": ["x", "y", "z"][i % 3],
        "b": ["x", "y", "z"][(i // 3) % 3],
        "sex": "f" if w < 2 else "m",
    }
    for i in range(36)
    for w in range(4)
]
COLUMNS = ("--item", "task", "--annotator", "who", "--value", "said")
THINGS = ("--first", "a", "--second", "b")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "votes.csv"
    pl.DataFrame(ROWS).write_csv(made)
    return made


def test_every_reading_stands_beside_the_others(file: Path, tmp_path: Path) -> None:
    report = found(file, *COLUMNS, *THINGS, "--by", "sex", "--out", tmp_path / "items.parquet")
    assert report["items"]["items"] == 36
    assert report["items"]["unanimous"] == 0
    assert set(report["bradley_terry"]["things"]) == {"x", "y", "z"}
    # pairs of a thing with itself compare nothing: 12 of 36 items
    assert report["bradley_terry"]["comparisons"] == 24 * 4
    assert set(report["rates"]["x"]["by"]["sex"]) == {"f", "m"}
    items = pl.read_parquet(tmp_path / "items.parquet")
    assert items.columns == [
        "item",
        "category",
        "judgements",
        "share",
        "dawid_skene",
        "consensus_sex",
        "worst_group_sex",
    ]
    one = items.filter(pl.col("item") == "t0").to_dicts()
    assert [row["judgements"] for row in one] == [3, 1, 0]
    # group f: 2 of 2 say 0; group m: 1 of 2 -> (3/4) (2/4)
    assert one[0]["consensus_sex"] == pytest.approx(0.375)
    assert one[0]["worst_group_sex"] == 0.5
    assert sum(row["dawid_skene"] for row in one) == pytest.approx(1)


def test_for_people(file: Path) -> None:
    shown = call(file, *COLUMNS, *THINGS, "--by", "sex")
    assert "36 judged more than once, 0 of these unanimous" in shown
    assert "reliability" in shown
    assert "whoever differs wrong" in shown.replace("\n", " ")


def test_values_may_name_the_thing(tmp_path: Path) -> None:
    file = tmp_path / "named.csv"
    file.write_text("task,who,said,a,b\n1,p,x,x,y\n1,q,y,x,y\n2,p,tie,x,y\n2,q,x,y,x\n")
    report = found(file, *COLUMNS, *THINGS, "--tie-is", "tie")
    assert report["bradley_terry"]["comparisons"] == 4
    assert report["rates"]["x"]["rate"] == pytest.approx((1 + 0 + 0.5 + 1) / 4)


def test_no_finite_strength_is_said(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text("task,who,said,a,b\n1,p,1,x,y\n1,q,1,x,y\n")
    assert found(file, *COLUMNS, *THINGS)["bradley_terry"]["reason"]
    assert "no strength: some were always preferred" in call(file, *COLUMNS, *THINGS)


def test_parts_are_the_whole() -> None:
    frame = pl.DataFrame(ROWS).select(
        item="task", annotator="who", value="said", first="a", second="b", outcome=pl.lit("first")
    )
    people = pl.DataFrame(ROWS).select("sex", annotator="who").unique("annotator")
    cut = [frame.filter(pl.col("item").str.tail(1).cast(int) % 3 == n) for n in range(3)]
    a, b = fit([frame], people=people, by=["sex"]), fit(cut, people=people, by=["sex"])
    assert b.figures["rates"] == a.figures["rates"]
    assert b.figures["items"]["most_probable"] == a.figures["items"]["most_probable"]
    assert b.model is not None
    assert a.model is not None
    assert b.model.errors == pytest.approx(a.model.errors)
    both = pl.concat([b.items(part) for part in cut]).sort("item", "category")
    assert both.drop("dawid_skene").equals(a.items(frame).sort("item", "category").drop("dawid_skene"))


@pytest.mark.data
def test_published_pairs_need_no_option() -> None:
    report = found(shared("pandalm/testset-v1.json"))
    assert (report["items"]["items"], report["items"]["unanimous"]) == (999, 879)
    assert report["bradley_terry"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--first", "a"), "belong together"),
        (("--out", "x.txt"), "no such format"),
        (("--item", "nope"), "no such column"),
    ],
)
def test_bad_input_is_named(file: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(file, *COLUMNS, *words)


def test_a_folder_that_is_no_release_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder of a release"):
        call(tmp_path)
    (tmp_path / "release.json").write_text('{"files": {}}')
    with pytest.raises(InputError, match="no manifest"):
        call(tmp_path)
