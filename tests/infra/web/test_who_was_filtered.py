"""The page of a batch: which questions tell who was filtered out."""

from __future__ import annotations

from infra.web.batches import _fields, _telling


def count(field: str, value: str | None, status: str = "answered") -> dict[str, object]:
    return {"field": field, "value": value, "status": status, "read": 4, "quarantined": 1}


def test_a_question_that_everybody_answered_alike_has_no_table() -> None:
    """Twenty of them once stood between the reader and the few that tell people apart."""
    fields = _fields(
        [
            count("gender", "female"),
            count("gender", "male"),
            count("gender", None, "no_profile"),
            count("religion", None, "prefer_not_to_say"),
            count("religion", None, "no_profile"),
            count("age", None, "prefer_not_to_say"),
            count("age", "65+"),
        ]
    )
    assert set(fields) == {"gender", "religion", "age"}
    assert set(_telling(fields)) == {"gender", "age"}
    assert [row["answer"] for row in _telling(fields)["gender"]] == ["female", "male", "no profile"]
