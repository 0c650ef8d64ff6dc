"""Contradictions known from public data sets, planted in cards written here."""

from __future__ import annotations

import polars as pl
import pytest

from annotation.card_claims import count_claims, licence_claims, same_licence, table_claims
from annotation.claims_check import contradictions

PEOPLE = pl.DataFrame(
    {
        "participant_id": [f"p{n}" for n in range(1000)],
        "ethnicity": ["White"] * 646 + ["Black"] * 200 + ["Asian"] * 154,
        "study": ["a"] * 1000,
    }
)
HONEST = """---
license: cc-by-nc-4.0
---
# People
1,000 participants took part. Metadata are under CC BY-NC 4.0 (license of this data set).

| ethnicity | share |
|---|---|
| White | 64.6% |
| Black | 20.0% |
| Asian | 15.4 % |
"""


def found(card: str) -> list[str]:
    return [entry.sentence() for entry in contradictions(card, {"people.csv": PEOPLE}, name="README.md")]


def test_an_honest_card_has_none() -> None:
    assert found(HONEST) == []


def test_a_table_that_says_another_share_than_the_data() -> None:
    (sentence,) = found(HONEST.replace("64.6%", "63.4%"))
    assert (
        sentence
        == "README.md:9: White, share: says 63.4%, but ethnicity in people.csv says 64.6% (646 of 1,000)"
    )


def test_a_share_is_right_within_its_last_digit() -> None:
    assert found(HONEST.replace("64.6%", "65%")) == []
    assert found(HONEST.replace("64.6%", "64.60%")) == []
    assert len(found(HONEST.replace("64.6%", "64.5%"))) == 1


def test_a_licence_named_twice_differently() -> None:
    (sentence,) = found(HONEST.replace("license: cc-by-nc-4.0", "license: cc-by-4.0"))
    assert "README.md:5: licence: says CC BY-NC 4.0, but line 2 says cc-by-4.0" in sentence


def test_a_licence_the_data_do_not_name() -> None:
    data = {"people.csv": PEOPLE}
    (entry,) = contradictions("License: MIT", data, name="c", licences=["Apache-2.0"])
    assert entry.but == "the data say Apache-2.0"
    assert contradictions("License: Apache 2.0", data, name="c", licences=["Apache-2.0"]) == []


def test_a_count_that_does_not_match_the_rows() -> None:
    (sentence,) = found(HONEST.replace("1,000 participants", "1,500 participants"))
    assert "says 1,500 participants, but no file has so many rows or ids; the nearest is 1,000" in sentence
    (entry,) = contradictions("We asked 999 raters.", {}, name="c", counts={"annotators": 1000})
    assert entry.but == "the data hold 1,000"


def test_rows_are_counted_as_rows_and_users_as_ids() -> None:
    data = {"a.csv": PEOPLE.head(600), "b.csv": PEOPLE.tail(400).with_columns(worker=pl.lit("w"))}

    def said(card: str) -> list[str]:
        return [entry.says for entry in contradictions(card, data, name="c")]

    assert said("600 rows and 400 records, together 1,000 examples, by 600 users.") == []
    assert said("It holds 1,001 rows of 41 users; one of the 2 workers left.") == [
        "1,001 rows",
        "41 users",
        "2 workers",
    ]
    # One worker is an id that occurs; one row is not how many any file has.
    assert said("1 rows by 1 workers") == ["1 rows"]


def test_counts_in_a_table_are_counts() -> None:
    card = "| ethnicity | people |\n|---|---|\n| White | 646 |\n| Black | 201 |\n"
    (sentence,) = found(card)
    assert sentence.startswith("README.md:4: Black, people: says 201")


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        ("Apache License 2.0", "apache-2.0"),
        ("CC-BY-SA 4.0", "cc-by-sa-4.0"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("MIT", "mit"),
        ("my own", "my own"),
    ],
)
def test_licences_are_known_by_their_names(words: str, licence: str) -> None:
    assert same_licence(words) == licence


def test_what_is_no_claim_is_none() -> None:
    assert licence_claims("We permit everything.\n") == []
    assert count_claims("In 2023 we began; section 4.2 people; 1.5 items") == []
    assert table_claims("| a | b |\n|---|---|\n| x | yes |\n") == []
    assert found("| colour | share |\n|---|---|\n| red | 10% |\n| blue | 90% |\n") == []
