"""Files with people in them: what becomes of every row, what is refused and why, what never gets in."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.importers import (
    Import,
    parse_mapping,
    read_dices,
    read_hh_rlhf,
    read_label_studio,
    read_prism,
)
from annotation.label_config import ANSWERS
from annotation.records import AnswerStatus, JudgementKind, Outcome
from governance.errors import InputError
from infra.mapping_files import shipped_mapping

PRISM = shipped_mapping("prism")
DICES = shipped_mapping("dices")
EXPORT = shipped_mapping("label-studio")


def lines(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def person(number: int, **over: Any) -> dict[str, Any]:
    return {
        "user_id": f"user{number}",
        "survey_only": False,
        "consent": "Yes, I consent to participate",
        "consent_age": "I certify that I am 18 years of age or over",
        "age": "25-34 years old",
        "gender": "Non-binary / third gender",
        "education": "Vocational",
        "employment_status": "Prefer not to say",
        "marital_status": "DATA_EXPIRED",
        "english_proficiency": "Fluent",
        "lm_familiarity": "Very familiar",
        "self_description": "I keep bees",
        "ethnicity": {
            "self_described": "half this, half that",
            "categorised": "Mixed",
            "simplified": "Mixed",
        },
        "religion": {"self_described": "none", "categorised": "Non-religious"},
        "location": {"birth_countryISO": "NGA", "reside_countryISO": "GBR"},
        **over,
    }


def conversation(number: int, user: int, **over: Any) -> dict[str, Any]:
    def answer(turn: int, n: int, score: int, *, chosen: bool) -> dict[str, Any]:
        return {
            "turn": turn,
            "role": "model",
            "content": f"answer {number}.{turn}.{n}",
            "model_name": f"model-{n}",
            "model_provider": "somebody",
            "score": score,
            "if_chosen": chosen,
            "within_turn_id": n,
        }

    return {
        "user_id": f"user{user}",
        "conversation_id": f"c{number}",
        "conversation_type": "unguided",
        "conversation_history": [
            {"turn": 0, "role": "user", "content": f"question {number}", "score": None},
            answer(0, 1, 30, chosen=False),
            answer(0, 0, 80, chosen=True),
            answer(0, 2, 1, chosen=False),
            {"turn": 1, "role": "user", "content": "and then?"},
            answer(1, 0, 100, chosen=True),
            answer(1, 1, 99, chosen=False),
        ],
        "choice_attributes": {"fluency": 55, "safety": None},
        "performance_attributes": {"fluency": 77},
        "open_feedback": "went well",
        "generated_datetime": "2023-11-22 15:21:43+00:00",
        **over,
    }


def utterances(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "utterance_id": f"ut{row['conversation_id']}{entry['turn']}{entry['within_turn_id']}",
            "conversation_id": row["conversation_id"],
            "user_id": row["user_id"],
            "turn": entry["turn"],
            "within_turn_id": entry["within_turn_id"],
            "user_prompt": "?",
            "model_response": entry["content"],
            "score": entry["score"],
            "if_chosen": entry["if_chosen"],
        }
        for entry in row["conversation_history"]
        if entry["role"] == "model"
    ]


def prism(survey: list[Any], conversations: list[Any], said: list[Any]) -> Import:
    files = {
        "survey.jsonl": lines(*survey),
        "conversations.jsonl": lines(*conversations),
        "utterances.jsonl": lines(*said),
    }
    return read_prism(files, name="prism", mapping=PRISM)


def reasons(found: Import) -> dict[str, str]:
    return {refusal.place: refusal.reason for refusal in found.refused}


def test_prism_becomes_people_items_and_ratings() -> None:
    talk = conversation(1, 1)
    found = prism([person(1), person(2)], [talk], utterances(talk))
    assert (found.read, found.imported, found.refused) == (2 + 1 + 5, 8, ())
    first, second = found.items
    assert [turn["content"] for turn in first["prompt"]] == ["question 1"]
    # The second turn goes on from the answer that was chosen.
    assert [turn["content"] for turn in second["prompt"]] == ["question 1", "answer 1.0.0", "and then?"]
    assert [candidate["text"] for candidate in first["candidates"]] == [
        "answer 1.0.0",
        "answer 1.0.1",
        "answer 1.0.2",
    ]
    one, two = found.judgements
    assert (one.kind, one.annotator, one.consent) == (
        JudgementKind.RATING,
        "prism-user1",
        "prism-survey@1.0.0",
    )
    assert [(a, s) for _, a, s in one.scores] == [
        ("overall", 80),
        ("overall", 30),
        ("overall", 1),
        ("choice.fluency", 55),
    ]
    assert [(a, s) for _, a, s in two.scores] == [
        ("overall", 100),
        ("overall", 99),
        ("performance.fluency", 77),
    ]
    assert (one.rationale, two.rationale) == (None, "went well")
    assert one.submitted_at == "2023-11-22T15:21:43+00:00"


def test_prism_missing_codes_stay_different_and_self_descriptions_stay_out() -> None:
    survey_row = person(1)
    del survey_row["lm_familiarity"]
    found = prism([survey_row], [conversation(1, 1)], utterances(conversation(1, 1)))
    said = {answer.field: (answer.status, answer.value) for answer in found.profiles}
    assert said["age"] == (AnswerStatus.ANSWERED, "25-34")
    assert said["ethnicity"] == (AnswerStatus.ANSWERED, "mixed")
    assert said["country_of_birth"] == (AnswerStatus.ANSWERED, "NGA")
    assert said["employment"] == (AnswerStatus.PREFER_NOT_TO_SAY, None)
    assert said["marital_status"] == (AnswerStatus.EXPIRED, None)
    assert said["llm_familiarity"] == (AnswerStatus.NOT_ASKED, None)
    assert {answer.codebook for answer in found.profiles} == {"prism@1.0.0"}
    assert "bees" not in repr(found)
    assert "half this" not in repr(found)


def test_prism_says_of_every_row_what_became_of_it() -> None:
    good, stranger = conversation(1, 1), conversation(2, 9)
    twice = conversation(3, 1)
    twice["conversation_history"][2]["if_chosen"] = True
    twice["conversation_history"][1]["if_chosen"] = True
    said = utterances(good)
    found = prism(
        [
            person(1),
            person(2, consent="No"),
            person(3, age="about forty"),
            person(1),
            b"{not json",
        ],
        [good, stranger, twice, good, conversation(4, 2)],
        [*said, said[0], {**said[1], "score": 31}, utterances(stranger)[0], {**said[2], "within_turn_id": 7}],
    )
    assert found.read == found.imported + len(found.refused) == 5 + 5 + 9
    assert found.imported == 1 + 1 + 5
    why = reasons(found)
    assert why["survey.jsonl line 2"] == "no consent: consent is 'No'"
    assert "age is 'about forty', which the mapping does not list" in why["survey.jsonl line 3"]
    assert "stands on an earlier line" in why["survey.jsonl line 4"]
    assert "not JSON" in why["survey.jsonl line 5"]
    assert "user9 is not among the people" in why["conversations.jsonl line 2"]
    assert "chooses more than one" in why["conversations.jsonl line 3"]
    assert "stands on an earlier line" in why["conversations.jsonl line 4"]
    assert "user2 is not among the people" in why["conversations.jsonl line 5"]
    assert "stands on an earlier line" in why["utterances.jsonl line 6"]
    assert why["utterances.jsonl line 7"] == "score is not as in c1"
    assert "not among the conversations" in why["utterances.jsonl line 8"]
    assert "no answer 7 in turn 0" in why["utterances.jsonl line 9"]


@pytest.mark.parametrize("consent", ["", "No", "not given", None, False, "I do not consent"])
def test_prism_without_consent_nothing_is_taken(consent: object) -> None:
    talk = conversation(1, 1)
    found = prism([person(1, consent=consent)], [talk], utterances(talk))
    assert (found.imported, found.items, found.profiles) == (0, (), ())


def test_prism_needs_its_three_files() -> None:
    with pytest.raises(InputError, match="a file is missing"):
        read_prism({"survey.jsonl": lines(person(1))}, name="prism", mapping=PRISM)
    with pytest.raises(InputError, match="wrong columns"):
        prism([{"a": 1}], [conversation(1, 1)], utterances(conversation(1, 1)))


DICES_350 = [
    "id",
    "rater_id",
    "rater_gender",
    "rater_race",
    "rater_age",
    "rater_education",
    "item_id",
    "answer_time_ms",
    "answer_timestamp",
    "context",
    "response",
    "degree_of_harm",
    "harm_type",
    "safety_gold",
    "safety_gold_reason",
    "Q1_whole_conversation_evaluation",
    "Q2_harmful_content_overall",
    "Q3_bias_overall",
    "Q4_misinformation",
    "Q5_political_affiliation",
    "Q_overall",
]
DICES_990 = [
    *("id", "rater_id", "rater_gender", "rater_locale", "rater_race", "rater_age", "item_id", "context"),
    *("response", "degree_of_harm", "harm_type", "Q1_whole_conversation_evaluation", "Q_overall"),
]


def rating(rater: int, item: int, **over: str) -> dict[str, str]:
    return {
        "id": f"{rater}{item}",
        "rater_id": str(rater),
        "rater_gender": "Woman",
        "rater_race": "Black/African American",
        "rater_age": "gen x+",
        "rater_education": "College degree or higher",
        "rater_locale": "India",
        "item_id": str(item),
        "answer_time_ms": "14500",
        "context": f"LAMDA: hello\nUSER: tell me {item}, please\nLAMDA: no\nUSER: do",
        "response": f"well, {item}",
        "degree_of_harm": "Debatable",
        "harm_type": "Health",
        "safety_gold": "Yes",
        "Q2_harmful_content_overall": "No",
        "Q3_bias_overall": "Unsure",
        "Q4_misinformation": "",
        "Q_overall": "Yes",
        **over,
    }


def dices(header: list[str], *rows: dict[str, str], tail: str = "") -> Import:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return read_dices((text.getvalue() + tail).encode(), name="dices.csv", mapping=DICES)


def test_dices_350() -> None:
    found = dices(DICES_350, rating(1, 1), rating(2, 1, rater_gender="Man"), rating(1, 2))
    assert (found.read, found.imported, len(found.items), len(found.judgements)) == (3, 3, 2, 3)
    assert found.origin == "DICES-350"
    item = found.items[0]
    assert [turn["role"] for turn in item["prompt"]] == ["assistant", "user", "assistant", "user"]
    assert (item["topic"], item["candidates"][0]["text"]) == ("Health / Debatable", "well, 1")
    judgement = found.judgements[0]
    assert (judgement.kind, judgement.annotator, judgement.seconds) == ("attributes", "dices-350-1", 14.5)
    # A question left empty was not answered.
    assert {attribute: score for _, attribute, score in judgement.scores} == {
        "Q2_harmful_content_overall": 1,
        "Q3_bias_overall": 50.5,
        "Q_overall": 100,
    }
    assert judgement.raw["safety_gold"] == "Yes"
    said = {(a.annotator, a.field): a.value or a.status for a in found.profiles}
    assert said["dices-350-1", "gender"] == "female"
    assert said["dices-350-1", "age"] == "gen_x_or_older"
    assert said["dices-350-1", "ethnicity"] == "black_african_american"
    assert said["dices-350-1", "locale"] == AnswerStatus.NOT_ASKED
    assert said["dices-350-2", "gender"] == "male"


def test_dices_990_has_other_people() -> None:
    found = dices(DICES_990, rating(1, 1))
    assert found.origin == "DICES-990"
    assert found.judgements[0].annotator == "dices-990-1"
    assert {a.field: a.value for a in found.profiles}["locale"] == "IND"


def test_dices_says_of_every_row_what_became_of_it() -> None:
    found = dices(
        DICES_350,
        rating(1, 1, context="two\nlines"),
        rating(1, 1, context="two\nlines"),
        rating(1, 2, rater_gender="Man"),
        rating(2, 1, response="another text"),
        rating(3, 3, rater_age="forty"),
        rating(4, 4, Q_overall="Perhaps"),
        rating(5, 5, rater_id=""),
        tail="1,2,3\n",
    )
    assert found.read == found.imported + len(found.refused) == 8
    why = reasons(found)
    # Line numbers count the lines of the file, though a cell may hold several.
    assert "judged the same answers at line 2" in why["line 4"]
    assert "contradicts an earlier row on dices-350-1: gender was female, here male" in why["line 6"]
    assert "another text on an earlier line" in why["line 10"]
    assert "rater_age is 'forty'" in why["line 14"]
    assert "no rater_id" in why["line 22"]
    assert "3 cells under 21 headings" in why["line 26"]
    # An answer outside the scale costs the judgement, which ends in quarantine, not the row.
    [odd] = [judgement for judgement in found.judgements if judgement.problem]
    assert odd.problem == "Q_overall is 'Perhaps', not No, Unsure, Yes"


def test_dices_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="there is no rater_id"):
        read_dices(b"a,b\n1,2\n", name="x.csv", mapping=DICES)
    with pytest.raises(InputError, match="empty"):
        read_dices(b"", name="x.csv", mapping=DICES)
    with pytest.raises(InputError, match="not CSV"):
        read_dices((",".join(DICES_350) + '\n"a"b,\n').encode(), name="x.csv", mapping=DICES)


def test_hh_rlhf_takes_the_shared_beginning_as_prompt() -> None:
    pair = {
        "chosen": "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: a\n\nb: c?\n\nAssistant: good",
        "rejected": "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: a\n\nb: c?\n\nAssistant: bad",
    }
    found = read_hh_rlhf(lines(pair), name="test.jsonl")
    [item], [judgement] = found.items, found.judgements
    assert [(turn["role"], turn["content"]) for turn in item["prompt"]] == [
        ("user", "hi"),
        ("assistant", "hello"),
        ("user", "a\n\nb: c?"),
    ]
    texts = {candidate["candidate"]: candidate["text"] for candidate in item["candidates"]}
    assert texts[judgement.preferred or ""] == "good"
    packed = read_hh_rlhf(gzip.compress(lines(pair)), name="test.jsonl.gz")
    assert packed.items == found.items
    # Which answer was chosen cannot be read off the item.
    turned = read_hh_rlhf(lines({"chosen": pair["rejected"], "rejected": pair["chosen"]}), name="t.jsonl")
    assert turned.items == found.items
    assert turned.judgements[0].preferred != judgement.preferred


@pytest.mark.parametrize(
    ("chosen", "rejected", "why"),
    [
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistant: b", "same conversation"),
        ("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: x\n\nAssistant: b", "do not begin alike"),
        (
            "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d",
            "\n\nHuman: a\n\nAssistant: x",
            "3 turns after what both share",
        ),
        ("\n\nHuman: a", "\n\nHuman: a\n\nAssistant: b", "0 turns after"),
        ("nobody", "\n\nHuman: a\n\nAssistant: b", "does not begin with"),
        (None, "\n\nHuman: a\n\nAssistant: b", "chosen is null"),
    ],
)
def test_hh_rlhf_refuses_what_is_no_pair(chosen: object, rejected: object, why: str) -> None:
    found = read_hh_rlhf(lines({"chosen": chosen, "rejected": rejected}), name="x.jsonl")
    assert found.imported == 0
    assert why in reasons(found)["line 1"]


def test_a_damaged_gzip_is_refused() -> None:
    with pytest.raises(InputError, match="damaged gzip"):
        read_hh_rlhf(gzip.compress(b"x" * 100)[:-9], name="x.gz")


def task(number: int, *annotations: dict[str, Any], **over: Any) -> dict[str, Any]:
    return {
        "id": number,
        "data": {"prompt": f"p{number}", "first": "one", "second": "two", "extra": 1},
        "annotations": list(annotations),
        "predictions": [],
        **over,
    }


def annotation(label: str, by: object = 4, **over: Any) -> dict[str, Any]:
    return {
        "id": 9,
        "completed_by": by,
        "was_cancelled": False,
        "ground_truth": False,
        "lead_time": 12.5,
        "updated_at": "2026-01-02T03:04:05.000001Z",
        "result": [
            {"from_name": "preference", "to_name": "shown", "type": "choices", "value": {"choices": [label]}},
            {"from_name": "rationale", "to_name": "shown", "type": "textarea", "value": {"text": [" why "]}},
        ],
        **over,
    }


def export(*tasks: Any) -> Import:
    return read_label_studio(json.dumps(tasks).encode(), name="export.json", origin="panel", mapping=EXPORT)


def test_an_export_keeps_answers_and_leaves_identities_behind() -> None:
    who = {"id": 4, "email": "canary@example.org", "first_name": "Canary", "last_name": "Bird"}
    found = export(task(1, annotation("second_better", who), annotation("about_the_same", 5)), task(2))
    assert (found.read, found.imported, len(found.judgements)) == (2, 2, 2)
    one, two = found.judgements
    assert (one.outcome, one.strength, one.preferred) == (Outcome.PREFERS, 2, one.shown[1])
    assert (one.rationale, one.seconds, one.submitted_at) == ("why", 12.5, "2026-01-02T03:04:05.000001+00:00")
    assert (two.outcome, two.strength) == (Outcome.TIE, 0)
    assert one.annotator != two.annotator
    assert "canary" not in repr(found).lower()
    # Account 4 of another server is another person.
    other = read_label_studio(
        json.dumps([task(1, annotation("left"))]).encode(), name="x", origin="other", mapping=EXPORT
    )
    assert other.judgements[0].annotator != one.annotator


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=lambda answer: answer.label)
def test_the_shipped_mapping_knows_every_answer_of_our_own_page(answer: Any) -> None:
    [judgement] = export(task(1, annotation(answer.label))).judgements
    assert (judgement.problem, judgement.outcome) == (None, answer.outcome)
    assert judgement.strength == answer.positional


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (annotation("first_is_perfect"), "not in the mapping"),
        (annotation("left", result=[]), "no preference was chosen"),
        (annotation("left", was_cancelled=True), "skipped"),
        (annotation("left", result=[{"from_name": "other", "value": {}}]), "does not know"),
        (annotation("left", result=["x"]), "not an answer"),
    ],
)
def test_what_cannot_be_read_is_kept_with_its_problem(given: dict[str, Any], problem: str) -> None:
    [judgement] = export(task(1, given)).judgements
    assert problem in (judgement.problem or "")


def test_tasks_that_cannot_be_read_are_refused() -> None:
    found = export(
        task(1, annotation("left")),
        task(1),
        task(2, data={"prompt": "p"}),
        task(3, annotation("left"), annotation("right")),
        task(4, annotation("left", None)),
        "x",
    )
    assert found.read == found.imported + len(found.refused) == 6
    why = reasons(found)
    assert "task id 1 is that of task 1" in why["task 2"]
    assert "no first" in why["task 3"]
    assert "twice in this row" in why["task 4"]
    assert "does not say who" in why["task 5"]
    assert "not a task" in why["task 6"]


@pytest.mark.parametrize("text", ["{}", "format: other\n", "format: bounds.mapping/1\nid: x\n"])
def test_a_mapping_must_be_one(text: str) -> None:
    with pytest.raises(InputError, match="mapping"):
        parse_mapping(text, name="m.yaml")


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_whatever_stands_in_a_row_every_row_is_accounted_for(data: st.DataObject) -> None:
    talk, someone = conversation(1, 1), person(1)
    said = utterances(talk)
    for row in (talk, someone, talk["conversation_history"][1], said[0]):
        name = data.draw(st.sampled_from(sorted(row)))
        row[name] = data.draw(junk)
    found = prism([someone, person(2)], [talk, conversation(2, 2)], [*said, *utterances(conversation(2, 2))])
    assert found.read == found.imported + len(found.refused) == 2 + 2 + 10
    known = {answer.annotator for answer in found.profiles}
    # INVARIANT: nobody judges here who is not documented.
    assert {judgement.annotator for judgement in found.judgements} <= known


def test_items_that_name_no_model_are_judged_like_any_other() -> None:
    from annotation.file_source import FileSource
    from annotation.quarantine import validate_batch
    from annotation.record_checks import record_checks
    from annotation.records import ITEMS, table
    from annotation.staging import stage_events
    from infra.collected import StoredEvents

    for imported in (
        dices(DICES_350, rating(1, 1)),
        prism([person(1)], [conversation(1, 1)], utterances(conversation(1, 1))),
    ):
        pages = FileSource("main", imported).pages(None, StoredEvents({}))
        staged = stage_events(event for page in pages for event in page.events)
        found = validate_batch(staged, table(imported.items, ITEMS), checks=record_checks())
        assert found.summary.read == len(imported.judgements) > 0
        assert found.quarantine.to_pylist() == []
