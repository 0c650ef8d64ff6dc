"""One planted fault of every kind, with the rules that must name it and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from governance.digest import digest
from tests.support.batches import Batch


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


@fault(R__unique__judgement=2, D__one0judgement=1)
def a_judgement_id_twice(batch: Batch) -> None:
    row = batch.preferring()
    batch.rows.append(row | {"seconds": 41.0})


@fault(D__one0judgement=2)
def three_judgements_of_one_item(batch: Batch) -> None:
    row = batch.preferring()
    for again in ("b", "a"):
        later = row["submitted_at"] + timedelta(hours=1)
        batch.rows.append(row | {"judgement": digest(again), "source_ref": again, "submitted_at": later})


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


@fault(D__language=4)
def an_item_without_a_language(batch: Batch) -> None:
    _replace_item(batch, 2, ["No.", "Yes."], language="und")


@fault(R__form__language=4)
def an_item_with_a_broken_language(batch: Batch) -> None:
    _replace_item(batch, 3, ["No.", "Yes."], language="english (uk)")


def _replace_item(batch: Batch, number: int, texts: list[str], *, language: str) -> None:
    """An item with other texts and language; its rows follow."""
    old = batch.items[number]
    candidates = [c | {"text": text} for c, text in zip(old["candidates"], texts, strict=True)]
    digested = digest([number, language, *texts])
    batch.items[number] = old | {"language": language, "digest": digested, "candidates": candidates}
    for row in batch.rows:
        if row["item"] == old["item"]:
            row["item_digest"] = digested
