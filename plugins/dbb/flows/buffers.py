"""The buffers in Chile: how long each can go on taking files while its link is down.

A buffer must hold what arrives within twice the mean time to repair of the link behind it (tempStorageRelMTTR,
DMS-DBB-REQ-0017). What counts is the busiest day of the last week: a cloudy night leaves no room.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from dbb.flows.backbone import Backbone
from dbb.flows.cache_ages import read_cache_ages
from dbb.flows.releasing import find_releasable, release_units
from dbb.model.endpoint import Endpoint

log = logging.getLogger(__name__)

TEMP_STORAGE_REL_MTTR = 2  # tempStorageRelMTTR, DMS-DBB-REQ-0017
FILLING, NEARLY_FULL = 0.5, 0.8
LOOK_BACK = dt.timedelta(days=7)
NOTED = "buffers"
MEASURED_LASTS = dt.timedelta(hours=2)
"""The DAG ``buffer_watch`` measures every hour."""


class BufferRows(Protocol):
    """Know from the ledger what came to a buffer, and what it still holds."""

    def busiest_day(self, endpoint: str, since: dt.datetime) -> int:
        """Give the bytes that arrived at an endpoint on its busiest day since a time."""

    def held(self, endpoint: str) -> list[str]:
        """Name the units whose files an endpoint holds, verified."""


class Level(StrEnum):
    """How full a buffer is; each member states what is then true."""

    WELL = "well"
    """Less than half is used, and what is left lasts as long as it must."""
    FILLING = "filling"
    """Half of it is used: somebody should know."""
    NEARLY_FULL = "nearly full"
    """Four fifths are used, or what is left does not last as long as it must: somebody must act."""
    UNKNOWN = "unknown"
    """Nobody has said how much it holds."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Hold how full a buffer is.

    Parameters
    ----------
    endpoint
        Its name.
    capacity_bytes, used_bytes, files
        What it can hold, and what lies there.
    busiest_day_bytes
        What arrived on the busiest day of the last week.
    needed_h
        For how long it must be able to take files with its link down.
    """

    endpoint: str
    capacity_bytes: int
    used_bytes: int
    files: int
    busiest_day_bytes: int
    needed_h: int

    @property
    def used(self) -> float:
        """Give the used part, from 0 to 1 and more."""
        return self.used_bytes / self.capacity_bytes if self.capacity_bytes else 0.0

    @property
    def hours_left(self) -> float | None:
        """Give the hours until it is full with nothing released; None where nothing arrives."""
        if not self.busiest_day_bytes:
            return None
        return max(0, self.capacity_bytes - self.used_bytes) / self.busiest_day_bytes * 24

    @property
    def level(self) -> Level:
        """Judge it."""
        if not self.capacity_bytes:
            return Level.UNKNOWN
        too_short = self.hours_left is not None and self.hours_left < self.needed_h
        if self.used >= NEARLY_FULL or too_short:
            return Level.NEARLY_FULL
        return Level.FILLING if self.used >= FILLING else Level.WELL

    def to_json(self) -> dict[str, Any]:
        """Give it as it stands in a document."""
        return {
            "endpoint": self.endpoint,
            "level": str(self.level),
            "used_percent": round(100 * self.used, 1),
            "used_bytes": self.used_bytes,
            "capacity_bytes": self.capacity_bytes,
            "files": self.files,
            "busiest_day_bytes": self.busiest_day_bytes,
            "hours_left": None if self.hours_left is None else round(self.hours_left, 1),
            "needed_hours": self.needed_h,
        }


@dataclass(frozen=True)
class Expiries:
    """Hold what may go, and has gone, from caches and endpoints; and how many pins hold something."""

    rows: tuple[dict[str, Any], ...]
    pins: int


class ExpiryRows(Protocol):
    """Know what has gone."""

    def expiries(self, now: dt.datetime) -> Expiries:
        """Sum what may go, and has gone, from places."""


def measure_buffers(
    backbone: Backbone, rows: BufferRows, endpoints: Iterable[Endpoint]
) -> list[Buffer]:
    """Measure the buffers among endpoints by listing them; what lies in quarantine counts too.

    What was measured is noted, for those who do not list a buffer themselves.
    """
    since = backbone.clock.now() - LOOK_BACK
    buffers = []
    for endpoint in endpoints:
        if not endpoint.is_buffer:
            continue
        sizes = [file.size_bytes for file in backbone.store(endpoint.name).list_files("")]
        buffer = Buffer(
            endpoint=endpoint.name,
            capacity_bytes=endpoint.buffer_bytes,
            used_bytes=sum(sizes),
            files=len(sizes),
            busiest_day_bytes=rows.busiest_day(endpoint.name, since),
            needed_h=TEMP_STORAGE_REL_MTTR * endpoint.link_mttr_h,
        )
        log.info(
            "action=measure-buffer %s", " ".join(f"{k}={v}" for k, v in buffer.to_json().items())
        )
        buffers.append(buffer)
    backbone.ledger.note(NOTED, json.dumps([buffer.to_json() for buffer in buffers]))
    return buffers


def buffers_document(
    backbone: Backbone, rows: ExpiryRows, endpoints: Iterable[str]
) -> dict[str, Any]:
    """Give what was measured last, and what caches at endpoints hold, as a document of ``dbb-buffers/1``."""
    now = backbone.clock.now()
    noted = backbone.ledger.noted([NOTED]).get(NOTED)
    expiries = rows.expiries(now)
    return {
        "schema": "dbb-buffers/1",
        "as_of": now.isoformat(timespec="milliseconds"),
        "measured_at": None if noted is None else noted.at.isoformat(timespec="milliseconds"),
        "is_old": noted is None or now - noted.at > MEASURED_LASTS,
        "buffers": [] if noted is None else json.loads(noted.document),
        "caches": read_cache_ages(backbone, endpoints),
        "expiries": list(expiries.rows),
        "pins": expiries.pins,
    }


def release_what_is_safe(backbone: Backbone, rows: BufferRows) -> int:
    """Release at the source, of whatever night, what enough published copies stand for; count the units."""
    held = rows.held(backbone.policy.source)
    safe = [row.unit for row in find_releasable(backbone, held)]
    return release_units(backbone, safe)["released"]
