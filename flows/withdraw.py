"""Withdraw: erase a person from everything that can be erased, and say in a receipt what was done and what stays.

What holds the person is written down first; then the key goes, and with it everything that was sealed under it;
then the stores one by one. Every step is idempotent and names what it is going to erase before it does, so a run
that was killed anywhere is completed by the next one and the receipt is the same; a withdrawal that has its receipt
is left alone.

The flow takes the random id of a request and no pseudonym: parameters and logs of Prefect are a store, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Connection

from annotation.receipt import Found, Remains, make_receipt
from flows.running import OUTSIDE
from flows.validate import validate_site
from flows.wiring import Platform, clock, open_platform
from governance.errors import InputError
from infra import erasure, unfinished, withdrawals
from infra.enrolment import WithdrawalRequest, withdrawal_requests
from infra.scratch import abandoned, sweep
from infra.withdrawal_steps import add_within, plan

__all__ = ["withdraw"]

_PAGE: Final = 200
# Folders in which rows of people lie in the clear while something is built of them.
_WORK: Final = ("validate", "release")


def _plan(
    platform: Platform, request: WithdrawalRequest, where: str, names: Mapping[str, Iterable[str]]
) -> dict[str, list[str]]:
    """Name what is to be erased before it is; everything that this run or an earlier one named."""
    return plan(platform.db, request.request, where, names)


@task(name="find", task_run_name="find", cache_policy=NO_CACHE, **OUTSIDE)
def find(platform: Platform, request: WithdrawalRequest) -> Found:
    """What holds the person now, written down beside what earlier runs found."""
    from infra.tracking_erasure import batch_runs, models_of

    batches = erasure.batches_with(platform.store, platform.db, request.site, request.annotator)
    releases = erasure.releases_with(platform.db, set(batches))
    # A validation that was killed has its run, too, and perhaps a batch that was never recorded.
    begun = unfinished.unrecorded_batches(platform.store, platform.db, request.annotator)
    return withdrawals.add_found(
        platform.db,
        request.request,
        Found(
            batches=tuple(batches),
            releases=tuple(releases),
            models=tuple(models_of(platform.registry(), set(releases))),
            runs=tuple(batch_runs(platform.mlflow_url, [*batches, *begun])),
        ),
    )


@task(name="destroy key and rows", task_run_name="destroy-key-and-rows", cache_policy=NO_CACHE, **OUTSIDE)
def destroy(platform: Platform, request: WithdrawalRequest) -> None:
    """The key, the identity, and every row of the database."""
    from infra.identity import open_identity

    keys = platform.keys(request.site)
    held = ["the key"] if keys.has(request.annotator) else []
    _plan(platform, request, "person keys", {"key destroyed, with all that was sealed under it": held})
    keys.destroy(request.annotator)
    if platform.site(request.site).key.get_secret_value():
        with open_identity(platform.settings, request.site, now=clock()) as identities:
            known = ["the row"] if identities.knows(request.annotator) else []
            _plan(platform, request, "identity database", {"name and address": known})
            identities.remove(request.annotator)

    def note(connection: Connection, counts: Mapping[str, int]) -> None:
        add_within(connection, request.request, "platform database", counts)

    erasure.erase_rows(platform.db, request.site, request.annotator, note)


@task(name="erase unfinished", task_run_name="erase-unfinished", cache_policy=NO_CACHE, **OUTSIDE)
def erase_unfinished(platform: Platform, request: WithdrawalRequest) -> None:
    """What killed runs left of everybody, in the clear, and of no use to anybody: folders, half-written and unrecorded trees."""
    home, store = platform.settings.home, platform.store
    if left := abandoned(home, *_WORK):
        _plan(platform, request, "work files", {"folders that killed runs left": left})
        sweep(home, *_WORK)
    if half := unfinished.half_written(store):
        _plan(platform, request, "object store", {"half-written trees of killed runs": half})
        store.erase_half_written(half)
    for prefix, trees in (
        ("batches", unfinished.unrecorded_batches(store, platform.db, request.annotator)),
        ("releases", unfinished.unrecorded_releases(store, platform.db)),
    ):
        if trees:
            _plan(platform, request, "object store", {f"{prefix} of killed runs, never recorded": trees})
            for tree in trees:
                store.delete(prefix, tree)


@task(name="erase batches", task_run_name="erase-batches", cache_policy=NO_CACHE, **OUTSIDE)
def erase_batches(
    platform: Platform, request: WithdrawalRequest, found: Found, successor: str | None
) -> None:
    """Erase the batches that held the person, with all versions; the successor is there already."""
    _plan(platform, request, "object store", {"batches erased, all versions": found.batches})
    for batch in found.batches:
        withdrawals.mark_erased(platform.db, request.request, batch, successor, now=clock())
        platform.store.delete("batches", batch)
    naming = {
        "imports that named the person": erasure.refusals_with(platform.store, platform.db, request.annotator)
    }
    [places] = _plan(platform, request, "object store", naming).values()
    erasure.erase_refusals(platform.store, platform.db, request.annotator, places)


@task(name="erase in MLflow", task_run_name="erase-in-mlflow", cache_policy=NO_CACHE, **OUTSIDE)
def erase_tracking(platform: Platform, request: WithdrawalRequest, found: Found) -> None:
    """Artifacts that may quote the person go; releases and model versions are flagged."""
    from infra.tracking_erasure import (
        artifact_keys,
        erase_artifacts,
        erase_versions,
        flag_models,
        flag_releases,
    )

    url, store = platform.mlflow_url, platform.store
    _plan(platform, request, "MLflow", {"validation runs emptied of artifacts": found.runs})
    named: list[str] = []
    if platform.settings.store == "s3":
        keys = {"artifacts of MLflow, all versions": artifact_keys(url, found.runs, store)}
        [named] = _plan(platform, request, "object store", keys).values()
    erase_artifacts(url, found.runs, request.request)
    erase_versions(store, named)
    flag_releases(url, found.releases, request.request)
    flag_models(platform.registry(), found.models, request.request)


@task(name="erase in Prefect", task_run_name="erase-in-prefect", cache_policy=NO_CACHE, **OUTSIDE)
def erase_prefect(platform: Platform, request: WithdrawalRequest) -> bool:
    """Artifacts that name the person; whether there were any. No flow of the platform keeps results."""
    import json

    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        named: list[str] = []
        offset = 0
        while found := client.read_artifacts(limit=_PAGE, offset=offset):
            named += (
                str(each.id)
                for each in found
                if request.annotator in json.dumps(each.model_dump(mode="json"))
            )
            offset += len(found)
        [ever] = _plan(platform, request, "Prefect", {"artifacts that named the person": named}).values()
        for each in named:
            with suppress(ObjectNotFound):
                client.delete_artifact(UUID(each))
    return bool(ever)


@task(name="erase in Label Studio", task_run_name="erase-in-label-studio", cache_policy=NO_CACHE, **OUTSIDE)
def erase_label_studio(platform: Platform, request: WithdrawalRequest) -> bool:
    """Annotations, account with its drafts, and export copies; whether no copy can be left on the server's disk."""
    from infra import label_studio_erasure as there

    server = platform.label_studio(request.site)
    if server is None:
        return True
    found = there.belongings(server, request.annotator)
    _plan(platform, request, "Label Studio", found)
    there.erase_belongings(server, found)
    folder = platform.settings.home / "label-studio"
    files = there.export_files(folder)
    if files is not None:
        _plan(platform, request, "Label Studio", {"export files": files})
        there.erase_export_files(folder, files)
    return files is not None


