"""One planted fault of every kind, with the rules that must name it and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from governance.digest import digest
from tests.support.batches import PROBES, Batch


@dataclass(frozen=True)
class Fault:
    """A change to a sound batch and the rows it makes fail, by rule."""

    plant: Callable[[Batch], None]
    expected: dict[str, int]


FAULTS: dict[str, Fault] = {}


def _change(name: str, expected: dict[str, int], **values: Any) -> None:
    """A fault that overwrites columns of the first row that prefers an answer."""
    FAULTS[name] = Fault(lambda batch: batch.preferring().update(values), expected)


def fault(**expected: int) -> Callable[[Callable[[Batch], None]], Callable[[Batch], None]]:
    def register(plant: Callable[[Batch], None]) -> Callable[[Batch], None]:
        rules = {rule.replace("__", ".").replace("0", "-"): count for rule, count in expected.items()}
        FAULTS[plant.__name__.replace("_", " ")] = Fault(plant, rules)
        return plant

    return register


for column in ("item_digest", "site", "simulated", "source_ref", "source_digest", "judgement"):
    _change(f"no {column}", {f"R.present.{column}": 1}, **{column: None})
_change("no item", {"R.known.presentation": 1, "R.present.item": 1}, item=None)
_change("no annotator", {"D.consent": 1, "R.present.annotator": 1}, annotator=None)
_change("an annotator nobody knows", {"D.consent": 1, "D.known": 1}, annotator="a-stranger")
_change("no kind", {"R.present.kind": 1}, kind=None)
_change("no source", {"R.present.source": 1}, source=None)
_change("no shown", {"R.known.presentation": 1, "R.present.shown": 1}, shown=None)
_change("kind outside the scheme", {"R.set.kind": 1}, kind="guess")
_change("outcome outside the scheme", {"R.set.outcome": 1}, outcome="likes")
_change("source outside the scheme", {"R.set.source": 1}, source="pigeon")
_change("item digest malformed", {"R.equal.item_digest": 1, "R.form.item_digest": 1}, item_digest="abc")
_change("config digest malformed", {"R.form.config_digest": 1}, config_digest="sha256:ABC")
_change("policy digest malformed", {"R.form.policy_digest": 1}, policy_digest="")
_change("source digest malformed", {"R.form.source_digest": 1}, source_digest="sha256:" + "g" * 64)
_change("item changed since", {"R.equal.item_digest": 1}, item_digest=digest("before"))
_change("unknown item", {"R.known.item": 1, "R.known.presentation": 1}, item="i-unknown")
_change("no outcome", {"R.consistent.answer": 1}, outcome=None)
_change("a tie that prefers", {"R.consistent.outcome": 1}, outcome="tie")
_change("neither with a strength", {"R.consistent.outcome": 1}, outcome="neither", preferred=None)
_change("a preference of nothing", {"R.consistent.outcome": 1}, preferred=None)
_change("a preference of strength zero", {"R.consistent.outcome": 1}, strength=0)
_change("negative seconds", {"D.duration": 1, "R.range.seconds": 1}, seconds=-1.0)
_change("too fast", {"D.duration": 1}, seconds=1.9)
_change("too slow", {"D.duration": 1}, seconds=601.0)
_change("seconds not a number", {"R.types": 1}, seconds=float("nan"))
_change("seconds infinite", {"R.types": 1}, seconds=float("inf"))
_change("a value of another type", {"R.types": 1}, rationale=5)
_change("a time without an offset", {"R.types": 1}, presented_at="2026-01-05T10:00:00")
_change("an unknown column", {"R.types": 1}, verdict="good")
_change("a rationale of 20,001 characters", {"R.length.rationale": 1}, rationale="ö" * 20_001)
_change("unknown presentation", {"R.known.presentation": 1}, presentation="p-nowhere")
_change("no presentation on a page", {"R.known.presentation": 1}, presentation=None)
_change("consent of somebody else", {"D.consent": 1}, consent="k-somebody")
_change("no consent", {"D.consent": 1}, consent=None)
_change("an e-mail address", {"D.personal-data": 1}, rationale="Ask jane.doe@example.org, she knows.")
_change("a telephone number", {"D.personal-data": 1}, rationale="Call +44 20 7946 0958 for more.")
_change("a card number", {"D.personal-data": 1}, rationale="My card 4539 1488 0343 6467 was refused.")
_change("an IBAN", {"D.personal-data": 1}, rationale="Pay GB82 WEST 1234 5698 7654 32 instead.")
_change("a rationale that names a model", {"R.blind.rationale": 1}, rationale="This is LLaMA-7b, I can tell.")
_change("an answer to another kind", {"R.consistent.answer": 1}, kind="rating")
_change("a ranking that was not asked", {"R.known.ranking": 1}, ranking=["c-elsewhere"])


@fault(R__consistent__outcome=1)
def a_strength_of_the_wrong_sign(batch: Batch) -> None:
    batch.preferring()["strength"] *= -1


@fault(R__range__strength=1)
def a_strength_out_of_range(batch: Batch) -> None:
    row = batch.preferring()
    row["strength"] = 4 if row["strength"] > 0 else -4


@fault(R__known__preferred=1)
def a_preferred_answer_of_no_candidate(batch: Batch) -> None:
    batch.preferring()["preferred"] = "c-elsewhere"


@fault(R__known__shown=1, R__known__presentation=1)
def an_answer_shown_twice(batch: Batch) -> None:
    row = batch.preferring()
    row["shown"] = [row["preferred"]] * 2


@fault(R__known__shown=1, R__known__presentation=1)
def a_shown_answer_of_another_item(batch: Batch) -> None:
    row = batch.preferring()
    row["shown"] = [row["preferred"], "c-elsewhere"]


@fault(R__known__shown=1, R__known__presentation=1)
def only_one_answer_shown(batch: Batch) -> None:
    row = batch.preferring()
    row["shown"] = [row["preferred"]]


@fault(R__known__presentation=1)
def shown_in_another_order_than_presented(batch: Batch) -> None:
    row = batch.preferring()
    row["shown"] = row["shown"][::-1]


@fault(R__order__submitted_at=1)
def submitted_before_shown(batch: Batch) -> None:
    row = batch.preferring()
    row["submitted_at"] = row["presented_at"] - timedelta(seconds=1)


@fault(R__unique__judgement=2, R__unique__source=2, D__one0judgement=1)
def a_judgement_id_twice(batch: Batch) -> None:
    row = batch.preferring()
    batch.rows.append(row | {"seconds": 41.0})


@fault(D__one0judgement=2)
def three_judgements_of_one_item(batch: Batch) -> None:
    row = batch.preferring()
    for again in ("b", "a"):
        later = row["submitted_at"] + timedelta(hours=1)
        batch.rows.append(row | {"judgement": digest(again), "source_ref": again, "submitted_at": later})


@fault(R__unique__source=2)
def a_reference_of_the_source_twice(batch: Batch) -> None:
    batch.rows[5]["source_ref"] = batch.rows[30]["source_ref"]


@fault(R__known__consent=1, D__consent=1)
def another_consent_than_the_presentations(batch: Batch) -> None:
    bound = {shown["presentation"] for shown in batch.presentations if shown["consent"]}
    row = next(row for row in batch.rows if row["presentation"] in bound)
    row["consent"] = "k-of-another"


@fault(D__reading=1)
def answers_read_faster_than_anybody_reads(batch: Batch) -> None:
    items = {item["item"]: item for item in batch.items}
    # Another fault may have taken the item of a row away.
    row = next(row for row in batch.rows if row["outcome"] == "prefers" and row["item"] in items)
    row["seconds"] = 2.0
    _with_texts(batch, items[row["item"]], [f"{'Long answer. ' * 40}{n}" for n in ("one", "two")])


@fault(D__gold=12)
def somebody_gets_the_items_of_known_answer_wrong(batch: Batch) -> None:
    items = {item["item"] for item in batch.items}
    sound = {
        row["item"]: row
        for row in batch.rows
        if row["annotator"] == batch.annotators[1]
        and row["preferred"] in (row["shown"] or ())
        and len(set(row["shown"])) > 1
        and row["item"] in items
    }
    mine = list(sound.values())[:3]
    for number, row in enumerate(mine):
        other = next(candidate for candidate in row["shown"] if candidate != row["preferred"])
        answer = row["preferred"] if number == 0 else other
        batch.gold.append({"item": row["item"], "outcome": "prefers", "preferred": answer})
        # Everybody else did well enough: they prefer the right one.
        for again in batch.rows:
            if again["item"] == row["item"] and again is not row:
                _prefer(batch, again, batch.gold[-1]["preferred"])


@fault(D__written=4)
def an_item_in_another_language_than_it_declares(batch: Batch) -> None:
    german = "Das ist nicht die Antwort, die ich von dir zu der Frage haben will, und sie ist mit dem Satz"
    _replace_item(batch, 4, [f"{german} eins.", f"{german} zwei, auch nicht drei."], language="en")


@fault(D__written=4)
def an_item_in_another_script_than_it_declares(batch: Batch) -> None:
    _replace_item(
        batch,
        4,
        [
            "\u042d\u0442\u043e \u043e\u0442\u0432\u0435\u0442 \u043e\u0434\u0438\u043d \u043f\u043e-\u0440\u0443\u0441\u0441\u043a\u0438",
            "\u0410 \u044d\u0442\u043e \u0441\u043e\u0432\u0441\u0435\u043c \u0434\u0440\u0443\u0433\u043e\u0439",
        ],
        language="en",
    )


@fault(D__diversity=4)
def two_answers_with_the_same_words(batch: Batch) -> None:
    _replace_item(batch, 5, ["Yes, it is so.", "So it is: YES!"], language="en")


@fault(D__near=4)
def an_item_that_repeats_an_earlier_one(batch: Batch) -> None:
    texts = [
        "The quick brown fox jumps over the lazy dog near the river bank at dawn.",
        "No fox jumps over any dog here.",
    ]
    first, second = batch.items[6], batch.items[7]
    _with_texts(batch, first, texts, prompt="Which sentence about the fox is the nicer one to read aloud?")
    texts = [texts[0].upper(), texts[1].replace("here", "there")]
    _with_texts(batch, second, texts, prompt="Which sentence about the fox is the nicer one to read aloud?")


@fault(D__probes=4)
def a_prompt_that_is_a_probe(batch: Batch) -> None:
    _with_texts(batch, batch.items[8], ["No.", "Yes."], prompt=PROBES[0].upper() + " Tell me")


@fault(R__range__scores=1)
def a_score_out_of_range(batch: Batch) -> None:
    row = batch.preferring()
    row["scores"] = [{"candidate": row["shown"][0], "attribute": "helpful", "score": 0.5}]


@fault(R__range__scores=1)
def a_score_for_another_answer(batch: Batch) -> None:
    batch.preferring()["scores"] = [{"candidate": "c-elsewhere", "attribute": "helpful", "score": 50.0}]


@fault(D__straight0lining=7)
def the_same_position_seven_times(batch: Batch) -> None:
    mine = [row for row in batch.rows if row["annotator"] == batch.annotators[2]]
    for number, row in enumerate(mine[:9]):
        candidates = sorted(row["shown"])
        if number in (7, 8):
            row |= {"outcome": "tie", "preferred": None, "strength": 0}
            continue
        item = next(item for item in batch.items if item["item"] == row["item"])
        candidates = [candidate["candidate"] for candidate in item["candidates"]]
        preferred = row["shown"][1]
        row |= {
            "outcome": "prefers",
            "preferred": preferred,
            "strength": -2 if preferred == candidates[0] else 2,
        }


@fault(R__blind__shown=4)
def an_answer_that_names_its_model(batch: Batch) -> None:
    _replace_item(batch, 1, ["As OPT 6.7B I say no.", "As LLaMA-7b I say yes."], language="en")


@fault(D__language=4, D__written=4)
def an_item_without_a_language(batch: Batch) -> None:
    _replace_item(batch, 2, ["No.", "Yes."], language="und")


@fault(R__form__language=4)
def an_item_with_a_broken_language(batch: Batch) -> None:
    _replace_item(batch, 3, ["No.", "Yes."], language="english (uk)")


def _prefer(batch: Batch, row: dict[str, Any], preferred: str) -> None:
    item = next(item for item in batch.items if item["item"] == row["item"])
    first = item["candidates"][0]["candidate"]
    row |= {"outcome": "prefers", "preferred": preferred, "strength": -2 if preferred == first else 2}


def _with_texts(batch: Batch, item: dict[str, Any], texts: list[str], *, prompt: str | None = None) -> None:
    """The item with other texts under its id; its rows follow."""
    item["candidates"] = [c | {"text": text} for c, text in zip(item["candidates"], texts, strict=True)]
    if prompt is not None:
        item["prompt"] = [{"role": "user", "content": prompt}]
    item["digest"] = digest([item["item"], prompt, *texts])
    for row in batch.rows:
        if row["item"] == item["item"]:
            row["item_digest"] = item["digest"]


def _replace_item(batch: Batch, number: int, texts: list[str], *, language: str) -> None:
    """An item with other texts and language; its rows follow."""
    old = batch.items[number]
    candidates = [c | {"text": text} for c, text in zip(old["candidates"], texts, strict=True)]
    digested = digest([number, language, *texts])
    batch.items[number] = old | {"language": language, "digest": digested, "candidates": candidates}
    for row in batch.rows:
        if row["item"] == old["item"]:
            row["item_digest"] = digested
