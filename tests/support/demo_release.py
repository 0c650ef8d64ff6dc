"""The simulated panel's judgements of the shipped items, as the tables of a release."""

from __future__ import annotations

import pyarrow as pa

from annotation.demo.panel import answer
from annotation.records import ITEMS, JUDGEMENTS, table
from governance.digest import digest
from infra.demo_files import demo_items, demo_people

__all__ = ["judgements", "release"]

ITEM_LIST = demo_items()


def judgements(seed: int, people: int = 12) -> pa.Table:
    """The panel's judgements, three of the people for each item."""
    rows = []
    for number, item in enumerate(ITEM_LIST):
        for place, person in enumerate(demo_people()[:people]):
            if people > 3 and (5 * number + place) % 4:
                continue
            said = answer(item, person, seed=seed)
            name = digest([item.ref, person.id])
            rows.append(
                {
                    "judgement": name,
                    "item": item.row["item"],
                    "item_digest": item.row["digest"],
                    "annotator": person.id,
                    "site": "a",
                    "kind": "pairwise",
                    "shown": [c["candidate"] for c in item.row["candidates"]],
                    "outcome": str(said.outcome),
                    "preferred": said.preferred,
                    "strength": said.strength,
                    "source": "label_studio",
                    "source_ref": name,
                    "source_digest": name,
                    "simulated": True,
                }
            )
    return table(rows, JUDGEMENTS)


def release(seed: int = 1, people: int = 12) -> dict[str, pa.Table]:
    return {
        "judgements": judgements(seed, people),
        "items": table([item.row for item in ITEM_LIST], ITEMS),
    }
