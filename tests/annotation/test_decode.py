import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.decode import Annotator, decode, judgement_id, unblind
from annotation.label_config import ANSWERS, config_digest, pairwise_config, positional_label
from annotation.presentations import make_presentations, task_data
from annotation.records import JUDGEMENTS, Outcome, make_item, table
from governance.digest import digest

ITEM = make_item(
    prompt=[{"role": "user", "content": "which?"}],
    candidates=[("model-a", "A"), ("model-b", "B")],
    language="en",
    topic=None,
    origin="test",
    licence="CC0-1.0",
    source_ref="1",
)
A, B = (candidate["candidate"] for candidate in ITEM["candidates"])
PERSON = Annotator(annotator="a-1", simulated=True)


def presentation(shown):
    row = make_presentations(
        [ITEM],
        site="main",
        overlap=1,
        seed=0,
        config_digest="sha256:c",
        policy_digest="sha256:p",
        consent="consent@1",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )[0]
    return {**row, "shown": list(shown)}


def choice(*labels, name="preference"):
    return {"from_name": name, "to_name": "shown", "type": "choices", "value": {"choices": list(labels)}}


def reason(*texts):
    return {
        "from_name": "rationale",
        "to_name": "shown",
        "type": "textarea",
        "value": {"text": list(texts)},
    }


def raw(result, *, shown=(A, B), **over):
    row = presentation(shown)
    return {
        "result": result,
        "was_cancelled": False,
        "updated_at": "2026-01-02T03:04:05.678900Z",
        "lead_time": 12.5,
        "presentation": row["presentation"],
        "task_data_digest": digest(task_data(row, ITEM)),
        **over,
    }


def decoded(annotation, *, shown=(A, B), **over):
    given_ = {"annotator": PERSON, "presentation": presentation(shown), "item": ITEM, **over}
    return decode(annotation, site="main", ref="1/2", **given_)


# By hand: label → (outcome, preferred, strength) when shown canonically, and when turned round.
CASES = [
    ("first_much_better", ("prefers", A, -3), ("prefers", B, 3)),
    ("first_better", ("prefers", A, -2), ("prefers", B, 2)),
    ("first_slightly_better", ("prefers", A, -1), ("prefers", B, 1)),
    ("about_the_same", ("tie", None, 0), ("tie", None, 0)),
    ("second_slightly_better", ("prefers", B, 1), ("prefers", A, -1)),
    ("second_better", ("prefers", B, 2), ("prefers", A, -2)),
    ("second_much_better", ("prefers", B, 3), ("prefers", A, -3)),
    ("neither_acceptable", ("neither", None, None), ("neither", None, None)),
    ("cannot_judge", ("cannot_judge", None, None), ("cannot_judge", None, None)),
]


def test_the_cases_are_all_the_answers():
    assert [case[0] for case in CASES] == list(ANSWERS)


@pytest.mark.parametrize(("label", "straight", "turned"), CASES)
def test_an_answer_is_unblinded_in_both_orders(label, straight, turned):
    for shown, expected in (((A, B), straight), ((B, A), turned)):
        row = decoded(raw([choice(label)], shown=shown), shown=shown).judgement
        assert (row["outcome"], row["preferred"], row["strength"]) == expected


def test_a_judgement_fits_the_declared_record():
    row = dict(decoded(raw([choice("first_better"), reason("it is clearer ")])).judgement)
    assert row["rationale"] == "it is clearer"
    assert row["judgement"] == judgement_id("main", "label_studio", "1/2")
    assert (row["annotator"], row["simulated"], row["seconds"]) == ("a-1", True, 12.5)
    assert (row["config_digest"], row["policy_digest"], row["consent"]) == (
        "sha256:c",
        "sha256:p",
        "consent@1",
    )
    row["submitted_at"] = datetime.fromisoformat(row["submitted_at"])
    assert table([{**row, "source_digest": "sha256:e"}], JUDGEMENTS).num_rows == 1


