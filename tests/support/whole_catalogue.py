"""Every kind of fault in one batch."""

from __future__ import annotations

from tests.support.batches import Batch
from tests.support.faults import FAULTS


def whole_catalogue() -> Batch:
    """Every kind of fault in one batch, each planted in an annotator's rows that no other fault touches."""
    batch = Batch(items=14, annotators=4 * len(FAULTS), seed=11)
    everybody = batch.rows
    batch.rows = []
    for number, name in enumerate(sorted(FAULTS)):
        people = batch.annotators[4 * number : 4 * number + 4]
        part = [row for row in everybody if row["annotator"] in people]
        whole, annotators = batch.rows, batch.annotators
        batch.rows, batch.annotators = part, people
        FAULTS[name].plant(batch)
        batch.rows, batch.annotators = whole + batch.rows, annotators
    batch.rows.append(
        {"judgement": "sha256:" + "0" * 64, "problem": "an empty result", "source_ref": "task/x"}
    )
    return batch
