"""MLflow runs of releases, validations and audits.

One thing is one run: a run carries the digest of what it records in a tag, is found again by it, continued
if it was cut short, and never doubled. ``FINISHED`` is set last, so a finished run is a complete one.

The person-level Parquet files of a release are not copied into MLflow: a withdrawal has to erase them, and
one place to erase (the object store) is safer than two. The run holds their digests and their address.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import mlflow
import requests
from mlflow.data.dataset import Dataset
from mlflow.data.dataset_source import DatasetSource
from mlflow.entities import DatasetInput, InputTag, Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from annotation.release import Release
from governance.digest import short
from governance.errors import OutsideError
from infra.figures import release_figures

__all__ = [
    "AUDITS",
    "BATCHES",
    "RELEASES",
    "ReleaseDataset",
    "log_audit",
    "log_release",
    "log_validation",
    "outside",
    "release_dataset",
    "release_input",
    "run_address",
]

RELEASES: Final = "bounds/releases"
BATCHES: Final = "bounds/batches"
AUDITS: Final = "bounds/audits"
_DIGEST_SIZE: Final = 36  # MLflow's limit for a dataset's digest
_TAG_SIZE: Final = 5000


class ReleaseSource(DatasetSource):
    """Where a release lies. Loading goes through the object store, which verifies; MLflow only points."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @staticmethod
    def _get_source_type() -> str:
        return "bounds_release"

    def load(self) -> str:
        """The address."""
        return self.uri

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        del raw_source
        return False  # releases are named explicitly; no address is guessed to be one

    @classmethod
    def _resolve(cls, raw_source: Any) -> Self:
        return cls(str(raw_source))

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return {"uri": self.uri}

    @classmethod
    def from_dict(cls, source_dict: Mapping[str, str]) -> Self:
        """Of the JSON form."""
        return cls(source_dict["uri"])


class ReleaseDataset(Dataset):
    """A release as an MLflow dataset.

    MLflow keeps 36 characters of a digest: the first 36 hex characters stand here, and the whole SHA-256 in
    the input's tag ``bounds.sha256``.
    """

    def __init__(self, digest: str, *, uri: str, profile: Mapping[str, Any] | None = None) -> None:
        self.sha256 = digest
        self._profile = dict(profile or {})
        super().__init__(source=ReleaseSource(uri), name=f"release-{short(digest)}")

    def _compute_digest(self) -> str:
        return self.sha256.removeprefix("sha256:")[:_DIGEST_SIZE]

    @property
    def profile(self) -> dict[str, Any]:
        """Counts of the release."""
        return self._profile

    @property
    def schema(self) -> None:
        """None: a release is several tables, described by its manifest."""
        return

    def to_dict(self) -> dict[str, str]:
        """JSON form, the profile included."""
        return {**super().to_dict(), "profile": json.dumps(self._profile, sort_keys=True)}


def release_dataset(digest: str, *, uri: str, profile: Mapping[str, Any] | None = None) -> ReleaseDataset:
    """The MLflow dataset of a release, for the runs that train on it."""
    return ReleaseDataset(digest, uri=uri, profile=profile)


def release_input(dataset: ReleaseDataset, *, context: str) -> DatasetInput:
    """The dataset as a run's input, with its whole digest; ``context`` says for what (``release``, ``train``)."""
    tags = [
        InputTag(key="bounds.sha256", value=dataset.sha256),
        InputTag(key="mlflow.data.context", value=context),
    ]
    return DatasetInput(dataset=dataset._to_mlflow_entity(), tags=tags)  # noqa: SLF001 - MLflow's own hook for subclasses


