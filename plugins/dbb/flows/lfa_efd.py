"""Asking the EFD for the annex's events: what Kafka did not bring is there.

Each asking begins a day before the end of the last: points come late. A window counts as asked when its
answer was whole and everything in it is kept; after an outage the next run begins where that was.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from collections.abc import Iterator
from typing import Any, Protocol

from dbb.errors import DbbError, LfaEventUnusable
from dbb.flows.lfa import Annex, announce, set_aside
from dbb.model import strict_json
from dbb.model.lfa import Announcement

log = logging.getLogger(__name__)

OVERLAP = dt.timedelta(hours=24)
"""How far before the end of the last asking the next begins."""

WINDOW = dt.timedelta(hours=6)
"""Longest window of one query."""

BATCH = 1000


class Efd(Protocol):
    """Give what the EFD keeps of events."""

    @property
    def name(self) -> str:
        """Give the name by which the ledger remembers up to when it was asked."""

    def events(self, begin: dt.datetime, end: dt.datetime) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the events from ``begin`` up to before ``end``: the measurement, and its fields."""


class EfdCursor(Protocol):
    """Remember up to when the EFD was asked."""

    def efd_asked_until(self, cursor: str) -> dt.datetime | None:
        """Say up to when an EFD was asked."""

    def note_efd_asked(self, cursor: str, until: dt.datetime) -> None:
        """Record up to when an EFD was asked; an earlier time changes nothing."""


def ask_efd(annex: Annex, efd: Efd, cursor: EfdCursor, now: dt.datetime) -> dict[str, int]:
    """Note the objects of which the EFD tells, since a day before it was asked last.

    Returns
    -------
    dict
        How many ``events`` there were, how many told of a ``new`` object, and how many are
        ``unusable``.

    Raises
    ------
    EfdUnavailable
        If it does not answer; the windows before are done.
    """
    last = cursor.efd_asked_until(efd.name)
    begin = (now if last is None else min(last, now)) - OVERLAP
    counts = {"events": 0, "new": 0, "unusable": 0}
    while begin < now:
        end = min(begin + WINDOW, now)
        for name, number in ask_window(annex, efd, begin, end).items():
            counts[name] += number
        cursor.note_efd_asked(efd.name, end)
        begin = end
    log.info("action=lfa-ask-efd %s", counts)
    return counts


def ask_window(annex: Annex, efd: Efd, begin: dt.datetime, end: dt.datetime) -> dict[str, int]:
    """Note the objects of which the EFD tells in one window."""
    counts = {"events": 0, "new": 0, "unusable": 0}
    events = efd.events(begin, end)
    while batch := list(itertools.islice(events, BATCH)):
        found: list[Announcement] = []
        unusable: list[tuple[bytes, DbbError]] = []
        for measurement, fields in batch:
            try:
                found.append(Announcement.of_event(measurement, fields, "efd"))
            except LfaEventUnusable as error:
                data = strict_json.canonical({"measurement": measurement, **fields})
                unusable.append((data, error))
        counts["events"] += len(batch)
        set_aside(annex, unusable)
        counts["new"] += announce(annex, found)
        counts["unusable"] += len(unusable)
    return counts
