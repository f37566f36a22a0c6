"""Extraction and transformation of telemetry over one world: what a run of the DAG does, step by step."""

from __future__ import annotations

import datetime as dt

from dbb.errors import DbbError
from dbb.flows.copies import look_for_copies
from dbb.flows.efd_archiving import expect_hours, extract_open_cells, find_late_points
from dbb.flows.efd_intervals import make_intervals, plan_intervals
from dbb.flows.efd_replicating import write_publications
from dbb.flows.efd_sealing import seal_files, seal_hours
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.efd.gate import Limits
from dbb.hooks.efd.opening import open_intervals
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.publications.files import SqlPublicationFiles
from dbb.model.day_obs import TAI_MINUS_UTC
from dbb.model.efd import to_ns
from dbb.model.efd_values import Severity
from support.conformance_published import facts, lay_exposures
from support.efd_world import BEGIN, EVENT, HOUR, MOUNT, make_efd
from support.fake_efd import MemorySource
from support.faults import faulty
from support.telemetry import column, config_of
from support.world import World

CONFIG = config_of(
    column("azimuth_mean", topic=MOUNT, fields=("azimuth0",), ivoa={"unit": "deg"}),
    column("azimuth_n", "count", topic=MOUNT, fields=("azimuth0",), datatype="int"),
    column("dof", "most_recent_value", topic=EVENT, fields=("dof0",), start_offset=-1.0),
    column(
        "azimuths",
        topic=MOUNT,
        fields=("azimuth0", "azimuth1"),
        store_unpivoted=True,
        tables=["exposure_efd_unpivoted"],
    ),
)
LIMITS = Limits({"deg": (-360.0, 360.0)}, {MOUNT: (0.1, Severity.BLOCK)})
STEP_S = 5


def exposure(seq_num, hour, second=100.0):
    """Make an exposure of 30 s that begins so many seconds after an hour (counted from ``BEGIN``)."""
    begin = BEGIN + hour * HOUR + dt.timedelta(seconds=second)
    made = facts(seq_num, 0.0)
    tai = (begin + TAI_MINUS_UTC).replace(tzinfo=None)
    changes = {"begin_tai": tai, "end_tai": tai + dt.timedelta(seconds=30)}
    return type(made)(**{**{n: getattr(made, n) for n in made.__slots__}, **changes})


class ValuesWorld:
    """Hold a source in memory, an archive, and the values made of it.

    Parameters
    ----------
    world
        Where everything else lies.
    config, limits
        What is made, and what is possible.
    """

    def __init__(self, world=None, config=CONFIG, limits=LIMITS, source=None):
        self.world = world or World()
        self.source = source or MemorySource()
        self.config, self.limits = config, limits

    def telemetry(self, hours, begin=0, step_s=STEP_S):
        """Let the mount send a point every ``step_s`` for hours, and an event at the begin of each hour."""
        for hour in range(begin, begin + hours):
            start = to_ns(BEGIN + hour * HOUR)
            for number in range(3600 // step_s):
                self.source.write(
                    MOUNT, start + number * step_s * 10**9, azimuth0=float(number % 100),
                    azimuth1=1.0, private_seqNum=hour * 3600 + number,
                )  # fmt: skip
            self.source.write(EVENT, start + 10**9, dof0=float(hour), private_seqNum=hour)

    def expose(self, *many):
        lay_exposures(self.world.ledger, *many)

    def at(self, hours):
        """Let it be some hours and ten minutes after the begin."""
        self.world.clock._now = BEGIN + dt.timedelta(hours=hours, minutes=10)

    def efd(self, schedule=None):
        return make_efd(self.world, self.source, schedule=schedule)

    def ports(self, schedule=None):
        """Open the transformation, as a new process does."""

        def port(real):
            return real if schedule is None else faulty(real, schedule)

        opened = open_intervals(
            self.config, self.limits, self.world.ledger, port(self.world.stores["usdf"]),
            self.world.clock,
        )  # fmt: skip
        transform = opened.transform
        replaced = type(transform)(
            transform.instrument, transform.config, port(transform.published),
            transform.transform, transform.judge,
        )  # fmt: skip
        return type(opened)(
            replaced, opened.gate_sha256, port(opened.cells), port(opened.intervals), opened.clock
        )

    def extract(self, begin, end):
        """Archive hours, counted from ``BEGIN``."""
        lower, upper = BEGIN + begin * HOUR, BEGIN + end * HOUR
        efd = self.efd()
        expect_hours(efd, lower, upper)
        find_late_points(efd, lower - 8 * 24 * HOUR, upper)
        extract_open_cells(efd, efd.cells.first(), upper, limit=HOUR)
        seal_hours(self.world.backbone(), efd)

    def transform(self, begin=0, end=24, schedule=None, accept=None):
        """Plan and make; give the counts, and an error instead of them."""
        ports = self.ports(schedule)
        lower, upper = BEGIN + begin * HOUR, BEGIN + end * HOUR
        hours = [each.begin for each in plan_intervals(ports, lower, upper)]
        try:
            return {
                name: number
                for name, number in make_intervals(ports, hours, accept).items()
                if number
            }
        except DbbError as error:
            return error

    def send(self, schedule=None):
        """Write publications into files, put these into parcels, and let the backbone bring them to frdf."""
        files = SqlPublicationFiles(self.world.ledger)
        files = files if schedule is None else faulty(files, schedule)
        write_publications(files, self.world.backbone(schedule).archive)
        seal_files(self.world.backbone(schedule), files)
        self.deliver()
        return files

    def deliver(self):
        """Do what `parcel_transfer` and `deliver_frdf` do."""
        backbone = self.world.backbone()
        with self.world.ledger.transaction() as connection:
            found = connection.exec_driver_sql(
                "select distinct unit from publication_file where state = 'sealed'"
            )
            units = [row.unit for row in found]
        register_units(backbone, units)
        publish_units(backbone, units, "usdf")
        self.world.catalog.run_daemons()
        publish_units(backbone, look_for_copies(backbone, "frdf").work, "frdf")

    def intervals(self):
        """Give by hour, counted from ``BEGIN``, state and code."""
        found = self.ports().intervals.intervals("LATISS", BEGIN - 24 * HOUR, BEGIN + 99 * HOUR)
        return {(each.begin - BEGIN) // HOUR: (str(each.state), each.code) for each in found}

    def interval(self, hour):
        at = BEGIN + hour * HOUR
        (found,) = self.ports().intervals.intervals("LATISS", at, at + HOUR)
        return found

    @property
    def published(self):
        return SqlPublished(self.world.ledger)

    def values(self):
        """Give the wide values by sequence number."""
        found = self.published.values("LATISS", 20261121)
        return {exposure_id % 100000: values.get("", {}) for exposure_id, values in found.items()}

    def everything(self):
        """Give all rows that the transformation writes, to be compared."""
        names = ("efd_interval", "efd_publication", "efd_version", "efd_verdict", "efd_column")
        with self.world.ledger.transaction() as connection:
            return [
                list(map(tuple, connection.exec_driver_sql(f"select * from {name} order by 1, 2")))  # noqa: S608
                for name in names
            ]
