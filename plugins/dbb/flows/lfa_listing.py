"""Listing the bucket: what lies there counts, whether or not an event told of it.

A day is listed by the folders in which objects are known to lie, ``CSC/generator/yyyy/mm/dd/``. A
folder that nobody has told of yet, and keys without a date, are found by listing the whole bucket,
which is done once a day.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable

from dbb.errors import LfaEventUnusable
from dbb.flows.lfa import Annex, announce, set_aside
from dbb.model.day_obs import DayObs
from dbb.model.lfa import Announcement
from dbb.ports.store import StoredFile

log = logging.getLogger(__name__)

BATCH = 1000


def list_day(annex: Annex, day_obs: DayObs) -> dict[str, int]:
    """Note the objects of a day in the folders that are known."""
    files = (
        file
        for folder in annex.objects.folders()
        for file in annex.source.list_files(f"{folder}/{day_obs.date:%Y/%m/%d}/")
    )
    return _note(annex, files)


def list_bucket(annex: Annex) -> dict[str, int]:
    """Note every object of the bucket."""
    return _note(annex, annex.source.list_files(""))


def _note(annex: Annex, files: Iterable[StoredFile]) -> dict[str, int]:
    """Note files batch by batch; count those ``listed``, ``new``, ``changed`` and ``unusable``."""
    counts = {"listed": 0, "new": 0, "changed": 0, "unusable": 0}
    rest = iter(files)
    while batch := list(itertools.islice(rest, BATCH)):
        found, stamps, unusable = [], {}, []
        for file in batch:
            try:
                found.append(Announcement.of_listing(annex.bucket, file.name))
            except LfaEventUnusable as error:
                unusable.append((file.name.encode("utf-8", "surrogateescape"), error))
            else:
                stamps[file.name] = file.stamp
        counts["listed"] += len(batch)
        counts["new"] += announce(annex, found)
        counts["changed"] += annex.objects.note_stamps(stamps)
        counts["unusable"] += set_aside(annex, unusable)
    log.info("action=lfa-list %s", counts)
    return counts
