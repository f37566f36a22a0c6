"""Extracting the Engineering and Facilities Database: every hour of every topic, and no gap unnoticed.

An hour of a topic, a cell, is expected as soon as it is over; it is open until what the source has of it is
a file. Three things open cells: the clock, a hole in the ledger, and the source when its count of a cell is
another one than when it was extracted. A run works on the open ones, the newest first, for a bounded time:
an outage of days is made good behind what is new. A cell that fails costs itself and not the others.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from dbb.digests import digest_stream
from dbb.errors import (
    DbbError,
    DigestMismatch,
    EfdIntervalEmpty,
    EfdLatePoints,
    EfdNotExtracted,
    EfdPointsGone,
    EfdSchemaChanged,
    EfdTopicMissing,
    EfdUnavailable,
)
from dbb.model.efd import (
    Cadence,
    Cell,
    CellState,
    Copied,
    Count,
    EfdFile,
    Topic,
    changes,
    file_name,
    hour_of,
    hours_between,
)
from dbb.model.kind import Kind
from dbb.ports import Clock, Store

log = logging.getLogger(__name__)

SETTLE = dt.timedelta(minutes=5)
"""How long after its end an hour is due: points take seconds to arrive."""

SWEEP = dt.timedelta(days=10)
"""How far back a run looks for cells that nobody opened."""

LOOK_BACK = dt.timedelta(days=8)
"""How far back the source's counts are compared: repeated deliveries arrive up to seven days late."""

CELLS_AT_ONCE = 2000
FAILURES_IN_A_ROW = 3
"""After so many the source is taken to be down."""


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


def expect_hours(efd: Efd, begin: dt.datetime, end: dt.datetime) -> int:
    """Open every cell of a span that is due and not known, and every hole of the last days.

    An hour that is not over is not expected, whatever was asked for.

    Returns
    -------
    int
        How many were opened.
    """
    first = efd.cells.first()
    since = max(first or hour_of(begin), efd.due_until - SWEEP)
    wanted = {*hours_between(begin, min(end, efd.due_until)), *hours_between(since, efd.due_until)}
    found = sorted(find_holes(efd, wanted))
    opened = efd.cells.expect(found, EfdNotExtracted.for_hour("")) if found else 0
    log.info("action=efd-expect hours=%d opened=%d", len(wanted), opened)
    return opened


def find_holes(efd: Efd, hours: Iterable[dt.datetime]) -> set[tuple[str, dt.datetime]]:
    """Name the cells of hours that the ledger does not know."""
    wanted = sorted(set(hours))
    if not wanted:
        return set()
    last = wanted[-1] + dt.timedelta(seconds=1)
    known = {(cell.topic, cell.begin) for cell in efd.cells.cells(efd.names, wanted[0], last)}
    return {(topic, hour) for topic in efd.names for hour in wanted} - known


def find_late_points(efd: Efd, begin: dt.datetime, end: dt.datetime) -> dict[str, int]:
    """Compare the source's counts of cells with those when they were extracted; open what differs.

    Returns
    -------
    dict
        How many cells were ``compared``, ``reopened``, and of how many points are ``gone``.

    Raises
    ------
    EfdUnavailable
        If the source does not answer; what was compared before is kept.
    """
    counts = {"compared": 0, "reopened": 0, "gone": 0}
    for topic in efd.names:
        cells = [
            cell
            for cell in efd.cells.cells([topic], hour_of(begin), end)
            if cell.state is not CellState.OPEN
        ]
        if not cells:
            continue
        shape = efd.source.shape(topic)
        found = efd.source.counts(topic, shape, cells[0].begin, cells[-1].end)
        for cell in cells:
            counts["compared"] += 1
            _compare(efd, cell, found.get(cell.begin, Count()), counts)
    log.info("action=efd-compare %s", counts)
    return counts


