"""The annex's events from Kafka: kept first, acknowledged after."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException

from dbb.errors import CatalogUnavailable, DbbError, LfaEventUnusable
from dbb.flows.lfa import Annex, announce, set_aside
from dbb.hooks.avro_events import EventDecoder
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
        brokers: str,
        topics: Sequence[str],
        group: str,
        annex: Annex,
        decoder: EventDecoder,
    ) -> None:
        self._annex = annex
        self._decoder = decoder
        self._brokers = brokers
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": SESSION_MS,
            }
        )
        self._consumer.subscribe(list(topics))

    def take(self, timeout_s: float = 1.0) -> int:
        """Keep one batch and acknowledge it; give the number of its messages.

        Raises
        ------
        CatalogUnavailable
            If Kafka, or the registry of schemas, does not answer.
        LedgerUnavailable
            If the batch cannot be kept: it comes again after a restart.
        """
        try:
            messages = self._consumer.consume(BATCH, timeout_s)
            found: list[Announcement] = []
            unusable: list[tuple[bytes, DbbError]] = []
            for message in messages:
                _raise(message.error())
                topic, data = str(message.topic()), message.value() or b""
                try:
                    found.append(Announcement.of_event(topic, self._decoder.decode(topic, data)))
                except LfaEventUnusable as error:
                    unusable.append((data, error))
            set_aside(self._annex, unusable)
            announce(self._annex, found)
            if messages:
                self._consumer.commit(asynchronous=False)
        except KafkaException as error:
            raise CatalogUnavailable.for_call(f"Kafka at {self._brokers}", error) from error
        return len(messages)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


def _raise(error: Any) -> None:
    if error is not None:
        raise KafkaException(error)
