"""An interval of telemetry by exposure: an hour of an instrument, and how far its values are."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from dbb.errors import UnknownItem
from dbb.model.efd import HOUR


class IntervalState(StrEnum):
    """How far an interval is."""

    WAITING = "waiting"
    """Hours that its windows reach into are not archived yet; its reason names them."""
    OPEN = "open"
    """It can be worked: it never was, its inputs have changed, or it failed (its code says why)."""
    PUBLISHED = "published"
    """What its inputs say is published."""
    REFUSED = "refused"
    """An expectation forbids it: until its inputs or the limits change, or a person accepts it. Or a field
    that it is made of is no number any more: until the configuration follows."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold an interval, as the ledger knows it.

    Parameters
    ----------
    instrument, begin
        Which hour (UTC) of which instrument: the exposures that ended in it.
    state, code, reason
        How far it is and why.
    attempts
        How often it failed since it went well.
    inputs_sha256
        Of what it was made of last: configuration, exposures, versions of archived hours.
    gate_sha256
        Of the limits by which it was refused.
    exposures
        How many there are.
    publication_id
        The last that it brought, as the publications say; 0 where it brought none.
    """

    instrument: str
    begin: dt.datetime
    state: IntervalState
    code: str = ""
    reason: str = ""
    attempts: int = 0
    inputs_sha256: str = ""
    gate_sha256: str = ""
    exposures: int = 0
    publication_id: int = 0

    @property
    def end(self) -> dt.datetime:
        """Give the first instant after it."""
        return self.begin + HOUR

    @property
    def name(self) -> str:
        """Name it as commands and tasks do, ``LSSTCam/2026-11-22T03``."""
        return interval_name(self.instrument, self.begin)


def interval_name(instrument: str, begin: dt.datetime) -> str:
    """Name an interval."""
    return f"{instrument}/{begin:%Y-%m-%dT%H}"


def parse_interval(name: str) -> tuple[str, dt.datetime]:
    """Read an interval's name.

    Raises
    ------
    UnknownItem
        If it is none.
    """
    instrument, _, hour = name.partition("/")
    try:
        begin = dt.datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=dt.UTC)
    except ValueError:
        raise UnknownItem.for_name("interval", name) from None
    return instrument, begin
