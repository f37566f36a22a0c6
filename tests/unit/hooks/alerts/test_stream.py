"""The alert stream from a broker that really answers."""

import json

import pytest
from confluent_kafka import Producer

from dbb.errors import KafkaUnavailable
from dbb.hooks.alerts.stream import KafkaAlerts
from dbb.hooks.kafka_client import Brokers
from dbb.model.alerts import Span
from support.alerts import NIGHT, TOPIC, AlertWorld, MemoryStream, packet

REPORTS = "alerts-issued"


class BrokerStream(KafkaAlerts):
    """Write to the broker too."""

    def __init__(self, broker, **options):
        super().__init__(Brokers(broker.brokers), TOPIC, REPORTS, **options)
        self._producer = Producer({"bootstrap.servers": broker.brokers})

    def send(self, *values, partition=0):
        for value in values:
            self._producer.produce(TOPIC, value, partition=partition)
        self._producer.flush(10)

    def tell(self, night, alerts):
        self._producer.produce(REPORTS, json.dumps({"day_obs": int(night), "alerts": alerts}))
        self._producer.flush(10)


@pytest.fixture
def stream(mock_kafka):
    return BrokerStream(mock_kafka)


def all_of(stream, begin, end):
    found = [each for batch, _ in stream.read(begin, end) for each in batch]
    return [(each.partition, each.offset, each.data) for each in found]


def test_messages_come_from_an_offset_up_to_before_another(stream):
    stream.send(b"a", b"b", b"c", b"d", partition=1)
    stream.send(b"x", partition=0)
    assert stream.spans()[1] == Span(0, 4)
    assert all_of(stream, {1: 1, 0: 1}, {1: 3, 0: 1}) == [(1, 1, b"b"), (1, 2, b"c")]


def test_reading_acknowledges_nothing(stream):
    stream.send(b"a", b"b")
    for _ in range(2):
        assert all_of(stream, {0: 0}, {0: 2}) == [(0, 0, b"a"), (0, 1, b"b")]


def test_an_offset_that_is_gone_is_an_error_and_not_a_jump(mock_kafka):
    stream = BrokerStream(mock_kafka, silence_s=5)
    stream.send(b"a")
    with pytest.raises(KafkaUnavailable):
        all_of(stream, {0: 5}, {0: 9})


def test_a_broker_that_is_not_there_is_waited_for_by_a_retry(monkeypatch):
    monkeypatch.setattr("dbb.hooks.alerts.stream.ASK_S", 0.5)
    with pytest.raises(KafkaUnavailable):
        KafkaAlerts(Brokers("127.0.0.1:1"), TOPIC).spans()


def test_a_night_goes_from_the_broker_into_shards_once(stream):
    packets = [packet(number) for number in range(40)]
    for number, data in enumerate(packets):
        stream.send(data, partition=number % 4)
    stream.send(packets[3], b"garbage", partition=2)
    stream.tell(NIGHT, 41)
    world = AlertWorld(stream)
    assert world.run() == {"archived": 40, "duplicates": 1, "refused": 1}
    assert world.run() == {}
    assert [world.get(number) for number in range(40)] == packets


def test_the_stream_in_memory_keeps_the_same_promises(stream):
    """What the flows are tested with is like the broker."""
    memory = MemoryStream(4)
    for each in (memory, stream):
        each.send(packet(1), packet(2), packet(3), partition=1)
        each.send(b"", packet(4), partition=3)
    assert memory.spans() == stream.spans()
    begin, end = {0: 0, 1: 1, 2: 0, 3: 0}, {0: 0, 1: 3, 2: 0, 3: 2}
    assert sorted(all_of(memory, begin, end)) == sorted(all_of(stream, begin, end))
