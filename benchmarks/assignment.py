"""What one assignment costs the portal's process: by a plan and without one, a new item and one that is held.

The people's answers are sealed under their keys, as at a portal. The database's own computing is not counted on
PostgreSQL, where it is another process; on SQLite it is part of the figure. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from annotation.ports import Assigner
from infra.answers import give_answers
from infra.assignment_files import make_assigner
from infra.database import Database
from infra.person_keys import open_person_keys
from infra.settings import Settings, SiteSettings
from tests.support import portal

CODEBOOK = "people@1.0.0"
AGES, GENDERS = ("18-39", "40+"), ("female", "male")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "secret of the site"


def plan(overlap: int) -> str:
    """A plan of four cells of equal share."""
    cells = [{"stratum": {"age": a, "gender": g}, "share": 0.25} for a in AGES for g in GENDERS]
    return json.dumps(
        {
            "format": "bounds.assignment/1",
            "id": "bench",
            "version": "1",
            "strata": ["age", "gender"],
            "cells": cells,
            "outside": 0.2,
            "overlap": overlap,
        }
    )


def reserve(assigner: Assigner, person: str, now: datetime) -> tuple[str | None, float]:
    """What the person is given, and the milliseconds that this process computes for it."""
    begun = time.process_time()
    found = assigner.reserve(person, now)
    return found, 1000 * (time.process_time() - begun)


def measured(assigner: Assigner, people: list[str], each: int) -> dict[str, float]:
    """Median milliseconds of computing for a new item and for one that the person holds."""
    new, held = [], []
    for turn in range(each):
        now = NOW + timedelta(minutes=turn)
        for person in people:
            found, first = reserve(assigner, person, now)
            if found is None:
                raise RuntimeError("nothing was left for a person: more items or overlap are needed")
            new.append(first)
            held.append(reserve(assigner, person, now)[1])
            assigner.complete(found, now)
    warm = len(people)  # everybody's first item also fills caches
    return {"new": round(median(new[warm:]), 2), "held": round(median(held[warm:]), 2)}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--url", help="address of an empty database; SQLite in a temporary folder otherwise")
    options.add_argument("--people", type=int, default=40)
    options.add_argument("--items", type=int, default=100)
    options.add_argument("--each", type=int, default=10, help="items that each person judges")
    given = options.parse_args()
    overlap = given.people
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "plan.yaml").write_text(plan(overlap), encoding="utf-8")
        sites = [
            SiteSettings(id="main", key=KEY, assignment="plan.yaml"),
            SiteSettings(id="plain", key=KEY, portal_overlap=overlap),
        ]
        settings = Settings(home=home, sites=tuple(sites))
        with Database(given.url or f"sqlite:///{home / 'platform.db'}", now=NOW) as db:
            figures = {}
            for site in sites:
                portal.items(db, given.items, site=site.id)
                keys = open_person_keys(settings, site.id)
                people = []
                for number, (age, gender) in zip(
                    range(given.people), itertools.cycle(itertools.product(AGES, GENDERS)), strict=False
                ):
                    who = portal.person(db, f"{site.id}-{number:04}", site=site.id, now=NOW).annotator
                    said = [("age", "answered", age, None), ("gender", "answered", gender, None)]
                    give_answers(db, keys, site.id, who, CODEBOOK, said, now=NOW)
                    people.append(who)
                assigner = make_assigner(settings, db, site.id, codebook=CODEBOOK, policy=lambda _: None)
                figures["plan" if site.assignment else "none"] = measured(assigner, people, given.each)
    print(json.dumps({"people": given.people, "items": given.items, "cpu_ms": figures}))


if __name__ == "__main__":
    main()