@task(name="compact", task_run_name="compact", cache_policy=NO_CACHE, **OUTSIDE)
def compact_files(platform: Platform, request: WithdrawalRequest) -> None:
    """Rebuild the SQLite files of the data folder: what was deleted is then not on the disk either."""
    from infra.residue import compact, sqlite_files

    home = platform.settings.home
    files = sqlite_files(home)
    names = [file.relative_to(home).as_posix() for file in files]
    _plan(platform, request, "disk", {"SQLite files rebuilt without deleted rows": names})
    for file in files:
        compact(file)


def _remains(
    platform: Platform, request: WithdrawalRequest, found: Found, *, exports_gone: bool, in_prefect: bool
) -> list[Remains]:
    day = clock().date()
    stays = [
        Remains(
            what="that somebody under a random pseudonym consented and withdrew",
            where="platform database",
            why="it proves that using the data was allowed while it was used; no name leads to it any more",
        ),
        Remains(
            what="sealed lines of raw events",
            where="object store",
            why="they share objects with other people's; the key that opened them no longer exists",
        ),
        *(
            Remains(
                what=f"release {release}",
                where="object store, and whoever was given it",
                why="a release that was handed out is never changed; it is flagged, and the next one is without the person",
            )
            for release in found.releases
        ),
        *(
            Remains(
                what=f"model version {model}",
                where="MLflow",
                why="it was trained on a release that holds the person; it is flagged and judged again",
            )
            for model in found.models
        ),
        *(
            Remains(
                what=f"backup {backup.name}",
                where="outside the platform",
                why="backups are not opened; they are overwritten in their turn",
                until=(day + timedelta(days=backup.keep_days)).isoformat(),
            )
            for backup in platform.settings.backups
        ),
    ]
    if not platform.settings.backups:
        stays.append(
            Remains(
                what="backups that the settings do not name",
                where="outside the platform",
                why="the platform makes none; it cannot know of copies that an operator made",
            )
        )
    if in_prefect:
        stays.append(
            Remains(
                what="events that repeat what those artifacts said",
                where="Prefect",
                why="Prefect's server offers no way to delete an event; it deletes them by age, after 7 days unless "
                "PREFECT_SERVER_EVENTS_RETENTION_PERIOD says otherwise",
            )
        )
    if not exports_gone:
        stays.append(
            Remains(
                what="export files of Label Studio",
                where=f"the server of site {request.site}",
                why="its disk cannot be reached from here; the operator is to empty export and media/export",
            )
        )
    return stays


