"""Numbers with their nouns."""

import pytest

from governance.wording import many


@pytest.mark.parametrize(
    ("count", "nouns", "said"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (1200, ("row",), "1,200 rows"),
        (1, ("person", "people"), "1 person"),
        (2, ("person", "people"), "2 people"),
    ],
)
def test_one_is_one_and_the_others_are_many(count, nouns, said):
    assert many(count, *nouns) == said
