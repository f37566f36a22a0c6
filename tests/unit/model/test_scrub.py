"""The rate of reading: every deadline is met, and none is met faster than it must be."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from dbb.model.scrub import Age, needed_rate

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
PERIOD = dt.timedelta(days=90)

ages = st.lists(st.tuples(st.floats(0, 89.9), st.integers(1, 10**12)), min_size=1, max_size=30).map(
    lambda rows: [
        Age(NOW - dt.timedelta(days=days), 1, size) for days, size in sorted(rows, reverse=True)
    ]
)


def misses(rows, rate):
    """Read at a rate in the order of age; give the deadlines that are missed, with a millisecond's grace."""
    so_far, missed = 0, 0
    for age in rows:
        so_far += age.size_bytes
        missed += NOW + dt.timedelta(seconds=so_far / rate - 0.001) > age.oldest_at + PERIOD
    return missed


@given(ages)
def test_reading_at_the_rate_meets_every_deadline(rows):
    assert misses(rows, needed_rate(rows, PERIOD, NOW)) == 0


@given(ages)
def test_a_tenth_less_misses_one_or_falls_behind_for_ever(rows):
    rate = needed_rate(rows, PERIOD, NOW)
    total = sum(age.size_bytes for age in rows)
    slower = rate * 0.9
    assert misses(rows, slower) or slower * PERIOD.total_seconds() < total


def test_a_copy_whose_time_is_over_has_no_rate_that_would_do():
    late = Age(NOW - PERIOD, 1, 1)
    assert needed_rate([late], PERIOD, NOW) == float("inf")


def test_an_endpoint_without_copies_needs_nothing():
    assert needed_rate([], PERIOD, NOW) == 0
