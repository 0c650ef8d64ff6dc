"""Canonical bytes are those of RFC 8785, whichever way they were written."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.digest import canonical, digest

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


class Word(StrEnum):
    """A closed word, as keys and values are."""

    ONE = "one \u007f\u2028"
    TWO = 'two "\\\n\x1f'


@settings(deadline=None)
@given(VALUES)
def test_the_bytes_are_those_of_the_reference(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        {"\U0001f600": 1, "\ufb33": 2, "a": 3},  # UTF-16 order is not that of code points
        {Word.TWO: Word.ONE, Word.ONE: (1, 2.5, True, None)},
        [1.0, -0.0, -3.0, 2.0**53, 2.0**53 - 1, -(2.0**60), 1e21, 5e-324, 0.1],
        {"\x00": "\x7f\u2028\ud7ff"},
        [],
        {},
    ],
)
def test_what_is_easily_written_otherwise(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("inf")],
        2**53,
        -(2**53),
        {1: 2},
        {"a": {None: 1}},
        "\ud800",
        {"\udfff": 1},
        {"é": 1, "\udfff": 1},
        b"bytes",
        [object()],
        {"a": {1, 2}},
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="no canonical JSON"):
        canonical(value)


def test_a_digest_is_of_those_bytes() -> None:
    assert (
        digest({"b": 1, "a": 2}) == "sha256:d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772"
    )
