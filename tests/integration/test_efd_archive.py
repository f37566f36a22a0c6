"""Extracting the EFD from a real InfluxDB into the archive: nothing lost, no gap unnoticed."""

from __future__ import annotations

import datetime as dt
import warnings

import numpy as np
import pyarrow as pa
import pytest
import requests

from dbb.errors import EfdSchemaChanged, EfdUnavailable
from dbb.flows.copies import look_for_copies
from dbb.flows.efd_archiving import extract_open_cells
from dbb.flows.efd_gaps import find_gaps
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.influx import Influx
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.efd import CellState, to_ns
from sandbox.allotted import Allotted
from sandbox.influx import Influx as InfluxServer
from sandbox.layout import Layout
from sandbox.synthetic_efd import EfdNight, right_answer, write_night
from sandbox.synthetic_efd.__main__ import main as synthetic_efd
from support.cutter import Cutter
from support.efd_world import BEGIN, EVENT, HOUR, MOUNT, EfdWorld, topic
from support.fake_efd import MemorySource

BEGIN_NS = to_ns(BEGIN)
HOUR_NS = 3600 * 10**9
TEMPERATURE = "lsst.sal.ESS.temperature"


@pytest.fixture(scope="module")
def server(tmp_path_factory, request):
    layout = Layout(request.config.rootpath, tmp_path_factory.mktemp("influx"))
    layout.make()
    server = InfluxServer(layout, Allotted.load(layout.allotted_file))
    if server.missing():
        pytest.skip(server.missing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it outlives the call that starts it
        server.start()
    yield server
    server.stop()


@pytest.fixture
def efd(server):
    world = EfdWorld(server.url())
    world.at(1)
    yield world
    world.influx.close()


# -- what a file holds -----------------------------------------------------------------------------


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


# -- gaps ------------------------------------------------------------------------------------------


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


# -- what changes at the source --------------------------------------------------------------------


def test_late_points_open_exactly_the_hours_that_they_touch(efd):
    efd.fill(hours=5)
    efd.at(5)
    efd.run(hours=5)
    old = efd.file(hour=2)
    efd.write(MOUNT, BEGIN_NS + 2 * HOUR_NS + 7, azimuth0=0.5, private_seqNum=9000)
    counts = efd.run(hours=5)
    assert (counts["reopened"], counts["extracted"]) == (1, 1)
    assert [efd.cell(hour=hour).version for hour in range(5)] == [1, 1, 2, 1, 1]
    assert efd.file(hour=2).rows == old.rows + 1
    assert efd.file(hour=2).name != old.name
    assert f"files/{old.name}" in efd.efd.store.names  # the first version stays


def test_a_point_that_replaces_another_is_noticed_too(efd):
    efd.fill()
    efd.run()
    efd.write(MOUNT, BEGIN_NS, azimuth0=99.0, private_seqNum=5000)
    assert efd.run()["reopened"] == 1
    assert efd.parquet().read().column("azimuth0")[0].as_py() == 99.0


def test_points_that_the_source_loses_stay_in_the_archive(efd):
    efd.fill()
    efd.run()
    window = f"time >= {BEGIN_NS} AND time < {BEGIN_NS + 10**12}"
    statement = f'DELETE FROM "{MOUNT}" WHERE {window}'  # noqa: S608 - constants
    requests.post(
        f"{efd.url}/query", data={"q": statement, "db": efd.database}, timeout=10
    ).raise_for_status()
    counts = efd.run()
    assert (counts["gone"], counts["extracted"]) == (1, 0)
    assert (efd.cell().state, efd.cell().code) == (CellState.EXTRACTED, "efd-points-gone")
    assert efd.file().rows == 60
    before = efd.everything()
    efd.run()
    assert efd.everything() == before
    efd.fill()
    efd.run()
    assert efd.cell().code == ""


# -- bad input -------------------------------------------------------------------------------------


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


def test_a_source_that_dies_in_mid_read_leaves_nothing_and_the_next_run_heals(
    efd, server, monkeypatch
):
    monkeypatch.setattr("dbb.hooks.efd.source.PIECE_VALUES", 300)
    monkeypatch.setattr("dbb.hooks.efd.copying.GROUP_VALUES", 200)
    efd.fill(step_s=1)
    cutter = Cutter(server.port(), 60_000)
    dying = Influx(cutter.url, efd.database)
    efd.use(dying)
    with pytest.raises(EfdUnavailable, match="1 hours"):
        efd.run()
    dying.close()
    cutter.close()
    assert (efd.cell().state, efd.cell().code) == (CellState.OPEN, "efd-unavailable")
    assert efd.cell().attempts == 1
    assert [name for name in efd.efd.store.names if MOUNT in name] == []
    efd.use(efd.influx)
    assert efd.run()["extracted"] == 1
    assert efd.file().rows == 3600


def test_an_answer_without_some_points_is_not_believed(efd, monkeypatch):
    efd.fill()
    read = type(efd.efd.source).read

    def forgetful(*arguments):
        for batch in read(*arguments):
            yield batch.slice(1)

    monkeypatch.setattr(type(efd.efd.source), "read", forgetful)
    with pytest.raises(EfdUnavailable, match="it gave 59 of 60 points"):
        efd.run()
    assert efd.cell().state is CellState.OPEN
    assert [name for name in efd.efd.store.names if MOUNT in name] == []


def test_a_field_that_comes_while_its_hour_is_read_is_not_missed(efd, monkeypatch):
    efd.fill()
    counts = type(efd.efd.source).counts

    def late(self, *arguments):
        efd.write(MOUNT, BEGIN_NS + 5, brand_new=1.5, private_seqNum=99)
        return counts(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(type(efd.efd.source), "counts", late)
        with pytest.raises(EfdUnavailable, match="fields changed while it was read"):
            efd.run()
    assert efd.cell().state is CellState.OPEN
    efd.run()
    assert efd.parquet().read().column("brand_new").to_pylist()[1] == 1.5


def test_a_value_of_another_type_than_its_field_costs_its_hour_only(efd, monkeypatch):
    efd.fill(hours=2)
    query = type(efd.influx).query

    def wrong(self, statement, *arguments):
        for series in query(self, statement, *arguments):
            is_bad = "AS" in statement and f"time >= {BEGIN_NS} " in statement
            rows = [[row[0], "text", *row[2:]] for row in series.rows] if is_bad else series.rows
            yield series._replace(rows=rows)

    efd.at(2)
    with monkeypatch.context() as patch:
        patch.setattr(type(efd.influx), "query", wrong)
        with pytest.raises(EfdSchemaChanged, match="a value is no double"):
            efd.run(hours=2)
    assert (efd.cell().state, efd.cell().code) == (CellState.OPEN, "efd-schema-changed")
    assert efd.cell(hour=1).state is CellState.EXTRACTED
    efd.run(hours=2)
    assert efd.cell().state is CellState.EXTRACTED


def test_one_bad_topic_costs_itself_only(efd, monkeypatch):
    efd.fill(hours=4)
    efd.fill(EVENT, hours=4)
    shape = type(efd.efd.source).shape

    def refuses(self, name):
        if name == MOUNT:
            raise EfdUnavailable.for_query(name, "query-timeout limit exceeded")
        return shape(self, name)

    monkeypatch.setattr(type(efd.efd.source), "shape", refuses)
    efd.at(4)
    with pytest.raises(EfdUnavailable):
        efd.run(hours=4)
    assert {efd.cell(EVENT, hour).state for hour in range(4)} == {CellState.EXTRACTED}
    assert {efd.cell(MOUNT, hour).code for hour in range(4)} <= {
        "efd-unavailable",
        "efd-not-extracted",
    }


def test_a_wide_and_fast_topic_is_asked_for_in_slices_and_nothing_is_twice(efd, monkeypatch):
    monkeypatch.setattr("dbb.hooks.efd.source.QUERY_VALUES", 1000)
    efd.fill(step_s=1)
    efd.run()
    table = efd.parquet().read()
    assert table.column("private_seqNum").to_pylist() == list(range(1, 3601))


# -- parcels ---------------------------------------------------------------------------------------


def test_an_hours_files_are_a_parcel_that_rucio_and_the_endpoints_get(efd):
    efd.fill()
    efd.write(EVENT, BEGIN_NS, aggregatedDoF0=1.0, private_seqNum=1)
    efd.run()
    (unit,) = efd.seal()
    assert unit.startswith("files/20261121/efd-20261122T00-")
    assert efd.seal() == []
    world, backbone = efd.world, efd.world.backbone()
    register_units(backbone, [unit])
    publish_units(backbone, [unit], "usdf")
    assert world.state(unit, "usdf") is State.PUBLISHED
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "frdf").work, "frdf")
    assert world.state(unit, "frdf") is State.PUBLISHED
    name = f"files/{efd.file().name}"
    assert world.stores["frdf"].data(name) == world.stores["usdf"].data(name)
    efd.write(MOUNT, BEGIN_NS + 1, azimuth0=1.0, private_seqNum=400)
    efd.run()
    (later,) = efd.seal()
    assert later != unit
    assert world.ledger.units([later])[later].expected == 1


def test_a_run_that_is_killed_between_deciding_and_sealing_makes_the_same_parcel(efd, monkeypatch):
    efd.fill()
    efd.run()
    with monkeypatch.context() as patch:
        patch.setattr("dbb.flows.efd_sealing._parcel", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            efd.seal()
    ((decided,),) = efd.rows("select unit from efd_file")
    assert efd.seal() == [decided]


def test_a_file_that_rots_before_it_travels_is_extracted_again(efd):
    efd.fill()
    efd.run()
    rotten = efd.file().name
    efd.efd.store.rot(f"files/{rotten}")
    assert efd.seal() == []
    assert (efd.cell().state, efd.cell().code) == (CellState.OPEN, "digest-mismatch")
    efd.run()
    assert efd.file().version == 2
    (unit,) = efd.seal()
    assert efd.world.ledger.units([unit])[unit].expected == 1


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


def test_a_run_stops_after_its_time(efd):
    efd.fill(hours=2)
    efd.at(2)
    with pytest.raises(AssertionError):
        assert efd.run(hours=2, limit=dt.timedelta(0))["extracted"] == 1
    counts = extract_open_cells(efd.efd, BEGIN, BEGIN + 2 * HOUR, limit=HOUR)
    assert counts["extracted"] == 2


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