def log_release(url: str, release: Release, *, uri: str, tags: Mapping[str, str] | None = None) -> str:
    """Record a release in ``bounds/releases``; its run id. Doing it again gives the same run.

    Args:
        url: MLflow tracking server.
        release: The release.
        uri: Where its files lie.
        tags: Further tags.

    Raises:
        OutsideError: MLflow cannot be reached or refuses.
    """
    manifest, figures = release.manifest, release.figures
    target = manifest["alignment_target"]
    own = {
        "bounds.inputs_digest": release.inputs_digest,
        "bounds.policy_digest": manifest["policy_digest"],
        "bounds.alignment_target": target["better"],
        "bounds.alignment_target.asked": target["asked"],
        "bounds.alignment_target.for_whom": target["for_whom"],
        "bounds.as_of": manifest["as_of"],
        "bounds.uri": uri,
        "bounds.codebooks": ", ".join(manifest["codebooks"]) or "none",
        "bounds.simulated": str(figures["counts"]["simulated_annotators"] > 0).lower(),
        "mlflow.note.content": release.card,
    }
    for policy in manifest["policies"]:
        own[f"bounds.policy.{policy['id']}"] = f"{policy['version']} {policy['digest']}"
    lineage = {"release": release.digest, "uri": uri, "batches": list(release.batches)}
    files = {
        "card.md": release.file("card.md"),
        "release.json": release.file("release.json"),
        "figures.json": release.file("figures.json"),
        "lineage.json": _json(lineage),
    }
    files |= {f"figures/{name}": data for name, data in release_figures(figures).items()}
    dataset = release_dataset(release.digest, uri=uri, profile=figures["counts"])
    return _record(
        url,
        experiment=RELEASES,
        key=("bounds.release_digest", release.digest),
        name=f"release-{short(release.digest)}",
        tags=own | dict(tags or {}),
        metrics=_release_metrics(figures),
        files=files,
        inputs=[release_input(dataset, context="release")],
    )


