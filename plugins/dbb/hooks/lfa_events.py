"""The annex's events from Kafka: kept first, acknowledged after."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dbb.errors import DbbError, LfaEventUnusable
from dbb.flows.lfa import Annex, announce, set_aside
from dbb.hooks.avro_events import EventDecoder
from dbb.hooks.kafka_client import Brokers, KafkaClient, raise_error
from dbb.model.lfa import Announcement

log = logging.getLogger(__name__)

BATCH = 500
SESSION_MS = 10_000
"""How long a consumer that was killed keeps its partitions from the next one."""


class KafkaLfaEvents:
    """Take events ``largeFileObjectAvailable`` from Kafka.

    Parameters
    ----------
    brokers, topics, group
        Where they are, and who we are there.
    annex
        What is told of them.
    decoder
        Reads them.
    """

    def __init__(
        self,
        brokers: Brokers,
        topics: Sequence[str],
        group: str,
        annex: Annex,
        decoder: EventDecoder,
    ) -> None:
        self._annex = annex
        self._decoder = decoder
        self._client = KafkaClient(
            brokers,
            {
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": SESSION_MS,
            },
        )
        self._consumer = self._client.consumer
        self._consumer.subscribe(list(topics))

    def take(self, timeout_s: float = 1.0) -> int:
        """Keep one batch and acknowledge it; give the number of its messages.

        Raises
        ------
        KafkaUnavailable, SchemaRegistryUnavailable
            If Kafka, or the registry of schemas, does not answer, or is not safe.
        LedgerUnavailable
            If the batch cannot be kept: it comes again after a restart.
        """
        with self._client.asking():
            messages = self._consumer.consume(BATCH, timeout_s)
            found: list[Announcement] = []
            unusable: list[tuple[bytes, DbbError]] = []
            for message in messages:
                raise_error(message.error())
                topic, data = str(message.topic()), message.value() or b""
                try:
                    found.append(Announcement.of_event(topic, self._decoder.decode(topic, data)))
                except LfaEventUnusable as error:
                    unusable.append((data, error))
            set_aside(self._annex, unusable)
            announce(self._annex, found)
            if messages:
                self._consumer.commit(asynchronous=False)
        return len(messages)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
