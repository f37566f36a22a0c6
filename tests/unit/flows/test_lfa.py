"""The Large File Annex: poor events, odd names, and nothing lost."""

import contextlib
import json
import time

import fastavro
import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from dbb.errors import LedgerUnavailable, LfaEventUnusable, PolicyUnreadable, UnsafeName
from dbb.flows.copies import look_for_copies
from dbb.flows.lfa import (
    Annex,
    announce,
    copy_objects,
    find_objects,
    list_bucket,
    open_units,
    seal_parcels,
)
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.lfa import KafkaLfaEvents, SqlLfaObjects, load_classes
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.lfa import Announcement, LfaClass, normalise_mime
from dbb.model.lfn import escape_name, unescape_name
from dbb.settings import INCLUDE
from support.fake_store import MemoryStore
from support.world import World

TOPIC = "summit.lsst.sal.FiberSpectrograph.logevent_largeFileObjectAvailable"
KEY = "FiberSpectrograph:Broad/fits/2026/11/21/FiberSpectrograph:Broad_2026-11-21T23:01:02.000.fits"
DAY = DayObs(20261121)
BUCKET = "rubinobs-lfa-cp"


@pytest.fixture
def world():
    return World()


@pytest.fixture
def annex(world):
    return Annex(
        source=MemoryStore("lfa", world.clock),
        bucket=BUCKET,
        objects=SqlLfaObjects(world.ledger, world.clock),
        classes=load_classes(INCLUDE / "lfa" / "classes.yaml"),
    )


def event(key=KEY, **fields):
    return Announcement.of_event(TOPIC, {"url": f"s3://{BUCKET}/{key}", **fields})


def lay(annex, key=KEY, data=b"SIMPLE"):
    annex.source.put(key, data)


def run(world, annex):
    """Do what one run of the DAG does, and what delivers."""
    backbone = world.backbone()
    counts = copy_objects(backbone, annex, find_objects(annex))
    seal_parcels(backbone, annex)
    units = open_units(backbone)
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "frdf").work, "frdf")
    return counts


def state_of(annex, key=KEY):
    (found,) = annex.objects.by_key([key])
    return found


def available(world, endpoint):
    from sqlalchemy import text

    with world.ledger.engine.begin() as connection:
        found = connection.execute(
            text("select key from lfa_available where endpoint = :e"), {"e": endpoint}
        )
        return [row.key for row in found]


# -- names -----------------------------------------------------------------------------------------


def test_a_colon_is_written_so_that_rucio_takes_it():
    assert escape_name("a:b/c+d.fits") == "a+3Ab/c+2Bd.fits"
    assert unescape_name("a+3Ab/c+2Bd.fits") == "a:b/c+d.fits"


@given(st.text(min_size=1, max_size=40))
def test_every_name_that_can_be_escaped_comes_back_as_it_was(name):
    with contextlib.suppress(UnsafeName, UnicodeEncodeError):
        assert unescape_name(escape_name(name)) == name


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_names_are_never_one(one, other):
    with contextlib.suppress(UnsafeName, UnicodeEncodeError):
        assert (escape_name(one) == escape_name(other)) == (one == other)


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"s3://{BUCKET}/{KEY}",
        f"https://s3.example.org/{BUCKET}/{KEY}",
        f"https://s3.example.org/{BUCKET}/{KEY.replace(':', '%3A')}",
    ],
)
def test_every_form_of_a_url_names_the_same_object(url):
    found = Announcement.of_event(TOPIC, {"url": url})
    assert (found.bucket, found.key) == (BUCKET, KEY)
    assert (found.csc, found.generator) == ("FiberSpectrograph", "fits")
    assert (found.mime_type, found.day_obs) == ("application/fits", 20261121)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"url": None},
        {"url": "file:///tmp/x.fits"},
        {"url": "s3://"},
        {"url": f"s3://{BUCKET}/"},
        {"url": f"s3://{BUCKET}/../x"},
        {"url": f"s3://{BUCKET}/a//b"},
        {"url": f"https://host/{BUCKET}/a/%2e%2e/b"},
    ],
)
def test_an_event_that_names_no_object_has_its_code(fields):
    with pytest.raises(LfaEventUnusable):
        Announcement.of_event(TOPIC, fields)


