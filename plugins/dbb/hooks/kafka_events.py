"""Receive events of Rubin's shape from Kafka: topics ``{RSE}-{scope}``, the payload as JSON.

An offset is committed when the events before it are kept, never earlier: a consumer that is killed
between the two gets them again, and the inbox knows them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from confluent_kafka import OFFSET_BEGINNING

from dbb.errors import Transient
from dbb.flows.inbox import keep_events
from dbb.hooks.kafka_client import Brokers, KafkaClient, raise_error
from dbb.ports.inbox import Inbox

log = logging.getLogger(__name__)

BATCH = 500
"""Most messages that are kept and acknowledged together."""

POLL_S = 1.0


class KafkaEvents:
    """Consume topics into the inbox.

    Parameters
    ----------
    brokers
        Where Kafka's brokers are, and how they are reached.
    topics
        Names of topics, ``FRDF-raw``; one that begins with ``^`` is a pattern.
    group
        The consumer group: it remembers how far we are.
    inbox
        Where events are kept.
    """

    def __init__(self, brokers: Brokers, topics: Sequence[str], group: str, inbox: Inbox) -> None:
        self._inbox = inbox
        self._client = KafkaClient(
            brokers,
            {
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",  # a new group begins with what is there
                "allow.auto.create.topics": False,
            },
        )
        self._consumer = self._client.consumer
        self._consumer.subscribe(list(topics))

    def take(self, timeout_s: float = POLL_S) -> int:
        """Keep one batch and acknowledge it; give the number of its messages.

        Raises
        ------
        KafkaUnavailable
            If Kafka does not answer, or a broker is not safe.
        LedgerUnavailable
            If the batch cannot be kept: it comes again.
        """
        with self._client.asking():
            messages = self._consumer.consume(BATCH, timeout_s)
            by_topic: dict[str, list[bytes]] = {}
            for message in messages:
                raise_error(message.error())
                by_topic.setdefault(str(message.topic()), []).append(message.value() or b"")
            for topic, values in by_topic.items():
                keep_events(self._inbox, values, f"kafka {topic}")
            if messages:
                self._consumer.commit(asynchronous=False)
        return len(messages)

    def take_until(self, is_over: Callable[[], bool]) -> None:
        """Keep batches until told otherwise; an outage is waited for."""
        is_ahead = False
        while not is_over():
            try:
                if is_ahead:
                    self._go_back()
                is_ahead = False
                self.take()
            except Transient as error:
                is_ahead = True
                log.warning("action=take-events reason=%s", error)

    def _go_back(self) -> None:
        """Have what was read and not kept come again: a consumer reads on by itself."""
        with self._client.asking():
            for place in self._consumer.committed(self._consumer.assignment(), timeout=POLL_S):
                if place.offset < 0:  # nothing was committed yet
                    place.offset = OFFSET_BEGINNING
                self._consumer.seek(place)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
