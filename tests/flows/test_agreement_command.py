"""``bounds agreement`` and ``bounds coverage`` as a person calls them, on every format and on bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer

from flows.commands.agreement import agreement
from flows.commands.coverage import coverage
from governance.errors import InputError
from tests.support.commands import run_command
from tests.support.shared_data import shared

app = typer.Typer()
app.command("agreement")(agreement)
app.command("coverage")(coverage)


def call(*words: str | Path) -> str:
    named = words if words[0] == "coverage" else ("agreement", *words)
    return run_command(app, *named)


def found(*words: str | Path) -> dict[str, Any]:
    return json.loads(call(*words, "--json"))


COLUMNS = ("--item", "task", "--annotator", "who", "--value", "score")
ROWS = [
    {
        "task": f"t{i}",
        "who": f"w{w}",
        "score": [1.0, 2.0, 3.0][(i + (w == 2 and i % 4 == 0)) % 3],
        "sex": "f" if w < 2 else "m",
    }
    for i in range(40)
    for w in range(4)
]


def write(folder: Path, kind: str) -> Path:
    file = folder / f"ratings.{kind}"
    frame = pl.DataFrame(ROWS)
    match kind:
        case "csv":
            frame.write_csv(file)
        case "tsv":
            frame.write_csv(file, separator="\t")
        case "jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        case "json":
            file.write_text(json.dumps(ROWS))
        case _:
            frame.write_parquet(file)
    return file


@pytest.mark.data
@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--item", "idx", "--wide", "annotator1", "annotator2", "annotator3"),
        ("--wide", "annotator1,annotator2,annotator3"),
        (
            "--item",
            "idx",
            "--annotator",
            "annotator1",
            "--annotator",
            "annotator2",
            "--annotator",
            "annotator3",
        ),
    ],
    ids=["by itself", "wide with places", "wide with commas", "annotator columns"],
)
def test_the_published_pairs(words: tuple[str, ...]) -> None:
    report = found(shared("pandalm/testset-v1.json"), *words, "--level", "nominal")
    assert report["alpha"] == pytest.approx(0.864, abs=5e-4)
    assert report["fleiss_kappa"] == pytest.approx(0.864, abs=5e-4)
    assert [pair["kappa"] for pair in report["cohen_kappa"]] == pytest.approx([0.852, 0.879, 0.862], abs=5e-4)
    assert (report["items"], report["annotators"], report["judgements"]) == (999, 3, 2997)
    assert report["low"] < report["alpha"] < report["high"]


@pytest.mark.data
def test_the_published_pairs_in_long_form(tmp_path: Path) -> None:
    rows = json.loads(shared("pandalm/testset-v1.json").read_text())
    file = tmp_path / "long.csv"
    long = [
        {"item": row["idx"], "annotator": name, "value": row[name], "pair": row["cmp_key"]}
        for row in rows
        for name in ("annotator1", "annotator2", "annotator3")
    ]
    pl.DataFrame(long).write_csv(file)
    report = found(file, "--item", "item", "--annotator", "annotator", "--value", "value", "--by", "pair")
    assert report["alpha"] == pytest.approx(0.864, abs=5e-4)
    assert len(report["by"]["pair"]) == 10
    assert sum(group["judgements"] for group in report["by"]["pair"].values()) == 2997


def test_every_format_gives_the_same(tmp_path: Path) -> None:
    reports = [
        {
            key: value
            for key, value in found(write(tmp_path, kind), *COLUMNS, "--by", "sex").items()
            if key != "file"
        }
        for kind in ("csv", "tsv", "jsonl", "json", "parquet")
    ]
    assert all(report == reports[0] for report in reports)
    assert {"alpha", "low", "high", "items", "annotators", "judgements", "by"} <= set(reports[0])
    assert reports[0]["by"]["sex"]["f"]["across"] is not None


def test_a_large_rating_file_with_floats(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    items = np.repeat(np.arange(2600), 5)
    truth = generator.integers(0, 5, size=2600)[items]
    score = np.clip(truth + generator.integers(-1, 2, size=len(items)), 0, 4).astype(float)
    file = tmp_path / "ratings.csv"
    frame = pl.DataFrame(
        {"prompt_id": items, "user": generator.integers(0, 400, len(items)), "rating": score}
    )
    frame = frame.unique(["prompt_id", "user"], maintain_order=True)
    frame.write_csv(file)
    assert "1.0" in file.read_text()
    words = ("--item", "prompt_id", "--annotator", "user", "--value", "rating")
    ordinal = found(file, *words, "--level", "ordinal", "--seed", "3")
    assert ordinal["judgements"] == frame.height
    assert 0.7 < ordinal["alpha"] < 0.95
    assert found(file, *words, "--level", "ordinal", "--seed", "3") == ordinal
    assert found(file, *words, "--level", "ordinal", "--seed", "4")["low"] != ordinal["low"]


def test_one_and_one_point_zero_are_one_category(tmp_path: Path) -> None:
    file = tmp_path / "mixed.csv"
    file.write_text("task,who,score\na,x,1\na,y,1.0\nb,x,2\nb,y,2.00\n")
    assert found(file, *COLUMNS)["alpha"] == 1.0


def test_undefined_is_null_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "same.csv"
    file.write_text("task,who,score\na,x,1\na,y,1\n")
    report = found(file, *COLUMNS)
    assert report["alpha"] is None
    assert report["low"] is None
    assert "one category" in report["reason"]
    assert "alpha has no value" in call(file, *COLUMNS)


def test_missing_and_repeated_judgements_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "gaps.csv"
    file.write_text("task,who,score\na,x,1\na,y,\na,z,NA\na,x,2\nb,x,2\nb,y,1\n")
    report = found(file, *COLUMNS, "--missing", "NA", "--level", "interval")
    assert (report["missing"], report["repeated"], report["judgements"]) == (2, 1, 3)


@pytest.mark.parametrize("written", ["NA", "n/a", "null", "NULL", "NaN", "<NA>"])
def test_what_programs_write_for_no_value_is_no_category(tmp_path: Path, written: str) -> None:
    """One such word once made every number a word, too: 1 and 1.0 were two categories."""
    rows = [f"t{i},w{w},{1 + i % 3}{'.0' if w else ''}\n" for i in range(9) for w in range(2)]
    plain, gaps = tmp_path / "plain.csv", tmp_path / "gaps.csv"
    head = "task,who,score\n"
    plain.write_text(head + "".join(rows) + "t8,w2,\n")
    gaps.write_text(head + "".join(rows) + f"t8,w2,{written}\n")
    for level in ("nominal", "interval"):
        one, other = (found(file, *COLUMNS, "--level", level) for file in (plain, gaps))
        assert one | {"file": ""} == other | {"file": ""}
        assert (one["alpha"], one["missing"]) == (1.0, 1)
    kept = found(gaps, *COLUMNS, "--category", written)
    assert (kept["missing"], kept["judgements"]) == (0, 19)
    assert kept["alpha"] < 1


def test_numbers_beside_words_are_still_numbers(tmp_path: Path) -> None:
    file = tmp_path / "mixed.csv"
    file.write_text("task,who,score\na,x,1\na,y,1.0\nb,x,neither\nb,y,neither\nc,x,0.5\nc,y,.50\n")
    assert found(file, *COLUMNS)["alpha"] == 1.0


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_ids_and_labels_of_many_digits_stay_apart(tmp_path: Path, kind: str) -> None:
    """As floats, numbers from 2^53 on fall together: ids of posts are such numbers."""
    rows = [
        {"task": 10**18 + i, "who": w, "score": 2 * 10**18 + (i + (w == 2)) % 3}
        for i in range(9)
        for w in range(3)
    ]
    file = tmp_path / f"posts.{kind}"
    if kind == "csv":
        pl.DataFrame(rows).write_csv(file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = found(file, *COLUMNS)
    assert (report["items"], report["annotators"], report["judgements"]) == (9, 3, 27)
    assert report["percent_agreement"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("times", [1e-12, 1e100])
def test_the_unit_of_a_scale_changes_nothing(tmp_path: Path, times: float) -> None:
    reports = []
    for factor in (1.0, times):
        file = tmp_path / "scaled.csv"
        pl.DataFrame([row | {"score": float(str(row["score"])) * factor} for row in ROWS]).write_csv(file)
        reports.append(found(file, *COLUMNS, "--level", "interval", "--by", "sex"))
    one, other = reports
    assert [other[key] for key in ("alpha", "low", "high")] == pytest.approx(
        [one[key] for key in ("alpha", "low", "high")]
    )
    one, other = (report["by"]["sex"]["f"] for report in reports)
    assert other["across"] == pytest.approx(one["across"])
    assert other["difference_simultaneous"] == pytest.approx(one["difference_simultaneous"])


def test_a_long_cell_is_a_cell(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_text(f"task,who,score,note\na,x,1,{'y' * 300_000}\na,y,1,\nb,x,2,\nb,y,2,\n")
    assert found(file, *COLUMNS)["alpha"] == 1.0


def test_empty_lines_are_no_rows_and_nested_cells_are_read(tmp_path: Path) -> None:
    file = tmp_path / "old.csv"
    file.write_bytes(b"task,who,score\ra,x,1\ra,y,1\rb,x,2\rb,y,2\r\r")
    assert (found(file, *COLUMNS)["alpha"], found(file, *COLUMNS)["missing"]) == (1.0, 0)
    parquet = tmp_path / "nested.parquet"
    pl.DataFrame(
        {"task": ["a", "a", "b", "b"], "who": ["x", "y"] * 2, "score": [[1, 2], [1, 2], [3], [3]]}
    ).write_parquet(parquet)
    assert found(parquet, *COLUMNS)["alpha"] == 1.0


def test_words_can_be_ordered(tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    file.write_text("task,who,score\na,x,low\na,y,high\nb,x,mid\nb,y,mid\n")
    report = found(file, *COLUMNS, "--level", "ordinal", "--order", "low,mid,high")
    assert report["level"] == "ordinal"
    assert report["alpha"] is not None


def test_for_people(tmp_path: Path) -> None:
    shown = call(write(tmp_path, "csv"), *COLUMNS, "--by", "sex")
    assert "Krippendorff's alpha, nominal" in shown
    assert "inside - across" in shown
    assert "160 judgements by 4 annotators on 40 items" in shown
    assert "hold for all 2 groups at once" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("name", "content", "words", "message"),
    [
        ("a.csv", "", COLUMNS, "empty"),
        ("a.csv", "task,who,score\na,x,1\na,y,1,7\n", COLUMNS, r"a.csv:3: .*fields"),
        ("a.csv", "task,who,score\na,x,1\n", ("--item", "nope", *COLUMNS[2:]), "no such column"),
        ("a.csv", "task,who,score\na,x,1\n", ("--item", "task"), "which column"),
        ("a.csv", "task,who,score\na,x,good\n", (*COLUMNS, "--level", "interval"), "row 1: score.*'good'"),
        ("a.csv", "task,who,score\na,x,inf\n", (*COLUMNS, "--level", "ratio"), "finite"),
        ("a.csv", "task,who,score\na,x,-1\na,y,2\n", (*COLUMNS, "--level", "ratio"), "a.csv.*true zero"),
        ("a.csv", "task,who,score\na,x,1\n", (*COLUMNS, "--level", "cardinal"), "no such level"),
        ("a.csv", "task,who,score\na,x,1\n", (*COLUMNS, "--confidence", "95"), "confidence"),
        ("a.csv", "task,who,score\na,x,1\na,y\n", COLUMNS, r"a.csv:3: 2 fields"),
        ("a.csv", "task,who,score\n\n", COLUMNS, "no row"),
        ("a.csv", "task,who,score\na,x,1e200\na,y,2\n", (*COLUMNS, "--level", "interval"), "too large"),
        ("a.csv", "task,who,score\na,x,l\n", (*COLUMNS, "--level", "ordinal", "--order", "l,h,l"), "twice"),
        ("a.csv", "task,task,score\na,x,1\n", COLUMNS, "used twice"),
        ("a.jsonl", '{"task": 1}\n{"task": \n', COLUMNS, "a.jsonl:2: is not JSON"),
        ("a.jsonl", "[1]\n", COLUMNS, "a.jsonl:1: is not an object"),
        ("a.json", '{"task": 1}', COLUMNS, "array of objects"),
        ("a.json", "[]", COLUMNS, "no row"),
        ("a.parquet", "PAR1 cut short", COLUMNS, "Parquet"),
        (
            "a.json",
            '[{"annotator1": 1, "annotator2": 1, "i": 1}, {"annotator1": 1, "annotator2": 1, "i": 1}]',
            ("--item", "i", "--wide", "annotator1,annotator2"),
            "more than one row",
        ),
        ("a.json", '[{"annotator1": 1}]', ("--wide", "annotator1"), "agrees with nobody"),
    ],
)
def test_bad_input_is_named(
    tmp_path: Path, name: str, content: str, words: tuple[str, ...], message: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        call(file, *words)
    assert caught.value.exit_code == 2


def test_other_encodings_and_absent_files_are_named(tmp_path: Path) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes("task,who,score\na,x,1\nb,y,é\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.csv:3: is not UTF-8"):
        call(file, *COLUMNS)
    with pytest.raises(InputError, match="cannot be read"):
        call(tmp_path / "absent.csv", *COLUMNS)


@pytest.mark.data
def test_coverage_of_the_uk_sample() -> None:
    words = (
        shared("prism-census/uk_observed_counts.csv"),
        "--target",
        shared("prism-census/uk_census_percent.csv"),
        "--size",
        "300",
    )
    report = found("coverage", *words)
    assert (report["balanced_size"], report["under_filled_count"]) == (243, 32)
    assert report["total_variation_before"] == pytest.approx(0.2068, abs=5e-5)
    assert {"cells", "under_filled", "total_variation_after"} <= set(report)
    shown = call("coverage", *words)
    assert "32 of 60" in shown
    assert "0.2068" in shown
