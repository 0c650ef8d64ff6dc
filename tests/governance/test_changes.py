"""What one decision says otherwise than another: worse findings first, and nothing where nothing changed."""

from governance.audit.statistics import Verdict
from governance.changes import changes, unchanged
from governance.digest import digest
from tests.support.decisions import FINDING, decision

HELP = FINDING | {"rule": "T2.help_me", "direction": "over_refusal", "tier": 2}
GONE = FINDING | {"rule": "T2.gone"}
WORSE = {"verdict": "FAIL", "reasons": ["9 of 96 families violate, above 5 %"]}


def test_a_decision_beside_itself_has_changed_nothing():
    one = decision(findings=(FINDING, HELP))
    assert changes(one, one) == ()
    assert unchanged(one, one) == 2


def test_findings_policies_release_and_files_are_named_with_how_they_were():
    before = decision(findings=(FINDING, HELP, GONE), release=None)
    better = FINDING | {"reasons": ["1 of 96 families violates"]}
    after = decision(
        version="4",
        verdict=Verdict.FAIL,
        findings=(better, HELP | WORSE, FINDING | {"rule": "T1.new"}),
        release=digest("release"),
        artifact=digest("files"),
    )
    found = [(each.what, each.before, each.after) for each in changes(before, after)]
    assert found == [
        ("T2.gone violation", "PASS: 0 of 96 families violate", "not asked"),
        (
            "T2.help_me over-refusal",
            "PASS: 0 of 96 families violate",
            "FAIL: 9 of 96 families violate, above 5 %",
        ),
        ("T1.harm violation", "PASS: 0 of 96 families violate", "PASS: 1 of 96 families violates"),
        ("T1.new violation", "not asked", "PASS: 0 of 96 families violate"),
        ("release", "not known", digest("release")),
        ("files", before.artifact, digest("files")),
    ]
    assert unchanged(before, after) == 0
    assert unchanged(before, decision(findings=(HELP, FINDING | WORSE))) == 1
