"""Which intervals of telemetry by exposure are to be made, made again, or wait; and making them.

Nobody says what has changed: it is compared. What an interval's values were made of last stands beside it:
the configuration, its exposures, and the versions of the archived hours that their windows reach into. When
one of these is another one now, it is made again: a late point, an exposure that came late, a new
configuration, a hole that was filled are all the same. What is published then is what differs, which
may be nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dbb.errors import DbbError, EfdNotExtracted, EfdSchemaChanged, EfdValuesRefused
from dbb.flows.efd import SETTLE, Cells
from dbb.flows.efd_archiving import SWEEP
from dbb.flows.efd_transforming import TransformPorts, transform_interval
from dbb.model.efd import HOUR, Cell, CellState, hour_of, hours_between
from dbb.model.efd_interval import Interval, IntervalState
from dbb.model.efd_values import ExposureWindow
from dbb.ports.clock import Clock

log = logging.getLogger(__name__)

SHOWN = 3


class Intervals(Protocol):
    """Remember how far intervals are."""

    def intervals(self, instrument: str, begin: dt.datetime, end: dt.datetime) -> list[Interval]:
        """Read the intervals that begin in a span."""

    def unsettled(self, instrument: str) -> list[Interval]:
        """Read the intervals, of whatever time, that are not published as they ought to be."""

    def hours_without_values(
        self, instrument: str, begin: dt.datetime, end: dt.datetime
    ) -> set[dt.datetime]:
        """Give the hours in which exposures ended that have no values at all."""

    def note(self, interval: Interval) -> None:
        """Record how far an interval is."""


@dataclass(frozen=True)
class IntervalPorts:
    """Hold the ports of the transformation of one instrument.

    Parameters
    ----------
    transform
        What makes an interval.
    gate_sha256
        Of the limits that it is judged by.
    cells
        Which hours of topics are archived.
    intervals
        How far intervals are.
    clock
        The time.
    """

    transform: TransformPorts
    gate_sha256: str
    cells: Cells
    intervals: Intervals
    clock: Clock

    @property
    def instrument(self) -> str:
        """Name the instrument."""
        return self.transform.instrument

    @property
    def due_until(self) -> dt.datetime:
        """Give the end of the last hour that is due."""
        return hour_of(self.clock.now() - SETTLE)


def plan_intervals(ports: IntervalPorts, begin: dt.datetime, end: dt.datetime) -> list[Interval]:
    """Find the intervals that are to be made, oldest first; record which wait, and for what.

    Looked at are those of the span, of the last ten days, and of any time since the archive began those that
    are not settled or have an exposure without values. An hour that is not over is not looked at.

    Returns
    -------
    list of Interval
        Those that can be made now.
    """
    found = [each for each in look_at(ports, begin, end) if each.state is IntervalState.OPEN]
    log.info("action=efd-plan instrument=%s open=%d", ports.instrument, len(found))
    return found


def look_at(
    ports: IntervalPorts, begin: dt.datetime, end: dt.datetime, *, is_all: bool = True
) -> list[Interval]:
    """Compare intervals with what is archived; record those that wait; give them all as they are now.

    Parameters
    ----------
    ports, begin, end
        The ports; the span.
    is_all
        Also those of the last ten days, and those of any time that are not settled.
    """
    due = ports.due_until
    spans = [(hour_of(begin), min(end, due))]
    first = ports.cells.first()
    if is_all and first is not None:
        spans.append((max(first, due - SWEEP), due))
        late = ports.intervals.hours_without_values(ports.instrument, first, due)
        late |= {each.begin for each in ports.intervals.unsettled(ports.instrument)}
        spans += [(hour, hour + HOUR) for hour in late]
    found: list[Interval] = []
    for lower, upper in _merged(spans):
        found += _look_at_span(ports, lower, upper)
    return found


def _merged(
    spans: Iterable[tuple[dt.datetime, dt.datetime]],
) -> list[tuple[dt.datetime, dt.datetime]]:
    merged: list[tuple[dt.datetime, dt.datetime]] = []
    for lower, upper in sorted(spans):
        if lower >= upper:
            continue
        if merged and lower <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(upper, merged[-1][1])
        else:
            merged.append((lower, upper))
    return merged


def _look_at_span(ports: IntervalPorts, begin: dt.datetime, end: dt.datetime) -> list[Interval]:
    by_hour: dict[dt.datetime, list[ExposureWindow]] = {}
    for each in ports.transform.published.exposures(ports.instrument, begin, end):
        by_hour.setdefault(hour_of(each.end), []).append(each)
    if not by_hour:
        return []
    known = {each.begin: each for each in ports.intervals.intervals(ports.instrument, begin, end)}
    reach = ports.transform.config.reach()
    before = max(each[0] for each in reach.values())
    after = max(each[1] for each in reach.values())
    exposures = [each for hour in by_hour.values() for each in hour]
    cells = {
        (cell.topic, cell.begin): cell
        for cell in ports.cells.cells(
            sorted(reach),
            hour_of(min(each.begin for each in exposures) - before),
            max(each.end for each in exposures) + after,
        )
    }
    found = []
    for hour, some in sorted(by_hour.items()):
        was = known.get(hour) or Interval(ports.instrument, hour, IntervalState.OPEN)
        now = _compare(ports, was, some, cells)
        if now.state is not IntervalState.OPEN and now != was:
            ports.intervals.note(now)
        found.append(now)
    return found


def _compare(
    ports: IntervalPorts,
    was: Interval,
    exposures: Sequence[ExposureWindow],
    cells: Mapping[tuple[str, dt.datetime], Cell],
) -> Interval:
    """Say how far an interval is, given what is archived."""
    needed = _needed(ports.transform.config.reach(), exposures)
    missing = [key for key in needed if key not in cells or cells[key].state is CellState.OPEN]
    if missing:
        named = ", ".join(f"{topic} {hour:%Y-%m-%dT%H}" for topic, hour in missing[:SHOWN])
        rest = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        codes = [cells[key].code for key in missing if key in cells and cells[key].code]
        return replace(
            was,
            state=IntervalState.WAITING,
            code=codes[0] if codes else EfdNotExtracted.code,
            reason=f"not archived: {named}{rest}",
            exposures=len(exposures),
        )
    inputs = _fingerprint(ports, exposures, [cells[key] for key in needed])
    is_same = inputs == was.inputs_sha256
    if was.state is IntervalState.PUBLISHED and is_same:
        return was
    if was.state is IntervalState.REFUSED and is_same and was.gate_sha256 == ports.gate_sha256:
        return was
    if was.state is IntervalState.WAITING and is_same and not was.gate_sha256:
        # It waited for hours that turned out to be what they were.
        return replace(was, state=IntervalState.PUBLISHED, code="", reason="")
    return replace(was, state=IntervalState.OPEN, inputs_sha256=inputs, exposures=len(exposures))


def _needed(
    reach: Mapping[str, tuple[dt.timedelta, dt.timedelta]], exposures: Sequence[ExposureWindow]
) -> list[tuple[str, dt.datetime]]:
    """Name the hours of topics into which the windows of exposures reach."""
    first, last = min(each.begin for each in exposures), max(each.end for each in exposures)
    return [
        (topic, hour)
        for topic, (before, after) in sorted(reach.items())
        for hour in hours_between(first - before, last + after)
    ]


def _fingerprint(
    ports: IntervalPorts, exposures: Sequence[ExposureWindow], cells: Sequence[Cell]
) -> str:
    told = [
        ports.transform.config.sha256,
        [[e.exposure_id, e.begin.isoformat(), e.end.isoformat()] for e in exposures],
        [[cell.topic, cell.begin.isoformat(), cell.version] for cell in cells],
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def make_intervals(
    ports: IntervalPorts,
    hours: Collection[dt.datetime],
    accept: Mapping[dt.datetime, str] | None = None,
) -> dict[str, int]:
    """Make intervals, each on its own: one that fails or is refused costs itself and not the others.

    Parameters
    ----------
    ports
        The ports.
    hours
        The begins of the intervals. Each is looked at once more: one that waits now is not made.
    accept
        By begin, why a person publishes what the expectations refuse. It is good for a refusal that stands:
        where the inputs are others now, the interval is judged anew.

    Returns
    -------
    dict
        How many were ``published`` anew, are the ``same``, ``waiting``, ``refused``, ``failed``;
        ``exposures`` and ``versions`` that were published.

    Raises
    ------
    EfdValuesRefused, EfdSchemaChanged
        If an expectation forbids one, or a field that it is made of is no number any more; the others
        were made.
    DbbError
        If one failed; the others were made.
    """
    reasons = accept or {}
    counts = dict.fromkeys(
        ("published", "same", "waiting", "refused", "failed", "exposures", "versions"), 0
    )
    last: DbbError | None = None
    for hour in sorted({*hours, *reasons}):
        for interval in look_at(ports, hour, hour + HOUR, is_all=False):
            error = _make(ports, interval, reasons.get(hour, ""), counts)
            is_refusal = isinstance(error, EfdValuesRefused | EfdSchemaChanged)
            if error is not None and not (last is not None and is_refusal):
                last = error  # that something failed is worth another attempt: it comes first
    log.info("action=efd-make instrument=%s %s", ports.instrument, counts)
    if last is not None:
        raise last
    return counts


def _make(
    ports: IntervalPorts, interval: Interval, accept: str, counts: dict[str, int]
) -> DbbError | None:
    if interval.state is IntervalState.WAITING:
        counts["waiting"] += 1
        return None
    if interval.state is IntervalState.PUBLISHED or (
        interval.state is IntervalState.REFUSED and not accept
    ):
        counts["same"] += 1
        return None
    well = replace(
        interval, state=IntervalState.PUBLISHED, code="", reason="", attempts=0, gate_sha256=""
    )
    accepted = accept if interval.state is IntervalState.REFUSED else ""  # this very refusal
    try:
        done = transform_interval(ports.transform, interval.begin, interval.end, accepted)
    except (EfdValuesRefused, EfdSchemaChanged) as error:
        counts["refused"] += 1
        refused = replace(well, state=IntervalState.REFUSED, gate_sha256=ports.gate_sha256)
        ports.intervals.note(replace(refused, code=error.code, reason=error.message))
        return error
    except DbbError as error:
        counts["failed"] += 1
        attempts = interval.attempts + 1
        failed = replace(interval, state=IntervalState.OPEN, inputs_sha256="", attempts=attempts)
        ports.intervals.note(replace(failed, code=error.code, reason=error.message))
        log.warning("action=efd-make interval=%s code=%s", interval.name, error.code)
        return error
    ports.intervals.note(well)
    counts["published" if done.rows else "same"] += 1
    counts["exposures"] += done.exposures
    counts["versions"] += done.rows
    return None
