"""Why judgements came into a release or left it, on the platform's own rows."""

from __future__ import annotations

from typing import Any

import polars as pl

from annotation.release_changes import (
    ACCEPTED,
    CHANGED,
    COLLECTED,
    CONSENTED,
    NO_CONSENT,
    NOT_THERE,
    WITHDRAWN,
    Side,
    changes,
)


def side(
    *names: str, quarantined: dict[str, list[str]] | None = None, live: set[str] | None = None, **digests: str
) -> Side:
    rows = [
        {
            "judgement": name,
            "item": "i",
            "annotator": name[0],
            "site": "main",
            "consent": f"c-{name[0]}",
            "source_digest": digests.get(name, "d"),
        }
        for name in names
    ]
    schema = dict.fromkeys(["judgement", "item", "annotator", "site", "consent", "source_digest"], pl.String)
    return Side(
        judgements=pl.DataFrame(rows, schema=schema),
        quarantined=quarantined or {},
        live=None if live is None else frozenset(live),
    )


def reasons(frame: pl.DataFrame) -> dict[str, Any]:
    return dict(frame.select("judgement", "reason").iter_rows())


def test_each_way_out_has_its_reason() -> None:
    before = side("a1", "a2", "a3", "b1", "c1", "d1")
    after = side("a1", "a3", "c1", quarantined={"a2": ["D.speed", "D.speed"]}, live={"c-a"}, a3="other")
    found = changes(before, after)
    assert found.kept == 1
    assert reasons(found.gone) == {
        "a2": "quarantined by D.speed",
        "a3": CHANGED,
        "b1": WITHDRAWN,
        "c1": NO_CONSENT,
        "d1": WITHDRAWN,
    }
    assert reasons(found.new) == {"a3": CHANGED}
    assert reasons(changes(side("a1", "a2"), side("a1")).gone) == {"a2": NOT_THERE}


def test_each_way_in_has_its_reason() -> None:
    before = side("a1", "c1", quarantined={"a2": ["R"]}, live={"c-a"})
    found = changes(before, side("a1", "a2", "b1", "c1"))
    assert reasons(found.new) == {"a2": ACCEPTED, "b1": COLLECTED, "c1": CONSENTED}
    assert found.gone.is_empty()


def test_people_are_named_for_those_who_ask() -> None:
    found = changes(side("a1", "a2", "b1"), side("b1"))
    assert "by_person" not in found.as_json(by_person=False)
    body = found.as_json(by_person=True)
    assert body["gone"] == {WITHDRAWN: 2}
    assert body["by_person"] == [
        {"annotator": "a", "site": "main", "change": "gone", "reason": WITHDRAWN, "judgements": 2}
    ]
