"""The gaps of the archive of the EFD: what ought to be there and is not, or is in doubt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dbb.errors import EfdNotExtracted
from dbb.flows.efd import Efd
from dbb.model.efd import HOUR, CellState, hour_of, hours_between


def find_holes(efd: Efd, hours: Iterable[dt.datetime]) -> set[tuple[str, dt.datetime]]:
    """Name the cells of hours that the ledger does not know."""
    wanted = sorted(set(hours))
    if not wanted:
        return set()
    last = wanted[-1] + dt.timedelta(seconds=1)
    known = {(cell.topic, cell.begin) for cell in efd.cells.cells(efd.names, wanted[0], last)}
    return {(topic, hour) for topic in efd.names for hour in wanted} - known


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
        Gap(topic, hour, hour + HOUR, "unknown", never.code, never.message)
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
