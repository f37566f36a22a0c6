"""How fast copies must be read again so that each has its turn in time, and no faster."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Age:
    """Hold the copies of an endpoint that were last read on one day.

    Parameters
    ----------
    oldest_at
        The earliest of these readings (UTC).
    copies, size_bytes
        How many they are.
    """

    oldest_at: dt.datetime
    copies: int
    size_bytes: int


def needed_rate(ages: Sequence[Age], period: dt.timedelta, now: dt.datetime) -> float:
    """Give the lowest steady rate that reads every copy again within a period of its last reading.

    Read in the order of their age, the first *k* days of copies must be done by the deadline of day
    *k*: the steepest of these lines is the rate. It is at least what an evenly worked endpoint needs
    for ever, so that a young one does not put everything off.

    Parameters
    ----------
    ages
        Copies by the day of their last reading, oldest first.
    period
        How old a reading may become.
    now
        The time (UTC).

    Returns
    -------
    float
        Bytes per second; infinite if a copy's time is over.
    """
    rate = sum(age.size_bytes for age in ages) / period.total_seconds()
    so_far = 0
    for age in ages:
        so_far += age.size_bytes
        left_s = (age.oldest_at + period - now).total_seconds()
        if left_s <= 0:
            return float("inf")
        rate = max(rate, so_far / left_s)
    return rate
