"""Events from Kafka: kept first, acknowledged after; a broker that really answers."""

import json
import time

import pytest
from confluent_kafka import Producer

from dbb.errors import LedgerUnavailable
from dbb.hooks.kafka_client import Brokers
from dbb.hooks.kafka_events import KafkaEvents
from support.world import World

TOPIC = "FRDF-raw"


@pytest.fixture
def world():
    return World()


@pytest.fixture
def kafka():
    """Give a broker that lives in this process, and somebody who writes to it."""
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock"})
    brokers = producer.list_topics(timeout=10).brokers.values()
    yield producer, Brokers(",".join(f"{broker.host}:{broker.port}" for broker in brokers))
    producer.flush(5)


def say(producer, *numbers):
    for number in numbers:
        payload = {"scope": "raw", "name": f"n{number}", "dst-rse": "FRDF", "request-id": f"{number}",
                   "rubin_butler": "zip_file", "rubin_sidecar": ""}  # fmt: skip
        producer.produce(TOPIC, json.dumps(payload).encode())
    producer.flush(5)


def take(events, number):
    taken = 0
    end = time.monotonic() + 60
    while taken < number and time.monotonic() < end:
        taken += events.take(0.2)
    assert taken >= number


def names(world):
    return {event.name for event in world.inbox.fresh("FRDF", 100)}


def test_rubins_topics_are_taken_and_garbage_holds_up_nobody(world, kafka):
    producer, brokers = kafka
    say(producer, 1, 2)
    producer.produce(TOPIC, b"garbage")
    say(producer, 3)
    events = KafkaEvents(brokers, [TOPIC], "test", world.inbox)
    take(events, 4)
    events.close()
    assert names(world) == {"n1", "n2", "n3"}
    assert len(world.inbox.find("poison", "", 10)) == 1


def test_a_consumer_that_comes_back_takes_up_where_it_was(world, kafka):
    producer, brokers = kafka
    say(producer, 1, 2)
    events = KafkaEvents(brokers, [TOPIC], "test", world.inbox)
    take(events, 2)
    events.close()
    say(producer, 3)
    again = KafkaEvents(brokers, [TOPIC], "test", world.inbox)
    take(again, 1)
    again.close()
    assert names(world) == {"n1", "n2", "n3"}


def test_what_could_not_be_kept_comes_again_to_the_same_consumer(world, kafka, monkeypatch):
    producer, brokers = kafka
    say(producer, *range(20))
    store = world.inbox.store
    failures = [1, 1]

    def flaky(events):
        if failures:
            failures.pop()
            raise LedgerUnavailable.for_cause("connection refused")
        return store(events)

    monkeypatch.setattr(world.inbox, "store", flaky)
    events = KafkaEvents(brokers, [TOPIC], "test", world.inbox)
    end = time.monotonic() + 60
    events.take_until(lambda: len(names(world)) == 20 or time.monotonic() > end)
    events.close()
    assert len(names(world)) == 20
    assert failures == []