def _compare(efd: Efd, cell: Cell, found: Count, counts: dict[str, int]) -> None:
    if found.points < cell.count.points:
        counts["gone"] += 1
        efd.cells.mark(cell, EfdPointsGone.for_hour(cell, cell.count.points, found.points))
    elif found.differs(cell.count):
        counts["reopened"] += 1
        efd.cells.reopen(cell, EfdLatePoints.for_hour(cell, cell.count.points, found.points))
    elif cell.code == EfdPointsGone.code:
        efd.cells.mark(cell, None)


def extract_open_cells(
    efd: Efd,
    begin: dt.datetime,
    end: dt.datetime,
    *,
    limit: dt.timedelta,
    most: int = CELLS_AT_ONCE,
) -> dict[str, int]:
    """Extract the open cells of a span, the newest first.

    Parameters
    ----------
    efd
        The ports.
    begin, end
        Which cells: those that begin in it.
    limit
        How long to go on; a cell that was begun is ended.
    most
        How many at most.

    Returns
    -------
    dict
        How many were ``extracted`` into a new file, are the ``same`` as before, ``empty``, or ``failed``.

    Raises
    ------
    EfdUnavailable
        If the source is down, or did not give a cell; what was extracted before is kept.
    """
    counts = {"extracted": 0, "same": 0, "empty": 0, "failed": 0}
    until = efd.clock.now() + limit
    shapes: dict[str, Any] = {}
    in_a_row = 0
    last: DbbError | None = None
    for cell in efd.cells.open(efd.names, hour_of(begin), end, most):
        if efd.clock.now() >= until or in_a_row == FAILURES_IN_A_ROW:
            break
        try:
            if cell.topic not in shapes:
                shapes[cell.topic] = efd.source.shape(cell.topic)
            counts[_extract(efd, cell, shapes[cell.topic])] += 1
            in_a_row = 0
        except (EfdUnavailable, DigestMismatch) as error:
            efd.cells.fail(cell, error)
            log.warning("action=efd-extract cell=%s code=%s", cell, error.code)
            counts["failed"] += 1
            in_a_row, last = in_a_row + 1, error
    log.info("action=efd-extract %s", counts)
    if last is not None:
        told = f"{counts['failed']} hours could not be had, the last because: {last.message}"
        raise EfdUnavailable.for_query(last.where, told)
    return counts


def _extract(efd: Efd, cell: Cell, shape: Any) -> str:
    """Extract one cell; say what came of it."""
    topic = efd.topics[cell.topic]
    if not shape.columns:
        return _settle_empty(efd, cell, topic, EfdTopicMissing.for_topic(cell.topic))
    counted = efd.source.counts(cell.topic, shape, cell.begin, cell.end).get(cell.begin, Count())
    version = efd.cells.claim(cell)  # no other run, and no later one, writes a file of this name
    name = file_name(cell.topic, cell.begin, version)
    stored = f"{Kind.FILE.scope}/{name}"
    copied = efd.copier.copy(topic, shape, counted.points, cell, stored, efd.clock.now())
    if copied is None:
        if counted.points:
            raise EfdUnavailable.for_query(cell.topic, f"it gave none of {counted.points} points")
        return _settle_empty(efd, cell, topic, EfdIntervalEmpty.for_hour(cell))
    if copied.count.points < counted.points:
        efd.store.delete([stored])
        given = f"it gave {copied.count.points} of {counted.points} points"
        raise EfdUnavailable.for_query(cell.topic, given)
    _read_back(efd, stored, copied)
    if cell.version and (kept := _kept(efd, cell, counted, copied)):
        efd.store.delete([stored])
        return kept
    efd.cells.fill(cell, version, name, counted, _with_changes(efd, cell, copied))
    return "extracted"


def _settle_empty(efd: Efd, cell: Cell, topic: Topic, why: DbbError) -> str:
    if cell.version:  # what is archived stays, whatever the source says now
        is_kept = bool(efd.cells.current(cell.topic, cell.begin, cell.end))
        gone = EfdPointsGone.for_hour(cell, cell.count.points, 0)
        state = CellState.EXTRACTED if is_kept else CellState.EMPTY
        efd.cells.settle(cell, state, cell.count, gone)
    elif topic.cadence is Cadence.EVENT:
        efd.cells.settle(cell, CellState.EXTRACTED, Count(), None)
    else:
        efd.cells.settle(cell, CellState.EMPTY, Count(), why)
    return "empty"


