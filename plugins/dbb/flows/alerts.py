"""The ports of the archive of alert packets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from dbb.flows.backbone import Backbone
from dbb.model.alerts import Account, Entry, Message, Packet, Shard, Span
from dbb.model.day_obs import DayObs


class AlertStream(Protocol):
    """Read the stream; every method may raise ``KafkaUnavailable``. It acknowledges nothing."""

    @property
    def topic(self) -> str:
        """Name the topic."""

    def spans(self) -> dict[int, Span]:
        """Say which offsets each partition has at this moment."""

    def read(
        self, begin: Mapping[int, int], end: Mapping[int, int]
    ) -> Iterator[tuple[list[Message], dict[int, int]]]:
        """Give messages from ``begin`` up to before ``end``, and after each batch the next offsets.

        Messages of a partition come in order; offsets that hold no message are passed over.
        """

    def reports(self) -> list[Message]:
        """Give all messages of the topic in which the producer says what it issued."""


class AlertDatabase(Protocol):
    """Ask the store that keeps each packet under its alert's number."""

    def ids(self, folder: str) -> list[int]:
        """List the numbers of the alerts below a folder (the first digits); all where it is empty."""

    def packet(self, alert_id: int) -> Message:
        """Give a packet."""


class PacketReader(Protocol):
    """Understand packets."""

    def read(self, data: bytes, place: str) -> Packet:
        """Say what a packet is about, and that it can be read to its end.

        Raises
        ------
        AlertUnreadable, AlertSchemaUnknown
            If it cannot be.
        SchemaRegistryUnavailable
            If the schema registry does not answer.
        """

    def doubted(self, data: bytes) -> int | None:
        """Give the number of the schema that a packet names, if none was read by it so far."""

    def schema(self, number: int) -> str:
        """Give a schema that was used, as JSON."""


class ShardWriter(Protocol):
    """Write one shard."""

    @property
    def size_bytes(self) -> int:
        """Give the size so far."""

    def append(self, packet: Packet, message: Message, sha256: str) -> None:
        """Add a packet."""

    def finish(self, schemas: Mapping[int, str]) -> Shard:
        """Add the index and the schemas; give what was written, all of it read back.

        Raises
        ------
        DigestMismatch
            If the disk has something else.
        """


class Shards(Protocol):
    """Write and read shards in the archive's store."""

    def create(self, shard: Shard) -> AbstractContextManager[ShardWriter]:
        """Write a shard whole or not at all; what is not finished leaves nothing behind."""

    def ids(self, shard: Shard) -> Sequence[int]:
        """Give the alerts' numbers of a shard, in order, out of its index."""

    def find(self, shard: Shard, alert_id: int) -> Entry | None:
        """Look an alert up in a shard's index."""

    def packet(self, shard: Shard, entry: Entry) -> bytes:
        """Read one packet, and nothing else of the shard.

        Raises
        ------
        DigestMismatch
            If the bytes are not those that were archived.
        """


class AlertRows(Protocol):
    """Remember shards, offsets and counts."""

    def claim(self, night: DayObs) -> Shard:
        """Take the next number of a night's shards."""

    def commit(
        self,
        shards: Sequence[Shard],
        steps: Iterable[Step],
        accounts: Iterable[Account],
    ) -> None:
        """Record shards, how far the stream is taken, and counts: all or nothing.

        Raises
        ------
        LedgerUnavailable
            If somebody else took of the same partition meanwhile: nothing is recorded.
        """

    def offsets(self, topic: str) -> dict[int, int]:
        """Give the next offset of each partition."""

    def shards(self, night: DayObs) -> list[Shard]:
        """Read a night's shards that are whole."""

    def of_id(self, alert_id: int) -> list[Shard]:
        """Read the shards that may hold an alert, the narrowest first."""

    def loose(self) -> list[Shard]:
        """Read the shards that travel in no parcel yet."""

    def abandoned(self, before: dt.datetime) -> list[Shard]:
        """Read the shards that somebody began to write before a time, and did not end."""

    def drop(self, shard: Shard) -> None:
        """Forget a shard that was not ended."""

    def seal(self, shard: Shard) -> None:
        """Say that a shard travels in its parcel."""

    def discard(self, shard: Shard) -> None:
        """Say that a shard is damaged, and its alerts are to be had again."""

    def issue(self, night: DayObs, alerts: int) -> None:
        """Keep what the producer says that it issued."""

    def accounts(self, first: DayObs, last: DayObs) -> list[Account]:
        """Read what nights count."""


@dataclass(frozen=True, slots=True)
class Step:
    """Say that a partition was taken from one offset up to before another."""

    topic: str
    partition: int
    old: int
    new: int
    lost: int = 0


@dataclass(frozen=True)
class Alerts:
    """Hold the ports of the archive of alert packets.

    Parameters
    ----------
    backbone
        The ledger, the archive's store, the time.
    stream, database
        Where packets come from.
    packets, shards, rows
        What reads packets, what writes files, and the ledger's own tables.
    retention
        How long the stream keeps a message.
    """

    backbone: Backbone
    stream: AlertStream
    database: AlertDatabase
    packets: PacketReader
    shards: Shards
    rows: AlertRows
    retention: dt.timedelta
