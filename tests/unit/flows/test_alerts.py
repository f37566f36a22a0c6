"""The archive of alert packets: each as it came, each once, and the three counts of a night."""

import datetime as dt
import gzip
import io
import json
import statistics
import time

import pyarrow.parquet as pq
import pytest
import zstandard

from dbb.errors import (
    AlertCountsDiffer,
    AlertStreamExpired,
    DigestMismatch,
    LedgerUnavailable,
    UnknownItem,
)
from dbb.flows.alert_archiving import take_again, take_database, take_stream
from dbb.flows.alert_counting import find_open_nights
from dbb.flows.alert_sealing import ABANDONED, seal_shards
from dbb.flows.alerts import Step
from dbb.flows.copies import look_for_copies
from dbb.flows.deciding import Signature, reject_refusal, release_refusal
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.alerts.packets import AvroPackets
from dbb.hooks.posix_store import PosixStore
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.parcel import Parcel
from support.alerts import FIRST, MJD, NIGHT, READER, SCHEMA, TOPIC, AlertWorld, lookup, packet

WHO = Signature("anne", "looked at it")


@pytest.fixture
def world():
    return AlertWorld()


def codes(world):
    return sorted(item.code for item in world.held())


# -- what is archived ------------------------------------------------------------------------------


def test_each_packet_comes_back_byte_for_byte(world):
    packets = [packet(number, stamp=bytes([number]) * 500) for number in range(9)]
    world.stream.send(*packets)
    assert world.run() == {"archived": 9}
    assert [world.get(number) for number in range(9)] == packets
    with pytest.raises(UnknownItem):
        world.get(9)


def test_a_shard_travels_as_a_parcel_with_its_index_and_schemas(world):
    world.stream.send(*map(packet, range(5)))
    world.run()
    (unit,) = world.units
    assert unit == f"files/{NIGHT}/alerts-0001"
    assert world.world.state(unit, "usdf") is State.VERIFIED
    stem = f"files/{NIGHT}/alerts/alerts-{NIGHT}-0001"
    parcel = Parcel.parse(world.store.data(f"{unit}/alerts-0001.parcel.json"), unit)
    assert [f"files/{file.name}" for file in parcel.files] == [
        f"{stem}.avro.zst", f"{stem}.index.parquet", f"{stem}.schemas.json",
    ]  # fmt: skip
    assert json.loads(world.store.data(f"{stem}.schemas.json")) == {str(SCHEMA): lookup(SCHEMA)}


def test_a_shard_is_what_anybody_can_read_without_us(world):
    packets = [packet(number) for number in (4, 1, 3)]
    world.stream.send(*packets, partition=1)
    world.run()
    stem = f"files/{NIGHT}/alerts/alerts-{NIGHT}-0001"
    data = world.store.data(f"{stem}.avro.zst")
    whole = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
    assert whole.read() == b"".join(packets)
    index = pq.read_table(io.BytesIO(world.store.data(f"{stem}.index.parquet"))).to_pylist()
    assert [row["alert_id"] - FIRST for row in index] == [1, 3, 4]
    assert [row["stream_offset"] for row in index] == [1, 2, 0]
    assert {(row["partition"], row["day_obs"], row["schema_id"]) for row in index} == {
        (1, NIGHT.value, SCHEMA)
    }
    assert index[0]["dia_object_id"] == 5


def test_a_full_shard_is_ended_and_the_next_begun(world):
    world.stream.send(*map(packet, range(20)))
    world.run(shard_bytes=1)
    assert len(world.units) == 10  # two messages a batch
    world.stream.tell(NIGHT, 20)
    assert world.count().archived == 20


def test_rucio_has_names_of_shards_and_never_of_alerts(world):
    world.stream.send(*map(packet, range(300)))
    world.run()
    (unit,) = world.units
    register_units(world.world.backbone(), [unit])
    names = [name for name in world.store.names if name.startswith(f"files/{NIGHT}")]
    assert len(names) == 4  # packets, index, schemas, the parcel's manifest
    assert len(world.world.catalog.files) == 4


