"""Extracting the Engineering and Facilities Database: every hour of every topic, and no gap unnoticed.

An hour of a topic, a cell, is expected as soon as it is over; it is open until what the source has of it is
a file. Three things open cells: the clock, a hole in the ledger, and the source when its count of a cell is
another one than when it was extracted. A run works on the open ones, the newest first, for a bounded time:
an outage of days is made good behind what is new. A cell that fails costs itself and not the others.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace
from typing import Any

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
from dbb.flows.efd import Efd
from dbb.flows.efd_gaps import find_holes
from dbb.model.efd import (
    Cadence,
    Cell,
    CellState,
    Copied,
    Count,
    Topic,
    changes,
    file_name,
    hour_of,
    hours_between,
)
from dbb.model.kind import Kind

log = logging.getLogger(__name__)

SWEEP = dt.timedelta(days=10)
"""How far back a run looks for cells that nobody opened."""

CELLS_AT_ONCE = 2000
FAILURES_IN_A_ROW = 3
"""After so many the source is taken to be down."""


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
    DigestMismatch, EfdSchemaChanged
        If nothing but this was wrong with a cell.
    """
    counts = {"extracted": 0, "same": 0, "empty": 0, "failed": 0}
    until = efd.clock.now() + limit
    in_a_row = 0
    last: DbbError | None = None
    for cell in efd.cells.open(efd.names, hour_of(begin), end, most):
        if efd.clock.now() >= until or in_a_row == FAILURES_IN_A_ROW:
            break
        try:
            counts[_extract(efd, cell, efd.source.shape(cell.topic))] += 1
            in_a_row = 0
        except (EfdUnavailable, DigestMismatch, EfdSchemaChanged) as error:
            efd.cells.fail(cell, error)
            log.warning("action=efd-extract cell=%s code=%s", cell, error.code)
            counts["failed"] += 1
            if isinstance(error, EfdUnavailable):
                in_a_row += 1
            if last is None or isinstance(error, EfdUnavailable):
                last = error
    log.info("action=efd-extract %s", counts)
    if isinstance(last, EfdUnavailable):
        told = f"{counts['failed']} hours could not be had, the last because: {last.message}"
        raise EfdUnavailable.for_query(last.where, told)
    if last is not None:
        raise last
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
    if doubt := _doubt(efd, cell, shape, counted, copied):
        efd.store.delete([stored])
        raise EfdUnavailable.for_query(cell.topic, doubt)
    _read_back(efd, stored, copied)
    if cell.version and (kept := _kept(efd, cell, counted, copied)):
        efd.store.delete([stored])
        return kept
    efd.cells.fill(cell, version, name, counted, _with_changes(efd, cell, copied))
    return "extracted"


def _doubt(efd: Efd, cell: Cell, shape: Any, counted: Count, copied: Copied) -> str:
    """Say why what was read may not be all that was counted."""
    if copied.count.points < counted.points:
        return f"it gave {copied.count.points} of {counted.points} points"
    if efd.source.shape(cell.topic) != shape:  # a new field of a point that was counted is not read
        return "the topic's fields changed while it was read"
    return ""


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
