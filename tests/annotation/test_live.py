"""Live conversations without a store: who answers when, who wins, what gives a model away, what a turn becomes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.live import (
    Campaign,
    CampaignModel,
    Conversation,
    LiveState,
    Reply,
    Turn,
    answering,
    check_message,
    draw_seed,
    live_item,
    messages,
    names_in,
    winner,
)
from governance.errors import InputError, RecordError
from tests.support.platform import NOW


def model(name, technical="m"):
    return CampaignModel(
        name=name, url="http://127.0.0.1:1/v1", model=technical, temperature=1.0, max_tokens=9
    )


def campaign(*names, **over):
    return Campaign(models=tuple(model(name) for name in names or ("a", "b", "c")), **over)


def turn(number=1, texts=("x", "y", "z"), models=("a", "b", "c"), **over):
    replies = tuple(
        Reply(place=place, model=name, text=text, error=None if text is not None else "HTTP 500")
        for place, (name, text) in enumerate(zip(models, texts, strict=True))
    )
    return Turn(number=number, message=f"message {number}", said_at=NOW, replies=replies, **over)


def talk(*turns, is_open=True, **over):
    return Conversation(
        conversation="t-1", campaign=campaign(**over), is_open=is_open, started_at=NOW, turns=turns
    )


JUDGED = {"presentation": "p-1", "presented_at": NOW, "shown": (2, 0, 1), "winner": 1}


@pytest.mark.parametrize(
    ("names", "over", "says"),
    [
        (("a",), {}, "several models"),
        (("a", "a"), {}, "several models"),
        (tuple("abcde"), {}, "several models"),
        (("a", "b"), {"kind": "attributes"}, "no such judgement"),
        (("a", "b", "c"), {"kind": "pairwise"}, "pairs need two answers"),
        (("a", "b"), {"answers": 1}, "of no use"),
        (("a", "b"), {"turns": 0}, "of no use"),
    ],
)
def test_a_campaign_that_cannot_be_held_is_refused(names, over, says):
    with pytest.raises(InputError, match=says):
        campaign(*names, **over)


def test_a_campaign_comes_back_from_what_is_stored():
    made = campaign("a", "b", kind="pairwise", turns=2, seed=7)
    assert Campaign.from_json(made.as_json()) == made
    with pytest.raises(RecordError, match="not a campaign"):
        Campaign.from_json({**made.as_json(), "format": "bounds.live/9"})


def test_every_model_answers_first_and_then_the_winner_alone():
    first = turn(**JUDGED)
    assert answering(campaign(), [turn()]) == ["a", "b", "c"]
    assert answering(campaign(answers=3), [first, turn(2)]) == ["b", "b", "b"]
    assert messages([first, turn(2)]) == [
        {"role": "user", "content": "message 1"},
        {"role": "assistant", "content": "y"},
        {"role": "user", "content": "message 2"},
    ]
    with pytest.raises(RecordError, match="no winner"):
        messages([turn(), turn(2)])


def test_a_conversation_says_what_it_waits_for():
    assert talk().state == LiveState.WRITE
    assert talk(turn(is_asking=True)).state == LiveState.WAIT
    assert talk(turn()).state == LiveState.STUCK
    assert talk(turn(presentation="p-1")).state == LiveState.JUDGE
    assert talk(turn(is_repeated=True)).state == LiveState.WRITE
    assert talk(turn(**JUDGED)).state == LiveState.WRITE
    assert talk(turn(**JUDGED), is_open=False).state == LiveState.ENDED


def test_a_turn_is_complete_with_every_answer_or_with_two_if_the_person_says_so():
    assert talk(turn()).is_complete
    assert not talk(turn(texts=("x", None, "z"))).is_complete
    assert talk(turn(texts=("x", None, "z"), is_reduced=True)).is_complete
    assert not talk(turn(texts=("x", None, None), is_reduced=True)).is_complete


@pytest.mark.parametrize(
    ("kind", "answer", "wins"),
    [
        ("rating", {"scores": [10, 90, 89]}, 1),
        ("ranking", {"ranks": [2, 3, 1]}, 2),
        ("pairwise", {"choice": "first_slightly_better"}, 0),
        ("pairwise", {"choice": "second_much_better"}, 1),
    ],
)
def test_the_best_answer_wins(kind, answer, wins):
    assert winner(kind, answer, lot="any") == wins


@pytest.mark.parametrize(
    ("kind", "answer", "among"),
    [
        ("rating", {"scores": [90, 10, 90]}, {0, 2}),
        ("pairwise", {"choice": "about_the_same"}, {0, 1}),
        ("pairwise", {"choice": "neither_acceptable"}, {0, 1}),
        ("pairwise", {"choice": "cannot_judge"}, {0, 1}),
    ],
)
def test_where_nothing_decides_the_lot_does_fairly_and_always_alike(kind, answer, among):
    drawn = Counter(winner(kind, answer, lot=str(lot)) for lot in range(400))
    assert set(drawn) == among
    assert min(drawn.values()) > 150
    assert winner(kind, answer, lot="7") == winner(kind, answer, lot="7")


@given(st.permutations([0, 1, 2]))
def test_the_item_does_not_say_in_which_order_the_models_were_asked(order):
    names, texts = ("a", "b", "c"), ("x", "y", "z")
    shuffled = talk(turn(texts=[texts[i] for i in order], models=[names[i] for i in order]))
    item, places = live_item(shuffled, simulated=True)
    straight, _ = live_item(talk(turn()), simulated=True)
    assert item["digest"] == straight["digest"]
    last = shuffled.turns[-1]
    assert [last.texts[place] for place in places] == [c["text"] for c in item["candidates"]]
    assert [last.replies[place].model for place in places] == [c["model"] for c in item["candidates"]]


def test_an_item_needs_two_answers():
    with pytest.raises(RecordError, match="cannot show"):
        live_item(talk(turn(texts=("x", None, None))), simulated=True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("I am Claude, made by people.", ("claude",)),
        ("As ChatGPT, I cannot say.", ("chatgpt",)),
        ("You could ask gpt-4 about it.", ("gpt-4",)),
        ("I am house-model-7.", ("house-model-7",)),
        ("Claude Monet painted water lilies; a llama is an animal.", ()),
        ("", ()),
    ],
)
def test_answers_that_give_a_model_away_are_found(text, named):
    rules = Campaign(models=(model("first", "house-model-7"), model("second", "other-model-8")))
    assert names_in(text, rules) == named


def test_the_same_model_asked_twice_gets_two_seeds_and_the_same_ones_again():
    seeds = [draw_seed(campaign(), "t-1", 2, place) for place in range(4)]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seeds == [draw_seed(campaign(), "t-1", 2, place) for place in range(4)]


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 8_001])
def test_no_message_and_too_long_a_message_are_refused(text):
    with pytest.raises(RecordError, match="no message"):
        check_message(text)
    assert check_message("  words \n") == "words"
