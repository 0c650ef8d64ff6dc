"""Small batches for tests of releases, made by a seed; every person and answer is invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from annotation.records import ITEMS, JUDGEMENTS, PROFILES, make_item, table
from annotation.release_inputs import Batch, FilteredCount
from governance.digest import digest

FIELDS = {
    "age_band": ("18-24", "25-34", "65+"),
    "gender": ("female", "male"),
    "country_of_residence": ("GBR", "KEN"),
}


def item_rows(count: int) -> list[dict[str, Any]]:
    return [
        make_item(
            prompt=[{"role": "user", "content": f"Question {number // 2}?"}],
            candidates=[("model-a", f"Answer {number} one."), ("model-b", f"Answer {number} two.")],
            language="en",
            topic=None,
            origin="invented",
            licence="Apache-2.0",
            source_ref=str(number),
            simulated=True,
        )
        for number in range(count)
    ]


def judgement_row(item: dict[str, Any], annotator: str, strength: int | None, **more: Any) -> dict[str, Any]:
    """A pairwise judgement; ``strength`` None is "neither"."""
    first, second = (candidate["candidate"] for candidate in item["candidates"])
    outcome = "neither" if strength is None else "tie" if strength == 0 else "prefers"
    preferred = None if not strength else (first if strength < 0 else second)
    site = more.get("site", "main")
    ref = f"{item['item']}/{annotator}"
    return {
        "judgement": digest([site, "portal", ref]),
        "item": item["item"],
        "item_digest": item["digest"],
        "annotator": annotator,
        "site": site,
        "kind": "pairwise",
        "shown": [second, first] if len(annotator) % 2 else [first, second],
        "outcome": outcome,
        "preferred": preferred,
        "strength": strength,
        "rationale": f"because of {annotator}",
        "policy_digest": digest("policy"),
        "consent": f"consent-{annotator}",
        "submitted_at": datetime(2026, 1, 1, tzinfo=UTC),
        "seconds": 12.25,
        "source": "portal",
        "source_ref": ref,
        "source_digest": digest(["raw", ref, strength]),
        "simulated": True,
        **more,
    }


def profile_rows(annotator: str, answers: dict[str, str | None], site: str = "main") -> list[dict[str, Any]]:
    return [
        {
            "annotator": annotator,
            "site": site,
            "codebook": "core@1.0.0",
            "field": field,
            "status": "answered" if value else "prefer_not_to_say",
            "value": value,
            "simulated": True,
        }
        for field, value in answers.items()
    ]


def rows(
    *, people: int = 24, items: int = 20, each: int = 6, seed: int = 0
) -> dict[str, list[dict[str, Any]]]:
    generator = np.random.default_rng(seed)
    listed = item_rows(items)
    profiles, judgements = [], []
    for number in range(people):
        answers = {
            field: str(values[int(generator.integers(len(values)))]) for field, values in FIELDS.items()
        }
        profiles += profile_rows(f"person-{number}", dict(answers))
    for item in listed:
        lean = generator.integers(-2, 3)
        for number in generator.choice(people, size=each, replace=False):
            strength = int(np.clip(lean + generator.integers(-1, 2), -3, 3))
            judgements.append(
                judgement_row(item, f"person-{number}", None if generator.random() < 0.05 else strength)
            )
    return {"judgements": judgements, "items": listed, "profiles": profiles}


def batch(made: dict[str, list[dict[str, Any]]], name: str = "whole", **more: Any) -> Batch:
    return Batch(
        digest=digest(name),
        judgements=table(made["judgements"], JUDGEMENTS),
        items=table(made["items"], ITEMS),
        profiles=table(made["profiles"], PROFILES),
        read=more.get("read", len(made["judgements"])),
        quarantined=more.get("quarantined", 0),
        filtered=more.get("filtered", ()),
        quarantine=more.get("quarantine"),
    )


def split_batches(made: dict[str, list[dict[str, Any]]], parts: int, seed: int) -> list[Batch]:
    """The same rows in another partition and order, every part with the items and profiles it needs."""
    generator = np.random.default_rng(seed)
    where = generator.integers(0, parts, size=len(made["judgements"]))
    batches = []
    for part in range(parts):
        judgements = [row for row, at in zip(made["judgements"], where, strict=True) if at == part]
        generator.shuffle(judgements)  # type: ignore[arg-type]
        items = {row["item"] for row in judgements}
        people = {row["annotator"] for row in judgements}
        batches.append(
            batch(
                {
                    "judgements": judgements,
                    "items": [row for row in reversed(made["items"]) if row["item"] in items],
                    "profiles": [row for row in made["profiles"] if row["annotator"] in people],
                },
                name=f"part {part} of {parts}",
            )
        )
    generator.shuffle(batches)  # type: ignore[arg-type]
    return batches


def filtered(**counts: tuple[int, int]) -> tuple[FilteredCount, ...]:
    return tuple(
        FilteredCount(field="gender", status="answered", value=value, read=read, quarantined=out)
        for value, (read, out) in counts.items()
    )


def columns(data: bytes) -> pa.Table:
    import io

    import pyarrow.parquet as pq

    return pq.read_table(io.BytesIO(data))
