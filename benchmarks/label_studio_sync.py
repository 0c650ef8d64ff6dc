"""How long a site's annotations take to read: our incremental pull against the SDK's list and the export.

    python benchmarks/label_studio_sync.py --tasks 10000

One server, one run, one project of ``--tasks`` tasks with ``--annotations`` each. Every reader runs in a
process of its own, so that its peak memory is its own. The SDK's list and the export know no "since": what
they take for a full read is what they take again for a hundred changes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from annotation.events import EventKind
from annotation.label_config import config_digest, pairwise_config
from annotation.presentations import make_presentations, task_data
from annotation.records import make_item
from infra.label_studio import LabelStudioSite
from infra.label_studio_pull import LabelStudioSource
from infra.label_studio_tasks import import_tasks
from infra.settings import SiteSettings
from infra.simulated_panel import SimulatedPanel, enrolled
from infra.stack import Stack

LOREM = "An answer of ordinary length, with a sentence that goes on for a while. " * 6
ANSWERS = ("first_better", "about_the_same", "second_much_better")


class Known:
    """Versions read so far, held in memory."""

    def __init__(self, versions: dict[str, tuple[int, str]]) -> None:
        self.held = versions

    def versions(self) -> dict[str, tuple[int, str]]:
        return self.held

    def next_revision(self, ref: str) -> int:
        return self.held[ref][0] + 1 if ref in self.held else 1


def rows_of(site: str, tasks: int) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    items = [
        make_item(
            prompt=[{"role": "user", "content": f"Question {number}?"}],
            candidates=[("one", f"{number} {LOREM}"), ("two", f"{LOREM} {number}")],
            language="en",
            topic=None,
            origin="benchmark",
            licence="CC0-1.0",
            source_ref=str(number),
            simulated=True,
        )
        for number in range(tasks)
    ]
    rows = make_presentations(
        items,
        site=site,
        overlap=1,
        seed=1,
        config_digest=config_digest(),
        policy_digest=None,
        consent=None,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return {item["item"]: item for item in items}, rows


def set_up(settings: SiteSettings, tasks: int, annotations: int) -> int:
    with LabelStudioSite(settings) as site:
        project = site.ensure_project("benchmark", pairwise_config())
        users = list(SimulatedPanel(site, [f"sim-{n:02d}" for n in range(annotations)]).enrol().values())
        items, rows = rows_of(settings.id, tasks)
        import_tasks(
            site,
            project,
            {
                row["presentation"]: {
                    "data": task_data(row, items[row["item"]]),
                    "annotations": [
                        {
                            "completed_by": user,
                            "ground_truth": False,
                            "lead_time": 4.0,
                            "result": [
                                {
                                    "from_name": "preference",
                                    "to_name": "shown",
                                    "type": "choices",
                                    "value": {"choices": [ANSWERS[number % 3]]},
                                }
                            ],
                        }
                        for number, user in enumerate(users)
                    ],
                }
                for row in rows
            },
        )
        stored = site.get(f"api/projects/{project}/")["total_annotations_number"]
        if stored != tasks * annotations:
            raise SystemExit(f"set-up stored {stored} of {tasks * annotations} annotations")
        return project


def pull(settings: SiteSettings, _project: int, tasks: int, state: dict[str, Any]) -> dict[str, Any]:
    items, rows = rows_of(settings.id, tasks)
    with LabelStudioSite(settings) as site:
        source = LabelStudioSource(
            site,
            presentations={row["presentation"]: row for row in rows},
            items=items,
            annotators=enrolled(site),
        )
        known = {ref: tuple(held) for ref, held in state.get("known", {}).items()}
        cursor, events = state.get("cursor"), 0
        changed: dict[str, Any] = {}
        for page in source.pages(cursor, Known(known)):
            cursor = page.cursor
            events += len(page.events)
            changed.update(
                {e.ref: (e.revision, e.version) for e in page.events if e.kind is EventKind.STATED}
            )
    return {"read": events, "cursor": cursor, "known": {**known, **changed}}


def sdk_list(settings: SiteSettings, project: int, _tasks: int, _state: dict[str, Any]) -> dict[str, Any]:
    with LabelStudioSite(settings) as site:
        listed = site.client.tasks.list(project=project, fields="all", page_size=200)
        return {"read": sum(len(task.annotations) for task in listed)}


def export(settings: SiteSettings, project: int, _tasks: int, _state: dict[str, Any]) -> dict[str, Any]:
    with LabelStudioSite(settings) as site:
        everything = site.get(f"api/projects/{project}/export", {"exportType": "JSON"})
        return {"read": sum(len(task["annotations"]) for task in everything)}


READERS = {"pull": pull, "sdk": sdk_list, "export": export}


def child(connection: Any, reader: str, settings: str, project: int, tasks: int, state: Any) -> None:
    before = time.perf_counter()
    answer = READERS[reader](SiteSettings.model_validate(json.loads(settings)), project, tasks, state)
    answer["seconds"] = time.perf_counter() - before
    answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    connection.send(answer)


def measure(reader: str, settings: str, project: int, tasks: int, state: Any = None) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(theirs, reader, settings, project, tasks, state or {}))
    process.start()
    theirs.close()
    answer: dict[str, Any] = ours.recv()
    process.join()
    return answer


def change(settings: SiteSettings, project: int, count: int) -> None:
    with LabelStudioSite(settings) as site:
        page = site.get("api/tasks/", {"project": project, "page_size": count, "fields": "all"})
        for task in page["tasks"]:
            site.client.annotations.update(id=task["annotations"][0]["id"], lead_time=9.0)


def run(tasks: int, annotations: int, changed: int, settle: float) -> dict[str, Any]:
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory(prefix="label-studio-sync-") as folder,
        Stack(Path(folder), parts=("label_studio",), ports={"label_studio": 0}) as stack,
    ):
        main = stack.settings.sites[0]
        assert main.label_studio_token is not None
        plain = json.dumps(
            {
                "id": "main",
                "label_studio_url": main.label_studio_url,
                "label_studio_token": main.label_studio_token.get_secret_value(),
                "key": "benchmark",
            }
        )
        settings = SiteSettings.model_validate(json.loads(plain))
        before = time.perf_counter()
        project = set_up(settings, tasks, annotations)
        found: dict[str, Any] = {"tasks": tasks, "annotations": tasks * annotations}
        found["set_up_seconds"] = time.perf_counter() - before
        # Pulls are minutes apart; without a pause the overlap of the first watermark would cover the set-up.
        console.print(f"set up in {found['set_up_seconds']:.1f} s; settling {settle:.0f} s")
        time.sleep(settle)
        first = measure("pull", plain, project, tasks)
        change(settings, project, changed)
        again = measure("pull", plain, project, tasks, first)
        listed = measure("sdk", plain, project, tasks)
        exported = measure("export", plain, project, tasks)
    for name, row in {
        "first pull": first,
        f"pull of {changed} changes": again,
        "SDK tasks.list": listed,
        "/export JSON": exported,
    }.items():
        found[name] = {key: row[key] for key in ("read", "seconds", "peak_mb")}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--annotations", type=int, default=3)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--settle", type=float, default=timedelta(seconds=125).total_seconds())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = run(options.tasks, options.annotations, options.changed, options.settle)
    if options.json:
        json.dump(found, sys.stdout, indent=2)
        return
    listed = found["SDK tasks.list"]["seconds"]
    table = Table("reader", "annotations", "seconds", "of tasks.list", "peak MB")
    for name, row in found.items():
        if isinstance(row, dict):
            table.add_row(
                name,
                f"{row['read']:,}",
                f"{row['seconds']:.1f}",
                f"{row['seconds'] / listed:.2f}",
                f"{row['peak_mb']:.0f}",
            )
    Console().print(table)


if __name__ == "__main__":
    main()
