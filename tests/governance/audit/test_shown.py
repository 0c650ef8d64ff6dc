"""Rates as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.shown import exact_percent, percent


@pytest.mark.parametrize(
    ("rate", "limit", "said"),
    [
        (0.023498, 0.05, "2.35"),
        (0.0, 0.05, "0.00"),
        (1.0, 0.05, "100.00"),
        (0.049996, 0.05, "4.9996"),
        (0.05004, 0.05, "5.004"),
        (0.00005, 0.00005, "0.005"),
        (0.0000004, None, "0.00004"),
        (0.9999999, 0.5, "100.00"),
    ],
)
def test_a_rate_keeps_its_side_of_the_limit(rate, limit, said):
    assert percent(rate, limit=limit) == said


@given(st.floats(0, 1), st.floats(1e-6, 1, exclude_max=True))
def test_what_is_read_decides_as_the_rate_does(rate, limit):
    """Apart from rates nearer to the limit than twelve decimals can show."""
    read = float(percent(rate, limit=limit)) / 100
    if abs(rate - limit) > 1e-9 * limit + 1e-13:
        assert (read < limit, read > limit) == (rate < limit, rate > limit)
    assert abs(read - rate) <= 0.5001e-4


@pytest.mark.parametrize(
    ("value", "said"), [(0.05, "5"), (0.95, "95"), (0.9999999, "99.99999"), (1e-7, "1e-05")]
)
def test_what_was_declared_is_shown_as_declared(value, said):
    assert exact_percent(value) == said
