from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.presentations import (
    make_presentations,
    presentation_id,
    render_prompt,
    shown_order,
    task_data,
)
from annotation.records import make_item
from governance.errors import RecordError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def item(number=0, *, first="yes", second="no"):
    return make_item(
        prompt=[{"role": "user", "content": f"question {number}"}],
        candidates=[("model-a", first), ("model-b", second)],
        language="en",
        topic=None,
        origin="test",
        licence="CC0-1.0",
        source_ref=str(number),
        simulated=True,
    )


def presentations(items, *, overlap=3, seed=7, site="main"):
    return make_presentations(
        items,
        site=site,
        overlap=overlap,
        seed=seed,
        config_digest="sha256:c",
        policy_digest=None,
        consent=None,
        now=NOW,
    )


@given(st.integers(1, 12), st.integers(0, 2**40))
def test_over_the_slots_of_an_item_the_two_orders_differ_by_at_most_one(overlap, seed):
    orders = Counter(tuple(row["shown"]) for row in presentations([item()], overlap=overlap, seed=seed))
    assert sum(orders.values()) == overlap
    assert abs(2 * max(orders.values()) - overlap) <= 1


def test_over_items_each_candidate_stands_first_half_of_the_time():
    # 2,000 fair coins: standard deviation sqrt(2000)/2 = 22.4; five of them are 112.
    rows = [item(number) for number in range(2000)]
    first = sum(
        shown_order([c["candidate"] for c in row["candidates"]], item=row["item"], slot=0, seed=1)[0]
        == row["candidates"][0]["candidate"]
        for row in rows
    )
    assert abs(first - 1000) < 112


def test_the_seed_decides_and_repeats():
    rows = [item(number) for number in range(64)]
    assert presentations(rows, seed=1) == presentations(rows, seed=1)
    assert [r["shown"] for r in presentations(rows, seed=1)] != [
        r["shown"] for r in presentations(rows, seed=2)
    ]


def test_an_item_keeps_its_order_when_others_are_added():
    alone = presentations([item(1)])
    among = presentations([item(0), item(1), item(2)])
    assert alone == among[3:6]


def test_ids_are_distinct_over_sites_items_and_slots_and_do_not_depend_on_the_order():
    ids = {presentation_id(site, i, slot) for site in "ab" for i in ("i-1", "i-2") for slot in (0, 1)}
    assert len(ids) == 8
    assert {r["presentation"] for r in presentations([item()], seed=1)} == {
        r["presentation"] for r in presentations([item()], seed=2)
    }


def test_the_browser_receives_the_id_and_three_texts_only():
    row = item()
    for presentation in presentations([row]):
        data = task_data(presentation, row)
        assert set(data) == {"presentation", "prompt", "first", "second"}
        assert "model" not in "".join(data.values())
        assert row["digest"] not in str(data)
        texts = {c["candidate"]: c["text"] for c in row["candidates"]}
        assert [data["first"], data["second"]] == [texts[c] for c in presentation["shown"]]


def test_a_presentation_of_another_item_is_an_error():
    with pytest.raises(RecordError, match="do not belong together"):
        task_data(presentations([item(0)])[0], item(1))


def test_three_candidates_are_no_pair():
    with pytest.raises(RecordError, match="two candidates"):
        shown_order(["a", "b", "c"], item="i", slot=0, seed=0)


def test_a_single_user_turn_stands_alone_and_a_conversation_names_its_speakers():
    assert render_prompt([{"role": "user", "content": "hello"}]) == "hello"
    text = render_prompt(
        [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "hi"},
            {"role": "user", "content": "more"},
        ]
    )
    assert text == "**System**\n\nbe brief\n\n**User**\n\nhello\n\n**Assistant**\n\nhi\n\n**User**\n\nmore"


Z = "\N{ZERO WIDTH SPACE}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see ![cat](http://stranger.example/c.png)", f"see !{Z}[cat](http://stranger.example/c.png)"),
        ("see <img src='http://s.example'>", f"see <{Z}img src='http://s.example'>"),
        ("<script>alert(1)</script>", f"<{Z}script>alert(1)<{Z}/script>"),
        ("<!-- note --> <?php", f"<{Z}!-- note --> <{Z}?php"),
        ("1 < 2, a <- b, Wow! [link](http://x.example)", "1 < 2, a <- b, Wow! [link](http://x.example)"),
    ],
)
def test_nothing_in_an_answer_makes_the_browser_call_out_and_all_of_it_is_seen(text, shown):
    row = item(first=text)
    data = task_data(presentations([row], overlap=1)[0], row)
    assert shown in (data["first"], data["second"])
    assert shown.replace(Z, "") == text
