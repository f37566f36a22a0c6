"""Bad input through the whole ETL, from a real InfluxDB to published values: told, nothing lost, healed by the next run."""

from __future__ import annotations

import math
import warnings

import pytest

from dbb.errors import DigestMismatch, EfdUnavailable, EfdValuesRefused
from dbb.flows.efd_archiving import expect_hours, extract_open_cells
from dbb.flows.efd_replicating import load_publications
from dbb.hooks.efd.gate import Limits
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.efd.source import InfluxSource
from dbb.hooks.efd.values_files import SqlEndpointValues
from dbb.hooks.influx import Influx
from dbb.hooks.ledger import SqlLedger, open_engine
from dbb.model.efd import Cadence, Topic, to_ns
from dbb.model.efd_values import Severity
from sandbox.allotted import Allotted
from sandbox.influx import Influx as InfluxServer
from sandbox.layout import Layout
from sandbox.synthetic_efd import write_lines
from support.cutter import Cutter
from support.efd_world import BEGIN, EVENT, HOUR, MOUNT, TOPICS, EfdWorld, make_efd
from support.telemetry import column, config_of
from support.values_world import ValuesWorld, exposure

TEMPERATURE, LATER = "lsst.sal.ESS.temperature", "lsst.sal.MTM2.temperature"
ALL = (
    *TOPICS,
    Topic(TEMPERATURE, ("LATISS",), Cadence.CONTINUOUS),
    Topic(LATER, ("LATISS",), Cadence.CONTINUOUS),
)
CONFIG = config_of(
    column("azimuth", topic=MOUNT, fields=("azimuth0",), ivoa={"unit": "deg"}),
    column("azimuth_n", "count", topic=MOUNT, fields=("azimuth0",), datatype="int"),
    column("speed_max", "max", topic=MOUNT, fields=("speed",)),
    column("dof", "most_recent_value", topic=EVENT, fields=("dof0",), start_offset=-1.0),
    column("ring", topic=LATER, fields=("ring0",)),
    *(
        column(
            f"t{index}_n", "count", topic=TEMPERATURE, fields=("salIndex", "item"),
            datatype="int", subset_field="salIndex", subset_value=index,
        )
        for index in (101, 102)
    ),
)  # fmt: skip
LIMITS = Limits({"deg": (-360.0, 360.0)}, {MOUNT: (0.2, Severity.BLOCK)})


@pytest.fixture
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


class Night(ValuesWorld):
    """The transformation over a real source; what was sent is kept, to work out what is true."""

    def __init__(self, server):
        self.raw = EfdWorld(server.url(), ALL)
        super().__init__(self.raw.world, CONFIG, LIMITS, InfluxSource(self.raw.influx))
        self.sent = {}

    def efd(self, schedule=None):
        return make_efd(self.world, self.source, ALL, schedule)

    def send_points(self, hour, *, first=0, last=3600, field="azimuth0"):
        """Send the mount's points of an hour, one every 5 s, and the other topics'."""
        lines, start = [], to_ns(BEGIN + hour * HOUR)
        for second in range(first, last, 5):
            value = math.sin(second) * 50 + hour
            seq = hour * 720 + second // 5
            time = start + second * 10**9
            lines.append(f"{MOUNT} {field}={value!r},private_seqNum={seq}i {time}")
            lines += [
                f"{TEMPERATURE} salIndex={index}i,item=1.5,private_seqNum={seq}i,private_origin=1i {time + index * 1000}"
                for index in (101, 102)
            ]
            if field == "azimuth0":
                self.sent[hour * 3600 + second] = value
        lines.append(f"{EVENT} dof0={float(hour)},private_seqNum={hour}i {start + 10**9}")
        write_lines(self.raw.url, self.raw.database, "\n".join(lines))

    def truth(self, hour, begin=100, end=130):
        """Work out the mean of what was sent within an exposure, one value after the other."""
        inside = [self.sent.get(hour * 3600 + second) for second in range(begin, end + 1)]
        there = [value for value in inside if value is not None]
        return math.fsum(there) / len(there), float(len(there))

    def remarks(self, hour):
        at = BEGIN + hour * HOUR
        return {code for file in self.efd().cells.remarks(at, at + HOUR) for code in file.notes}


