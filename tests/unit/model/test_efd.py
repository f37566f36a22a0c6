"""Hours, fingerprints and changes of fields."""

import datetime as dt

import pytest

from dbb.model.efd import (
    Count,
    changes,
    file_name,
    from_ns,
    hour_of,
    hours_between,
    to_ns,
)
from dbb.model.names import SafeName

BEGIN = dt.datetime(2026, 11, 22, 3, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def test_times_are_exact_to_the_microsecond():
    time = dt.datetime(2026, 11, 22, 3, 4, 5, 678901, tzinfo=dt.UTC)
    assert to_ns(time) == 1795316645678901000
    assert from_ns(to_ns(time) + 999) == time


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [
        (BEGIN, BEGIN, 0),
        (BEGIN, BEGIN + MINUTE, 1),
        (BEGIN + MINUTE, BEGIN + 60 * MINUTE, 1),
        (BEGIN + MINUTE, BEGIN + 61 * MINUTE, 2),
    ],
)
def test_the_hours_of_a_span_are_those_that_it_touches(begin, end, hours):
    found = list(hours_between(begin, end))
    assert found == [BEGIN + dt.timedelta(hours=number) for number in range(hours)]


def test_an_hour_of_another_zone_is_one_of_utc():
    chile = dt.timezone(dt.timedelta(hours=-3, minutes=-30))
    assert hour_of(dt.datetime(2026, 11, 22, 0, 10, tzinfo=chile)) == BEGIN


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        (Count(3, 6), Count(3, 6), False),
        (Count(3, 6), Count(4, 6), True),
        (Count(3, 6), Count(3, 7), True),
        (Count(3, 6), Count(3), False),
        (Count(3), Count(2), True),
    ],
)
def test_counts_differ_by_what_both_know(old, new, differs):
    assert old.differs(new) is differs


def test_changes_of_fields_are_told_and_the_many_are_counted():
    old = {"a": "double", "b": "int64"}
    assert changes(old, old) == ""
    assert changes(old, {"a": "string", "c": "bool"}) == (
        "added: c; removed: b; retyped: a (double to string)"
    )
    assert changes({}, {f"f{n}": "double" for n in range(9)}).endswith("f4 and 4 more")


def test_versions_have_names_of_their_own_that_are_safe():
    names = {file_name("lsst.sal.MTMount.encoder", BEGIN, version) for version in (1, 2)}
    assert len(names) == 2
    for name in names:
        assert SafeName.parse(name).startswith("20261121/efd/20261122T03/")
