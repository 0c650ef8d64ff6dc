"""Importers: every row is an item or a refusal with its place and reason; files that are no such files say so."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.events import EventKind
from annotation.file_source import FileSource
from annotation.importers import Import, read_pandalm, read_trl
from annotation.records import ITEMS, JUDGEMENTS, Outcome, table
from governance.digest import digest
from governance.errors import InputError

SHARED = Path(os.environ.get("BOUNDS_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
PANDALM = SHARED / "pandalm" / "testset-v1.json"


def row(idx: int = 0, **over: Any) -> dict[str, Any]:
    return {
        "idx": idx,
        "motivation_app": "Grammarly",
        "cmp_key": "cerebras-gpt-6.7B_llama-7b",
        "instruction": f"Rewrite sentence {idx}.",
        "input": "The cat sat.",
        "response1": "A cat sat.",
        "response2": "The cat was sitting.",
        "annotator1": 1,
        "annotator2": 2,
        "annotator3": 0,
        **over,
    }


def pandalm(*rows: Any) -> Import:
    return read_pandalm(json.dumps(rows).encode(), name="p.json")


def trl(*rows: Any, **over: Any) -> Import:
    lines = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows)
    return read_trl(lines.encode(), name="t.jsonl", **{"origin": "set", **over})


def refusals(found: Import) -> list[tuple[str, str]]:
    return [(refusal.place, refusal.reason) for refusal in found.refused]


class Nothing:
    """A collection that holds nothing yet."""

    def versions(self) -> dict[str, tuple[int, str]]:
        return {}

    def next_revision(self, ref: str) -> int:
        return 1


class TestPandalm:
    def test_a_row_is_an_item_and_three_judgements(self) -> None:
        found = pandalm(row(7))
        [item] = found.items
        assert item["prompt"] == [
            {"role": "user", "content": "Rewrite sentence 7.\n\n### Input:\nThe cat sat."}
        ]
        assert [(c["model"], c["text"]) for c in item["candidates"]] == [
            ("cerebras-gpt-6.7B", "A cat sat."),
            ("llama-7b", "The cat was sitting."),
        ]
        assert (item["origin"], item["licence"], item["language"]) == (
            "PandaLM testset-v1",
            "Apache-2.0",
            "en",
        )
        assert (item["topic"], item["source_ref"], item["simulated"]) == ("Grammarly", "idx 7", False)
        first, second = (c["candidate"] for c in item["candidates"])
        assert [(j.annotator, j.outcome, j.preferred) for j in found.judgements] == [
            ("pandalm-annotator-1", Outcome.PREFERS, first),
            ("pandalm-annotator-2", Outcome.PREFERS, second),
            ("pandalm-annotator-3", Outcome.TIE, None),
        ]
        assert {j.shown for j in found.judgements} == {(first, second)}

    @pytest.mark.parametrize("given_input", ["", " \n"])
    def test_without_input_the_instruction_is_the_prompt(self, given_input: str) -> None:
        [item] = pandalm(row(input=given_input)).items
        assert item["prompt"][0]["content"] == "Rewrite sentence 0."

    def test_without_instruction_the_input_is_the_prompt(self) -> None:
        [item] = pandalm(row(instruction=" ")).items
        assert item["prompt"][0]["content"] == "The cat sat."

    def test_an_empty_answer_is_an_answer(self) -> None:
        [item] = pandalm(row(response2="")).items
        assert item["candidates"][1]["text"] == ""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"response1": True}, "response1 is a boolean, not text"),
            ({"response2": None}, "response2 is null, not text"),
            ({"input": 3.5}, "input is a number, not text"),
            ({"instruction": ["x"]}, "instruction is a list, not text"),
            ({"motivation_app": {}}, "motivation_app is an object, not text"),
            ({"instruction": "", "input": " "}, "neither instruction nor input"),
            ({"cmp_key": "llama-7b"}, "cmp_key 'llama-7b' does not name two models joined by _"),
            ({"cmp_key": "a_b_c"}, "cmp_key 'a_b_c' does not name two models joined by _"),
            ({"idx": True}, "idx is not a whole number"),
            ({"idx": "0"}, "idx is not a whole number"),
            ({"response1": "\ud800"}, "response1 holds half a surrogate pair"),
        ],
    )
    def test_a_bad_row_is_refused_and_the_others_stay(self, change: dict[str, Any], reason: str) -> None:
        found = pandalm(row(1), {**row(2), **change}, row(3))
        assert refusals(found) == [("row 2", reason)]
        assert [item["source_ref"] for item in found.items] == ["idx 1", "idx 3"]
        assert len(found.judgements) == 6

    def test_missing_keys_and_other_things_than_objects(self) -> None:
        short = row(2)
        del short["response2"]
        found = pandalm(row(1), short, "text", None)
        assert refusals(found) == [
            ("row 2", "no response2"),
            ("row 3", "not an object"),
            ("row 4", "not an object"),
        ]

    def test_duplicates_are_refused(self) -> None:
        found = pandalm(row(1), row(1, input="other"), {**row(1), "idx": 3})
        assert refusals(found) == [
            ("row 2", "idx 1 is that of row 1"),
            ("row 3", "the same prompt and answers as row 1"),
        ]

    def test_a_key_that_stands_twice(self) -> None:
        text = json.dumps([row(1), row(2)]).replace('"idx": 2', '"idx": 2, "input": "x"')
        assert refusals(read_pandalm(text.encode(), name="p.json")) == [
            ("row 2", "the key 'input' stands twice")
        ]

    @pytest.mark.parametrize("label", [3, -1, None, "1", 1.0, True, [1]])
    def test_a_label_outside_the_scheme_costs_its_judgement_only(self, label: Any) -> None:
        found = pandalm(row(annotator2=label))
        assert len(found.items) == 1
        problems = [j.problem for j in found.judgements]
        assert problems == [None, f"annotator2 is {json.dumps(label)}, not 0 (tie), 1 or 2", None]
        [page] = FileSource("main", found).pages(None, Nothing())
        assert [event.judgement is None for event in page.events] == [False, True, False]

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "the file is empty"),
            (b" \n", "the file is empty"),
            (b"[]", "no rows"),
            (b"{}", "not a JSON array"),
            (b"[{]", "not JSON"),
            (b'[{"idx": NaN}]', "NaN is no number"),
            (b'[{"idx": 1}]', "no row has cmp_key, instruction"),
            (b"[1, 2]", "no row has idx"),
            (b"\xff\xfe[", "not UTF-8"),
            (b"[" * 100_000, "nested too deeply"),
        ],
    )
    def test_what_is_no_such_file(self, data: bytes, message: str) -> None:
        with pytest.raises(InputError, match=message) as caught:
            read_pandalm(data, name="p.json")
        assert "p.json" in caught.value.diagnostics()

    def test_the_place_of_what_is_no_json(self) -> None:
        with pytest.raises(InputError) as caught:
            read_pandalm(b'[\n  {"idx": 1,}\n]', name="p.json")
        assert caught.value.line == 2
        with pytest.raises(InputError) as caught:
            read_pandalm(b'[\n\n"\xff"]', name="p.json")
        assert caught.value.line == 3

    @pytest.mark.data
    @pytest.mark.skipif(not PANDALM.is_file(), reason=f"{PANDALM} is not here")
    def test_the_published_file(self) -> None:
        found = read_pandalm(PANDALM.read_bytes(), name=PANDALM.name)
        raw = json.loads(PANDALM.read_bytes())
        # Six answers are the JSON boolean true (idx 157 to 159, 161, 162, 164); rows count from 1.
        assert found.read == len(raw) == 999
        assert [r.place for r in found.refused] == [f"row {n}" for n in (158, 159, 160, 162, 163, 165)]
        assert all("is a boolean, not text" in r.reason for r in found.refused)
        assert len(found.items) == 993
        assert len(found.judgements) == 3 * 993
        kept = [one for one in raw if isinstance(one["response1"], str) and isinstance(one["response2"], str)]
        for number in (1, 2, 3):
            stated = Counter(one[f"annotator{number}"] for one in kept)
            mine = [j for j in found.judgements if j.annotator == f"pandalm-annotator-{number}"]
            read = Counter(
                0 if j.outcome is Outcome.TIE else 1 + j.shown.index(j.preferred or "") for j in mine
            )
            assert read == stated
        models = {c["model"] for item in found.items for c in item["candidates"]}
        assert models == {"bloom-7b", "cerebras-gpt-6.7B", "llama-7b", "opt-7b", "pythia-6.9b"}
        assert table(found.items, ITEMS).num_rows == 993


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


class TestTrl:
    def test_the_standard_form(self) -> None:
        found = trl({"prompt": "The sky is", "chosen": " blue.", "rejected": " green.", "score": 3})
        [item], [judgement] = found.items, found.judgements
        assert item["prompt"] == [user("The sky is")]
        assert sorted(c["text"] for c in item["candidates"]) == [" blue.", " green."]
        assert [c["model"] for c in item["candidates"]] == [None, None]
        assert (item["language"], item["licence"], item["source_ref"]) == ("und", "NOASSERTION", "line 1")
        preferred = next(c for c in item["candidates"] if c["candidate"] == judgement.preferred)
        assert preferred["text"] == " blue."
        assert (judgement.annotator, judgement.outcome) == ("unknown", Outcome.PREFERS)

    @pytest.mark.parametrize(
        "pair",
        [
            {"prompt": [user("q")], "chosen": [assistant("yes")], "rejected": [assistant("no")]},
            {"prompt": "q", "chosen": [assistant("yes")], "rejected": [assistant("no")]},
            {"prompt": [user("q")], "chosen": "yes", "rejected": "no"},
            {"chosen": [user("q"), assistant("yes")], "rejected": [user("q"), assistant("no")]},
            {
                "prompt": None,
                "chosen": [user("q"), assistant("yes")],
                "rejected": [user("q"), assistant("no")],
            },
            {
                "prompt": "q",
                "chosen": [user("q"), assistant("yes")],
                "rejected": [user("q"), assistant("no")],
            },
            {"prompt": "q", "chosen": "yes", "rejected": "no"},
        ],
    )
    def test_all_forms_say_the_same(self, pair: dict[str, Any]) -> None:
        [plain] = trl({"prompt": "q", "chosen": "yes", "rejected": "no"}).items
        [item] = trl(pair).items
        assert item == plain

    def test_a_longer_conversation(self) -> None:
        before = [{"role": "system", "content": "s"}, user("q"), assistant("a"), user("r")]
        [item] = trl({"chosen": [*before, assistant("yes")], "rejected": [*before, assistant("no")]}).items
        assert item["prompt"] == before

    def test_a_shared_beginning_ends_between_words(self) -> None:
        [item] = trl({"chosen": "The sky is blue.", "rejected": "The sky is black."}).items
        assert item["prompt"] == [user("The sky is ")]
        assert {c["text"] for c in item["candidates"]} == {"blue.", "black."}

    def test_the_order_does_not_tell_which_was_chosen(self) -> None:
        pairs = [{"prompt": "q", "chosen": f"x{n}", "rejected": f"y{n}"} for n in range(400)]
        turned = [{"prompt": "q", "chosen": p["rejected"], "rejected": p["chosen"]} for p in pairs]
        found, other = trl(*pairs), trl(*turned)
        assert found.items == other.items
        first = sum(j.preferred == j.shown[0] for j in found.judgements)
        # Fair coin, 400 throws: mean 200, deviation 10; the digests are fixed, so this cannot fail by chance.
        assert 160 <= first <= 240
        assert sum(j.preferred == j.shown[0] for j in other.judgements) == 400 - first

    @pytest.mark.parametrize(
        ("pair", "reason"),
        [
            ({"prompt": "q", "chosen": "a", "rejected": "a"}, "chosen and rejected are the same text"),
            ({"prompt": "q", "chosen": "a"}, "no rejected"),
            ({"prompt": "q", "chosen": "a", "rejected": None}, "rejected is null, not text"),
            ({"prompt": " ", "chosen": "a", "rejected": "b"}, "the prompt is empty"),
            ({"prompt": 3, "chosen": "a", "rejected": "b"}, "prompt is a number, not text"),
            ({"chosen": "a", "rejected": "b"}, "no prompt, and chosen and rejected do not begin alike"),
            ({"chosen": "same same", "rejected": "same same"}, "chosen and rejected are the same text"),
            (
                {"chosen": [user("q"), assistant("a")], "rejected": [user("r"), assistant("b")]},
                "no prompt, and chosen and rejected do not begin alike",
            ),
            (
                {
                    "prompt": "q",
                    "chosen": [user("q"), assistant("a")],
                    "rejected": [user("r"), assistant("b")],
                },
                "rejected answers another prompt than the one given or shared",
            ),
            (
                {
                    "chosen": [user("q"), user("r"), assistant("a")],
                    "rejected": [user("q"), user("s"), assistant("b")],
                },
                "chosen answers another prompt than the one given or shared",
            ),
            (
                {
                    "chosen": [user("q"), assistant("a"), user("r"), assistant("x")],
                    "rejected": [user("q"), assistant("b")],
                },
                "chosen holds 3 messages after the prompt, not one answer",
            ),
            ({"chosen": [], "rejected": []}, "chosen is not a list of messages"),
            (
                {"prompt": "q", "chosen": [assistant("a")], "rejected": "b"},
                "rejected is not a list of messages",
            ),
            ({"prompt": "q", "chosen": ["a"], "rejected": ["b"]}, "chosen is not a list of messages"),
            (
                {"prompt": "q", "chosen": [{"role": "tool", "content": "a"}], "rejected": [assistant("b")]},
                "chosen has a message of role 'tool', not system, user, assistant",
            ),
            (
                {
                    "prompt": "q",
                    "chosen": [{"role": "assistant", "content": [{"type": "image"}]}],
                    "rejected": [assistant("b")],
                },
                "content is a list, not text",
            ),
            (
                '{"prompt": "q", "chosen": "a", "rejected": "b"',
                "not JSON: Expecting ',' delimiter (column 47)",
            ),
            ('{"chosen": "a", "chosen": "b", "rejected": "c"}', "the key 'chosen' stands twice"),
            ("[1]", "not an object"),
            ("NaN", "not JSON: NaN is no number"),
            ("[" * 100_000, "not JSON: nested too deeply"),
        ],
    )
    def test_a_bad_line_is_refused_and_the_others_stay(self, pair: Any, reason: str) -> None:
        good = {"prompt": "q", "chosen": "yes", "rejected": "no"}
        found = trl(good, "", pair, {**good, "prompt": "r"})
        assert refusals(found) == [("line 3", reason)]
        assert (found.read, len(found.items), len(found.judgements)) == (3, 2, 2)

    def test_duplicates_are_refused_also_turned_round(self) -> None:
        good = {"prompt": "q", "chosen": "yes", "rejected": "no"}
        found = trl(good, good, {"prompt": "q", "chosen": "no", "rejected": "yes"})
        assert refusals(found) == [(f"line {n}", "the same prompt and answers as line 1") for n in (2, 3)]

    def test_line_separators_inside_texts(self) -> None:
        pair = {"prompt": "q\u2028\x85", "chosen": "a\rb", "rejected": "c"}
        text = json.dumps(pair, ensure_ascii=False) + "\r\n"
        found = read_trl("\ufeff".encode() + text.encode(), name="t", origin="o")
        assert found.items[0]["prompt"][0]["content"] == "q\u2028\x85"
        assert found.read == 1

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "the file is empty"),
            (b'[{"chosen": "a", "rejected": "b"}]', "a JSON array"),
            (b'{"prompt": "q", "completion": "a"}', "no row has chosen, rejected"),
            (b'{"prompt": "q"}\n\xe9', "not UTF-8"),
        ],
    )
    def test_what_is_no_such_file(self, data: bytes, message: str) -> None:
        with pytest.raises(InputError, match=message):
            read_trl(data, name="t.jsonl", origin="o")


class TestFileSource:
    def test_rows_are_judgements(self) -> None:
        found = pandalm(row(1), row(2))
        [page] = FileSource("site-a", found).pages(None, Nothing())
        assert page.cursor == found.file_digest
        assert {event.kind for event in page.events} == {EventKind.STATED}
        rows = [{**(event.judgement or {}), "source_digest": event.digest} for event in page.events]
        assert table(rows, JUDGEMENTS).num_rows == 6
        assert [one["strength"] for one in rows] == [None, None, 0] * 2
        assert {one["site"] for one in rows} == {"site-a"}
        assert len({one["judgement"] for one in rows}) == 6

    def test_what_is_known_is_left_out_and_a_change_is_a_revision(self) -> None:
        [before] = FileSource("main", pandalm(row(1))).pages(None, Nothing())

        class Known(Nothing):
            def versions(self) -> dict[str, tuple[int, str]]:
                return {event.ref: (1, event.version) for event in before.events}

            def next_revision(self, ref: str) -> int:
                return 2 if ref in self.versions() else 1

        [again] = FileSource("main", pandalm(row(1))).pages(before.cursor, Known())
        assert again.events == ()
        [changed] = FileSource("main", pandalm(row(1, annotator2=1), row(2))).pages(None, Known())
        assert [(event.revision, event.ref.split(":")[1]) for event in changed.events] == [
            (2, "pandalm-annotator-2"),
            *((1, f"pandalm-annotator-{n}") for n in (1, 2, 3)),
        ]

    def test_pages(self) -> None:
        pages = list(FileSource("main", pandalm(*(row(n) for n in range(5))), page=4).pages(None, Nothing()))
        assert [len(page.events) for page in pages] == [4, 4, 4, 3]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "x"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    rows=st.lists(
        st.fixed_dictionaries({}, optional=dict.fromkeys(("prompt", "chosen", "rejected"), ANYTHING)),
        min_size=1,
    )
)
def test_every_row_is_accounted_for(rows: list[dict[str, Any]]) -> None:
    whole = {"prompt": "whole", "chosen": "a", "rejected": "b"}
    found = trl(whole, *rows)
    assert found.read == 1 + len(rows) == len(found.items) + len(found.refused)
    places = {r.place for r in found.refused} | {item["source_ref"] for item in found.items}
    assert places == {f"line {n}" for n in range(1, found.read + 1)}
    for item in found.items:
        assert [digest(c["text"]) for c in item["candidates"]] == sorted(
            c["digest"] for c in item["candidates"]
        )
    table(found.items, ITEMS)
