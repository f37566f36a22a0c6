"""Endpoints and the raw policy: who keeps what, as data read from ``include``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an endpoint is for."""

    SOURCE = "source"
    """A buffer in Chile where the camera's files appear; nothing is published there."""
    ARCHIVE = "archive"
    """The place where bundles are made and first kept."""
    FACILITY = "facility"
    """A place that receives bundles through Rucio."""


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
        Its Rucio storage element; empty for a source.
    butler
        Root of its Butler repository; empty for a source.
    queue
        The Airflow queue whose workers stand at the endpoint.
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
    contacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawPolicy:
    """Say how raw exposures travel.

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
    receivers
        Endpoints that receive them from the archive by rule.
    copies_before_release
        Verified, published copies needed before the source may let go.
    incomplete_after_s
        How long an exposure waits for its detectors.
    settle_s
        How long a file must be unchanged before it is read.
    chunk_exposures
        Exposures worked in one task.
    activity
        Rucio activity of the rules.
    """

    instruments: tuple[str, ...]
    scope: str
    run: str
    source: str
    archive: str
    receivers: tuple[str, ...]
    copies_before_release: int
    incomplete_after_s: int
    settle_s: int
    chunk_exposures: int
    activity: str

    @property
    def publishers(self) -> tuple[str, ...]:
        """List the endpoints whose Butler serves the exposures, the archive first."""
        return (self.archive, *self.receivers)
