"""The observing day: the TAI date twelve hours earlier, noon to noon."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from dbb.errors import BadDayObs

TAI_MINUS_UTC = dt.timedelta(seconds=37)
"""TAI - UTC since 2017-01-01, the last leap second (IERS Bulletin C); the survey began later."""

ROLLOVER = dt.timedelta(hours=12)
FIRST = dt.date(2017, 1, 2)


@dataclass(frozen=True, slots=True, order=True)
class DayObs:
    """Name one observing day.

    Parameters
    ----------
    value
        The TAI date twelve hours earlier, as the integer YYYYMMDD (Rubin's ``day_obs``).
    """

    value: int

    @classmethod
    def parse(cls, text: str | int) -> Self:
        """Read ``YYYYMMDD`` or ``YYYY-MM-DD``.

        Raises
        ------
        BadDayObs
            If it is no calendar day since 2017-01-02.
        """
        match = re.fullmatch(r"(\d{4})(-?)(\d{2})\2(\d{2})", str(text), re.ASCII)
        if match is None or isinstance(text, bool):
            raise BadDayObs.for_value(text)
        try:
            date = dt.date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            raise BadDayObs.for_value(text) from None
        if date < FIRST:
            raise BadDayObs.for_value(text)
        return cls(int(date.strftime("%Y%m%d")))

    @classmethod
    def at(cls, time: dt.datetime) -> Self:
        """Find the observing day of an aware time (any zone; UTC within)."""
        if time.tzinfo is None:
            raise BadDayObs.for_value(f"{time.isoformat()} (no time zone)")
        tai = time.astimezone(dt.UTC) + TAI_MINUS_UTC
        return cls.parse((tai - ROLLOVER).strftime("%Y%m%d"))

    @property
    def date(self) -> dt.date:
        """Give the calendar date that names the day."""
        return dt.date.fromisoformat(str(self.value))

    @property
    def begin(self) -> dt.datetime:
        """Give the first instant of the day, in UTC (noon TAI is 37 s before noon UTC)."""
        noon = dt.datetime.combine(self.date, dt.time(12), tzinfo=dt.UTC)
        return noon - TAI_MINUS_UTC

    @property
    def end(self) -> dt.datetime:
        """Give the first instant after the day, in UTC."""
        return self.begin + dt.timedelta(days=1)

    def next(self) -> Self:
        """Give the following day."""
        return type(self).parse((self.date + dt.timedelta(days=1)).strftime("%Y%m%d"))

    @classmethod
    def range(cls, first: DayObs, last: DayObs) -> Iterator[DayObs]:
        """List the days from ``first`` to ``last``, both included."""
        day = first
        while day <= last:
            yield day
            day = day.next()

    def __str__(self) -> str:
        return str(self.value)

    def __int__(self) -> int:
        return self.value
