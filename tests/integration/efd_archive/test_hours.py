"""What the file of an hour holds, from a real InfluxDB, and what is read from many."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from dbb.flows.efd_gaps import find_gaps
from dbb.model.day_obs import DayObs
from dbb.model.efd import CellState
from sandbox.synthetic_efd import EfdNight, right_answer, write_night
from sandbox.synthetic_efd.__main__ import main as synthetic_efd
from support.efd_world import BEGIN, BEGIN_NS, HOUR, HOUR_NS, MOUNT, TEMPERATURE, EfdWorld, topic
from support.fake_efd import MemorySource


def test_an_hour_becomes_a_typed_sorted_file_that_says_where_it_comes_from(efd):
    efd.write(
        MOUNT, BEGIN_NS + 2, azimuth0=1.0, azimuth1=2.5, big=2**53 + 1, huge=1e20,
        on=True, text='a "b", c', private_seqNum=2,
    )  # fmt: skip
    efd.write(MOUNT, BEGIN_NS + 1, azimuth0=-3.0, big=-7, on=False, private_seqNum=1)
    assert efd.run()["extracted"] == 1
    parquet = efd.parquet()
    kinds = {each.name: each.type for each in parquet.schema_arrow}
    assert kinds["time"] == pa.timestamp("ns", "UTC")
    assert (kinds["azimuth0"], kinds["big"], kinds["on"], kinds["text"]) == (
        pa.float64(), pa.int64(), pa.bool_(), pa.string()
    )  # fmt: skip
    table = parquet.read()
    assert table.column("time").cast(pa.int64()).to_pylist() == [BEGIN_NS + 1, BEGIN_NS + 2]
    assert table.column("big").to_pylist() == [-7, 2**53 + 1]
    assert table.column("huge").to_pylist() == [None, 1e20]
    assert table.column("azimuth0").to_pylist() == [-3.0, 1.0]
    assert table.column("text").to_pylist() == [None, 'a "b", c']
    assert parquet.schema_arrow.field("azimuth1").metadata == {b"unit": b"deg"}
    assert not parquet.schema_arrow.field("big").metadata
    told = {key.decode(): value.decode() for key, value in parquet.metadata.metadata.items()}
    assert told["dbb.source"] == f"{efd.url}/{efd.database}"
    assert (told["dbb.topic"], told["dbb.rows"]) == (MOUNT, "2")
    assert (told["dbb.begin_ns"], told["dbb.end_ns"]) == (str(BEGIN_NS), str(BEGIN_NS + HOUR_NS))
    cell = efd.cell()
    assert (cell.state, cell.count.points, cell.count.seq_sum) == (CellState.EXTRACTED, 2, 3)
    assert cell.last_at == BEGIN


def test_edges_are_exact_to_the_nanosecond(efd):
    for number, offset in enumerate((-1, 0, HOUR_NS - 1, HOUR_NS)):
        efd.write(MOUNT, BEGIN_NS + offset, azimuth0=float(number), private_seqNum=number)
    efd.run()
    table = efd.parquet().read()
    assert table.column("azimuth0").to_pylist() == [1.0, 2.0]
    assert table.column("time").cast(pa.int64()).to_pylist() == [BEGIN_NS, BEGIN_NS + HOUR_NS - 1]


def test_points_of_one_time_are_sorted_by_salindex(server):
    """Two series, so that two points of one time are two: those of one series would be one."""
    efd = EfdWorld(server.url(), (topic(TEMPERATURE),))
    efd.at(1)
    for place, index in enumerate((103, 101, 102)):
        efd.write(f"{TEMPERATURE},sensor=s{place}", BEGIN_NS, salIndex=index, private_seqNum=1)
    efd.run()
    table = efd.parquet(TEMPERATURE).read()
    assert table.column("salIndex").to_pylist() == [101, 102, 103]
    assert table.column("sensor").to_pylist() == ["s1", "s2", "s0"]


def test_a_synthetic_night_is_archived_point_for_point(server, monkeypatch):
    night = EfdNight(DayObs(20261121), scale=0.02, hours=2)
    efd = EfdWorld(server.url(), tuple(night.known.values()))
    monkeypatch.setattr("dbb.hooks.efd.copying.GROUP_VALUES", 5_000)
    points = write_night(night, efd.url, efd.database)
    efd.at(2)
    counts = efd.run(hours=2)
    assert counts["failed"] == 0
    rows = 0
    for series in night.series():
        table = efd.archive.samples(series.topic, list(series.columns), night.begin, night.end)
        rows += table.num_rows
        assert table.column("time").cast(pa.int64()).to_pylist() == series.time_ns.tolist()
        for name, values in series.columns.items():
            assert table.column(name).to_pylist() == values.tolist(), (series.topic, name)
    assert rows == points
    assert efd.parquet(MOUNT).num_row_groups > 1
    gaps = [gap for gap in find_gaps(efd.efd, None, None) if gap.code != "efd-interval-empty"]
    assert gaps == []


def test_the_generator_writes_what_it_computes(server, capsys):
    night = EfdNight(DayObs(20261121), scale=0.05, hours=1, topics=(MOUNT,))
    efd = EfdWorld(server.url(), tuple(night.known.values()))
    efd.at(1)
    options = ["--scale", "0.05", "--hours", "1", "--topic", MOUNT, "--database", efd.database]
    assert synthetic_efd(["--night", "20261121", "--url", efd.url, *options]) == 0
    assert "3600 points" in capsys.readouterr().out
    efd.run()
    name = "azimuthEncoderAbsolutePosition0"
    for exposure in night.exposures()[:3]:
        table = efd.archive.samples(MOUNT, [name], exposure.begin, exposure.end)
        answer = right_answer(night.of_topic(MOUNT), name, exposure.begin, exposure.end)
        assert table.num_rows == answer.samples > 20
        assert np.mean(table.column(name)) == pytest.approx(answer.mean, rel=1e-12)


def test_a_wide_and_fast_topic_is_asked_for_in_slices_and_nothing_is_twice(efd, monkeypatch):
    monkeypatch.setattr("dbb.hooks.efd.source.QUERY_VALUES", 1000)
    efd.fill(step_s=1)
    efd.run()
    table = efd.parquet().read()
    assert table.column("private_seqNum").to_pylist() == list(range(1, 3601))


def test_the_samples_of_a_span_are_half_open_and_in_order(efd):
    efd.fill(hours=3)
    efd.at(3)
    efd.run(hours=3)
    begin, end = BEGIN + dt.timedelta(minutes=59), BEGIN + 2 * HOUR + dt.timedelta(minutes=1)
    table = efd.archive.samples(MOUNT, ["private_seqNum", "azimuth0", "never"], begin, end)
    assert table.column_names == ["time", "private_seqNum", "azimuth0", "never"]
    assert table.schema.field("time").type == pa.timestamp("ns", "UTC")
    assert table.column("private_seqNum").to_pylist() == list(range(60, 122))
    assert table.column("never").null_count == 62
    assert efd.archive.samples("lsst.sal.X.y", ["a"], begin, end).num_rows == 0


def test_the_source_in_memory_answers_as_the_real_one(efd):
    memory = MemorySource()
    for number in range(5):
        point = {"azimuth0": number / 2, "on": True, "text": f"t{number}", "private_seqNum": number}
        for target in (efd, memory):
            target.write(MOUNT, BEGIN_NS + number * HOUR_NS // 2, **point)
    told = []
    for source in (efd.efd.source, memory):
        shape, end = source.shape(MOUNT), BEGIN + 2 * HOUR
        counts = source.counts(MOUNT, shape, BEGIN, end)
        batches = list(source.read(MOUNT, shape, 4, BEGIN, end))
        told.append((shape, counts, pa.Table.from_batches(batches), source.shape("lsst.sal.X.y")))
    assert told[0] == told[1]