@given(st.sampled_from(list(ANSWERS)), st.booleans())
def test_an_answer_put_through_the_page_and_back_is_the_same(label, turned):
    shown = [B, A] if turned else [A, B]
    outcome, _, strength = unblind(ANSWERS[label], shown=shown, canonical=[A, B])
    assert positional_label(outcome, strength, shown=shown, canonical=[A, B]) == label


def test_a_preference_without_strength_is_no_answer():
    with pytest.raises(ValueError, match="no answer"):
        positional_label(Outcome.PREFERS, None, shown=[A, B], canonical=[A, B])


PROBLEMS = {
    "an empty result": (raw([]), {}, "empty"),
    "a result that is no list": (raw({"preference": "first_better"}), {}, "not a list"),
    "a result of something else": (raw(["first_better"]), {}, "not an answer"),
    "a label outside the scheme": (raw([choice("excellent")]), {}, "'excellent' is outside the scheme"),
    "the text in place of the alias": (raw([choice("First better")]), {}, "outside the scheme"),
    "a label that is no text": (raw([choice(3)]), {}, "outside the scheme"),
    "a reason without a preference": (raw([reason("because")]), {}, "no preference"),
    "an empty choice": (raw([choice()]), {}, "no preference"),
    "two labels in one answer": (
        raw([choice("first_better", "second_better")]),
        {},
        "more than one preference",
    ),
    "two contradictory answers": (
        raw([choice("first_better"), choice("second_better")]),
        {},
        "more than one preference",
    ),
    "a question that was not asked": (raw([choice("first_better", name="toxicity")]), {}, "'toxicity'"),
    "a skipped task": (raw([choice("first_better")], was_cancelled=True), {}, "skipped"),
    "time that is no number": (raw([choice("first_better")], lead_time="soon"), {}, "lead time"),
    "a date that is none": (raw([choice("first_better")], updated_at="yesterday"), {}, "not a time"),
    "time before the beginning": (raw([choice("first_better")], lead_time=-1.0), {}, "negative"),
    "a task that was not presented": (
        raw([choice("first_better")]),
        {"presentation": None},
        "no presentation",
    ),
    "an item that is not known": (raw([choice("first_better")]), {"item": None}, "not known"),
    "an item that has changed": (
        raw([choice("first_better")]),
        {"item": {**ITEM, "digest": "sha256:other"}},
        "not known as it was presented",
    ),
    "a task whose text was edited": (
        raw([choice("first_better")], task_data_digest="sha256:other"),
        {},
        "not what was presented",
    ),
    "an annotator who was deleted": (raw([choice("first_better")]), {"annotator": None}, "annotator"),
    "a presentation that shows other candidates": (
        raw([choice("first_better")]),
        {"presentation": presentation(("c-x", "c-y"))},
        "do not belong together",
    ),
    "a presentation of another site": (
        raw([choice("first_better")]),
        {"presentation": {**presentation((A, B)), "site": "other"}},
        "site 'other'",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_cannot_be_decoded_says_why(name):
    annotation, over, words = PROBLEMS[name]
    found = decoded(copy.deepcopy(annotation), **over)
    assert found.judgement is None
    assert words in found.problem


def test_an_answer_shown_in_the_other_order_does_not_pass_for_this_one():
    # The same label under a presentation that was turned after the fact: the task's data no longer fits.
    assert decoded(raw([choice("first_better")], shown=(A, B)), shown=(B, A)).problem is not None


def test_the_page_is_stable_and_holds_every_answer_once():
    page = pairwise_config()
    assert page == pairwise_config()
    assert config_digest() == config_digest(page) != config_digest(page + " ")
    for answer in ANSWERS.values():
        assert page.count(f'alias="{answer.label}"') == 1
    assert len({answer.hotkey for answer in ANSWERS.values()}) == len(ANSWERS)
