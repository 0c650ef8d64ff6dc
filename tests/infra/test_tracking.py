"""Runs on a real MLflow server: found again, continued, never doubled."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from PIL import Image

import infra.tracking
from annotation.release import AlignmentTarget, Release, build_release
from governance.digest import digest
from governance.errors import InputError, OutsideError
from governance.policy.compose import compose
from infra.figures import release_figures
from infra.policy_files import load_pack
from infra.registry import Registry
from infra.stack import Stack
from infra.tracking import AUDITS, BATCHES, RELEASES, log_audit, log_release, log_validation
from tests.support.release_data import batch, filtered, rows

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("tracking")
    with Stack(home, parts=("mlflow",), ports={"mlflow": 0}) as stack:
        yield stack.settings.mlflow_url


@pytest.fixture(scope="module")
def release() -> Release:
    return build_release(
        [batch(rows(), filtered=filtered(female=(60, 6)), read=130, quarantined=10)],
        policy=compose(load_pack("demo"), at=datetime(2026, 1, 1, tzinfo=UTC)),
        alignment_target=AlignmentTarget(better="more honest", asked="simulated people", for_whom="nobody"),
        as_of=date(2026, 1, 2),
        seed=3,
    )


@pytest.fixture
def client(url: str) -> Any:
    return mlflow.MlflowClient(tracking_uri=url)


def runs(client: Any, experiment: str) -> list[Any]:
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id])) if found else []


def artifacts(client: Any, run_id: str, path: str | None = None) -> set[str]:
    found = set()
    for entry in client.list_artifacts(run_id, path):
        found |= artifacts(client, run_id, entry.path) if entry.is_dir else {entry.path}
    return found


def test_release_run_says_everything(url: str, client: Any, release: Release, tmp_path: Path) -> None:
    run_id = log_release(url, release, uri="file:///objects/releases/x")
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    tags, metrics = run.data.tags, run.data.metrics
    assert tags["bounds.release_digest"] == release.digest
    assert tags["bounds.alignment_target"] == "more honest"
    for policy in release.manifest["policies"]:
        assert tags[f"bounds.policy.{policy['id']}"] == f"{policy['version']} {policy['digest']}"
    found = release.figures["agreement"]["preference"]
    assert metrics["agreement.preference.alpha"] == found["alpha"]
    assert metrics["agreement.preference.low"] == found["low"]
    assert metrics["count.judgements"] == 120
    assert metrics["quarantine_share"] == pytest.approx(10 / 130)
    assert metrics["coverage.gender.total_variation"] == pytest.approx(
        release.figures["coverage"]["gender"]["total_variation_before"]
    )
    (entry,) = run.inputs.dataset_inputs
    assert entry.dataset.digest == release.digest.removeprefix("sha256:")[:36]
    assert {tag.key: tag.value for tag in entry.tags}["bounds.sha256"] == release.digest
    assert json.loads(entry.dataset.source) == {"uri": "file:///objects/releases/x"}
    assert json.loads(entry.dataset.profile)["judgements"] == 120
    logged = artifacts(client, run_id)
    assert {"card.md", "release.json", "figures.json", "lineage.json", "figures/strengths.png"} <= logged
    assert not any(name.endswith(".parquet") for name in logged)  # people stay in one place
    lineage = Path(client.download_artifacts(run_id, "lineage.json", str(tmp_path)))
    assert json.loads(lineage.read_text())["batches"] == list(release.batches)


def test_release_twice_is_one_run(url: str, client: Any, release: Release) -> None:
    first = log_release(url, release, uri="file:///x")
    before = len(runs(client, RELEASES))
    assert log_release(url, release, uri="file:///x") == first
    assert len(runs(client, RELEASES)) == before


@pytest.mark.parametrize("cut", ["log_batch", "log_artifacts", "set_terminated"])
def test_a_run_cut_short_is_continued(
    url: str, client: Any, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    arguments: dict[str, Any] = {
        "digest": digest(cut),
        "read": 10,
        "accepted": 8,
        "quarantined": 2,
        "failed_rules": {"R.range": 2},
        "findings": {"D.overlap": 1.0, "D.agreement": None},
        "passed": True,
        "gx_json": b"{}",
    }
    with monkeypatch.context() as patch:

        def killed(*args: object, **kwargs: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(infra.tracking.mlflow.MlflowClient, cut, killed)
        with pytest.raises(KeyboardInterrupt):
            log_validation(url, **arguments)
    matching = [run for run in runs(client, BATCHES) if run.data.tags["bounds.batch_digest"] == digest(cut)]
    (left,) = matching
    assert left.info.status == "RUNNING"
    run_id = log_validation(url, **arguments)
    assert run_id == left.info.run_id
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["failed.R.range"] == 2
    assert "finding.D.agreement" not in run.data.metrics
    assert len(client.get_metric_history(run_id, "rows.read")) == 1
    assert artifacts(client, run_id) == {"great_expectations.json"}


def test_validation_keeps_its_docs(url: str, client: Any, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "index.html").write_text("docs")
    (tmp_path / "deep" / "page.html").write_text("page")
    run_id = log_validation(
        url,
        digest=digest("docs"),
        read=0,
        accepted=0,
        quarantined=0,
        failed_rules={},
        findings={},
        passed=False,
        docs_folder=tmp_path,
        report_html=b"<p>report</p>",
    )
    assert artifacts(client, run_id) == {
        "data_docs/index.html",
        "data_docs/deep/page.html",
        "validation.html",
    }
    assert client.get_run(run_id).data.tags["bounds.passed"] == "false"
    assert "quarantine_share" not in client.get_run(run_id).data.metrics


def test_audit_run(url: str, client: Any) -> None:
    run_id = log_audit(
        url,
        digest=digest("audit"),
        model="bounds-demo",
        version="2",
        verdict="FAIL",
        policy_digest=digest("policy"),
        metrics={"T1.terrorism.rate": 0.02, "T1.terrorism.upper": 0.05, "odd (name)": 1.0},
        report_json=b"{}",
        report_html=b"<p></p>",
        figures={"rates.svg": b"<svg/>", "strata.svg": b"<svg/>"},
        tags={"bounds.release_digest": digest("release")},
    )
    run = client.get_run(run_id)
    assert run.data.tags["bounds.verdict"] == "FAIL"
    assert run.data.metrics["T1.terrorism.upper"] == 0.05
    assert run.data.metrics["odd _name_"] == 1.0
    assert artifacts(client, run_id) == {"report.json", "report.html", "rates.svg", "strata.svg"}
    assert len(runs(client, AUDITS)) == 1


def test_a_server_that_says_no_is_an_outside_fault(url: str, client: Any, release: Release) -> None:
    found = client.get_experiment_by_name(RELEASES) or client.get_experiment(
        client.create_experiment(RELEASES)
    )
    client.delete_experiment(found.experiment_id)
    try:
        with pytest.raises(OutsideError, match="restore it"):
            log_release(url, release, uri="file:///x")
    finally:
        client.restore_experiment(found.experiment_id)


def test_no_server_is_an_outside_fault(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(OutsideError, match="MLflow at"):
        log_release("http://127.0.0.1:9", release, uri="file:///x")


def test_figures_are_drawn_and_stay_the_same(release: Release, tmp_path: Path) -> None:
    drawn = release_figures(release.figures)
    assert {"agreement-preference.png", "coverage-gender.png", "strengths.png"} <= set(drawn)
    assert drawn == release_figures(release.figures)
    for name, data in drawn.items():
        (tmp_path / name).write_bytes(data)
        with Image.open(tmp_path / name) as image:
            colours = image.convert("RGB").getcolors(maxcolors=1 << 20)
            assert colours is not None
            assert len(colours) > 20  # not a blank sheet


@pytest.mark.parametrize("version", ["abc", "", "-1", "1.0", "٣"])
def test_what_is_no_number_is_no_version_without_asking_the_registry(version: str) -> None:
    with pytest.raises(InputError, match=r"not in the registry at http://127\.0\.0\.1:9 .*a number"):
        Registry("http://127.0.0.1:9").version("chat", version)