def _carry_out(platform: Platform, request: WithdrawalRequest) -> Mapping[str, Any]:
    state = withdrawals.begin(platform.db, request, now=clock())
    if state.receipt is not None:
        return state.receipt
    found = find(platform, request)
    destroy(platform, request)
    erase_unfinished(platform, request)
    # The successor first: at no moment is there neither the batch nor what takes its place.
    made = validate_site(platform, request.site) if found.batches else None
    erase_batches(platform, request, found, made["batch"] if made else None)
    erase_tracking(platform, request, found)
    in_prefect = erase_prefect(platform, request)
    exports_gone = erase_label_studio(platform, request)
    compact_files(platform, request)
    now = clock()
    receipt = make_receipt(
        request=request.request,
        site=request.site,
        via=request.via,
        requested_at=request.requested_at,
        finished_at=now,
        found=found,
        done=withdrawals.begin(platform.db, request, now=now).done,
        successors=withdrawals.erased_batches(platform.db, request.request),
        remains=_remains(platform, request, found, exports_gone=exports_gone, in_prefect=in_prefect),
    )
    return withdrawals.finish(platform.db, request.request, receipt, now=now)


@flow(name="withdraw", persist_result=False)
def withdraw(request: str | None = None, home: str | None = None) -> list[dict[str, Any]]:
    """Carry out withdrawals.

    Args:
        request: Id of a request; every request without a receipt by default.
        home: Data folder.

    Returns:
        The receipts.

    Raises:
        InputError: There is no such request.
    """
    with open_platform(home) as platform:
        wanted = withdrawal_requests(platform.db, open_only=request is None)
        if request is not None:
            wanted = [each for each in wanted if each.request == request]
            if not wanted:
                raise InputError("no such withdrawal", field="request", value=request)
        receipts = [dict(_carry_out(platform, each)) for each in wanted]
    for receipt in receipts:
        get_run_logger().info("withdrawal %s is finished", receipt["receipt"])
    return receipts
