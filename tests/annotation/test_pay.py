"""What time comes to: by hand, at the borders, and never more than the clock says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.pay import Meter, Rate, counted, in_words

RATE = Rate(per_hour=Decimal("12.00"), currency="EUR")


@pytest.mark.parametrize(
    ("seconds", "amount"),
    [(0.0, "0.00"), (5400.0, "18.00"), (3600.0, "12.00"), (1.5, "0.01"), (1.49, "0.00"), (100.0, "0.33")],
)
def test_the_amount_is_rounded_half_up_to_a_hundredth(seconds, amount):
    assert Meter(seconds=seconds, rate=RATE).amount == Decimal(amount)


def test_without_a_rate_there_is_no_amount():
    assert Meter(seconds=5400.0, rate=None).amount is None


def test_an_item_left_open_counts_for_so_long_and_no_longer():
    assert counted([30.0, 900.0, -5.0], longest=600.0) == 630.0
    assert counted([], longest=600.0) == 0.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=20), st.floats(1, 7200))
def test_never_more_than_the_clock_and_the_limit(spans, longest):
    total = counted(spans, longest=longest)
    assert 0 <= total <= sum(max(span, 0.0) for span in spans) + 1e-6
    assert total <= longest * len(spans) + 1e-6


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 min"), (59.9, "0 min"), (60, "1 min"), (3600, "1 h 00 min"), (3900, "1 h 05 min")],
)
def test_time_in_words(seconds, words):
    assert in_words(seconds) == words
