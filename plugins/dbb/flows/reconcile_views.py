"""What a reconciler asks of the world beside the backbone, and what one look at an endpoint found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from dbb.errors import Transient
from dbb.flows.backbone import Backbone
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.finding import Aspect, Discrepancy, Finding, Sighting
from dbb.model.fingerprint import Fingerprint
from dbb.model.names import Did

GUARD = dt.timedelta(minutes=15)
"""What changed so shortly before the listing is somebody's work in progress, and is not judged."""

UNTOLD = dt.timedelta(minutes=30)
"""How long what is ready may wait for its endpoint's own DAG."""

REAPED = dt.timedelta(days=2)
"""How long Rucio may take to delete what no rule wants any more."""

CONFIRM_AFTER = dt.timedelta(minutes=10)
"""How far apart two scans must be for the second to confirm what the first one saw."""

REGISTERED = (State.REGISTERED, State.PUBLISHED)
HAS_FILES = (State.ARRIVED, State.VERIFIED, State.REGISTERED, State.PUBLISHED)
AWAITED = (State.EXPECTED, State.MISSING, State.SUSPECT)


class Served(NamedTuple):
    """Name a dataset that Butler serves: its identifier, its exposure, its file's URL."""

    dataset_id: bytes
    exposure: int
    file: str


class RucioNights(Protocol):
    """List what Rucio knows."""

    def datasets_below(self, scope: str, folder: str) -> Iterator[Did]:
        """List the Rucio datasets whose names begin with a folder."""

    def replicas_at(self, rses: Sequence[str], dids: Sequence[Did]) -> dict[Did, frozenset[str]]:
        """Say at which of some RSEs files are available; a file that is at none may be left out."""


class ButlerNights(Protocol):
    """List what one Butler repository serves."""

    def served(self, instrument: str, day_obs: int) -> dict[tuple[int, str], Fingerprint]:
        """Sum up a night's raw images by exposure and file (URL; empty: not in the datastore)."""

    def datasets(self, instrument: str, exposures: Sequence[int]) -> Iterator[Served]:
        """List the raw images of some exposures."""

    def places(self, ids: Sequence[bytes]) -> dict[bytes, str]:
        """Find the file of each dataset that is there; empty where it is not in the datastore."""


class KnownNight(NamedTuple):
    """Name a night: when an endpoint was last scanned in it, and the open findings there."""

    day_obs: int
    scanned_at: dt.datetime | None
    open: int


@dataclass
class Scan:
    """Hold what one look at one endpoint's part of a night found.

    Parameters
    ----------
    endpoint, day_obs, at
        What was looked at; ``at`` is when the look began.
    confirm_after
        How far apart two scans must be.
    units
        How many units were compared.
    sightings
        What is wrong.
    unsettled
        Subjects that were moving and were not judged.
    silent
        The services that did not answer.
    looked
        The records that were compared.
    """

    endpoint: str
    day_obs: DayObs
    at: dt.datetime
    confirm_after: dt.timedelta = CONFIRM_AFTER
    units: int = 0
    sightings: list[Sighting] = field(default_factory=list)
    unsettled: set[str] = field(default_factory=set)
    silent: list[Transient] = field(default_factory=list)
    looked: set[Aspect] = field(default_factory=set)

    def see(self, subject: str, discrepancy: Discrepancy, **evidence: object) -> None:
        """Note that something is wrong."""
        printable = subject.encode("utf-8", "backslashreplace").decode()
        self.sightings.append(
            Sighting(self.endpoint, self.day_obs.value, printable, discrepancy, evidence)
        )

    def answers(self, sighting: Sighting) -> bool:
        """Say whether this scan would have seen it, were it still so."""
        return sighting.discrepancy.aspect in self.looked and sighting.subject not in self.unsettled


class Findings(Protocol):
    """Remember what was found."""

    def record(self, scan: Scan) -> None:
        """Record a scan: what it saw is suspected or confirmed, what it missed is closed."""

    def find(
        self,
        first_day: int = 0,
        last_day: int = 99991231,
        *,
        endpoints: Collection[str] = (),
        with_closed: bool = False,
    ) -> list[Finding]:
        """List findings; of all endpoints where none is named."""

    def nights(self, endpoint: str, before_day: int) -> list[KnownNight]:
        """List the nights before one, with the time of an endpoint's last scan of each."""

    def fingerprints(self, units: Sequence[str]) -> dict[str, tuple[str, Fingerprint]]:
        """Read the manifests' identities and fingerprints of units."""

    def note_fingerprints(self, known: Mapping[str, tuple[str, Fingerprint]]) -> None:
        """Keep fingerprints of units."""


@dataclass(frozen=True)
class Sources:
    """Hold what a reconciler compares.

    Parameters
    ----------
    backbone
        The ledger, the stores, the policies, Rucio's rules.
    rucio
        Lists Rucio datasets and replicas.
    butler
        Opens the listing of an endpoint's Butler.
    findings
        Where what is found is remembered.
    """

    backbone: Backbone
    rucio: RucioNights
    butler: Callable[[str], ButlerNights]
    findings: Findings

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Name the endpoints that are compared: the source, the archive, all receivers."""
        policy, policies = self.backbone.policy, self.backbone.policies
        receivers = sorted({each.receiver for each in policies})
        return (policy.source, policy.archive, *receivers)
