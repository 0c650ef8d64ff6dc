"""Inclusions: a decision is shown to be in the log with exactly the signatures on it, or it is not shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.digest import canonical, digest, digest_bytes
from governance.log.entry import Kind
from governance.log.inclusion import InclusionsError, open_inclusions
from tests.support.decisions import decision, envelope, signing_key
from tests.support.memory_log import MemoryLog

APPROVED = envelope(signers=("auditor", "ann", "bo"))
OTHER = envelope(decision(version="4"))


@pytest.fixture
def log():
    """Seven entries: two others, the decision at 2 and its approvals at 3 and 4, another decision, and one more."""
    made = MemoryLog()
    for number in range(2):
        made.append(Kind.KEY, {"number": number})
    assert made.decide(APPROVED, approvals=("ann", "bo")) == [2, 3, 4]
    assert made.decide(OTHER) == [5]
    made.append(Kind.KEY, {"number": 6})
    return made


def why(log, data, signed=APPROVED):
    return "; ".join(open_inclusions(data, log=log.verifier).why_not(signed))


def shown(log, *places, signed=APPROVED, **more):
    return log.inclusions({digest_bytes(signed): places}, **more)


def test_a_decision_and_its_approvals_are_shown_to_be_in_the_log(log):
    data = shown(log, 2, 3, 4)
    assert why(log, data) == ""
    assert open_inclusions(data, log=log.verifier).position(APPROVED) == 2
    assert why(log, shown(log, 5, signed=OTHER), OTHER) == ""


def test_the_same_holds_under_an_older_checkpoint_that_reaches_so_far(log):
    assert why(log, shown(log, 2, 3, 4, size=5)) == ""


@pytest.mark.parametrize(
    ("places", "said"),
    [
        pytest.param((), "nothing shows", id="nothing"),
        pytest.param((5,), "about another decision", id="the entry of another decision"),
        pytest.param((2, 3, 4, 5), "about another decision", id="one of another beside its own"),
        pytest.param((6,), "about another decision", id="an entry of another kind"),
        pytest.param((3, 4), "the decision's own entry", id="approvals alone"),
        pytest.param((2, 3), "not with these signatures", id="an approval that is not shown"),
        pytest.param((2,), "not with these signatures", id="no approval shown"),
    ],
)
def test_what_is_not_shown_is_refused(log, places, said):
    assert said in why(log, shown(log, *places))


def test_a_signature_beside_those_in_the_log_is_refused(log):
    more = envelope(signers=("auditor", "ann", "bo", "mallory"))
    assert "not with these signatures" in why(log, shown(log, 2, 3, 4, signed=more), more)


def test_an_envelope_that_nothing_speaks_of_is_refused(log):
    assert why(log, shown(log, 2, 3, 4), OTHER) == "nothing shows that the decision is in the log"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda row: {**row, "position": row["position"] + 1}, id="another place"),
        pytest.param(lambda row: {**row, "position": -1}, id="no place"),
        pytest.param(lambda row: {**row, "path": row["path"][:-1]}, id="a shorter path"),
        pytest.param(lambda row: {**row, "path": row["path"][::-1]}, id="a path turned round"),
        pytest.param(lambda row: {**row, "path": []}, id="no path"),
        pytest.param(lambda row: {**row, "entry": row["entry"].replace("PASS", "FAIL")}, id="another entry"),
    ],
)
def test_a_changed_proof_proves_nothing(log, change):
    value = json.loads(shown(log, 2, 3, 4))
    rows = value["proofs"][digest_bytes(APPROVED)]
    rows[0] = change(rows[0])
    assert "is not in the log of 7 entries" in why(log, canonical(value))


def test_a_checkpoint_of_another_key_log_or_size_is_refused(log):
    places = {digest_bytes(APPROVED): (2, 3, 4)}
    forged = log.inclusions(places, checkpoint=log.checkpoint(key=signing_key("mallory")))
    with pytest.raises(InclusionsError, match="not signed by"):
        open_inclusions(forged, log=log.verifier)
    with pytest.raises(InclusionsError, match="not signed by"):
        open_inclusions(shown(log, 2), log=MemoryLog("another").verifier)
    with pytest.raises(InclusionsError, match="the trust names no log"):
        open_inclusions(shown(log, 2), log=None)
    too_short = log.inclusions(places, checkpoint=log.checkpoint(2))
    assert "is not in the log of 2 entries" in why(log, too_short)


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        canonical({"format": "bounds-inclusions/1"}),
        canonical({"format": "bounds-inclusions/2", "checkpoint": "", "proofs": {}}),
        canonical({"format": "bounds-inclusions/1", "checkpoint": "x", "proofs": {}}),
        canonical({"format": "bounds-inclusions/1", "checkpoint": "x", "proofs": {"x": []}}),
    ],
)
def test_odd_bytes_are_no_inclusions(log, odd):
    with pytest.raises(InclusionsError):
        open_inclusions(odd, log=log.verifier)


@pytest.mark.parametrize(
    "rows",
    ["x", [1], [{"position": 1}], [{"position": True, "entry": "", "path": []}],
     [{"position": 1, "entry": 1, "path": []}], [{"position": 1, "entry": "", "path": [1]}],
     [{"position": 1, "entry": "", "path": ["*"]}], [{"position": 1, "entry": "", "path": "x"}]],
)  # fmt: skip
def test_odd_proofs_are_no_inclusions(log, rows):
    value = {"format": "bounds-inclusions/1", "checkpoint": log.checkpoint().decode()}
    with pytest.raises(InclusionsError):
        open_inclusions(canonical(value | {"proofs": {digest("x"): rows}}), log=log.verifier)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_changed_byte_shows_more(data):
    made = MemoryLog()
    made.decide(APPROVED, approvals=("ann",))
    made.decide(OTHER)
    right = shown(made, 0, 1)
    changed = bytearray(right)
    changed[data.draw(st.integers(0, len(right) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = open_inclusions(bytes(changed), log=made.verifier)
    except InclusionsError:
        return
    assert found.why_not(OTHER)  # it was never shown, and no flipped byte shows it
    if not found.why_not(APPROVED):
        assert json.loads(bytes(changed)) == json.loads(right)
