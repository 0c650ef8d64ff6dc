"""JSON that others wrote: one value to every program, or an error that says where."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import InputError
from governance.strict_json import JsonError, json_lines, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_what_was_written_is_read(value):
    text = json.dumps(value)
    assert read_json(text) == value
    assert read_json(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "reason", "place"),
    [
        ('{"a": 1,\n "b" 2}', "Expecting ':' delimiter", (2, 6)),
        ("", "Expecting value", (1, 1)),
        ("NaN", "NaN is no number", (None, None)),
        ('[{"a": -Infinity}]', "-Infinity is no number", (None, None)),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "the name 'c' stands twice", (None, None)),
        ('{"a": 1, "\\u0061": 1}', "the name 'a' stands twice", (None, None)),
        ("[" * 100_000, "nested too deeply", (None, None)),
        ("1" * 5000, "Exceeds the limit", (None, None)),
        (b'"\xff"', "can't decode byte 0xff", (None, None)),
    ],
)
def test_what_is_not_json_says_why_and_where(text, reason, place):
    with pytest.raises(JsonError) as caught:
        read_json(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == place
    assert str(caught.value).endswith(f"(line {place[0]}, column {place[1]})" if place[0] else "")


def test_a_reader_may_keep_an_object_that_names_a_key_twice():
    found = read_json('[{"a": 1, "b": 2, "a": 3}, {"a": 1}]', twice=lambda value, name: (name, value))
    assert found == [("a", {"a": 3, "b": 2}), {"a": 1}]


def test_lines_say_their_number_and_their_column():
    assert json_lines('{"a": 1}\n\n{"b": "\u2028"}\n', source="f") == [(1, {"a": 1}), (3, {"b": "\u2028"})]
    with pytest.raises(InputError) as caught:
        json_lines('{"a": 1}\n{"a" 1}', source="f.jsonl")
    assert (caught.value.file, caught.value.line, caught.value.column) == ("f.jsonl", 2, 6)
