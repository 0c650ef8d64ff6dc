"""What the demonstration adds to the way: items, simulated people, recorded votes, planted faults.

Everything here goes through the same doors as real input: items are imported, presentations are written
before they are shown, answers are given through Label Studio's own API. Nothing is put into a later step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from annotation.demo.items import ORIGIN, DemoItem
from annotation.demo.panel import answer as demo_answer
from annotation.demo.people import Person
from annotation.importers import Import, read_pandalm
from annotation.importers.rows import FileJudgement
from annotation.label_config import pairwise_config, positional_label
from annotation.records import Outcome, Source
from flows.collect import present
from flows.wiring import Platform, clock
from governance.digest import canonical, digest, digest_bytes
from infra import catalogue, people, queues
from infra.demo_files import demo_items, demo_people
from infra.given_files import read_bytes
from infra.importing import store_import
from infra.simulated_panel import PanelAnswer, SimulatedPanel

__all__ = [
    "CODEBOOK",
    "PLANTED",
    "Planted",
    "answer_demo",
    "plant_faults",
    "replay_recorded",
    "say_demo",
    "stage_demo",
    "stage_recorded",
]

CODEBOOK: Final = "demo@1.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A fault that the demonstration plants among the answers, so that validation has something to catch."""

    name: str
    rule: str
    rationale: str | None = None
    label: str | None = None
    seconds: float | None = None


PLANTED: Final = (
    Planted(
        name="an e-mail address in the reason",
        rule="D.personal-data",
        rationale="Ask me at someone@example.org.",
    ),
    Planted(name="an answer that the page does not have", rule="R.decodable", label="first_is_perfect"),
    Planted(name="an answer after a fifth of a second", rule="D.duration", seconds=0.2),
)


def stage_demo(
    platform: Platform, site: str, *, most: int | None = None, through_portal: Sequence[str] = ()
) -> int:
    """Import the shipped items, queue them at the site, and record the simulated people; how many items.

    Args:
        platform: Where.
        site: The site.
        most: At most so many items, the first of the file; all by default.
        through_portal: Items that the portal gives out instead. If there are any, the people enrol there
            themselves and are not recorded here.
    """
    rows = [dict(item.row) for item in demo_items()[:most]]
    _import(
        platform,
        site,
        Import(
            origin=ORIGIN,
            read=len(rows),
            file_name="items.jsonl",
            file_digest=digest_bytes(canonical(rows)),
            items=tuple(rows),
            judgements=(),
            refused=(),
        ),
        elsewhere=through_portal,
    )
    if through_portal:
        return len(rows)
    profiles = [
        row
        for person in demo_people()
        for row in person.profile_rows(annotator=person.id, site=site, codebook=CODEBOOK)
    ]
    people.add_profiles(platform.db, profiles)
    return len(rows)


