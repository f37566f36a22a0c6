"""Alert packets as their producer writes them, a stream in memory, and the archive over a world."""

from __future__ import annotations

import datetime as dt
import io
import json
from functools import cache

import fastavro
from lsst.alert.packet.schema import Schema

from dbb.flows.alert_archiving import take_again, take_stream
from dbb.flows.alert_counting import check_night, take_reports
from dbb.flows.alert_sealing import find_alert, seal_shards
from dbb.flows.alerts import Alerts
from dbb.hooks.alerts.database import StoredAlerts
from dbb.hooks.alerts.packets import AvroPackets
from dbb.hooks.alerts.rows import SqlAlertRows
from dbb.hooks.alerts.shards import StoreShards
from dbb.model.alerts import Message, Span
from dbb.model.day_obs import DayObs
from support.fake_store import MemoryStore
from support.faults import faulty
from support.world import World

NIGHT = DayObs(20261121)
TOPIC = "alerts-simulated"
SCHEMA = 1101
MJD = 61366.25
"""In the night: 2026-11-22T06:00 TAI."""

FIRST = 170_000_000_000_000_000
"""The number of alert 0."""


@cache
def schema():
    """Give the newest schema of the alert stream, as a registry has it."""
    told = Schema.from_uri().definition
    return {key: value for key, value in told.items() if not key.startswith("__")}


@cache
def _parsed():
    return fastavro.parse_schema(json.loads(json.dumps(schema())))


@cache
def _nothing(name):
    """Give a record of the schema in which all is null or zero."""
    records = {each["name"]: each["type"] for each in schema()["fields"]}
    return {
        each["name"]: None if isinstance(each["type"], list) else _zero(each["type"])
        for each in records[name]["fields"]
    }


def _zero(kind):
    kind = kind["type"] if isinstance(kind, dict) else kind
    return {"string": "", "boolean": False, "float": 0.0, "double": 0.0}.get(kind, 0)


def packet(number, *, mjd=MJD, flux=0.0, history=1, stamp=b"", schema_id=SCHEMA):
    """Write the packet of alert ``number``, in Confluent's form."""
    source = _nothing("diaSource") | {
        "diaSourceId": FIRST + number, "visit": 2026112100000 + number // 100, "detector": number % 189,
        "midpointMjdTai": mjd, "ra": 10.0, "dec": -30.0, "psfFlux": flux, "diaObjectId": 5 * number,
    }  # fmt: skip
    record = {each["name"]: None for each in schema()["fields"]} | {
        "diaSourceId": FIRST + number, "diaSource": source, "prvDiaSources": [source] * history,
        "cutoutDifference": stamp, "cutoutScience": stamp, "cutoutTemplate": stamp,
    }  # fmt: skip
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed(), record)
    return b"\0" + schema_id.to_bytes(4, "big") + out.getvalue()


def lookup(number):
    """Know one schema, as a registry would."""
    return json.loads(json.dumps(schema())) if number == SCHEMA else None


class MemoryStream:
    """Hold messages as the broker does; it may forget the first ones."""

    def __init__(self, partitions=2):
        self.topic = TOPIC
        self.time = NIGHT.begin + dt.timedelta(hours=18)
        self.partitions = {number: [] for number in range(partitions)}
        self.lows = dict.fromkeys(self.partitions, 0)
        self.told = []

    def send(self, *values, partition=None):
        for value in values:
            at = partition if partition is not None else sum(map(len, self.partitions.values())) % 2
            self.partitions[at].append(value)

    def tell(self, night, alerts):
        self.told.append(json.dumps({"day_obs": int(night), "alerts": alerts}).encode())

    def forget(self, partition, before):
        self.lows[partition] = before

    def spans(self):
        return {each: Span(self.lows[each], len(held)) for each, held in self.partitions.items()}

    def read(self, begin, end, batch=2):
        places = {each: begin[each] for each in end}
        for partition, last in end.items():
            while places[partition] < last:
                first, until = places[partition], min(places[partition] + batch, last)
                found = [self._message(partition, offset) for offset in range(first, until)]
                places[partition] = until
                yield found, dict(places)

    def reports(self):
        return [
            Message(f"reports.0.{number}.avro", self.time, data)
            for number, data in enumerate(self.told)
        ]

    def _message(self, partition, offset):
        place = f"{TOPIC}.{partition}.{offset}.avro"
        return Message(place, self.time, self.partitions[partition][offset], partition, offset)


READER = AvroPackets(lookup)
"""Reads packets; schemas of 40 kB are parsed once."""


def make_alerts(world, stream, schedule=None, packets=READER, database=None):
    """Open the archive over a world; the ports share a schedule of faults."""

    def port(real):
        return real if schedule is None else faulty(real, schedule)

    backbone = world.backbone(schedule)
    return Alerts(
        backbone=backbone,
        stream=port(stream),
        database=StoredAlerts(database or MemoryStore("alerts")),
        packets=packets,
        shards=StoreShards(backbone.archive),
        rows=port(SqlAlertRows(world.ledger)),
        retention=dt.timedelta(days=7),
    )


class AlertWorld:
    """Hold a stream and a world, and do what a run of the DAG does."""

    def __init__(self, stream=None, ledger_url="sqlite://"):
        self.world = World(ledger_url)
        self.stream = stream or MemoryStream()
        self.database = MemoryStore("alerts")
        self.packets = READER
        self.world.clock._now = NIGHT.end + dt.timedelta(hours=1)

    @property
    def alerts(self):
        return make_alerts(self.world, self.stream, packets=self.packets, database=self.database)

    @property
    def store(self):
        return self.world.stores["usdf"]

    def run(self, **options):
        """Take, and seal; give the counts."""
        counts = take_stream(self.alerts, **options)
        take_again(self.alerts)
        self.units = seal_shards(self.alerts)
        return counts

    def count(self, night=NIGHT):
        take_reports(self.alerts)
        return check_night(self.alerts, night)

    def get(self, number):
        return find_alert(self.alerts, FIRST + number)[2]

    def held(self):
        return self.world.ledger.refusals()
