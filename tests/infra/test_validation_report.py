"""The page of a validation says what failed in words and quotes no row."""

from __future__ import annotations

import re

from annotation.policy_checks import checks_for
from annotation.quarantine import validate_batch
from infra.validation_report import page
from tests.support.batches import REQUIREMENTS, Batch


def _page(batch: Batch, *, gx: object | None = None) -> str:
    return page(validate_batch(batch.rows, checks=checks_for(REQUIREMENTS), **batch.surroundings()), gx)


def test_it_names_failed_rules_counts_and_references_but_no_text() -> None:
    batch = Batch()
    batch.rows[0]["rationale"] = "Write to jane.doe@example.org about it."
    batch.rows[1]["rationale"] = "<b>This is LLaMA-7b</b>"
    text = _page(batch, gx=object())
    assert "<code>D.personal-data</code>" in text
    assert "<code>portal:task/0</code>" in text
    assert "<code>portal:task/1</code>" in text
    assert "<strong>48</strong> rows read = <strong>46</strong> accepted" in text
    assert "count the same failures" in text
    assert not re.search(r"jane|This is LLaMA|Answer one", text)
    assert not re.search(r"<script|<link|src=|https?://", text)


def test_it_says_what_is_missing() -> None:
    batch = Batch()
    batch.profiles.clear()
    text = _page(batch)
    assert "The batch stops here." in text
    assert "The annotators are not documented" in text
    assert "Great Expectations was not run" in text
    assert "D.documented" in text


def test_a_reference_is_text_not_markup() -> None:
    batch = Batch()
    batch.rows[0] |= {"source_ref": "<img src=x onerror=alert(1)>", "seconds": 0.0}
    assert "<img" not in _page(batch)
