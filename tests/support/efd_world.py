"""The extraction of the EFD over a real InfluxDB, with everything else in memory."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import uuid

import pyarrow.parquet as pq
from sqlalchemy import text

from dbb.flows.efd import Efd
from dbb.flows.efd_archiving import expect_hours, extract_open_cells, find_late_points
from dbb.flows.efd_sealing import seal_hours
from dbb.hooks.efd.archive import EfdArchive
from dbb.hooks.efd.cells import SqlEfdCells
from dbb.hooks.efd.copying import ParquetCopier
from dbb.hooks.efd.source import InfluxSource
from dbb.hooks.influx import Influx
from dbb.model.efd import Cadence, Topic, to_ns
from sandbox.synthetic_efd import make_database, write_lines
from support.faults import faulty
from support.world import World

MOUNT = "lsst.sal.MTMount.encoder"
EVENT = "lsst.sal.MTAOS.logevent_degreeOfFreedom"
TEMPERATURE = "lsst.sal.ESS.temperature"
TOPICS = (
    Topic(MOUNT, ("LSSTCam",), Cadence.CONTINUOUS, 20000, {"azimuth*": "deg", "speed": "deg/s"}),
    Topic(EVENT, ("LSSTCam",), Cadence.EVENT),
)
BEGIN = dt.datetime(2026, 11, 22, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
BEGIN_NS = to_ns(BEGIN)
HOUR_NS = 3600 * 10**9


def make_efd(world, source, topics=TOPICS, schedule=None):
    """Open the extraction over a world; all ports share a schedule of faults."""

    def port(real):
        return real if schedule is None else faulty(real, schedule)

    store = port(world.stores["usdf"])
    return Efd(
        topics={topic.name: topic for topic in topics},
        source=port(source),
        copier=ParquetCopier(source, store),
        cells=port(SqlEfdCells(world.ledger)),
        store=store,
        clock=world.clock,
    )


class EfdWorld:
    """Hold a database of its own on a server, and do what runs do."""

    def __init__(self, url, topics=TOPICS, world=None):
        self.world = world or World()
        self.url, self.database = url, f"efd_{uuid.uuid4().hex}"
        make_database(url, self.database)
        self.influx = Influx(url, self.database)
        self.efd = make_efd(self.world, InfluxSource(self.influx), topics)

    @property
    def cells(self):
        return self.efd.cells

    def use(self, influx):
        """Ask by another connection."""
        self.efd = make_efd(self.world, InfluxSource(influx), self.efd.topics.values())

    @property
    def archive(self):
        return EfdArchive(self.cells, self.efd.store)

    def write(self, topic, time_ns, **fields):
        """Write one point; texts are quoted, whole numbers are whole."""
        told = ",".join(f"{name}={_value(value)}" for name, value in fields.items())
        write_lines(self.url, self.database, f"{topic} {told} {time_ns}")

    def fill(self, topic=MOUNT, hours=1, step_s=60, begin=BEGIN, first=1):
        """Write points, one every ``step_s``, with sequence numbers."""
        number = int(hours * 3600 / step_s)
        lines = [
            f"{topic} azimuth0={seq / 8},private_seqNum={first + seq}i {to_ns(begin) + seq * step_s * 10**9}"
            for seq in range(number)
        ]
        write_lines(self.url, self.database, "\n".join(lines))
        return number

    def at(self, hours):
        """Let it be some hours and ten minutes after the begin."""
        self.world.clock._now = BEGIN + dt.timedelta(hours=hours, minutes=10)

    def run(self, hours=1, begin=BEGIN, **options):
        """Do what a run of the DAG does for hours from a begin on; give the counts."""
        end = begin + hours * HOUR
        opened = expect_hours(self.efd, begin, end)
        late = find_late_points(self.efd, begin - 8 * 24 * HOUR, end)
        first = self.cells.first()
        options = {"limit": HOUR, **options}
        done = extract_open_cells(self.efd, first, end, **options)
        return {"opened": opened, **late, **done}

    def seal(self):
        return seal_hours(self.world.backbone(), self.efd)

    def cell(self, topic=MOUNT, hour=0):
        (found,) = self.cells.cells([topic], BEGIN + hour * HOUR, BEGIN + (hour + 1) * HOUR)
        return found

    def file(self, topic=MOUNT, hour=0):
        (found,) = self.cells.current(topic, BEGIN + hour * HOUR, BEGIN + (hour + 1) * HOUR)
        return found

    def parquet(self, topic=MOUNT, hour=0):
        with self.efd.store.open(f"files/{self.file(topic, hour).name}") as stream:
            return pq.ParquetFile(io.BytesIO(stream.read()))

    def rows(self, statement):
        with self.world.ledger.transaction() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def everything(self):
        """Give all that the ledger knows of the EFD, to be compared."""
        return [
            self.rows("select * from efd_cell order by 1, 2"),
            self.rows("select * from efd_file order by 1, 2, 3"),
        ]


def _value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value}i"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def topic(name, cadence=Cadence.CONTINUOUS, **others):
    return dataclasses.replace(Topic(name, ("LSSTCam",), cadence), **others)