def test_bad_input_is_told_and_healed_as_far_as_published_values(server):  # noqa: PLR0915 - one night
    night = Night(server)
    night.expose(*(exposure(hour, hour) for hour in range(1, 7)))
    for hour in range(6):
        night.send_points(hour)
    at = to_ns(BEGIN)

    # a value that is no number: the server keeps none, and the rest of its point counts
    with pytest.raises(ValueError, match="invalid number"):
        night.raw.write(MOUNT, at + 3712 * 10**9, azimuth0=float("nan"), private_seqNum=9001)
    night.raw.write(MOUNT, at + 3712 * 10**9, speed=2.5, private_seqNum=9001)
    # points that come twice, in the same words
    night.send_points(2)
    # a field that is there in one hour only, and a clock that jumps
    night.raw.write(
        MOUNT, at + 3 * 3600 * 10**9 + 101 * 10**9, speed=7.0, brand_new=1.0, private_seqNum=9002,
        private_sndStamp=1e9 - 500, private_rcvStamp=1e9,
    )  # fmt: skip
    # two sensors in one microsecond are one point in the source: the second takes the first one's place
    night.raw.write(
        TEMPERATURE, at + (4 * 3600 + 110) * 10**9 + 101_000, salIndex=102, item=9.0,
        private_seqNum=4 * 720 + 22, private_origin=1,
    )  # fmt: skip
    night.at(6)
    night.extract(0, 3)
    night.extract(3, 6)
    assert night.transform(0, 6)["published"] == 5
    values = night.values()
    for hour in range(1, 6):
        mean, number = night.truth(hour)
        assert values[hour]["azimuth"] == pytest.approx(mean, abs=1e-9)
        assert (values[hour]["azimuth_n"], values[hour]["dof"]) == (number, float(hour))
        assert "ring" not in values[hour]  # the topic is not there: no value, and no zero
    assert (values[1]["speed_max"], values[3]["speed_max"]) == (2.5, 7.0)
    assert "speed_max" not in values[2]
    assert {"efd-schema-changed", "efd-clock-jump"} <= night.remarks(3)
    assert "efd-points-lost" in night.remarks(4)
    assert (values[4]["t101_n"], values[4]["t102_n"]) == (5.0, 7.0)
    assert (values[5]["t101_n"], values[5]["t102_n"]) == (6.0, 6.0)
    assert {cell.code for cell in night.efd().cells.cells([LATER], BEGIN, BEGIN + 6 * HOUR)} == {
        "efd-topic-missing"
    }
    assert night.transform(0, 6) == {}

    # the missing topic comes, late: exactly the interval that it touches has a new version
    night.raw.write(LATER, at + (2 * 3600 + 110) * 10**9, ring0=-3.5, private_seqNum=1)
    night.extract(0, 6)
    assert night.transform(0, 6)["exposures"] == 1
    assert night.values()[2]["ring"] == -3.5

    # the source dies while an hour is read: it waits, and is made when the source is back
    night.send_points(6, last=110)  # and of the exposure there is half
    night.send_points(6, first=1800)
    night.at(7)
    cutter = Cutter(server.port(), 3000)
    dying = Influx(cutter.url, night.raw.database)
    living, night.source = night.source, InfluxSource(dying)
    efd = night.efd()
    expect_hours(efd, BEGIN + 6 * HOUR, BEGIN + 7 * HOUR)
    with pytest.raises(EfdUnavailable):
        extract_open_cells(efd, BEGIN, BEGIN + 7 * HOUR, limit=HOUR)
    dying.close()
    cutter.close()
    assert night.transform(6, 7) == {}
    assert night.intervals()[6] == ("waiting", "efd-unavailable")
    night.source = living
    night.extract(6, 7)

    # what the half hour has of the exposure is not enough: refused, and healed by the other half
    refused = night.transform(6, 7)
    assert isinstance(refused, EfdValuesRefused)
    assert f"samples of {MOUNT}" in refused.message
    night.send_points(6, first=110, last=1800)
    night.extract(6, 7)
    assert night.transform(6, 7)["published"] == 1
    assert night.values()[6]["azimuth"] == pytest.approx(night.truth(6)[0], abs=1e-9)

    assert night.transform(0, 7) == {}
    night.raw.influx.close()
    check_the_other_endpoint(night)


def check_the_other_endpoint(night):
    """What arrived there has the same rows; a file that rots on the way is refused and healed."""
    there = SqlLedger(open_engine("sqlite://"), night.world.clock, "test")
    there.migrate()
    files, store = night.send(), night.world.stores["frdf"]
    target = SqlEndpointValues(there, {})
    (name,) = [name for name in store.names if "LATISS-000000003." in name]
    good = store.data(name)
    store.put(name, good[:-20] + bytes(20))
    with pytest.raises(DigestMismatch):
        load_publications(files, "frdf", store, target)
    assert target.last() == 2
    store.put(name, good)
    last = night.published.last()
    assert load_publications(files, "frdf", store, target)["loaded"] == last - 2
    assert load_publications(files, "frdf", store, target)["loaded"] == 0
    for number in range(1, last + 1):
        assert SqlPublished(there, night.world.clock).hashes(
            "LATISS", 20261121, number
        ) == night.published.hashes("LATISS", 20261121, number)
    there.engine.dispose()
