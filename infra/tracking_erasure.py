"""What MLflow holds of a batch or a release whose people have withdrawn: artifacts go, runs and versions are tagged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from annotation.ports import ObjectStore
from infra.registry import Registry
from infra.tracking import BATCHES, RELEASES, outside

__all__ = [
    "ERASED_TAG",
    "WITHDRAWN_TAG",
    "artifact_keys",
    "batch_runs",
    "erase_artifacts",
    "erase_versions",
    "flag_models",
    "flag_releases",
    "models_of",
]

ERASED_TAG = "bounds.erased"
WITHDRAWN_TAG = "bounds.withdrawn"


def batch_runs(url: str, batches: Iterable[str]) -> list[str]:
    """The runs that describe these batches: Great Expectations' results, Data Docs, the readable page."""
    return _runs(url, BATCHES, "bounds.batch_digest", batches)


def erase_artifacts(url: str, runs: Iterable[str], request: str) -> int:
    """Delete every artifact of the runs and say so in a tag; how many runs had any. Figures and tags stay."""
    gone = 0
    with outside(url):
        client = mlflow.MlflowClient(tracking_uri=url)
        for run_id in runs:
            run = client.get_run(run_id)
            if client.list_artifacts(run_id):
                repository: Any = get_artifact_repository(run.info.artifact_uri, tracking_uri=url)
                repository.delete_artifacts()
                gone += 1
            client.set_tag(run_id, ERASED_TAG, request)
    return gone


def artifact_keys(url: str, runs: Iterable[str], store: ObjectStore) -> list[str]:
    """The keys in the platform's bucket below which the runs' artifacts lie, also those that only versions are left of.

    The embedded MLflow keeps its artifacts there, below ``mlflow``. Deleting through MLflow hides a file of a
    versioned bucket and removes nothing.
    """
    from infra.objects_s3 import S3Store

    if not isinstance(store, S3Store):
        return []
    keys: list[str] = []
    with outside(url):
        client = mlflow.MlflowClient(tracking_uri=url)
        for run_id in runs:
            place = urlsplit(client.get_run(run_id).info.artifact_uri)
            if place.scheme == "mlflow-artifacts":
                keys += store.below(f"mlflow/{place.path.strip('/')}")
    return keys


def erase_versions(store: ObjectStore, keys: Iterable[str]) -> None:
    """Erase keys of :func:`artifact_keys` with all versions and markers."""
    from infra.objects_s3 import S3Store

    if isinstance(store, S3Store):
        store.erase(keys)


def flag_releases(url: str, releases: Iterable[str], request: str) -> int:
    """Note on the runs of releases that somebody in them has withdrawn; how many runs."""
    runs = _runs(url, RELEASES, "bounds.release_digest", releases)
    with outside(url):
        client = mlflow.MlflowClient(tracking_uri=url)
        for run_id in runs:
            before = client.get_run(run_id).data.tags.get(WITHDRAWN_TAG, "")
            client.set_tag(run_id, WITHDRAWN_TAG, _with(before, request))
    return len(runs)


def flag_models(registry: Registry, models: Iterable[str], request: str) -> int:
    """Note on model versions that somebody they were trained on has withdrawn; how many."""
    count = 0
    for named in models:
        model, _, version = named.rpartition("/")
        before = registry.version(model, version).tags.get(WITHDRAWN_TAG, "")
        registry.tag_version(model, version, {WITHDRAWN_TAG: _with(before, request)})
        count += 1
    return count


def models_of(registry: Registry, releases: set[str]) -> list[str]:
    """``name/version`` of every version that says it was trained on one of the releases."""
    return [
        f"{info.model}/{info.version}"
        for model in registry.models()
        for info in registry.versions(model)
        if info.release in releases
    ]


def _runs(url: str, experiment: str, tag: str, digests: Iterable[str]) -> list[str]:
    found = []
    with outside(url):
        client = mlflow.MlflowClient(tracking_uri=url)
        known = client.get_experiment_by_name(experiment)
        if known is None:
            return []
        for digest in sorted(set(digests)):
            runs = client.search_runs([known.experiment_id], filter_string=f"tags.`{tag}` = '{digest}'")
            found += [str(run.info.run_id) for run in runs]
    return found


def _with(before: str, request: str) -> str:
    return ", ".join(sorted({*filter(None, before.split(", ")), request}))
