"""The nouns of the Qserv handoff: layout, tables, chunk files, transactions, contributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

QSERV_COLUMNS = ("chunkId", "subChunkId")
"""Columns that every partitioned table has beside its own."""

MAX_TABLE_NAME = 56
"""Longest ``database`` + ``table`` that Qserv registers (its version 51)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Say how the sky is cut: Qserv's stripes, sub-stripes, and overlap in degrees.

    Source: Qserv documentation, *Partitioning the data*; Rubin's releases use 340, 3, 0.01667.
    """

    stripes: int
    sub_stripes: int
    overlap_deg: str
    """Text, so that a document gives every digit that is sent."""

    @property
    def overlap(self) -> float:
        """Give the overlap as a number (degrees)."""
        return float(self.overlap_deg)


class TableKind(StrEnum):
    """Say how a table's rows find their chunk."""

    DIRECTOR = "director"
    """By its own position; its rows near an edge are copied into the neighbours' overlaps."""
    CHILD = "child"
    """By the chunk of the director's row of the same key."""
    REF_MATCH = "ref-match"
    """By both directors' rows that it joins; written twice where they lie in two chunks."""
    REGULAR = "regular"
    """Not at all: every worker has all rows."""


class OnBadPosition(StrEnum):
    """Say what happens with a row whose position is missing, not finite or out of range."""

    FAIL = "fail"
    QUARANTINE = "quarantine"
    WRAP = "wrap"
    """Right ascension is taken modulo 360; what still is no position fails."""


class OnOrphan(StrEnum):
    """Say what happens with a child's row whose director's row is not there."""

    FAIL = "fail"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class TableRule:
    """Say what Felis does not know of a table: how Qserv keeps it.

    ``key`` is the director's key column, ``director`` and ``director_key`` the table and this
    table's column that refer to it; a ref-match table names two.
    """

    kind: TableKind
    key: str = ""
    ra: str = ""
    dec: str = ""
    director: str = ""
    director_key: str = ""
    director2: str = ""
    director_key2: str = ""
    flag: str = ""
    ang_sep_arcsec: str = ""
    dataset_type: str = ""
    """The Butler dataset type of its Parquet, where it is a Butler dataset."""
    unique: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    narrowed: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    on_bad_position: OnBadPosition = OnBadPosition.FAIL
    on_orphan: OnOrphan = OnOrphan.FAIL
    transactions: int = 1
    charset: str = "latin1"

    @property
    def flag_column(self) -> str:
        """Name the column that says which partner of a match is in the row's chunk."""
        return self.flag or "flag"

    @property
    def is_partitioned(self) -> bool:
        """Tell whether the rows lie in chunks."""
        return self.kind is not TableKind.REGULAR


@dataclass(frozen=True, slots=True)
class Overlay:
    """Hold what a release's document adds to its Felis schema."""

    release: str
    schema: str
    """Where the Felis schema is: a ``resource://`` or a file."""
    database: str
    layout: Layout
    tables: Mapping[str, TableRule]
    previous: str = ""
    """The release that drift is reported against."""


@dataclass(frozen=True, slots=True)
class Column:
    """Describe a column as Qserv gets it."""

    name: str
    type: str
    max_bytes: int = 0
    """Longest text, in bytes of the table's character set; 0 for what is no text."""
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class TablePlan:
    """Say how one table is made."""

    name: str
    rule: TableRule
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """Find a column."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Drift:
    """Compare a table with the previous release's."""

    table: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleasePlan:
    """Say how a release becomes a Qserv database; found before a byte is read."""

    release: str
    database: str
    layout: Layout
    tables: tuple[TablePlan, ...]
    drift: tuple[Drift, ...]
    felis_sha256: str

    def table(self, name: str) -> TablePlan:
        """Find a table that is there."""
        return next(table for table in self.tables if table.name == name)


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """Hold what SQL must find again after publication (NaN counts as null; of text it is the length)."""

    nulls: int
    least: float | None
    most: float | None
    total: float | None


@dataclass(frozen=True, slots=True)
class ChunkFile:
    """Describe one CSV file: all rows of a table in one chunk, or a part of them up to the cap."""

    table: str
    chunk: int
    is_overlap: bool
    part: int
    path: str
    """Below the staging folder."""
    rows: int
    size_bytes: int
    digest: str
    """BLAKE2b, 20 bytes, in hexadecimal."""

    @property
    def key(self) -> tuple[str, int, bool, int]:
        """Give what must be there exactly once."""
        return self.table, self.chunk, self.is_overlap, self.part


AUTOMATIC_RETRIES = 2
"""Times that a worker reads a file again by itself: between two readings it shows READ_FAILED."""


PUSH_PATIENCE_S = 3600
"""A contribution that was sent, and is in progress for longer, is one whose worker was restarted."""


class TransactionState(StrEnum):
    """Name the states of a Qserv super-transaction (``DatabaseServices``)."""

    IS_STARTING = "IS_STARTING"
    STARTED = "STARTED"
    START_FAILED = "START_FAILED"
    IS_FINISHING = "IS_FINISHING"
    FINISHED = "FINISHED"
    FINISH_FAILED = "FINISH_FAILED"
    IS_ABORTING = "IS_ABORTING"
    ABORTED = "ABORTED"
    ABORT_FAILED = "ABORT_FAILED"

    @property
    def is_final(self) -> bool:
        """Tell whether nothing can change it."""
        return self in (TransactionState.FINISHED, TransactionState.ABORTED)


class ContributionStatus(StrEnum):
    """Name the states of a contribution."""

    IN_PROGRESS = "IN_PROGRESS"
    CREATE_FAILED = "CREATE_FAILED"
    START_FAILED = "START_FAILED"
    READ_FAILED = "READ_FAILED"
    LOAD_FAILED = "LOAD_FAILED"
    CANCELLED = "CANCELLED"
    FINISHED = "FINISHED"


@dataclass(frozen=True, slots=True)
class Contribution:
    """Hold what Qserv says of one file that it was told to load."""

    id: int
    worker: str
    table: str
    chunk: int
    is_overlap: bool
    url: str
    status: ContributionStatus
    rows: int
    rows_loaded: int
    size_bytes: int
    warnings: int
    retry_allowed: bool
    retries: int = 0
    error: str = ""
    age_s: float = 0.0

    @property
    def is_pushed(self) -> bool:
        """Tell whether its rows were sent; nobody but the sender can send them again."""
        return self.url.startswith("data-csv://")

    @property
    def is_stranded(self) -> bool:
        """Tell whether it is in progress for good: workers do not take up what they were sent."""
        return (
            self.is_pushed
            and self.status is ContributionStatus.IN_PROGRESS
            and self.age_s > PUSH_PATIENCE_S
        )


@dataclass(frozen=True, slots=True)
class Transaction:
    """Hold what Qserv says of one super-transaction."""

    id: int
    state: TransactionState
    context: Mapping[str, object] = field(default_factory=dict)
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """Say where a chunk's files, or a regular table's, are sent."""

    chunk: int
    worker: str
    url: str