@pytest.mark.parametrize("size", [0, -1, -2147483648, None, "12"])
def test_a_size_that_cannot_be_meant_is_none(size):
    assert event(byteSize=size).declared_bytes is None


def test_a_checksum_that_is_no_md5_is_none():
    assert event(checkSum="xyz").declared_md5 == ""
    assert event(checkSum="AB" * 16).declared_md5 == "ab" * 16


@pytest.mark.parametrize(
    ("told", "key", "found"),
    [
        ("YAML", "a", "application/yaml"),
        ("", "a.fits", "application/fits"),
        ("", "a.fits.fz", "application/fits"),
        ("text/plain", "a.fits", "text/plain"),
        ("nonsense", "a.json", "application/json"),
        ("", "a.xyz", "application/octet-stream"),
    ],
)
def test_a_mime_type_is_normalised(told, key, found):
    assert normalise_mime(told, key) == found


# -- objects ---------------------------------------------------------------------------------------


def test_an_object_is_replicated_under_its_own_name_and_seen_only_once_it_is_there(world, annex):
    lay(annex)
    announce(annex, [event()])
    assert available(world, "frdf") == []
    assert run(world, annex) == {"checked": 1, "absent": 0, "refused": 0}
    assert world.stores["frdf"].data(f"lfa/{KEY}") == b"SIMPLE"
    assert available(world, "usdf") == available(world, "frdf") == [KEY]
    assert state_of(annex).state == "sealed"
    assert world.codes() == []


def test_whoever_tells_of_an_object_tells_the_same_row(world, annex):
    lay(annex)
    assert announce(annex, [event(), event()]) == 1
    assert announce(annex, [event()]) == 0
    assert list_bucket(annex, DAY) == 0
    run(world, annex)
    assert announce(annex, [event()]) == 0
    assert run(world, annex) == {"checked": 0, "absent": 0, "refused": 0}


def test_an_object_of_which_no_event_came_is_found_by_the_listing(world, annex):
    lay(annex)
    assert list_bucket(annex, DAY) == 1
    run(world, annex)
    assert available(world, "frdf") == [KEY]
    assert state_of(annex).source == "listing"


def test_an_object_that_is_not_there_yet_waits_and_is_never_skipped(world, annex):
    announce(annex, [event()])
    assert run(world, annex)["absent"] == 1
    assert state_of(annex).code == "missing-copy"
    world.clock.advance(7 * 3600)
    run(world, annex)
    assert state_of(annex).code == "lfa-object-missing"
    lay(annex)
    assert run(world, annex)["checked"] == 1
    assert available(world, "frdf") == [KEY]


@pytest.mark.parametrize("declared", [{"byteSize": 7}, {"checkSum": "0" * 32}])
def test_an_object_that_is_not_what_was_declared_is_refused_and_kept(world, annex, declared):
    lay(annex)
    announce(annex, [event(**declared)])
    assert run(world, annex)["refused"] == 1
    assert state_of(annex).code == "digest-mismatch"
    assert annex.source.data(KEY) == b"SIMPLE"
    assert available(world, "usdf") == []


def test_an_object_that_no_class_names_is_replicated_and_told_of(world, annex):
    key = "Novelty/thing/2026/11/21/x.xyz"
    lay(annex, key)
    announce(annex, [event(key)])
    run(world, annex)
    assert available(world, "frdf") == [key]
    assert not state_of(annex, key).is_known


def test_objects_of_another_bucket_are_not_ours(annex):
    assert announce(annex, [Announcement.of_event(TOPIC, {"url": "s3://other/a/b/c"})]) == 0


