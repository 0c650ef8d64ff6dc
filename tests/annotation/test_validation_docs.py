"""The example in docs/validation.md runs as it stands, and the format page names every column."""

from __future__ import annotations

import re
from pathlib import Path

from annotation.policy_checks import checks_for
from annotation.quarantine import QUARANTINE
from tests.support.batches import REQUIREMENTS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "validation.md").read_text(), re.DOTALL)
    exec(compile(code, "docs/validation.md", "exec"), {})


def test_every_check_of_a_policy_and_every_column_of_quarantine_is_documented() -> None:
    guide, page = (DOCS / "validation.md").read_text(), (DOCS / "formats" / "batch.md").read_text()
    for requirement in REQUIREMENTS:
        assert f"`{requirement['check']}`" in guide
    for name in QUARANTINE.names:
        assert f"`{name}`" in page
    for check in checks_for(REQUIREMENTS):
        name = re.sub(r"_(training|email|phone|payment_card|iban)$", "", check.column)
        if check.rule.startswith(("R.known", "R.consistent", "R.blind", "R.equal")) or name in {
            "streak",
            "first_given",
        }:
            assert name in page
