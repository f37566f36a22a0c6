"""Points and fields that are odd: they are told, and nothing is lost."""

from __future__ import annotations

import pytest

from support.efd_world import BEGIN, BEGIN_NS, HOUR, HOUR_NS, MOUNT, TEMPERATURE, EfdWorld, topic


def test_fields_that_are_added_removed_or_retyped_are_told_and_nothing_is_lost(efd):
    efd.write(MOUNT, BEGIN_NS, azimuth0=1.0, gone=1, kind=4, private_seqNum=1)
    efd.write(
        MOUNT, BEGIN_NS + 300 * HOUR_NS, azimuth0=2.0, new=True, kind="four", private_seqNum=2
    )
    efd.at(301)
    efd.run(hours=1)
    efd.run(hours=1, begin=BEGIN + 300 * HOUR)
    told = efd.file(hour=300).notes["efd-schema-changed"]
    assert told == "added: new; removed: gone; retyped: kind (int64 to string)"
    assert efd.parquet(hour=0).read().column("kind").to_pylist() == [4]
    assert efd.parquet(hour=300).read().column("kind").to_pylist() == ["four"]
    assert efd.file(hour=0).notes == {}
    (found,) = efd.cells.remarks(BEGIN, BEGIN + 301 * HOUR)
    assert found.begin == BEGIN + 300 * HOUR


def test_whole_numbers_that_become_doubles_are_numbers_still(efd):
    efd.write(MOUNT, BEGIN_NS, value=4, private_seqNum=1)
    efd.write(MOUNT, BEGIN_NS + 300 * HOUR_NS, value=4.5, private_seqNum=2)
    efd.at(301)
    efd.run(hours=1)
    efd.run(hours=1, begin=BEGIN + 300 * HOUR)
    table = efd.archive.samples(MOUNT, ["value"], BEGIN, BEGIN + 301 * HOUR)
    assert table.column("value").to_pylist() == [4.0, 4.5]


def test_a_value_that_is_no_number_is_null_and_the_rest_of_its_point_is_kept(efd):
    with pytest.raises(ValueError, match="invalid number"):  # InfluxDB keeps none
        efd.write(MOUNT, BEGIN_NS, azimuth0=float("nan"), private_seqNum=1)
    efd.write(MOUNT, BEGIN_NS, azimuth1=1.0, private_seqNum=1)
    efd.write(MOUNT, BEGIN_NS + 1, azimuth0=2.0, azimuth1=1.0, private_seqNum=2)
    efd.run()
    assert efd.parquet().read().column("azimuth0").to_pylist() == [None, 2.0]


def test_points_that_come_twice_are_one_and_those_of_two_series_are_told(efd):
    efd.fill()
    efd.fill()
    efd.write(f"{MOUNT},host=b", BEGIN_NS, azimuth0=0.0, private_seqNum=1)
    efd.run()
    assert efd.file().rows == 61
    assert efd.file().notes["repeated-points"].startswith("1 points")


def test_points_of_one_microsecond_are_lost_in_the_source_and_that_is_told(server):
    efd = EfdWorld(server.url(), (topic(TEMPERATURE),))
    efd.at(1)
    for seq in range(1, 21):
        for index in (101, 102):
            collides = seq == 7
            time = BEGIN_NS + seq * 10**9 + (0 if collides else index)
            efd.write(TEMPERATURE, time, salIndex=index, private_seqNum=seq, private_origin=1)
    efd.run()
    assert efd.file(TEMPERATURE).rows == 39
    assert efd.file(TEMPERATURE).notes["efd-points-lost"].startswith("1 sequence")


def test_a_clock_that_jumps_is_told_and_its_points_are_kept(efd):
    efd.write(MOUNT, BEGIN_NS, private_sndStamp=1e9, private_rcvStamp=1e9 + 0.01, private_seqNum=1)
    efd.run()
    assert efd.file().notes == {}
    stamps = {"private_sndStamp": 1e9 - 500, "private_rcvStamp": 1e9}
    efd.write(MOUNT, BEGIN_NS + 1, private_seqNum=2, **stamps)
    efd.run()
    assert efd.file().rows == 2
    assert efd.file().notes["efd-clock-jump"] == "sent and received 500 s apart"


def test_points_of_the_future_are_archived_when_their_hour_is_over(efd):
    efd.fill()
    efd.write(MOUNT, BEGIN_NS + 3 * HOUR_NS, azimuth0=1.0, private_seqNum=77)
    efd.run()
    efd.at(4)
    efd.run(hours=4)
    assert efd.file(hour=3).rows == 1