def answer_demo(
    platform: Platform,
    site: str,
    *,
    seed: int,
    without: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> int:
    """Let the simulated panel answer what is shown in the site's Label Studio; how many answers were given now.

    Args:
        platform: Where.
        site: The site.
        seed: Seed of the answers.
        without: People who are not of the trusted panel and have no account there.
        progress: Told how many were given so far.
    """
    server = platform.label_studio(site)
    assert server is not None  # noqa: S101 - the demonstration's stack has a Label Studio
    panellists = {person.id: person for person in demo_people() if person.id not in without}
    by_id = {item.row["item"]: item for item in demo_items()}
    rows = [asdict(row) for row in present(platform, site) if row.source == Source.LABEL_STUDIO]
    items = {row["item"]: row for row in catalogue.items(platform.db, {row["item"] for row in rows})}

    def say(item: Mapping[str, Any], row: Mapping[str, Any], person: str) -> PanelAnswer:
        return say_demo(by_id[item["item"]], row["shown"], panellists[person], seed=seed)

    project = server.ensure_project(platform.site(site).project, pairwise_config())
    panel = SimulatedPanel(server, sorted(panellists))
    return panel.annotate(project, rows, items, say, progress=progress)


def say_demo(item: DemoItem, shown: Sequence[str], person: Person, *, seed: int) -> PanelAnswer:
    """What a simulated person answers to an item shown in this order: the label of the page, and why."""
    given = demo_answer(item, person, seed=seed)
    canonical = [candidate["candidate"] for candidate in item.row["candidates"]]
    label = positional_label(given.outcome, given.strength, shown=shown, canonical=canonical)
    return PanelAnswer(label=label, rationale=given.rationale, seconds=given.seconds)


def plant_faults(platform: Platform, site: str) -> Sequence[Planted]:
    """Change one answer for each planted fault, as a careless person would: through the API, after the fact."""
    server = platform.label_studio(site)
    assert server is not None  # noqa: S101
    shown = [row for row in catalogue.presentations(platform.db, site) if row.source_ref]
    # Spread by a fixed draw, so that every run plants the same faults in the same places.
    shown.sort(key=lambda row: digest(["planted", row.presentation]))
    for fault, row in zip(PLANTED, shown, strict=False):
        task = int(str(row.source_ref).rpartition("/")[2])
        [annotation] = server.get(f"api/tasks/{task}/annotations/")
        result = _spoil(annotation["result"], fault)
        body = {"result": result, "lead_time": fault.seconds or annotation["lead_time"]}
        server.send("PATCH", f"api/annotations/{annotation['id']}/", json=body)
    return PLANTED


def _spoil(result: Sequence[Mapping[str, Any]], fault: Planted) -> list[dict[str, Any]]:
    spoilt = [dict(part) for part in result if part["type"] != "textarea" or fault.rationale is None]
    for part in spoilt:
        if part["type"] == "choices" and fault.label:
            part["value"] = {"choices": [fault.label]}
    if fault.rationale:
        first = spoilt[0]
        spoilt.append(
            {
                "from_name": "rationale",
                "to_name": first["to_name"],
                "type": "textarea",
                "value": {"text": [fault.rationale]},
            }
        )
    return spoilt


def _import(platform: Platform, site: str, imported: Import, *, elsewhere: Sequence[str] = ()) -> None:
    store_import(
        platform.store, platform.db, imported, site=site, now=clock(), keys=platform.keys, judgements=False
    )
    queued = [row["item"] for row in imported.items if row["item"] not in elsewhere]
    queues.add_to_queue(platform.db, site, queued)


def stage_recorded(platform: Platform, site: str, path: Path, *, most: int | None) -> Import:
    """Import the items of a PandaLM file and queue them at the site; their votes are replayed later.

    Args:
        platform: Where.
        site: The site.
        path: The file.
        most: At most so many items, the first of the file; all by default.
    """
    imported = read_pandalm(read_bytes(path), name=path.name)
    if most is not None:
        kept = {row["item"] for row in imported.items[:most]}
        imported = replace(
            imported,
            read=len(kept) + len(imported.refused),
            items=imported.items[:most],
            judgements=tuple(vote for vote in imported.judgements if vote.item in kept),
        )
    _import(platform, site, imported)
    return imported


def replay_recorded(platform: Platform, site: str, imported: Import) -> int:
    """Give the recorded votes through Label Studio, each by the account of the person who gave it; how many.

    The people are real and undocumented: they get no profile, and none of them is marked as simulated.
    """
    server = platform.label_studio(site)
    assert server is not None  # noqa: S101
    votes: dict[str, list[FileJudgement]] = {}
    for vote in imported.judgements:
        votes.setdefault(vote.item, []).append(vote)
    everybody = sorted({vote.annotator for vote in imported.judgements})
    rows = [
        asdict(row)
        for row in present(platform, site)
        if row.source == Source.LABEL_STUDIO and row.slot < len(votes.get(row.item, ()))
    ]
    items = {row["item"]: row for row in imported.items}

    def vote_of(row: Mapping[str, Any]) -> FileJudgement:
        return votes[str(row["item"])][int(row["slot"])]

    def say(item: Mapping[str, Any], row: Mapping[str, Any], person: str) -> PanelAnswer | None:
        del person
        vote = vote_of(row)
        if vote.outcome is None:
            return None
        canonical_order = [candidate["candidate"] for candidate in item["candidates"]]
        # The file says which answer is better, not by how much: the middle step of the scale stands for it.
        strength = (
            None
            if vote.outcome is not Outcome.PREFERS
            else (-2 if vote.preferred == canonical_order[0] else 2)
        )
        if vote.outcome is Outcome.TIE:
            strength = 0
        return PanelAnswer(
            label=positional_label(vote.outcome, strength, shown=row["shown"], canonical=canonical_order)
        )

    project = server.ensure_project(platform.site(site).project, pairwise_config())
    panel = SimulatedPanel(server, everybody, simulated=False)
    return panel.replay(project, rows, items, say, person_of=lambda row: vote_of(row).annotator)
