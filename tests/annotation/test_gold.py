"""Known answers: read from a file or refused with the place; right or wrong for every kind of judgement."""

import csv
import io

import duckdb
import polars as pl
import pytest

from annotation.assignment import Role
from annotation.gold import KnownAnswer, agreed, read_gold, require_sayable, sheet
from annotation.people_facts import gold_share
from annotation.records import ITEMS, Outcome, table
from annotation.staging import STAGED
from annotation.surroundings import GOLD, Surroundings
from governance.errors import InputError
from infra.facts_sql import JUDGED, load_batch
from tests.support.batches import Batch
from tests.support.naive import _gold as naive_gold
from tests.support.platform import item

ITEM = item("a")
FIRST, SECOND = (candidate["candidate"] for candidate in ITEM["candidates"])
KNOWN = {ITEM["item"]: ITEM}


def read(text, *, asked_as=None):
    return read_gold(text, file="g.csv", items=KNOWN, asked_as=asked_as or {})


@pytest.mark.parametrize(
    ("answer", "kind", "expected"),
    [
        ("1", "", (Role.GOLD, Outcome.PREFERS, FIRST)),
        ("2", "attention", (Role.ATTENTION, Outcome.PREFERS, SECOND)),
        ("tie", "gold", (Role.GOLD, Outcome.TIE, None)),
        ("neither", "gold", (Role.GOLD, Outcome.NEITHER, None)),
    ],
)
def test_an_answer_is_a_place_a_tie_or_neither(answer, kind, expected):
    [known] = read(f"item,answer,kind\n{ITEM['item']},{answer},{kind}\n")
    assert (known.role, known.outcome, known.preferred) == expected


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("item,kind\nx,gold\n", 1, None, "no column answer"),
        ("item,answer,reward\nx,1,2\n", 1, None, "unknown column"),
        ("item,answer\n", None, None, "no item of known answer"),
        ("item,answer\ni-none,1\n", 2, "item", "no such item"),
        ("item,answer\n{item},\n", 2, "answer", "missing"),
        ("item,answer\n{item},3\n", 2, "answer", "no such answer"),
        ("item,answer\n{item},first\n", 2, "answer", "no such answer"),
        ("item,answer,kind\n{item},1,trap\n", 2, "kind", "no such kind"),
        ("item,answer\n{item},1\n{item},2\n", 3, "item", "twice"),
        ("item,answer\n{item}\n", 2, None, "more or fewer"),
        ("item,answer\n{item},1,gold\n", 2, None, "more or fewer"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(text, line, field, words):
    with pytest.raises(InputError, match=words) as refused:
        read(text.format(item=ITEM["item"]))
    error = refused.value
    assert (error.exit_code, error.file, error.line, error.field) == (2, "g.csv", line, field)


@pytest.mark.parametrize(
    ("asked", "answer", "sayable"),
    [
        ("pairwise", "neither", True),
        ("rating", "tie", True),
        ("rating", "neither", False),
        ("ranking", "1", True),
        ("ranking", "tie", False),
        ("attributes", "1", False),
    ],
)
def test_an_answer_that_the_page_cannot_say_is_refused(asked, answer, sayable):
    text = f"item,answer\n{ITEM['item']},{answer}\n"
    if sayable:
        assert len(read(text, asked_as={ITEM["item"]: asked})) == 1
        return
    with pytest.raises(InputError, match=asked):
        read(text, asked_as={ITEM["item"]: asked})


def test_the_sheet_is_read_back_once_it_is_filled_in():
    rows = list(csv.reader(io.StringIO(sheet(KNOWN))))
    assert rows[0] == ["item", "kind", "answer", "prompt", "answer 1", "answer 2"]
    with pytest.raises(InputError, match="missing"):
        read(sheet(KNOWN))
    rows[1][2] = "2"
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    [known] = read(out.getvalue())
    assert known.preferred == SECOND


def test_two_ground_truths_of_one_item_must_agree():
    one = KnownAnswer(item="i", role=Role.GOLD, outcome=Outcome.TIE, preferred=None)
    other = KnownAnswer(item="i", role=Role.GOLD, outcome=Outcome.NEITHER, preferred=None)
    assert agreed([one, one]) == {"i": one}
    with pytest.raises(InputError, match="differ"):
        agreed([one, other])
    require_sayable(other, "pairwise")


def scored(*scores):
    return [
        {"candidate": f"c{place}", "attribute": "overall", "score": float(score)}
        for place, score in enumerate(scores)
    ]


# What was answered, what was known, and whether that is right; None: it says nothing.
CASES = [
    ({"kind": "pairwise", "outcome": "prefers", "preferred": "c0"}, ("prefers", "c0"), True),
    ({"kind": "pairwise", "outcome": "prefers", "preferred": "c1"}, ("prefers", "c0"), False),
    ({"kind": "pairwise", "outcome": "tie"}, ("prefers", "c0"), False),
    ({"kind": "pairwise", "outcome": "cannot_judge"}, ("prefers", "c0"), False),
    ({"kind": "pairwise", "outcome": None}, ("prefers", "c0"), False),
    ({"kind": "pairwise", "outcome": "tie"}, ("tie", None), True),
    ({"kind": "pairwise", "outcome": "prefers", "preferred": "c0"}, ("tie", None), False),
    ({"kind": "pairwise", "outcome": "neither"}, ("neither", None), True),
    ({"kind": "pairwise", "outcome": "tie"}, ("neither", None), False),
    ({"kind": "rating", "scores": scored(80, 20, 10)}, ("prefers", "c0"), True),
    ({"kind": "rating", "scores": scored(80, 80, 10)}, ("prefers", "c0"), False),
    ({"kind": "rating", "scores": scored(20, 80)}, ("prefers", "c0"), False),
    ({"kind": "rating", "scores": None}, ("prefers", "c0"), False),
    ({"kind": "rating", "scores": scored(50, 50)}, ("tie", None), True),
    ({"kind": "rating", "scores": scored(50, 51)}, ("tie", None), False),
    ({"kind": "rating", "scores": scored(1, 1)}, ("neither", None), None),
    ({"kind": "ranking", "ranking": ["c0", "c1"]}, ("prefers", "c0"), True),
    ({"kind": "ranking", "ranking": ["c1", "c0"]}, ("prefers", "c0"), False),
    ({"kind": "ranking", "ranking": []}, ("prefers", "c0"), False),
    ({"kind": "ranking", "ranking": ["c0", "c1"]}, ("tie", None), None),
    ({"kind": "attributes", "scores": scored(80, 20)}, ("prefers", "c0"), None),
    ({"kind": None}, ("prefers", "c0"), None),
]


def test_right_and_wrong_are_the_same_in_polars_in_sql_and_row_by_row():
    columns = [
        name for name in STAGED.names if name not in ("kind", "outcome", "preferred", "scores", "ranking")
    ]
    like = Batch().rows[0]
    rows, gold = [], []
    for number, (said, (outcome, preferred), _) in enumerate(CASES):
        gold.append({"item": f"i-{number}", "outcome": outcome, "preferred": preferred})
        answer = {"kind": None, "outcome": None, "preferred": None, "scores": None, "ranking": None, **said}
        who = {"annotator": f"a-{number}", "item": f"i-{number}", "site": "main", "problem": None}
        for copy in (0, 1):  # two judgements each: as many as the rule wants
            row = (
                {name: like.get(name) for name in columns}
                | answer
                | who
                | {"judgement": f"j-{number}-{copy}"}
            )
            rows.append(row)
    expected = {
        f"a-{number}": None if right is None else float(right) for number, (*_, right) in enumerate(CASES)
    }

    staged = pl.from_arrow(table(rows, STAGED))
    shares = gold_share(staged, pl.from_arrow(table(gold, GOLD)), "gold_share_2")
    assert dict(shares.select("annotator", "gold_share_2").unique().iter_rows()) == expected

    with duckdb.connect() as connection:
        around = Surroundings.of(table([], ITEMS), gold=table(gold, GOLD))
        load_batch(connection, table(rows, STAGED), around, {"annotator", "gold_share_2"})
        found = connection.execute(f"SELECT DISTINCT annotator, gold_share_2 FROM {JUDGED}").fetchall()
    assert dict(found) == expected

    naive_gold(rows, {each["item"]: (each["outcome"], each["preferred"]) for each in gold})
    assert {row["annotator"]: row["gold_share_2"] for row in rows} == expected
