"""The loading lines of the manual, executed on a release."""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from annotation.release import AlignmentTarget, build_release
from governance.policy.compose import compose
from infra.figures import release_figures
from infra.policy_files import load_pack
from tests.support.release_data import batch, rows

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "formats" / "release.md"


@pytest.fixture(scope="module")
def release() -> Any:
    policy = compose(
        load_pack("demo"), at=datetime(2026, 1, 1, tzinfo=UTC), jurisdictions=None, application=None
    )
    target = AlignmentTarget(better="more honest", asked="simulated people", for_whom="a test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("annotation.release_figures.REPLICATES", 20)
        return build_release(
            [batch(rows())], policy=policy, alignment_target=target, as_of=date(2026, 1, 2), seed=1
        )


@pytest.fixture
def folder(release: Any, tmp_path: Path) -> Path:
    for name, data in release.files().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.fixture(scope="module")
def manual() -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(MANUAL), "exec"), names)
    return names


def test_pandas_polars_and_trl(folder: Path, manual: dict[str, Any], release: Any) -> None:
    found = manual["load"](folder)
    counts = release.figures["counts"]
    assert len(found["people"]) == counts["annotators"]
    assert found["pairs"].height == counts["pairs"] == len(found["trl"])
    example = found["trl"][0]
    assert set(example) == {"prompt", "chosen", "rejected"}
    assert [turn["role"] for turn in example["chosen"]] == ["assistant"]
    assert example["chosen"] != example["rejected"]


def test_datasets(folder: Path, manual: dict[str, Any], release: Any) -> None:
    if importlib.util.find_spec("datasets") is None:
        pytest.skip("datasets is not installed")
    assert len(manual["load_datasets"](folder)) == release.figures["counts"]["pairs"]


def test_every_figure_is_drawn(release: Any) -> None:
    curve = {
        "judgements": 0,
        "people": 9,
        "log_loss": 0.7,
        "fallback_log_loss": 0.7,
    }
    rate = {"rate": 0.5, "low": 0.4, "high": 0.6, "people": 9}
    more = {
        "learning_curve": {"per_person": [curve, curve | {"judgements": 1, "log_loss": 0.6}]},
        "intersections": [{"columns": ["a", "b"], "cells": [{"values": ["x", "y"], "annotators": 3}]}],
        "aggregates": {
            "rates": {"org/model 7b": {**rate, "by": {"a": {"x": rate | {"low": None, "high": None}}}}}
        },
    }
    drawn = release_figures({**release.figures, **more})
    assert {"learning-curve.png", "crossing-a-by-b.png", "preferred-org_model_7b.png"} <= set(drawn)
    assert all(data.startswith(b"\x89PNG") for data in drawn.values())