def _kept(efd: Efd, cell: Cell, counted: Count, copied: Copied) -> str:
    """Keep the current file where the new one has the same rows, or fewer; say so."""
    files = efd.cells.current(cell.topic, cell.begin, cell.end)
    if not files:  # it is damaged
        return ""
    if files[0].content_sha256 == copied.content_sha256:
        efd.cells.settle(cell, CellState.EXTRACTED, counted, None)
        return "same"
    if copied.count.points < cell.count.points:
        gone = EfdPointsGone.for_hour(cell, cell.count.points, copied.count.points)
        efd.cells.settle(cell, CellState.EXTRACTED, cell.count, gone)
        return "same"
    return ""


def _read_back(efd: Efd, stored: str, copied: Copied) -> None:
    with efd.store.open(stored, cold=True) as stream:
        found = digest_stream(stream)
    if not found.same_bytes(copied.digest):
        url = efd.store.url_of(stored)
        raise DigestMismatch.for_copy(url, copied.digest.sha256, found.sha256)


def _with_changes(efd: Efd, cell: Cell, copied: Copied) -> Copied:
    """Add to what is remarkable that the topic's fields are not those of before."""
    before = efd.cells.fields_before(cell)
    told = changes(before, copied.fields) if before is not None else ""
    if not told:
        return copied
    log.warning("action=efd-extract cell=%s code=%s %s", cell, EfdSchemaChanged.code, told)
    return replace(copied, remarks={**copied.remarks, EfdSchemaChanged.code: told})


@dataclass(frozen=True, slots=True)
class Gap:
    """Hold hours of a topic, one after the other, that are open or empty for one reason.

    Parameters
    ----------
    topic, begin, end
        Which hours.
    state
        ``open``, ``empty``, or ``unknown`` where the ledger has no row.
    code, reason
        Why.
    hours
        How many.
    """

    topic: str
    begin: dt.datetime
    end: dt.datetime
    state: str
    code: str
    reason: str
    hours: int = 1


def find_gaps(efd: Efd, begin: dt.datetime | None, end: dt.datetime | None) -> list[Gap]:
    """Name every hour of every topic that ought to be archived and is not, or is in doubt.

    Parameters
    ----------
    efd
        The ports.
    begin, end
        The span; None for everything since the first hour that was expected, until now.
    """
    first = efd.cells.first()
    lower = begin or first
    upper = min(end or efd.due_until, efd.due_until)
    if lower is None or lower >= upper:
        return []
    cells = efd.cells.cells(efd.names, hour_of(lower), upper)
    gaps = [
        Gap(cell.topic, cell.begin, cell.end, str(cell.state), cell.code, cell.reason)
        for cell in cells
        if cell.code or cell.state is not CellState.EXTRACTED
    ]
    never = EfdNotExtracted.for_hour("")
    gaps += [
        Gap(topic, hour, hour + dt.timedelta(hours=1), "unknown", never.code, never.message)
        for topic, hour in find_holes(efd, hours_between(lower, upper))
    ]
    return _merged(sorted(gaps, key=lambda gap: (gap.topic, gap.begin)))


def _merged(gaps: Sequence[Gap]) -> list[Gap]:
    merged: list[Gap] = []
    for gap in gaps:
        last = merged[-1] if merged else None
        if last is not None and (last.topic, last.end, last.state, last.code) == (
            gap.topic, gap.begin, gap.state, gap.code
        ):  # fmt: skip
            merged[-1] = Gap(
                gap.topic, last.begin, gap.end, gap.state, gap.code, gap.reason, last.hours + 1
            )
        else:
            merged.append(gap)
    return merged
