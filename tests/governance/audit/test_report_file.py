"""Reports read back from files."""

from __future__ import annotations

import json

import pytest

from governance.audit.report_file import read_report
from governance.digest import digest
from governance.errors import InputError
from tests.governance.audit.test_report import REPORTS

WRITTEN = REPORTS["passed"]().as_json()


def sealed(**changes):
    """A report whose digest fits, whatever it holds."""
    body = {
        name: part for name, part in (WRITTEN | changes).items() if name not in {"digest", "attempt", "times"}
    }
    return json.dumps(body | {"digest": digest(body)})


@pytest.mark.parametrize("name", REPORTS)
def test_what_was_written_is_read_back(name):
    report = REPORTS[name]().as_json()
    assert read_report(json.dumps(report), source="r.json") == json.loads(json.dumps(report))
    assert read_report(json.dumps({"reports": [report]}), source="r.json")["digest"] == report["digest"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not an audit report"),
        ("{}", "not an audit report"),
        ('{"reports": []}', "several reports, or none"),
        (json.dumps({"reports": [WRITTEN, WRITTEN]}), "several reports, or none"),
        (json.dumps(WRITTEN | {"verdict": "FAIL"}), "was changed since it was written"),
        (json.dumps(WRITTEN | {"note": "one field more"}), "was changed since it was written"),
        (json.dumps({name: part for name, part in WRITTEN.items() if name != "findings"}), "was changed"),
        (json.dumps(WRITTEN).replace('"families"', '"families": NaN, "families"', 1), "NaN is no number"),
        (sealed(findings=None), "not an audit report"),
        (sealed(findings=["PASS"]), "not a finding"),
        (sealed(findings=[WRITTEN["findings"][0] | {"verdict": "OK"}]), "not a finding"),
        (sealed(findings=[WRITTEN["findings"][0] | {"direction": ["violation"]}]), "not a finding"),
    ],
)  # fmt: skip
def test_what_is_no_report_or_another_one_is_refused(text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_report(text, source="r.json")
    assert caught.value.file == "r.json"
