"""The ledger of units and deliveries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dbb.model.consdb import ConsdbPublication, Observation
from dbb.model.delivery import Delivery, State
from dbb.model.digest import Digest
from dbb.model.exposure import ExposureFacts
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.night_units import AlikeUnits, NightLags
from dbb.model.quarantine import Decision, Refusal

if TYPE_CHECKING:
    from dbb.model.parcel import Parcel


@dataclass(frozen=True, slots=True)
class UnitRow:
    """Hold one unit as the ledger knows it.

    Parameters
    ----------
    unit, kind, instrument, day_obs, obs_id, part
        What it is; ``obs_id`` is a parcel's name where it is no exposure.
    expected, arrived
        Numbers of detectors; of files, for a parcel.
    missing
        Full names of expected detectors that are not in the bundle (known once it is made).
    changed_at
        When its set of files last grew (UTC).
    manifest_sha256, bundle
        Identity of the manifest and of the bundle, once made; a parcel has no bundle.
    gate
        ``passed``, ``failed`` or empty: what the night's expectations said.
    files, size_bytes
        What travels, the manifest included, once made.
    """

    unit: str
    kind: str
    instrument: str
    day_obs: int
    obs_id: str
    part: int
    expected: int
    arrived: int
    missing: tuple[str, ...]
    changed_at: dt.datetime
    manifest_sha256: str = ""
    bundle: Digest | None = None
    gate: str = ""
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryEvent:
    """Hold one step of a delivery's history (``old_state`` is empty for the first)."""

    unit: str
    endpoint: str
    version: int
    at: dt.datetime
    old_state: str
    new_state: State
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class ExpectationResult:
    """Hold the outcome of an expectation suite over a night's exposure records.

    ``detail`` is JSON: for each expectation its name, the column and the units that fail it.
    """

    day_obs: int
    instrument: str
    suite: str
    at: dt.datetime
    exposures: int
    failed: int
    detail: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Hold the newest word on something that is not asked anew for each reader.

    ``document`` is JSON.
    """

    name: str
    at: dt.datetime
    document: str


class Ledger(Protocol):
    """Remember how far everything is: the tables of schema ``dbb``."""

    def note_units(self, rows: Sequence[UnitRow]) -> None:
        """Insert units, or update what changes while files arrive (never the identity)."""

    def units(self, names: Sequence[str]) -> dict[str, UnitRow]:
        """Read units by name; unknown ones are left out."""

    def units_of_night(self, instrument: str, day_obs: int) -> list[UnitRow]:
        """Read the units of a night, in the order of their names."""

    def seal_unit(self, unit: str, manifest: Manifest, facts: ExposureFacts) -> None:
        """Record the bundle's and manifest's identity, the missing detectors and the facts.

        Raises
        ------
        ConflictingDuplicate
            If the unit is sealed already with another manifest.
        """

    def seal_parcel(self, parcel: Parcel) -> None:
        """Insert the unit of a parcel, which is complete from the beginning; again is a no-op.

        Raises
        ------
        ConflictingDuplicate
            If the unit exists with another manifest and a copy of it was verified.
        """

    def set_gate(self, verdicts: Mapping[str, bool | None]) -> None:
        """Record what the night's expectations said of units; None has them judged again."""

    def facts_of(self, units: Sequence[str]) -> dict[str, ExposureFacts]:
        """Read the exposure facts of units."""

    def regions_of(self, units: Sequence[str], version: str) -> dict[str, frozenset[str] | None]:
        """Read which regions of the sky units touch, as far as it is kept for a version."""

    def note_regions(self, found: Mapping[str, frozenset[str] | None], version: str) -> None:
        """Keep which regions of the sky units touch."""

    def observed(self, units: Sequence[str]) -> dict[str, str]:
        """Read of which manifests the observing metadata of units were made."""

    def observe(self, observations: Sequence[Observation], reason: str = "") -> ConsdbPublication:
        """Publish observing metadata in one transaction; what is there already is a no-op."""

    def deliveries(self, units: Sequence[str]) -> dict[tuple[str, str], Delivery]:
        """Read deliveries by unit and endpoint."""

    def deliveries_of_night(self, day_obs: int) -> list[Delivery]:
        """Read the deliveries of a night's units, in no order."""

    def alike_of_night(
        self, instruments: Sequence[str], day_obs: int, source: str, apart: Collection[str]
    ) -> list[AlikeUnits]:
        """Bring together the units of a night that stand alike; those of ``apart`` each alone."""

    def lags(
        self, first: int, last: int, endpoints: Sequence[str], limit: dt.timedelta
    ) -> list[NightLags]:
        """Sum up how long raw units of nights took from their last file to their publication."""

    def expect(self, units: Sequence[str], endpoint: str, reason: str) -> None:
        """Open deliveries in state ``expected``; those that exist stay as they are."""

    def advance(
        self, units: Sequence[str], endpoint: str, old: State, new: State, reason: str
    ) -> set[str]:
        """Move deliveries that are in ``old`` to ``new``, each with one event; name those moved.

        ``verified`` also records the time of the reading.

        Raises
        ------
        ForbiddenTransition
            If no delivery may go that way.
        """

    def days_of_kind(self, kind: Kind) -> list[int]:
        """List the days of which there are sealed units of a kind."""

    def units_of_kind(self, kind: Kind, day_obs: int) -> list[UnitRow]:
        """Read the sealed units of a kind and day, in the order of their names."""

    def count_published(self, endpoint: str) -> tuple[int, int]:
        """Count the units that an endpoint serves, and their bytes."""

    def open_deliveries(self, endpoint: str) -> list[Delivery]:
        """Read the deliveries that an endpoint still has to do something for, by unit's name.

        They are those expected, arrived, verified, registered, missing or suspect, of units whose
        manifest exists.
        """

    def note_waiting(self, reasons: Mapping[str, str], endpoint: str) -> None:
        """Record why deliveries wait; the time of the first such reason is kept until they move."""

    def note_read(self, units: Sequence[str], endpoint: str) -> None:
        """Record that published copies were read again and are right."""

    def set_rules(self, rules: Mapping[str, str | None], endpoint: str) -> None:
        """Record the rule that brings each unit to an endpoint; None where it was ended."""

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Put rows into quarantine; those held or rejected already stay as they are.

        A row that was released or superseded, and is refused again, is held again.
        """

    def refusals(
        self,
        *,
        day_obs: int | None = None,
        unit: str | None = None,
        decision: Decision | None = Decision.HELD,
    ) -> list[Refusal]:
        """Read quarantine rows, oldest first."""

    def decide(self, refusal_ids: Sequence[str], decision: Decision, by: str) -> int:
        """Record a decision on rows that are held; give their number."""

    def note_expectations(
        self, day_obs: int, instrument: str, suite: str, exposures: int, failed: int, detail: str
    ) -> None:
        """Store the outcome of an expectation suite."""

    def expectations(self, day_obs: int) -> list[ExpectationResult]:
        """Read the outcomes of a night's expectation suites, newest first."""

    def note(self, name: str, document: str, every_s: float = 0.0) -> None:
        """Keep the newest word on something; one that is younger than ``every_s`` stays."""

    def noted(self, names: Sequence[str]) -> dict[str, Noted]:
        """Read the newest words on things; what nobody noted is left out."""

    def events(self, unit: str) -> list[DeliveryEvent]:
        """Read the history of a unit, in order."""
