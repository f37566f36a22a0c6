"""The ports of the archive of the Engineering and Facilities Database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dbb.errors import DbbError
from dbb.model.efd import Cell, CellState, Copied, Count, EfdFile, Topic, hour_of
from dbb.ports.clock import Clock
from dbb.ports.store import Store

SETTLE = dt.timedelta(minutes=5)
"""How long after its end an hour is due: points take seconds to arrive."""


class Source(Protocol):
    """Ask the EFD; every method may raise ``EfdUnavailable``."""

    def shape(self, topic: str) -> Any:
        """Give a topic's ``columns``; none where it is not known."""

    def counts(
        self, topic: str, shape: Any, begin: dt.datetime, end: dt.datetime
    ) -> dict[dt.datetime, Count]:
        """Count a topic's points by the hour; hours without any are left out."""


class Copier(Protocol):
    """Write files of the archive."""

    def copy(
        self, topic: Topic, shape: Any, points: int, cell: Cell, name: str, at: dt.datetime
    ) -> Copied | None:
        """Write a cell's points into a file of the store; None, and no file, where there are none."""


class Cells(Protocol):
    """Remember cells and files."""

    def expect(self, cells: Iterable[tuple[str, dt.datetime]], why: DbbError) -> int:
        """Open cells that are not known; give their number."""

    def first(self) -> dt.datetime | None:
        """Give the first hour that was ever expected."""

    def cells(self, topics: Sequence[str], begin: dt.datetime, end: dt.datetime) -> list[Cell]:
        """Read the cells of topics that begin in a span of time."""

    def open(
        self, topics: Sequence[str], begin: dt.datetime, end: dt.datetime, most: int
    ) -> list[Cell]:
        """Read the cells to extract: those that failed least first, and of these the newest."""

    def fail(self, cell: Cell, why: DbbError) -> None:
        """Record that a cell could not be extracted."""

    def reopen(self, cell: Cell, why: DbbError) -> None:
        """Have a cell extracted again."""

    def mark(self, cell: Cell, why: DbbError | None) -> None:
        """Say what is wrong with a cell's source, or that nothing is any more."""

    def settle(self, cell: Cell, state: CellState, count: Count, why: DbbError | None) -> None:
        """Record what a cell is whose current file stays what it was; or that has none."""

    def fill(self, cell: Cell, version: int, name: str, count: Count, copied: Copied) -> None:
        """Record a new file, and that it is a cell's current one."""

    def current(self, topic: str, begin: dt.datetime, end: dt.datetime) -> list[EfdFile]:
        """Read a topic's current files of the hours that begin in a span, in order."""

    def remarks(self, begin: dt.datetime, end: dt.datetime) -> list[EfdFile]:
        """Read the current files with something remarkable about them, of a span of time."""

    def claim(self, cell: Cell) -> int:
        """Take the next version of a cell's files, which nobody else gets."""

    def fields_before(self, cell: Cell) -> dict[str, str] | None:
        """Give a topic's fields in its last file before a cell."""

    def loose(self, most: int) -> list[EfdFile]:
        """Read the files that travel in no parcel that is made."""

    def assign(self, files: Sequence[EfdFile], unit: str) -> None:
        """Decide in which parcel files travel."""

    def of_unit(self, unit: str) -> list[EfdFile]:
        """Read the files of a parcel that is not made yet."""

    def seal(self, unit: str) -> None:
        """Say that a parcel is made of its files."""

    def discard(self, file: EfdFile, why: DbbError) -> None:
        """Say that a file is damaged before it travelled; its cell is extracted again."""


@dataclass(frozen=True)
class Efd:
    """Hold the ports of the extraction.

    Parameters
    ----------
    topics
        What is archived, by name.
    source, copier, cells
        The EFD, what writes files, and the ledger.
    store
        The archive's store.
    clock
        The time.
    """

    topics: Mapping[str, Topic]
    source: Source
    copier: Copier
    cells: Cells
    store: Store
    clock: Clock

    @property
    def names(self) -> list[str]:
        """Name the topics."""
        return sorted(self.topics)

    @property
    def due_until(self) -> dt.datetime:
        """Give the end of the last hour that is due."""
        return hour_of(self.clock.now() - SETTLE)
