"""Bad input through the whole ETL, from a real InfluxDB to published values: told, nothing lost, healed by the next run."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from dbb.errors import DigestMismatch, EfdSchemaChanged, EfdUnavailable, EfdValuesRefused
from dbb.flows.efd_archiving import expect_hours, extract_open_cells
from dbb.flows.efd_replicating import load_publications
from dbb.hooks.efd.gate import Limits
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.efd.source import InfluxSource
from dbb.hooks.engine import open_engine
from dbb.hooks.influx import Influx
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.files import SqlEndpoint
from dbb.model.efd import Cadence, Topic, to_ns
from dbb.model.efd_values import Severity
from sandbox.synthetic_efd import write_lines
from support.cutter import Cutter
from support.efd_world import BEGIN, EVENT, HOUR, MOUNT, TOPICS, EfdWorld, make_efd
from support.influx_server import running_influx
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
    with running_influx(request.config.rootpath, tmp_path_factory.mktemp("influx")) as server:
        yield server


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


def test_a_field_that_becomes_text_is_told_and_healed_by_a_configuration(server):
    """The source keeps one type of a field a week: a new one begins on a Monday, here in the midst of an exposure."""
    night = Night(server)
    monday = 24
    night.expose(exposure(1, 23), exposure(2, monday, -10.0), exposure(3, 25), exposure(4, 26))
    for hour in (22, 23):
        night.send_points(hour)
    lines = []
    for hour in (monday, 25, 26):
        start = to_ns(BEGIN + hour * HOUR)
        for second in range(0, 3600, 5):
            seq, value = hour * 720 + second // 5, hour + second / 1000
            text = f'azimuth0="{value} deg",' if hour < 26 else ""
            lines.append(
                f"{MOUNT} {text}angle0={value!r},private_seqNum={seq}i {start + second * 10**9}"
            )
            lines.append(f"{EVENT} dof0=1.0,private_seqNum={seq}i {start + second * 10**9}")
    write_lines(night.raw.url, night.raw.database, "\n".join(lines))
    with pytest.raises(
        ValueError, match="field type conflict"
    ):  # it cannot be mended at the source
        night.raw.write(MOUNT, to_ns(BEGIN + monday * HOUR) + 7, azimuth0=1.5, private_seqNum=1)
    night.at(24)
    night.extract(22, 24)
    night.at(27)
    night.extract(24, 27)

    refused = night.transform(23, 27)
    assert isinstance(refused, EfdSchemaChanged)
    assert night.values()[1]["azimuth"] == pytest.approx(night.truth(23)[0], abs=1e-9)
    assert set(night.values()) == {1, 4}  # what has no text costs itself nothing
    code = "efd-schema-changed"
    assert night.intervals() == {
        23: ("published", ""), monday: ("refused", code), 25: ("refused", code), 26: ("published", "")
    }  # fmt: skip
    assert code in night.remarks(monday)
    # nothing is lost: the archive has what was sent, as it was sent
    for hour, kind in ((23, pa.float64()), (monday, pa.string()), (25, pa.string())):
        at = BEGIN + hour * HOUR
        table = night.raw.archive.samples(MOUNT, ["azimuth0"], at, at + HOUR)
        assert (table.num_rows, table.schema.field("azimuth0").type) == (720, kind)
    assert night.transform(23, 27) == {}  # it is not tried again as it is

    # the configuration follows, and the next run makes what was refused
    angle = column("azimuth", topic=MOUNT, fields=("angle0",), ivoa={"unit": "deg"})
    columns = [angle if each.name == "azimuth" else each for each in CONFIG.columns]
    kept = [each for each in columns if each.name != "azimuth_n"]
    night.config = config_of(*kept, sha256="e" * 64)
    assert night.transform(23, 27)["published"] == 4
    assert night.intervals()[monday] == night.intervals()[25] == ("published", "")
    inside = [second / 1000 for second in range(0, 21, 5)]
    assert night.values()[2]["azimuth"] == pytest.approx(monday + math.fsum(inside) / 5, abs=1e-9)
    assert night.values()[3]["azimuth"] == pytest.approx(25.115, abs=1e-9)
    night.raw.influx.close()


def check_the_other_endpoint(night):
    """What arrived there has the same rows; a file that rots on the way is refused and healed."""
    there = SqlLedger(open_engine("sqlite://"), night.world.clock, "test")
    there.migrate()
    files, store = night.send(), night.world.stores["frdf"]
    target = SqlEndpoint(there)
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
        assert SqlPublished(there).hashes("LATISS", 20261121, number) == night.published.hashes(
            "LATISS", 20261121, number
        )
    there.engine.dispose()
