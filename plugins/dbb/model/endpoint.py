"""Endpoints, and how raw exposures are handled: data read from ``include``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What an endpoint is for."""

    SOURCE = "source"
    """A buffer in Chile where the camera's files appear; nothing is published there."""
    ARCHIVE = "archive"
    """The place where bundles are made and first kept."""
    FACILITY = "facility"
    """A place that receives copies through Rucio."""
    CACHE = "cache"
    """A cache near the telescope with a registry of its own, which works when all else is down."""
    SCRATCH = "scratch"
    """A place for drills: whatever lies there may be wiped at any time; Rucio does not know it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Describe one place.

    Parameters
    ----------
    name
        Its short name, ``usdf``; the ledger's key and part of task names.
    title
        What people call it.
    role
        What it is for.
    store_url
        Root of its store, ``file:///…`` or ``s3://bucket/prefix``.
    rse
        Its Rucio storage element; empty for a source and a cache.
    butler
        Root of its Butler repository; empty for a source.
    queue
        The Airflow queue whose workers stand at the endpoint.
    tier
        Its kind of storage, ``disk`` or ``nearline``.
    buffer_bytes
        What it can hold while its link is down; 0 where nobody has said.
    link_mttr_h
        Mean time to repair of the link behind a buffer, in hours.
    reread_days
        Within how many days each of its copies is read again.
    links
        The endpoints from which Rucio may bring copies here, and how far each is: 1 is nearest.
    contacts
        Whom to tell.
    """

    name: str
    title: str
    role: Role
    store_url: str
    rse: str
    butler: str
    queue: str
    tier: str = "disk"
    buffer_bytes: int = 0
    link_mttr_h: int = 24
    reread_days: int = 90
    links: Mapping[str, int] = field(default_factory=dict, hash=False)
    contacts: tuple[str, ...] = ()

    @property
    def is_buffer(self) -> bool:
        """Say whether files wait here until they are safe elsewhere."""
        return self.role is Role.SOURCE


@dataclass(frozen=True, slots=True)
class RawPolicy:
    """Say how raw exposures are handled from the source to the archive.

    Parameters
    ----------
    instruments
        Names of the instruments whose files are moved.
    scope
        Rucio scope of the bundles.
    run
        Template of Butler's run collection, with ``{instrument}``.
    source
        Endpoint where the files appear.
    archive
        Endpoint where bundles are made.
    copies_before_release
        Verified, published copies needed before the source may let go.
    incomplete_after_s
        How long an exposure waits for its detectors.
    settle_s
        How long a file must be unchanged before it is read.
    chunk_exposures
        Exposures worked in one task.
    second_reading_after_s
        How long after its publication the archive's copy is read again, at the earliest, before the
        source may let go.
    receivers
        Endpoints that may receive exposures: those of the policies, none of the document.
    """

    instruments: tuple[str, ...]
    scope: str
    run: str
    source: str
    archive: str
    copies_before_release: int
    incomplete_after_s: int
    settle_s: int
    chunk_exposures: int
    second_reading_after_s: int = 0
    receivers: tuple[str, ...] = ()

    @property
    def publishers(self) -> tuple[str, ...]:
        """List the endpoints whose Butler may serve exposures, the archive first."""
        return (self.archive, *self.receivers)
