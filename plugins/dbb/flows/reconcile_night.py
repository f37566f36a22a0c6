"""A night as two readings of the ledger agree on it: what stood still, and what each unit is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from dbb.errors import BrokenContract, Damaged
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, manifest_did, read_document, stored_name
from dbb.flows.reconcile_views import GUARD, HAS_FILES, REGISTERED, Sources
from dbb.model.day_obs import DayObs
from dbb.model.delivery import Delivery, State
from dbb.model.exposure import Unit
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.names import Did
from dbb.model.parcel import Parcel, ParcelName
from dbb.ports.ledger import UnitRow


@dataclass(frozen=True)
class Snapshot:
    """Hold a night as the ledger had it at one time."""

    at: dt.datetime
    rows: Mapping[str, UnitRow]
    deliveries: Mapping[tuple[str, str], Delivery]


def read_snapshot(backbone: Backbone, day_obs: DayObs) -> Snapshot:
    """Read a night's units of every kind and their deliveries."""
    at = backbone.clock.now()
    rows = [
        row
        for instrument in sorted(backbone.instruments)
        for row in backbone.ledger.units_of_night(instrument, day_obs.value)
        if row.kind == Kind.RAW
    ]
    for kind in Kind:
        if kind is not Kind.RAW:
            rows += backbone.ledger.units_of_kind(kind, day_obs.value)
    names = [row.unit for row in rows]
    return Snapshot(at, {row.unit: row for row in rows}, backbone.ledger.deliveries(names))


class Night:
    """Answer what both readings of the ledger agree on.

    Parameters
    ----------
    sources
        What is compared.
    day_obs
        The night.
    before, after
        The ledger before and after the listing.
    """

    def __init__(
        self, sources: Sources, day_obs: DayObs, before: Snapshot, after: Snapshot
    ) -> None:
        self.sources = sources
        self.backbone = sources.backbone
        self.day_obs = day_obs
        self.before = before
        self.after = after
        self._parcels: dict[str, Manifest | Parcel] = {}

    def then(self, after: Snapshot) -> Night:
        """Give the same night with what the ledger says at the end; documents are not read again."""
        night = Night(self.sources, self.day_obs, self.before, after)
        night._parcels = self._parcels
        return night

    @cached_property
    def sealed(self) -> dict[str, UnitRow]:
        """List the units whose manifest was the same in both readings."""
        before = self.before.rows
        return {
            unit: row
            for unit, row in self.after.rows.items()
            if row.manifest_sha256
            and unit in before
            and before[unit].manifest_sha256 == row.manifest_sha256
        }

    @cached_property
    def known(self) -> dict[str, UnitRow]:
        """List the units of either reading."""
        return {**self.before.rows, **self.after.rows}

    def delivery(self, unit: str, endpoint: str) -> Delivery | None:
        """Give a delivery as it was at the end."""
        return self.after.deliveries.get((unit, endpoint))

    def is_quiet(self, unit: str, endpoint: str) -> bool:
        """Say whether a delivery did not move while its endpoint was listed."""
        old, new = (
            snapshot.deliveries.get((unit, endpoint)) for snapshot in (self.before, self.after)
        )
        if old is None or new is None:
            return old is new
        return old.version == new.version

    def has_rested(self, delivery: Delivery | None, rest: dt.timedelta = GUARD) -> bool:
        """Say whether a delivery had been in its state for long enough when the listing began."""
        return delivery is None or delivery.since_at <= self.before.at - rest

    def is_old(self, changed_at: dt.datetime, rest: dt.timedelta = GUARD) -> bool:
        """Say whether a file had not changed for long enough when the listing began."""
        return changed_at <= self.before.at - rest

    def is_decided(self, unit: str) -> bool:
        """Say whether it had long been decided who receives a unit: it is known to Rucio."""
        archive = self.backbone.policy.archive
        delivery = self.delivery(unit, archive)
        return (
            delivery is not None
            and delivery.state in REGISTERED
            and self.is_quiet(unit, archive)
            and self.has_rested(delivery)
        )

    def should_have(self, delivery: Delivery | None) -> bool:
        """Say whether the ledger has had a unit's files here: published, or on its way for long."""
        if delivery is None or delivery.state not in HAS_FILES:
            return False
        return delivery.state is State.PUBLISHED or self.has_rested(delivery)

    # -- what a unit is made of ----------------------------------------------------------------

    def files(self, row: UnitRow) -> dict[Did, int] | None:
        """Give the sizes of a sealed unit's files; None where its manifest cannot be read."""
        if row.kind == Kind.RAW and row.bundle is not None:
            bundle = Did(Kind.RAW.scope, Unit.parse(row.unit).bundle_name)
            size_bytes = row.bundle.size_bytes
            return {bundle: size_bytes, manifest_did(row): row.size_bytes - size_bytes}
        document = self.document(row)
        if document is None:
            return None
        return {file.did: file.digest.size_bytes for file in Cargo(row, document).files}

    def names_of(self, row: UnitRow) -> set[str]:
        """Name the files that a unit may have in a store, sealed or not."""
        if row.kind == Kind.RAW:
            unit = Unit.parse(row.unit)
            names = (unit.bundle_name, unit.manifest_name)
            return {self.backbone.stored_name(name) for name in names}
        return {stored_name(did) for did in self.files(row) or {manifest_did(row): 0}}

    def document(self, row: UnitRow, endpoint: str = "") -> Manifest | Parcel | None:
        """Read a unit's manifest at the archive, or at an endpoint; None where neither has it."""
        if row.kind != Kind.RAW and row.unit in self._parcels:
            return self._parcels[row.unit]
        found = None
        for place in dict.fromkeys((self.backbone.policy.archive, endpoint)):
            if found is None and place:
                try:
                    found = read_document(self.backbone, row, place)
                except (Damaged, BrokenContract):
                    continue
        if row.kind != Kind.RAW and found is not None:
            self._parcels[row.unit] = found
        return found

    # -- where a night's things lie ------------------------------------------------------------

    @property
    def folders(self) -> list[str]:
        """Name the folders of a store, ending with ``/``, in which everything has a unit."""
        raw = [f"{Kind.RAW.scope}/{name}/{self.day_obs}/" for name in self._instruments]
        others = [kind.scope for kind in Kind if kind is not Kind.RAW]
        return raw + [f"{scope}/{self.day_obs}/" for scope in others]

    @property
    def rucio_folders(self) -> list[tuple[str, str]]:
        """Give the scopes and folders in which every Rucio dataset has a unit."""
        scope = Kind.RAW.scope
        found = [(scope, f"Dataset/{name}/raw/Obs/{self.day_obs}/") for name in self._instruments]
        others = [kind.scope for kind in Kind if kind is not Kind.RAW]
        return found + [(scope, f"Dataset/{scope}/{self.day_obs}/") for scope in others]

    @property
    def _instruments(self) -> list[str]:
        return sorted(self.backbone.instruments)

    def parcel_of(self, name: str) -> str:
        """Name the parcel in whose folder a stored file lies; empty for one in no such folder."""
        scope, _, rest = name.partition("/")
        parts = rest.split("/")
        if scope == Kind.RAW.scope or len(parts) < 3:
            return ""
        unit = f"{scope}/{parts[0]}/{parts[1]}"
        try:
            return str(ParcelName.parse(unit))
        except BrokenContract:
            return ""
