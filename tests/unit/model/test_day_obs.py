"""The observing day is the TAI date twelve hours earlier."""

# ruff: noqa: DTZ001 - a time without a zone is what one test is about

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbb.errors import BadDayObs
from dbb.model.day_obs import DayObs

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize("text", ["20261121", "2026-11-21", 20261121])
def test_a_day_is_read_from_text_or_number(text):
    assert DayObs.parse(text) == DayObs(20261121)


@pytest.mark.parametrize(
    "text",
    ["20261399", 20261399, "2026112", "20261121; rm -rf /", "{{ 7*7 }}", "", True, "2026-1121",
     "²0261121", 20160101, "00000000"],
)  # fmt: skip
def test_what_is_no_day_is_refused(text):
    with pytest.raises(BadDayObs):
        DayObs.parse(text)


@pytest.mark.parametrize(
    ("offset_s", "expected"),
    [(-40, 20261120), (-37.001, 20261120), (-37, 20261121), (40, 20261121)],
)
def test_the_day_turns_at_noon_tai_not_at_noon_utc(offset_s, expected):
    assert DayObs.at(NOON + dt.timedelta(seconds=offset_s)).value == expected


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(BadDayObs, match="no time zone"):
        DayObs.at(dt.datetime(2026, 11, 21, 12))


@given(st.datetimes(dt.datetime(2017, 1, 3), dt.datetime(2050, 1, 1), timezones=st.just(dt.UTC)))
def test_every_instant_lies_within_its_day(time):
    day = DayObs.at(time)
    assert day.begin <= time < day.end
    assert day.next().begin == day.end
    assert DayObs.parse(str(day)) == day


def test_a_range_of_nights_has_both_ends():
    days = list(DayObs.range(DayObs(20261130), DayObs(20261202)))
    assert [day.value for day in days] == [20261130, 20261201, 20261202]
