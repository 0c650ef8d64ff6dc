"""The report of a table of judgements: what it counts and leaves out, and that parts add up to the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from annotation.agreement import (
    Level,
)
from annotation.agreement_annotators import disagreement_by_item
from annotation.agreement_report import assess, report_of
from annotation.agreement_tally import code, merge_tallies, tally
from governance.errors import RecordError
from tests.support.agreement import wide_frame


def test_report_counts_what_it_leaves_out() -> None:
    frame = pl.DataFrame(
        {
            "item": ["i", "i", "i", "j", None],
            "annotator": ["a", "a", "b", "a", "a"],
            "value": ["x", "y", "x", None, "x"],
        }
    )
    report = assess(frame, replicates=0)
    assert (report.missing, report.repeated) == (2, 1)
    assert report.sizes.judgements == 2
    assert report.percent_agreement.value == 1.0
    assert report.as_json()["low"] is None


def test_words_have_no_rank() -> None:
    frame = pl.DataFrame({"item": ["i", "i"], "annotator": ["a", "b"], "value": ["x", "y"]})
    with pytest.raises(RecordError, match="needs numbers"):
        assess(frame, level=Level.ORDINAL)


def test_cohen_by_hand() -> None:
    answers = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    rows = [
        {"item": i, "annotator": who, "value": pair[k]}
        for i, pair in enumerate(answers)
        for k, who in enumerate("ab")
    ]
    (pair,) = assess(pl.DataFrame(rows), replicates=0).cohen
    assert pair.kappa == pytest.approx(0.4)
    assert (pair.first, pair.second, pair.items) == ("a", "b", 50)


def test_disagreement_of_an_item_by_hand() -> None:
    found = disagreement_by_item(
        np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 0, 1, 1]), n_items=3, categories=(1.0, 2.0)
    )
    assert found[0] == pytest.approx(4 / 6)
    assert np.isnan(found[1])
    assert found[2] == 0


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(("people", "values"), [(9, 4), (20, 60)])
def test_merged_tallies_are_the_tally_of_the_whole(level: Level, people: int, values: int) -> None:
    frame = wide_frame(3, people=people, values=values)
    settings: dict[str, Any] = {"level": level, "by": ["group", "topic"], "top": 4}
    whole = assess(frame, replicates=40, seed=2, **settings)
    parts = [
        tally(code(part, level=level), **settings)
        for part in (frame.filter(pl.col("item").hash(seed=1) % 3 == n) for n in range(3))
    ]
    merged = report_of(merge_tallies(parts), replicates=40, seed=2)
    assert merged.as_json() == whole.as_json()
    assert whole.comparisons == 3
    assert len(whole.disputed) == 4


def test_a_group_absent_from_a_part_has_the_border_of_the_whole() -> None:
    frame = wide_frame(5).filter((pl.col("group") != "z") | (pl.col("item") < "i030"))
    cut = [frame.filter(pl.col("item") < "i030"), frame.filter(pl.col("item") >= "i030")]
    parts = [tally(code(part, level=Level.NOMINAL), level=Level.NOMINAL, by=["group"]) for part in cut]
    assert "z" not in parts[1].groups["group"]
    merged = report_of(merge_tallies(parts), replicates=30)
    assert merged.as_json() == assess(frame, by=["group"], replicates=30).as_json()


def test_tallies_of_different_kinds_do_not_add_up() -> None:
    coded = code(wide_frame(1), level=Level.NOMINAL)
    one = tally(coded, level=Level.NOMINAL)
    with pytest.raises(ValueError, match="add up"):
        merge_tallies([one, tally(coded, level=Level.NOMINAL, by=["group"])])
    with pytest.raises(ValueError, match="nothing"):
        merge_tallies([])


def test_a_table_of_distances_has_a_limit() -> None:
    frame = pl.DataFrame({"item": [0] * 4001, "annotator": range(4001), "value": np.arange(4001.0)})
    with pytest.raises(RecordError, match="too many different values"):
        assess(frame, level=Level.RATIO, replicates=0)