def test_a_packet_is_got_within_two_seconds_whatever_shard_it_is_in(tmp_path):
    """As a process does that knows nothing of earlier ones; 95 of 100 is what is promised."""
    world = AlertWorld(ledger_url=f"sqlite:///{tmp_path}/ledger.db")
    (tmp_path / "usdf").mkdir()
    world.world.stores["usdf"] = PosixStore(tmp_path / "usdf")
    alerts = 400
    world.stream.send(*(packet(number, stamp=bytes(2000)) for number in range(alerts)))
    world.run(shard_bytes=4_000)
    assert len(world.units) > 5
    taken_s = []
    for number in range(0, alerts, 8):
        began = time.monotonic()
        assert world.get(number) == packet(number, stamp=bytes(2000))
        taken_s.append(time.monotonic() - began)
    assert statistics.quantiles(taken_s, n=20)[-1] <= 2


def test_an_alert_belongs_to_the_night_of_its_observation_whenever_it_comes(world):
    world.stream.send(packet(1), packet(2, mjd=MJD - 1), packet(3, mjd=MJD + 1))
    world.run()
    assert [unit.split("/")[1] for unit in world.units] == ["20261120", "20261121", "20261122"]


def test_a_run_with_nothing_new_writes_nothing(world):
    world.stream.send(*map(packet, range(3)))
    world.run()
    before = world.store.names
    assert (world.run(), world.units, world.store.names) == ({}, [], before)


# -- at least once ---------------------------------------------------------------------------------


def test_a_packet_that_comes_again_is_counted_and_not_archived_twice(world):
    world.stream.send(packet(1), packet(2), packet(1))
    assert world.run() == {"archived": 2, "duplicates": 1}
    world.stream.send(packet(2), packet(3))
    assert world.run() == {"archived": 1, "duplicates": 1}
    world.stream.tell(NIGHT, 3)
    assert (world.count().archived, world.count().account.duplicates) == (3, 2)


@pytest.mark.parametrize("runs", [1, 2])
def test_other_bytes_under_the_same_number_are_kept_aside(world, runs):
    first, second = packet(1), packet(1, flux=9.0)
    world.stream.send(first, partition=0)
    if runs == 2:
        world.run()
    world.stream.send(second, partition=1)
    assert world.run()["conflicts"] == 1
    (item,) = world.held()
    assert item.code == "conflicting-duplicate"
    assert (world.get(1), world.store.data(item.kept_as)) == (first, second)


def test_two_runs_at_once_record_a_message_once(world):
    world.stream.send(packet(1), partition=0)
    world.run()
    with pytest.raises(LedgerUnavailable):  # the other one began where we did
        world.alerts.rows.commit([], [Step(TOPIC, 0, 0, 1)], [])


# -- bad packets -----------------------------------------------------------------------------------

