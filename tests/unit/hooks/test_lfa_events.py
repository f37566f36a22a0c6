"""Events of the annex from a real broker, librdkafka's own, that lives in this process."""

import json
import time

import pytest

from dbb.errors import LedgerUnavailable
from dbb.hooks.avro_events import EventDecoder
from dbb.hooks.kafka_client import Brokers
from dbb.hooks.lfa import SqlLfaObjects
from dbb.hooks.lfa_events import KafkaLfaEvents
from support.annex import BUCKET, KEY, TOPIC, make_annex, poison, state_of
from support.kafka import PLAIN, avro
from support.world import World


@pytest.fixture
def world():
    return World()


@pytest.fixture
def annex(world):
    return make_annex(world)


@pytest.fixture
def consumer(annex, mock_kafka):
    made = []

    def make():
        decoder = EventDecoder({7: PLAIN})
        made.append(KafkaLfaEvents(Brokers(mock_kafka.brokers), [TOPIC], "test", annex, decoder))
        return made[-1]

    yield make
    for each in made:
        each.close()


def keys_of(annex):
    return [each.key for each in annex.objects.due(999)]


def take_all(events, number):
    taken = 0
    end = time.monotonic() + 60
    while taken < number and time.monotonic() < end:
        taken += events.take(0.2)
    return taken


BAD = [
    b"\0garbage",
    b"\0\0\0\0\x07garbage",
    b"\0\0\0\0\x09" + avro(KEY)[5:],
    b"",
    b"[]",
    b'{"url": "http://[bad"}',
    b'{"url": "s3://b/\\ud800"}',
    b'{"url": "file:///tmp/x.fits"}',
    b'{"url": "s3://other/a/b.fits"}',
]


def test_an_event_that_cannot_be_used_is_a_row_and_the_stream_goes_on(
    world, annex, mock_kafka, consumer
):
    mock_kafka.send(TOPIC, *BAD, avro(KEY))
    mock_kafka.send(
        TOPIC, json.dumps({"url": f"s3://{BUCKET}/DREAM/x.fits", "byteSize": 10**19}).encode()
    )
    events = consumer()
    assert take_all(events, len(BAD) + 2) == len(BAD) + 2
    assert keys_of(annex) == ["DREAM/x.fits", KEY]
    rows = poison(world)
    assert len(rows) == len(BAD)
    assert {code for code, _ in rows} == {"lfa-event-unusable"}
    assert state_of(annex, "DREAM/x.fits").declared_bytes is None


def test_events_that_could_not_be_kept_come_again_to_the_next_consumer(
    world, annex, mock_kafka, consumer, monkeypatch
):
    mock_kafka.send(TOPIC, *(avro(f"DREAM/dream/2026/11/21/{n}.fits") for n in range(20)), b"bad")
    events = consumer()
    with monkeypatch.context() as patched:

        def down(*_):
            raise LedgerUnavailable.for_cause("connection refused")

        patched.setattr(SqlLfaObjects, "announce", down)
        with pytest.raises(LedgerUnavailable):
            take_all(events, 21)
    events.close()
    again = consumer()
    end = time.monotonic() + 60
    while (len(keys_of(annex)), len(poison(world))) != (20, 1):
        again.take(0.2)
        assert time.monotonic() < end
