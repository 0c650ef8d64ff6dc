"""What a stored batch says of a rule, when the policy has changed since."""

from dataclasses import replace

from annotation.checks import Origin, check_json
from annotation.data_results import data_results
from flows.wiring import data_checks
from governance.policy.compose import compose
from infra.policy_files import load_pack
from tests.support.platform import NOW

POLICY = compose(load_pack("demo"), at=NOW)
RULE = "D.overlap"
CHECKS = [check for check in data_checks(POLICY) if check.rule == RULE]


def stored(**changed):
    """A batch that kept the rule under these terms."""
    row = {"passed": True, "sentence": "as it should be", "failed": 0}
    return {"b": {"checks": [check_json(replace(check, **changed)) | row for check in CHECKS]}}


def passed(batches):
    [found] = data_results(CHECKS, {RULE: "overlap"}, batches)
    return found.passed


def test_a_new_version_of_the_document_that_says_the_same_changes_nothing():
    [origin] = {check.origin for check in CHECKS}
    later = Origin(kind=origin.kind, document=origin.document, version="9.0.0", digest="sha256:" + "9" * 64)
    assert passed(stored()) is True
    assert passed(stored(origin=later)) is True


def test_another_document_or_another_limit_is_not_this_rule():
    [origin] = {check.origin for check in CHECKS}
    assert passed(stored(origin=replace(origin, document="another"))) is None
    assert passed(stored(low=0.01)) is None
    assert passed({"b": {"checks": []}}) is None
