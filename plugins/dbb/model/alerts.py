"""The archive of alert packets: messages, packets, shards, and what a night counts.

A *packet* is what one message of the stream holds, byte for byte: Confluent's header and an Avro record. A
*shard* is a file of many packets, each compressed by itself, with an index and the schemas beside it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest
from dbb.model.kind import Kind

SHARD_BYTES = 1_000_000_000
"""About how large a shard becomes: Rucio carries 400 files a night, and not ten million."""

AGAIN = "alerts-again/"
"""Folder of the archive's store: packets that are to be taken (again), one a file."""


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one message.

    Parameters
    ----------
    place
        Where it is from, in words that are a file name too.
    time
        When it was written (UTC).
    data
        Its bytes; none where it only says that something is gone.
    partition, offset
        Where in the stream; of a packet from elsewhere -1.
    """

    place: str
    time: dt.datetime
    data: bytes
    partition: int = -1
    offset: int = -1


@dataclass(frozen=True, slots=True)
class Span:
    """Say which offsets a partition has: from ``low`` up to before ``high``."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Packet:
    """Say what a packet is about.

    Parameters
    ----------
    alert_id
        The alert's number: that of its DiaSource.
    night
        Of the observation, whenever the packet came.
    schema_id
        The number of the schema that wrote it.
    visit, detector, dia_object_id
        What the observation was; None where the schema has no such field.
    """

    alert_id: int
    night: DayObs
    schema_id: int
    visit: int | None = None
    detector: int | None = None
    dia_object_id: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Say where a packet lies: one line of a shard's index."""

    alert_id: int
    offset: int
    length: int
    packet_bytes: int
    sha256: str
    schema_id: int


@dataclass(frozen=True, slots=True)
class Shard:
    """Hold one shard, as the ledger knows it.

    Parameters
    ----------
    night, number
        Which it is.
    alerts, min_id, max_id
        How many packets it holds, and the span of their alerts' numbers.
    files
        By name within the scope ``files``, the identity of each of its files.
    """

    night: DayObs
    number: int
    alerts: int = 0
    min_id: int = 0
    max_id: int = 0
    files: Mapping[str, Digest] = field(default_factory=dict, hash=False)

    @property
    def stem(self) -> str:
        """Give the names of its files up to what each is, within the scope."""
        return f"{self.night}/alerts/alerts-{self.night}-{self.number:04d}"

    @property
    def packets(self) -> str:
        """Name the file of the packets."""
        return f"{self.stem}.avro.zst"

    @property
    def index(self) -> str:
        """Name the file of the index."""
        return f"{self.stem}.index.parquet"

    @property
    def schemas(self) -> str:
        """Name the file of the schemas."""
        return f"{self.stem}.schemas.json"

    @property
    def unit(self) -> str:
        """Name the parcel that it travels in."""
        return f"{Kind.FILE.scope}/{self.night}/alerts-{self.number:04d}"


def unit_of(night: DayObs) -> str:
    """Name what refused packets of a night belong to."""
    return f"{Kind.FILE.scope}/{night}/alerts"


@dataclass(frozen=True, slots=True)
class Account:
    """Hold what the ledger counted of a night's messages."""

    night: DayObs
    issued: int | None = None
    messages: int = 0
    duplicates: int = 0
    conflicts: int = 0

    @property
    def stored(self) -> int:
        """Give how many alerts the stream gave, each once."""
        return self.messages - self.duplicates - self.conflicts


@dataclass(frozen=True, slots=True)
class NightCount:
    """Compare the three counts of a night.

    Parameters
    ----------
    account
        What the producer says that it issued, and what the stream gave.
    archived
        How many lines the indexes have.
    held, rejected
        Packets of the night in quarantine: undecided, and not wanted.
    deadline
        When the stream no longer has the night.
    """

    account: Account
    archived: int
    held: int
    rejected: int
    deadline: dt.datetime

    @property
    def is_closed(self) -> bool:
        """Say whether all three agree, and nothing waits for a decision."""
        stored = self.account.stored
        return self.account.issued == stored == self.archived + self.rejected and not self.held

    def __str__(self) -> str:
        issued = "not told" if self.account.issued is None else f"{self.account.issued:,}"
        return (
            f"issued {issued}, stored {self.account.stored:,}, archived {self.archived:,}, "
            f"in quarantine {self.held}, rejected {self.rejected}"
        )