def log_validation(
    url: str,
    *,
    digest: str,
    read: int,
    accepted: int,
    quarantined: int,
    failed_rules: Mapping[str, int],
    findings: Mapping[str, float | None],
    passed: bool,
    gx_json: bytes | None = None,
    docs_folder: Path | None = None,
    report_html: bytes | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Record a validation in ``bounds/batches``; its run id. Doing it again gives the same run.

    Args:
        url: MLflow tracking server.
        digest: Identity of the batch.
        read: Rows read.
        accepted: Rows accepted.
        quarantined: Rows in quarantine.
        failed_rules: Rule to rows that failed it.
        findings: Rule to the figure of the batch; an undefined one is left out of the metrics.
        passed: Whether the batch may go on.
        gx_json: Great Expectations' result.
        docs_folder: Folder of its Data Docs.
        report_html: The report for people.
        tags: Further tags.

    Raises:
        OutsideError: MLflow cannot be reached or refuses.
    """
    metrics: dict[str, float | None] = {
        "rows.read": read,
        "rows.accepted": accepted,
        "rows.quarantined": quarantined,
        "quarantine_share": quarantined / read if read else None,
        **{f"failed.{rule}": count for rule, count in failed_rules.items()},
        **{f"finding.{rule}": value for rule, value in findings.items()},
    }
    files = {"great_expectations.json": gx_json, "validation.html": report_html}
    return _record(
        url,
        experiment=BATCHES,
        key=("bounds.batch_digest", digest),
        name=f"batch-{short(digest)}",
        tags={"bounds.passed": str(passed).lower()} | dict(tags or {}),
        metrics=metrics,
        files={name: data for name, data in files.items() if data is not None},
        folders={} if docs_folder is None else {"data_docs": docs_folder},
    )


def log_audit(
    url: str,
    *,
    digest: str,
    model: str,
    version: str,
    verdict: str,
    policy_digest: str,
    metrics: Mapping[str, float | None],
    report_json: bytes,
    report_html: bytes | None = None,
    figures: Mapping[str, bytes] | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Record an audit in ``bounds/audits``; its run id. Doing it again gives the same run.

    Args:
        url: MLflow tracking server.
        digest: Identity of the audit.
        model: Registered model.
        version: Its version.
        verdict: PASS, FAIL or UNDECIDED.
        policy_digest: Effective policy it was audited under.
        metrics: Figures, such as a rule's violation rate and upper bound.
        report_json: The report.
        report_html: The report for people.
        figures: File name to picture.
        tags: Further tags.

    Raises:
        OutsideError: MLflow cannot be reached or refuses.
    """
    own = {
        "bounds.model": model,
        "bounds.model_version": version,
        "bounds.verdict": verdict,
        "bounds.policy_digest": policy_digest,
    }
    files = {
        "report.json": report_json,
        **({} if report_html is None else {"report.html": report_html}),
        **(figures or {}),
    }
    return _record(
        url,
        experiment=AUDITS,
        key=("bounds.audit_digest", digest),
        name=f"audit-{model}-{version}-{short(digest)}",
        tags=own | dict(tags or {}),
        metrics=metrics,
        files=files,
    )


def run_address(url: str, experiment: str, run: str) -> str:
    """The page of a run.

    Raises:
        OutsideError: MLflow cannot be reached, or has no such experiment.
    """
    with outside(url):
        found = mlflow.MlflowClient(tracking_uri=url).get_experiment_by_name(experiment)
    if found is None:
        raise OutsideError(f"MLflow at {url} has no experiment {experiment}")
    return f"{url.rstrip('/')}/#/experiments/{found.experiment_id}/runs/{run}/artifacts"


def _release_metrics(figures: Mapping[str, Any]) -> dict[str, float | None]:
    metrics: dict[str, float | None] = {
        **{f"count.{name}": value for name, value in figures["counts"].items()},
        **{
            name: figures[name]
            for name in (
                "quarantine_share",
                "documented_share",
                "published_share",
                "judgements_per_item",
                "busiest_share",
            )
        },
    }
    for measure, found in figures["agreement"].items():
        for part in ("alpha", "low", "high"):
            metrics[f"agreement.{measure}.{part}"] = found[part]
        for field, groups in found["by"].items():
            for value, group in groups.items():
                metrics[f"agreement.{measure}.by.{field}.{value}"] = group["alpha"]
    for field, found in figures["coverage"].items():
        metrics[f"coverage.{field}.total_variation"] = found.get("total_variation_before")
        metrics[f"coverage.{field}.under_filled"] = found.get("under_filled_count")
    return metrics


@contextmanager
def outside(url: str) -> Iterator[None]:
    """Turn faults of the server at ``url`` into the platform's own.

    Raises:
        OutsideError: The server failed or did not answer.
    """
    try:
        yield
    except (MlflowException, requests.RequestException, OSError) as error:
        raise OutsideError(f"MLflow at {url}: {error}") from error


def _record(
    url: str,
    *,
    experiment: str,
    key: tuple[str, str],
    name: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float | None],
    files: Mapping[str, bytes],
    folders: Mapping[str, Path] | None = None,
    inputs: list[DatasetInput] | None = None,
) -> str:
    with outside(url):
        client = mlflow.MlflowClient(tracking_uri=url)
        run = _find_or_start(client, _experiment(client, experiment), key=key, name=name)
        run_id: str = run.info.run_id
        if run.info.status == "FINISHED":
            return run_id
        client.log_batch(
            run_id,
            metrics=_metrics(metrics, timestamp=run.info.start_time),
            tags=[RunTag(tag, value[:_TAG_SIZE]) for tag, value in sorted(tags.items())],
        )
        if inputs:
            client.log_inputs(run_id, inputs)
        with tempfile.TemporaryDirectory(prefix="bounds-tracking-") as folder:
            for path, data in files.items():
                place = Path(folder) / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
            client.log_artifacts(run_id, folder)
        for path, source in (folders or {}).items():
            client.log_artifacts(run_id, str(source), path)
        client.set_terminated(run_id, "FINISHED")
        return run_id


def _metrics(metrics: Mapping[str, float | None], *, timestamp: int) -> list[Metric]:
    """The defined ones. The run's start is their time: written twice, they are the same metric."""
    return [
        Metric(_metric_name(name), float(value), timestamp, 0)
        for name, value in sorted(metrics.items())
        if value is not None
    ]


def _metric_name(name: str) -> str:
    """``name`` in the characters that MLflow allows in metrics."""
    return "".join(char if char.isalnum() or char in "_-./ " else "_" for char in name)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            found = client.get_experiment_by_name(name)  # somebody was quicker
    if found.lifecycle_stage == "deleted":
        raise OutsideError(f"the MLflow experiment {name} is deleted; restore it")
    return str(found.experiment_id)


def _find_or_start(client: Any, experiment: str, *, key: tuple[str, str], name: str) -> Run:
    tag, digest = key
    known = client.search_runs(
        [experiment],
        filter_string=f"tags.`{tag}` = '{digest}'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
    )
    # The tag is written with the run itself: a kill leaves either nothing or a run that is found again.
    run: Run = known[0] if known else client.create_run(experiment, tags={tag: digest}, run_name=name)
    return run


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