BAD = {
    "wrong-magic": (b"\1" + packet(1)[1:], "alert-unreadable"),
    "too-short": (b"\0\0", "alert-unreadable"),
    "truncated": (packet(1)[:-3], "alert-unreadable"),
    "half": (packet(1, history=3)[:400], "alert-unreadable"),
    "bytes-left-over": (packet(1) + b"x", "alert-unreadable"),
    "unknown-schema": (packet(1, schema_id=7), "alert-schema-unknown"),
    "no-time": (packet(1, mjd=float("nan")), "alert-unreadable"),
    "long-ago": (packet(1, mjd=0.0), "alert-unreadable"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_packet_is_kept_aside_and_costs_only_itself(world, name):
    data, code = BAD[name]
    world.stream.send(packet(0), data, packet(2), partition=0)
    assert world.run() == {"archived": 2, "refused": 1}
    (item,) = world.held()
    assert (item.code, world.store.data(item.kept_as)) == (code, data)
    assert world.run() == {}


def test_a_packet_whose_schema_came_later_is_released_and_archived(world):
    world.packets = AvroPackets(lambda _: None)
    world.stream.send(packet(1))
    world.run()
    world.packets = READER
    release_refusal(world.world.backbone(), world.held()[0], WHO)
    world.run()
    assert world.get(1) == packet(1)
    world.stream.tell(NIGHT, 1)
    assert world.count().is_closed
    assert not [name for name in world.store.names if name.startswith("alerts-again")]


def test_a_packet_that_is_released_and_still_bad_is_held_again(world):
    world.stream.send(b"garbage")
    world.run()
    release_refusal(world.world.backbone(), world.held()[0], WHO)
    world.run()
    (item,) = world.held()
    assert world.store.data(item.kept_as) == b"garbage"


def test_a_message_without_bytes_is_passed_over(world):
    world.stream.send(b"", packet(1))
    assert world.run() == {"archived": 1, "empty": 1}


# -- the three counts ------------------------------------------------------------------------------


def test_a_night_is_closed_when_all_three_counts_agree(world):
    world.stream.send(*map(packet, range(4)))
    world.run()
    with pytest.raises(AlertCountsDiffer, match="issued not told, stored 4, archived 4"):
        world.count()
    world.stream.tell(NIGHT, 3)
    world.stream.tell(NIGHT, 4)  # the last word counts
    assert world.count().is_closed


def test_the_deadline_is_told_and_when_it_has_passed(world):
    world.stream.tell(NIGHT, 1)
    with pytest.raises(AlertCountsDiffer, match="until 2026-11-29 11:59 UTC, 167 h more"):
        world.count()
    world.world.clock.advance(7 * 86400)
    with pytest.raises(AlertCountsDiffer, match="no longer"):
        world.count()


def open_nights(world):
    alerts = world.alerts
    return find_open_nights(alerts.backbone, alerts.rows, alerts.retention)


def test_people_are_told_while_the_stream_still_has_what_is_missing(world):
    """A night that is red and forgotten would be found out when it is too late."""
    world.stream.send(*map(packet, range(3)))
    world.run()
    world.stream.tell(NIGHT, 4)
    with pytest.raises(AlertCountsDiffer):
        world.count()
    assert open_nights(world) == []  # somebody has a day to see to it
    world.world.clock.advance(24 * 3600)
    (alarm,) = open_nights(world)
    assert (alarm.code, alarm.where) == ("alert-counts-differ", str(NIGHT))
    assert "issued 4, stored 3, archived 3" in alarm.what
    assert "until 2026-11-29 11:59 UTC, 143 h more" in alarm.what
    world.stream.send(packet(3))
    world.run()
    assert open_nights(world) == []
    assert world.count().is_closed


@pytest.mark.parametrize("bad", [b"garbage", packet(1, flux=2.0)])
def test_people_are_told_of_a_night_with_packets_in_quarantine(world, bad):
    world.stream.send(packet(1), bad)
    world.run()
    world.stream.tell(NIGHT, 1 + (bad == b"garbage"))
    with pytest.raises(AlertCountsDiffer):
        world.count()
    world.world.clock.advance(24 * 3600)
    assert len(open_nights(world)) == 1
    reject_refusal(world.world.backbone(), world.held()[0], WHO)
    assert open_nights(world) == []


def test_a_lost_index_is_missing_from_the_count(world):
    """The third count is of what lies in the archive, not of what the ledger remembers."""
    world.stream.send(*map(packet, range(4)))
    world.run()
    world.stream.tell(NIGHT, 4)
    (name,) = [name for name in world.store.names if name.endswith(".index.parquet")]
    other = AlertWorld()
    other.stream.send(*map(packet, range(3)))
    other.run()
    world.store.put(name, other.store.data(name))
    with pytest.raises(AlertCountsDiffer, match="stored 4, archived 3"):
        world.count()


def test_a_refused_packet_keeps_the_night_open_until_it_is_decided(world):
    world.stream.send(packet(0), b"garbage", packet(1), packet(0, flux=2.0))
    world.run()
    world.stream.tell(NIGHT, 3)
    with pytest.raises(AlertCountsDiffer, match="archived 2, in quarantine 2"):
        world.count()
    for item in world.held():
        reject_refusal(world.world.backbone(), item, WHO)
    assert world.count().is_closed


@pytest.mark.parametrize("report", [b"{", b"[]", b'{"day_obs": 1, "alerts": 2}', b'{"alerts": 2}',
                                    b'{"day_obs": 20261121, "alerts": "many"}'])  # fmt: skip
def test_a_report_that_says_nothing_is_kept_aside(world, report):
    world.stream.send(packet(0))
    world.run()
    world.stream.told.append(report)
    world.stream.tell(NIGHT, 1)
    assert world.count().account.issued == 1
    assert codes(world) == ["alert-unreadable"]
    reject_refusal(world.world.backbone(), world.held()[0], WHO)
    assert world.count().is_closed
    assert world.held() == []


# -- losses and repairs ----------------------------------------------------------------------------


def put_in_database(world, number, data=None):
    name = f"v2/alerts/{str(FIRST + number)[:6]}/{FIRST + number}.avro.gz"
    world.database.put(name, gzip.compress(packet(number)) if data is None else data)


def test_what_left_the_stream_is_told_once_and_taken_from_the_alert_database(world):
    world.stream.send(*map(packet, range(4)), partition=0)
    world.run()
    world.stream.send(*map(packet, range(4, 8)), partition=0)
    world.stream.forget(0, before=6)
    with pytest.raises(AlertStreamExpired, match="2 messages"):
        world.run()
    assert world.run() == {}
    world.stream.tell(NIGHT, 8)
    with pytest.raises(AlertCountsDiffer, match="issued 8, stored 6, archived 6"):
        world.count()
    for number in range(8):
        put_in_database(world, number)
    assert take_database(world.alerts) == {"archived": 2}
    seal_shards(world.alerts)
    assert world.count().is_closed
    assert [world.get(number) for number in range(8)] == [packet(number) for number in range(8)]
    assert take_database(world.alerts, str(FIRST)[:6]) == {}


def test_a_topic_that_was_made_anew_is_not_taken_for_the_old_one(world):
    world.stream.send(*map(packet, range(4)), partition=0)
    world.run()
    world.stream.partitions[0] = [packet(9)]
    with pytest.raises(AlertStreamExpired, match="made anew"):
        world.run()


def test_a_damaged_file_of_the_alert_database_is_kept_aside(world):
    put_in_database(world, 1, b"no gzip")
    put_in_database(world, 2)
    assert take_database(world.alerts) == {"archived": 1, "refused": 1}
    assert codes(world) == ["alert-unreadable"]


def test_a_shard_that_rots_before_it_travels_is_told_and_had_again(world):
    world.stream.send(*map(packet, range(3)))
    world.stream.tell(NIGHT, 3)
    alerts = world.alerts
    take_stream(alerts)
    world.store.rot(f"files/{NIGHT}/alerts/alerts-{NIGHT}-0001.avro.zst", bit=999)
    with pytest.raises(DigestMismatch):
        seal_shards(alerts)
    with pytest.raises(AlertCountsDiffer, match="stored 0, archived 0"):
        world.count()
    for number in range(3):
        put_in_database(world, number)
    take_database(world.alerts)
    seal_shards(world.alerts)
    assert world.count().is_closed


def test_a_packet_that_rots_in_the_archive_is_never_given(world):
    world.stream.send(packet(1, stamp=b"x" * 999))
    world.run()
    name = f"files/{NIGHT}/alerts/alerts-{NIGHT}-0001.avro.zst"
    world.store.rot(name, bit=8 * (len(world.store.data(name)) // 2))
    world.store.crash()  # the page cache is gone
    with pytest.raises(DigestMismatch):
        world.get(1)


def test_what_a_killed_run_left_is_cleared_away(world):
    world.alerts.rows.claim(NIGHT)
    name = f"files/{NIGHT}/alerts/alerts-{NIGHT}-0001.avro.zst"
    world.store.put(name, b"half a shard")
    seal_shards(world.alerts)
    assert name in world.store.names, "somebody may still write it"
    world.world.clock.advance((ABANDONED + dt.timedelta(seconds=1)).total_seconds())
    seal_shards(world.alerts)
    assert name not in world.store.names
    assert world.alerts.rows.abandoned(world.world.clock.now()) == []


def test_a_packet_laid_down_by_hand_is_taken(world):
    world.store.put("alerts-again/by-hand.avro", packet(3))
    take_again(world.alerts)
    assert world.get(3) == packet(3)
    assert world.alerts.rows.accounts(NIGHT, DayObs(20261122)) == []


def test_a_shard_gets_to_the_endpoints_as_any_permanent_file(world):
    world.stream.send(*map(packet, range(3)))
    world.run()
    backbone, (unit,) = world.world.backbone(), world.units
    register_units(backbone, [unit])
    publish_units(backbone, [unit], "usdf")
    world.world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "frdf").work, "frdf")
    assert world.world.state(unit, "frdf") is State.PUBLISHED
    for name in world.store.names:
        if "/alerts/" in name:
            assert world.world.stores["frdf"].data(name) == world.store.data(name)
    assert world.get(2) == packet(2)
