"""The alert stream in Kafka, read by offsets that the ledger keeps: nothing is acknowledged to the broker."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, TopicPartition

from dbb.errors import KafkaUnavailable
from dbb.hooks.kafka_client import Brokers, KafkaClient, raise_error
from dbb.model.alerts import Message, Span

BATCH = 500
BUFFER_KB = 16 * 1024
"""How much the client fetches ahead: memory stays flat however long the backlog is."""

POLL_S = 1.0
SILENCE_S = 60.0
"""How long nothing may come of what the broker says it has."""

ASK_S = 30.0


class KafkaAlerts:
    """Read a topic of packets, and one of the producer's reports.

    Parameters
    ----------
    brokers
        Where Kafka's brokers are, and how they are reached.
    topic
        Where packets come.
    reports_topic
        Where the producer says how many it issued; empty for none.
    silence_s
        How long nothing may come of what the broker says it has.
    """

    def __init__(
        self, brokers: Brokers, topic: str, reports_topic: str = "", silence_s: float = SILENCE_S
    ) -> None:
        self._brokers = brokers
        self._topic = topic
        self._reports_topic = reports_topic
        self._silence_s = silence_s

    @property
    def topic(self) -> str:
        """Name the topic."""
        return self._topic

    def spans(self) -> dict[int, Span]:
        """Say which offsets each partition has at this moment."""
        return self._spans(self._topic)

    def read(
        self, begin: Mapping[int, int], end: Mapping[int, int]
    ) -> Iterator[tuple[list[Message], dict[int, int]]]:
        """Give messages in batches, and the next offsets after each; until ``end``."""
        yield from self._read(self._topic, begin, end)

    def reports(self) -> list[Message]:
        """Give all messages of the topic of reports, in the order of their times."""
        if not self._reports_topic:
            return []
        spans = self._spans(self._reports_topic)
        begin = {partition: span.low for partition, span in spans.items()}
        end = {partition: span.high for partition, span in spans.items()}
        found = [each for batch, _ in self._read(self._reports_topic, begin, end) for each in batch]
        return sorted(found, key=lambda message: (message.time, message.offset))

    def _spans(self, topic: str) -> dict[int, Span]:
        with self._client() as client:
            consumer = client.consumer
            told = consumer.list_topics(topic, timeout=ASK_S).topics[topic]
            raise_error(told.error)
            return {
                partition: Span(
                    *consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ASK_S)
                )
                for partition in told.partitions
            }

    def _read(
        self, topic: str, begin: Mapping[int, int], end: Mapping[int, int]
    ) -> Iterator[tuple[list[Message], dict[int, int]]]:
        places = {each: begin[each] for each in end if begin[each] < end[each]}
        with self._client() as client:
            client.consumer.assign([TopicPartition(topic, *place) for place in places.items()])
            heard = time.monotonic()
            while any(place < end[partition] for partition, place in places.items()):
                found: list[Message] = []
                for each in client.consumer.consume(BATCH, POLL_S):
                    heard = time.monotonic()
                    partition, offset = int(each.partition() or 0), int(each.offset() or 0)
                    if _is_end(
                        each.error()
                    ):  # also past what is no message, as marks of transactions
                        places[partition] = max(places[partition], min(offset, end[partition]))
                    elif places[partition] <= offset < end[partition]:
                        found.append(_message(topic, each))
                        places[partition] = offset + 1
                    elif offset >= end[partition]:
                        places[partition] = end[partition]
                yield found, dict(places)
                client.check()
                if time.monotonic() - heard > self._silence_s:
                    why = f"nothing of {topic} came for {self._silence_s:.0f} s"
                    raise KafkaUnavailable.for_call(self._brokers.servers, why)

    @contextmanager
    def _client(self) -> Iterator[KafkaClient]:
        client = KafkaClient(
            self._brokers,
            {
                "group.id": "dbb-alerts",  # the client wants one; nothing is kept under it
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",  # a gap is for us to find, not for the client to skip
                "allow.auto.create.topics": False,
                "queued.max.messages.kbytes": BUFFER_KB,
            },
        )
        try:
            with client.asking():
                yield client
        finally:
            client.consumer.close()


def _is_end(error: Any) -> bool:
    """Say whether this is no message but the end of a partition."""
    if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its name
        return True
    raise_error(error)
    return False


def _message(topic: str, each: Any) -> Message:
    _, milliseconds = each.timestamp()
    return Message(
        place=f"{topic}.{each.partition()}.{each.offset()}.avro",
        time=dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC),
        data=each.value() or b"",
        partition=each.partition(),
        offset=each.offset(),
    )
