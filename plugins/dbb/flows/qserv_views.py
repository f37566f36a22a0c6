"""What the Qserv handoff needs of the world: Qserv's two servers, its own records, a workshop."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Protocol

from dbb.model.qserv import (
    ChunkFile,
    ColumnStatistics,
    Contribution,
    Location,
    ReleasePlan,
    TablePlan,
    Transaction,
)
from dbb.ports import Store


class Stage(StrEnum):
    """Say how far a handoff is; it goes forward only, but for a rollback."""

    PLANNED = "planned"
    PARTITIONED = "partitioned"
    REGISTERED = "registered"
    LOADED = "loaded"
    RECONCILED = "reconciled"
    PUBLISHED = "published"
    VERIFIED = "verified"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class HandoffRow:
    """Describe a handoff of one release to one endpoint's Qserv."""

    release: str
    endpoint: str
    database: str
    plan_sha256: str
    stage: Stage

    @property
    def name(self) -> str:
        """Give the name by which Qserv's transactions know it."""
        return f"{self.release}@{self.endpoint}"


@dataclass(frozen=True, slots=True)
class InputRow:
    """Describe one Parquet file, and what became of its rows."""

    table: str
    name: str
    sha256: str
    size_bytes: int
    rows: int = 0
    kept: int = 0
    overlap: int = 0
    quarantined: int = 0
    wrapped: int = 0
    elsewhere: int = 0
    """A child's rows whose director's row is of another file than that of most of them."""
    twice: int = 0
    """Matches that are written to two chunks."""
    is_staged: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """Remember one transaction that was begun, or meant to be, for a batch of a table."""

    table: str
    batch: int
    number: int
    transaction: int
    """0 as long as Qserv has not answered."""
    state: str
    """``intended``, ``started``, ``committed`` or ``aborted``."""


@dataclass(frozen=True, slots=True)
class Check:
    """Compare one number of the files with what Qserv says."""

    table: str
    kind: str
    subject: str
    expected: str
    observed: str
    is_right: bool
    """Numbers with a fraction are equal to a part in 10⁹: sums depend on their order."""


class QservServer(Protocol):
    """Speak with an endpoint's ingest servers; every method may raise ``QservUnavailable``."""

    def version(self) -> int: ...
    def catalog(self, database: str) -> Mapping[str, Any] | None: ...
    def families(self) -> Sequence[Mapping[str, Any]]: ...
    def workers(self) -> int: ...
    def register_database(self, plan: ReleasePlan) -> None: ...
    def register_table(self, request: Mapping[str, Any]) -> None: ...
    def start(self, database: str, context: Mapping[str, Any]) -> int: ...
    def transactions(self, database: str) -> list[Transaction]: ...
    def transaction(self, number: int) -> Transaction: ...
    def allocate(self, transaction: int, chunks: Sequence[int]) -> list[Location]: ...
    def regular_locations(self, transaction: int) -> list[Location]: ...
    def submit(self, where: Location, transaction: int, file: ChunkFile, url: str) -> int: ...
    def push(
        self, where: Location, transaction: int, file: ChunkFile, name: str, source: BinaryIO
    ) -> None: ...
    def retry(self, where: Location, contribution: int) -> None: ...
    def cancel(self, where: Location, transaction: int) -> None: ...
    def end(self, transaction: int, *, abort: bool) -> None: ...
    def count_rows(self, database: str, table: str) -> None: ...
    def row_counters(self, database: str, table: str) -> dict[tuple[int, int, bool], int]: ...
    def publish(self, database: str) -> None: ...
    def build_director_index(self, database: str, table: str) -> None: ...
    def build_index(self, database: str, table: str, column: str) -> None: ...
    def deploy_row_counters(self, database: str, table: str) -> None: ...
    def delete_database(self, database: str) -> None: ...


class Records(Protocol):
    """Remember handoffs; intent before action."""

    def find(self, release: str, endpoint: str) -> HandoffRow | None: ...
    def all(self) -> list[HandoffRow]: ...
    def release_lists(self, endpoint: str) -> list[str]: ...
    def begin(self, row: HandoffRow) -> None: ...
    def advance(self, name: str, stage: Stage) -> None: ...
    def note_inputs(self, name: str, inputs: Iterable[InputRow]) -> None: ...
    def inputs(self, name: str) -> list[InputRow]: ...
    def note_files(self, name: str, files: Mapping[int, Sequence[ChunkFile]]) -> None: ...
    def files(self, name: str, table: str, batch: int) -> list[ChunkFile]: ...
    def batches(self, name: str) -> list[tuple[str, int]]: ...
    def intend(self, name: str, table: str, batch: int) -> int: ...
    def note_attempt(self, name: str, attempt: Attempt) -> None: ...
    def attempts(self, name: str) -> list[Attempt]: ...
    def note_loaded(
        self, name: str, attempt: Attempt, loaded: Sequence[tuple[ChunkFile, Contribution]]
    ) -> None: ...
    def note_checks(self, name: str, checks: Sequence[Check]) -> None: ...
    def checks(self, name: str) -> list[Check]: ...
    def ask_publication(self, name: str) -> None: ...
    def answer_publication(self, name: str) -> None: ...
    def is_publication_open(self, name: str) -> bool: ...
    def forget(self, name: str) -> None: ...


class Serving(Protocol):
    """Let Qserv's workers have chunk files: at an address, or sent."""

    @property
    def is_pushed(self) -> bool: ...
    def url_of(self, file: ChunkFile) -> str: ...
    def mark(self, file: ChunkFile) -> str: ...
    def mark_in(self, url: str) -> str: ...
    def is_lapsed(self, url: str) -> bool: ...
    def clear(self) -> None: ...


class Workshop(Protocol):
    """Make chunk files of Parquet files, in an endpoint's staging folder."""

    @property
    def serving(self) -> Serving: ...
    def table_request(self, plan: ReleasePlan, table: TablePlan) -> dict[str, Any]: ...
    def fetch(self, store: Store, name: str, sha256: str) -> str: ...
    def judge(self, plan: ReleasePlan, source: InputRow, path: str) -> list[str]: ...
    def stage(self, plan: ReleasePlan, source: InputRow, path: str) -> InputRow: ...
    def check_unique(self, table: TablePlan) -> None: ...
    def reduce(self, table: TablePlan, bucket: int) -> list[ChunkFile]: ...
    def buckets(self, table: TablePlan) -> Sequence[int]: ...
    def statistics(self, table: TablePlan) -> Mapping[str, ColumnStatistics]: ...
    def url_of(self, file: ChunkFile) -> str: ...
    def open(self, file: ChunkFile) -> BinaryIO: ...
    def clear(self) -> None: ...


class Czar(Protocol):
    """Ask a published catalogue by SQL."""

    def statistics(
        self, database: str, table: str, columns: Sequence[str], texts: Collection[str] = ()
    ) -> tuple[int, Mapping[str, ColumnStatistics]]: ...


@dataclass(frozen=True)
class Handoff:
    """Hold what a handoff of one release to one endpoint works with."""

    row: HandoffRow
    plan: ReleasePlan
    server: QservServer
    records: Records
    workshop: Workshop
    czar: Czar | None = None
    in_flight: int = 32
    """Contributions that one transaction has in work at the same time."""

    @property
    def name(self) -> str:
        """Give the handoff's name."""
        return self.row.name
