"""What the ledger's database knows of the intervals of telemetry by exposure."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dbb.hooks.efd.published import to_tai
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time
from dbb.model.day_obs import TAI_MINUS_UTC
from dbb.model.efd import hour_of
from dbb.model.efd_interval import Interval, IntervalState


class SqlIntervals(LedgerHook):
    """Remember how far intervals are."""

    def intervals(self, instrument: str, begin: dt.datetime, end: dt.datetime) -> list[Interval]:
        """Read the intervals that begin in a span."""
        rows = self._ledger.rows("efd/intervals", instrument=instrument, begin_at=begin, end_at=end)
        return [_interval(row) for row in rows]

    def unsettled(self, instrument: str) -> list[Interval]:
        """Read the intervals, of whatever time, that are not published as they ought to be."""
        return [_interval(row) for row in self._ledger.rows("efd/unsettled", instrument=instrument)]

    def hours_without_values(
        self, instrument: str, begin: dt.datetime, end: dt.datetime
    ) -> set[dt.datetime]:
        """Give the hours in which exposures ended that have no values at all."""
        rows = self._ledger.rows(
            "efd/without_values",
            instrument=instrument,
            begin_tai=to_tai(begin),
            end_tai=to_tai(end),
        )
        tai = (dt.datetime.fromisoformat(row.end_tai).replace(tzinfo=dt.UTC) for row in rows)
        return {hour_of(time - TAI_MINUS_UTC) for time in tai}

    def note(self, interval: Interval) -> None:
        """Record how far an interval is."""
        self._ledger.write(
            "efd/note_interval",
            instrument=interval.instrument,
            begin_at=interval.begin,
            state=str(interval.state),
            code=interval.code,
            reason=interval.reason,
            attempts=interval.attempts,
            inputs_sha256=interval.inputs_sha256,
            gate_sha256=interval.gate_sha256,
            exposures=interval.exposures,
            at=self._ledger.now(),
        )


def _interval(row: Any) -> Interval:
    return Interval(
        instrument=row.instrument,
        begin=to_time(row.begin_at),
        state=IntervalState(row.state),
        code=row.code,
        reason=row.reason,
        attempts=row.attempts,
        inputs_sha256=row.inputs_sha256,
        gate_sha256=row.gate_sha256,
        exposures=row.exposures,
        publication_id=row.publication_id or 0,
    )
