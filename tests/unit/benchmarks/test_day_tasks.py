"""The busiest day stays below 20,000 task instances, and what would exceed that is seen."""

import dataclasses

import pytest
from benchmarks.day_tasks import LIMIT, Brings, busy_day, count_day, read_dags


@pytest.fixture(scope="module")
def dags():
    return read_dags()


def total(counted):
    return sum(count.working for count in counted.values())


def test_a_day_with_the_longest_night_stays_below_the_limit(dags):
    assert LIMIT / 2 < total(count_day(dags, busy_day())) <= LIMIT


def test_a_watcher_that_never_rests_would_exceed_it(dags):
    restless = dataclasses.replace(dags["raw_tonight"], rest_s=3.0)
    assert total(count_day({**dags, "raw_tonight": restless}, busy_day())) > 2 * LIMIT


def test_a_clock_that_ticks_each_minute_is_counted(dags):
    quick = dataclasses.replace(dags["alarm_watch"], clock=1440)
    counted = count_day({**dags, "alarm_watch": quick}, busy_day())
    assert counted["alarm_watch"].working == 5 * count_day(dags, busy_day())["alarm_watch"].working


def test_a_dag_with_chunks_that_nobody_has_thought_of_is_an_error(dags):
    day = {name: brings for name, brings in busy_day().items() if name != "efd_etl"}
    with pytest.raises(AssertionError, match="efd_etl"):
        count_day(dags, day)


def test_the_clock_is_read_from_the_files(dags):
    assert dags["deliver_frdf"].clock == 288
    assert dags["sweep_usdf"].clock == 1
    assert dags["maintenance"].clock == 0
    assert dags["raw_tonight"].rest_s == 45
    assert dags["maintenance"].rest_s is None


def test_what_finds_nothing_to_do_runs_only_what_looks(dags):
    quiet = count_day(dags, {**busy_day(), "raw_tonight": Brings(idle=1)})
    assert quiet["raw_tonight"].working == quiet["raw_tonight"].runs == 288
