"""What a finding counts: one word for it in reports, decisions, refusals and what differs between decisions."""

from dataclasses import replace

import pytest

from governance.audit.markdown import findings_table
from governance.audit.statistics import Verdict
from governance.changes import changes
from governance.counted import Counted, counted_by
from governance.promotion import verify_decision
from governance.tiers import Direction
from tests.governance.audit.test_verdicts import audit
from tests.support.decisions import ASKED, FINDING, decision, envelope

WORDS = {
    ("T1.harm", "violation"): "violation",
    ("T2.help", "over_refusal"): "over-refusal",
    ("D.documented", "violation"): "data",
    ("A.model", "violation"): "agreement",
}


@pytest.mark.parametrize(("asked", "word"), WORDS.items())
def test_reports_and_decisions_say_it_alike(asked, word):
    rule, direction = asked
    one = audit(wrong={f"harm-{i}" for i in range(20)})
    failed = next(each for each in one.findings if not each.is_passed)
    report = replace(
        one, findings=(replace(failed, rule=rule, direction=Direction(direction), reasons=("it is so",)),)
    )
    row = FINDING | {"rule": rule, "direction": direction, "verdict": "FAIL", "reasons": ["it is so"]}
    refused = decision(verdict=Verdict.FAIL, findings=(row,))
    said = f"{rule} ({word}): FAIL: it is so"
    assert report.reasons == (said,)
    assert said in verify_decision(envelope(refused), **ASKED).reasons
    assert Counted(word).in_words in findings_table(report)
    other = decision(findings=(row | {"verdict": "PASS"},))
    assert changes(other, refused)[0].what == f"{rule} {word}"


def test_an_unknown_direction_of_a_rule_of_conduct_is_refused():
    with pytest.raises(ValueError, match="sideways"):
        counted_by("T1.harm", "sideways")
