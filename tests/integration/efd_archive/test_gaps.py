"""No hour is missing unnoticed, and what is missing is filled by later runs."""

from __future__ import annotations

import datetime as dt

import pytest

from dbb.errors import EfdUnavailable
from dbb.flows.efd_archiving import extract_open_cells
from dbb.flows.efd_gaps import find_gaps
from dbb.model.efd import CellState
from support.efd_world import BEGIN, BEGIN_NS, EVENT, HOUR, HOUR_NS, MOUNT


def test_nothing_is_written_where_nothing_has_changed(efd):
    efd.fill()
    first = efd.run()
    assert (first["opened"], first["extracted"], first["empty"]) == (2, 1, 1)
    before, files = efd.everything(), set(efd.efd.store.names)
    efd.world.clock.advance(60)
    again = efd.run()
    assert {name: number for name, number in again.items() if number} == {"compared": 2}
    assert efd.everything() == before
    assert set(efd.efd.store.names) == files


def test_an_hour_that_is_not_over_is_not_expected(efd):
    efd.fill(hours=3)
    efd.at(1)
    assert efd.run(hours=3)["opened"] == 2
    efd.world.clock._now = BEGIN + 2 * HOUR + dt.timedelta(minutes=2)
    assert efd.run(hours=3)["opened"] == 0
    efd.at(2)
    assert efd.run(hours=3)["opened"] == 2


def test_an_empty_hour_of_a_continuous_topic_is_a_gap_and_one_of_events_is_not(efd):
    efd.fill(hours=1, begin=BEGIN + HOUR)
    efd.write(EVENT, BEGIN_NS + HOUR_NS, aggregatedDoF0=1.0, private_seqNum=1)
    efd.at(2)
    efd.run(hours=2)
    assert efd.cell(MOUNT).state is CellState.EMPTY
    assert efd.cell(EVENT).state is CellState.EXTRACTED
    (gap,) = find_gaps(efd.efd, None, None)
    assert (gap.topic, gap.begin, gap.hours, gap.code) == (MOUNT, BEGIN, 1, "efd-interval-empty")
    efd.fill(begin=BEGIN)
    assert efd.run(hours=2)["extracted"] == 1
    assert find_gaps(efd.efd, None, None) == []


def test_a_topic_that_the_efd_does_not_know_is_told(efd):
    efd.run()
    assert (efd.cell().state, efd.cell().code) == (CellState.EMPTY, "efd-topic-missing")
    assert efd.cell(EVENT).state is CellState.EXTRACTED
    efd.fill()
    efd.run()
    assert (efd.cell().state, efd.cell().code) == (CellState.EXTRACTED, "")


def test_a_hole_in_the_ledger_is_a_gap_and_is_filled_by_the_next_run(efd):
    efd.fill(hours=6)
    efd.run(hours=1)
    efd.at(6)
    (unknown, *_) = find_gaps(efd.efd, None, None)
    assert (unknown.state, unknown.code, unknown.hours) == ("unknown", "efd-not-extracted", 5)
    counts = efd.run(hours=1, begin=BEGIN + 5 * HOUR)
    assert (counts["opened"], counts["extracted"]) == (10, 5)
    assert find_gaps(efd.efd, None, None) == []


def test_an_outage_of_48_hours_is_filled_when_the_source_is_back(efd, server):
    efd.fill(hours=50, step_s=600)
    efd.run(hours=1)
    server.stop()
    for hour in range(1, 49):  # the DAG's runs during the outage
        efd.at(hour + 1)
        with pytest.raises(EfdUnavailable):
            efd.run(hours=1, begin=BEGIN + hour * HOUR)
    server.start()
    gaps = [gap for gap in find_gaps(efd.efd, None, None) if gap.topic == MOUNT]
    assert sum(gap.hours for gap in gaps) == 48
    assert {gap.code for gap in gaps} <= {"efd-not-extracted", "efd-unavailable"}
    efd.at(50)
    counts = efd.run(hours=1, begin=BEGIN + 49 * HOUR, most=40)
    assert counts["extracted"] + counts["empty"] == 40  # bounded
    assert efd.cell(MOUNT, 49).state is CellState.EXTRACTED  # the newest first
    assert efd.cell(MOUNT, 5).state is CellState.OPEN
    efd.run(hours=1, begin=BEGIN + 49 * HOUR)
    assert find_gaps(efd.efd, None, None) == []
    table = efd.archive.samples(MOUNT, ["private_seqNum"], BEGIN, BEGIN + 50 * HOUR)
    assert table.column("private_seqNum").to_pylist() == list(range(1, 301))


def test_a_run_stops_after_its_time(efd):
    efd.fill(hours=2)
    efd.at(2)
    with pytest.raises(AssertionError):
        assert efd.run(hours=2, limit=dt.timedelta(0))["extracted"] == 1
    counts = extract_open_cells(efd.efd, BEGIN, BEGIN + 2 * HOUR, limit=HOUR)
    assert counts["extracted"] == 2