@pytest.mark.parametrize("killed_at", range(1, 14))
def test_a_run_that_is_killed_is_made_up_for_by_the_next(world, annex, monkeypatch, killed_at):
    class Killed(BaseException):
        pass

    keys = [f"DREAM/dream/2026/11/21/DREAM_{number}:00.fits" for number in range(3)]
    for key in keys:
        lay(annex, key)
    announce(annex, [event(key) for key in keys])
    calls = []
    with monkeypatch.context() as patched:
        for owner, names in (
            (SqlLfaObjects, ("check", "assign", "seal")),
            (MemoryStore, ("create",)),
            (type(world.ledger), ("seal_parcel", "advance")),
        ):
            for name in names:
                real = getattr(owner, name)

                def dying(*arguments, real=real, **options):
                    calls.append(1)
                    if len(calls) == killed_at:
                        raise Killed
                    return real(*arguments, **options)

                patched.setattr(owner, name, dying)
        with contextlib.suppress(Killed):
            run(world, annex)
    late = "DREAM/dream/2026/11/21/late.fits"
    lay(annex, late)
    announce(annex, [event(late)])
    run(world, annex)
    run(world, annex)
    assert sorted(available(world, "frdf")) == sorted([*keys, late])
    assert {world.state(unit, "frdf") for unit in {state_of(annex, k).unit for k in keys}} == {
        State.PUBLISHED
    }


# -- classes ---------------------------------------------------------------------------------------


def test_the_first_class_that_fits_counts():
    fits = LfaClass("Fiber*", "*", "application/fits", "replicate")
    assert fits.fits(event())
    assert not LfaClass("DREAM", "*", "*", "replicate").fits(event())


@pytest.mark.parametrize(
    "text",
    ["classes: 1", "other: []", "classes: [{csc: a}]",
     "classes: [{csc: a, generator: b, mime_type: c, action: burn}]"],
)  # fmt: skip
def test_a_table_that_is_not_what_it_should_be_stops_loudly(tmp_path, text):
    (tmp_path / "classes.yaml").write_text(text)
    with pytest.raises(PolicyUnreadable):
        load_classes(tmp_path / "classes.yaml")


# -- Kafka -----------------------------------------------------------------------------------------

SCHEMA = {
    "type": "record",
    "name": "largeFileObjectAvailable",
    "fields": [
        {"name": "url", "type": "string"},
        {"name": "generator", "type": "string"},
        {"name": "byteSize", "type": "int"},
        {"name": "checkSum", "type": "string"},
        {"name": "mimeType", "type": "string"},
        {"name": "id", "type": "string"},
    ],
}


def avro(key):
    import io

    out = io.BytesIO()
    record = {
        "url": f"https://s3.example.org/{BUCKET}/{key}", "generator": "fits", "byteSize": -1,
        "checkSum": "", "mimeType": "", "id": "",
    }  # fmt: skip
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), record)
    return b"\0\0\0\0\x07" + out.getvalue()


@pytest.fixture
def kafka():
    """Give a broker that lives in this process, and somebody who writes to it."""
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock"})
    brokers = producer.list_topics(timeout=10).brokers.values()
    yield producer, ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    producer.flush(5)


def take_all(events, number):
    taken = 0
    end = time.monotonic() + 60
    while taken < number and time.monotonic() < end:
        taken += events.take(0.2)
    return taken


def test_events_in_avro_and_json_are_taken_and_garbage_holds_up_nobody(annex, kafka):
    producer, brokers = kafka
    producer.produce(TOPIC, avro(KEY))
    producer.produce(TOPIC, b"\0garbage")
    producer.produce(TOPIC, json.dumps({"url": f"s3://{BUCKET}/DREAM/dream/x.fits"}).encode())
    producer.flush(5)
    events = KafkaLfaEvents(brokers, [TOPIC], "test", annex, SCHEMA)
    assert take_all(events, 3) == 3
    assert events.unusable == 1
    events.close()
    assert find_objects(annex) == ["DREAM/dream/x.fits", KEY]


def test_events_that_could_not_be_kept_come_again_to_the_next_consumer(annex, kafka, monkeypatch):
    producer, brokers = kafka
    for number in range(20):
        producer.produce(TOPIC, avro(f"DREAM/dream/2026/11/21/{number}.fits"))
    producer.flush(5)
    events = KafkaLfaEvents(brokers, [TOPIC], "test", annex, SCHEMA)
    with monkeypatch.context() as patched:

        def down(*_):
            raise LedgerUnavailable.for_cause("connection refused")

        patched.setattr(SqlLfaObjects, "announce", down)
        with pytest.raises(LedgerUnavailable):
            take_all(events, 20)
    events.close()
    again = KafkaLfaEvents(brokers, [TOPIC], "test", annex, SCHEMA)
    take_all(again, 20)
    again.close()
    assert len(find_objects(annex)) == 20
