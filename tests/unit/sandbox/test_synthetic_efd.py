"""The synthetic night of the EFD: the same by its seed, real rates, right answers."""

import dataclasses
import statistics

import numpy as np
import pytest

from dbb.model.day_obs import DayObs
from dbb.model.efd import to_ns
from sandbox.synthetic_efd import EfdNight, Series, right_answer
from sandbox.synthetic_efd.writing import to_lines

NIGHT = EfdNight(DayObs(20261121), scale=0.02, hours=2)
MOUNT, PSD = "lsst.sal.MTMount.encoder", "lsst.sal.MTVMS.psd"


def same(one, other):
    return np.array_equal(one.time_ns, other.time_ns) and all(
        np.array_equal(one.columns[name], other.columns[name]) for name in one.columns
    )


def test_a_seed_gives_the_same_night_and_another_one_another():
    again = dataclasses.replace(NIGHT, seed=1)
    other = dataclasses.replace(NIGHT, seed=2)
    assert same(NIGHT.of_topic(MOUNT), again.of_topic(MOUNT))
    assert not same(NIGHT.of_topic(MOUNT), other.of_topic(MOUNT))


def test_a_topic_alone_is_the_same_as_among_others():
    alone = dataclasses.replace(NIGHT, topics=(MOUNT,))
    (found,) = alone.series()
    assert same(found, NIGHT.of_topic(MOUNT))


def test_rates_are_scaled_and_times_are_whole_microseconds_in_order():
    for series in NIGHT.series():
        topic = NIGHT.known[series.topic]
        assert not (series.time_ns % 1000).any()
        assert (np.diff(series.time_ns) > 0).all(), series.topic
        assert series.time_ns[0] >= to_ns(NIGHT.begin) - 10**10
        assert series.time_ns[-1] < to_ns(NIGHT.end)
        sensors = len(set(series.columns.get("salIndex", np.zeros(1)).tolist()))
        if topic.rate_mhz:
            expected = 7200 * topic.rate_mhz / 1000 * 0.02 * sensors
            assert len(series.time_ns) == pytest.approx(expected, rel=0.05, abs=sensors)


def test_an_event_comes_before_its_exposure():
    series = NIGHT.of_topic("lsst.sal.MTAOS.logevent_degreeOfFreedom")
    exposures = NIGHT.exposures()
    assert len(series.time_ns) == len(exposures) == 4
    assert all(
        0 < to_ns(exposure.begin) - time < 3 * 10**9
        for exposure, time in zip(exposures, series.time_ns.tolist(), strict=True)
    )


def test_sender_time_is_tai_and_the_databases_is_utc():
    series = NIGHT.of_topic(MOUNT)
    apart = series.columns["private_sndStamp"] - series.columns["private_efdStamp"]
    assert apart == pytest.approx(37.0, abs=1e-6)
    assert series.columns["private_efdStamp"] == pytest.approx(series.time_ns / 1e9, abs=1e-6)


def test_answers_are_of_the_half_open_span_and_of_one_sensor():
    time = np.arange(10, dtype=np.int64) * 10**9 + to_ns(NIGHT.begin)
    values = np.array([1.5, 0.0, -2.0, 4.0, 8.0, 1.0, 1.0, 3.0, 9.0, 2.0])
    index = np.array([1, 2] * 5)
    series = Series("x", time, {"v": values, "salIndex": index})
    end = NIGHT.begin + (NIGHT.end - NIGHT.begin) * 4 / 7200
    answer = right_answer(series, "v", NIGHT.begin, end)
    assert (answer.samples, answer.first, answer.last) == (4, 1.5, 4.0)
    assert answer.std == pytest.approx(statistics.stdev([1.5, 0.0, -2.0, 4.0]))
    one = right_answer(series, "v", NIGHT.begin, end, sal_index=2)
    assert (one.samples, one.mean, one.minimum) == (2, 2.0, 0.0)
    assert right_answer(series, "v", NIGHT.end, NIGHT.end).mean is None


def test_lines_have_the_types_of_the_database():
    columns = {
        "f": np.array([1.0]), "i": np.array([2]), "b": np.array([True]), "s": np.array(["x"])
    }  # fmt: skip
    (lines,) = to_lines(Series("t", np.array([7], np.int64), columns))
    assert lines == 't f=1.0,i=2i,b=true,s="x" 7'
    assert sum(len(each.splitlines()) for each in to_lines(NIGHT.of_topic(PSD))) == len(
        NIGHT.of_topic(PSD).time_ns
    )
