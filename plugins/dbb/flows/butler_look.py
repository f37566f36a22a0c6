"""What a Butler has of a night, beside what the manifests say that it should have.

A unit's datasets are compared by their number and sums. Identifiers, and manifests, are read only of
exposures of which a part differs.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbb.flows.cargo import stored_name
from dbb.flows.reconcile_night import Night
from dbb.flows.reconcile_views import REGISTERED, ButlerNights, Served
from dbb.model.exposure import Unit
from dbb.model.fingerprint import Fingerprint, fingerprint_of, image_ids
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.names import Did
from dbb.model.parcel import Parcel
from dbb.ports.ledger import UnitRow

UNITS_AT_ONCE = 500
"""Manifests read before their fingerprints are kept: what a killed scan has read is not lost."""


@dataclass(frozen=True)
class Claim:
    """Hold what one exposure should look like in a Butler."""

    row: UnitRow
    exposure: int
    url: str
    expected: Fingerprint | None

    @property
    def place(self) -> tuple[str, int]:
        """Give instrument and exposure."""
        return self.row.instrument, self.exposure


@dataclass
class ButlerLook:
    """Hold what a Butler has of a night.

    Parameters
    ----------
    claims
        By unit, what its bundle should look like.
    groups
        By instrument, exposure and file: what is there.
    moved
        By unit, the other file from which all its datasets are served.
    foreign
        The groups whose file no unit has, and that are not all of a unit's.
    datasets
        Of exposures where something differs: every dataset.
    named
        Of units of those exposures: the datasets that the manifest names; None if unreadable.
    parcels
        Of parcels: by dataset the file where it should be, and the one where it is.
    """

    claims: dict[str, Claim] = field(default_factory=dict)
    groups: dict[tuple[str, int, str], Fingerprint] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    foreign: set[tuple[str, int, str]] = field(default_factory=set)
    datasets: dict[tuple[str, int], list[Served]] = field(default_factory=dict)
    named: dict[str, set[bytes] | None] = field(default_factory=dict)
    parcels: dict[str, tuple[dict[bytes, str], dict[bytes, str]]] = field(default_factory=dict)

    def group_of(self, claim: Claim) -> Fingerprint | None:
        """Give what is there of a unit's own file."""
        return self.groups.get((*claim.place, claim.url))


def know_fingerprints(night: Night) -> dict[str, Fingerprint]:
    """Give the fingerprint of each sealed exposure's datasets; those never seen are computed."""
    raw = {unit: row for unit, row in night.sealed.items() if row.kind == Kind.RAW}
    known = {
        unit: fingerprint
        for unit, (sha256, fingerprint) in night.sources.findings.fingerprints(list(raw)).items()
        if sha256 == raw[unit].manifest_sha256
    }
    new: dict[str, tuple[str, Fingerprint]] = {}
    for unit, row in raw.items():
        document = None if unit in known else night.document(row)
        if isinstance(document, Manifest):
            new[unit] = (row.manifest_sha256, fingerprint_of(document))
        if len(new) == UNITS_AT_ONCE:
            night.sources.findings.note_fingerprints(new)
            known |= {name: fingerprint for name, (_, fingerprint) in new.items()}
            new = {}
    night.sources.findings.note_fingerprints(new)
    return known | {name: fingerprint for name, (_, fingerprint) in new.items()}


def ask_butler(night: Night, endpoint: str, known: Mapping[str, Fingerprint]) -> ButlerLook:
    """Sum up what a Butler has of a night; read identifiers where it differs from the ledger."""
    butler = night.sources.butler(endpoint)
    look = ButlerLook()
    store = night.backbone.store(endpoint)
    for unit, row in night.sealed.items():
        if row.kind == Kind.RAW:
            parsed = Unit.parse(unit)
            url = store.url_of(stored_name(Did(Kind.RAW.scope, parsed.bundle_name)))
            exposure = parsed.obs_id.exposure_id
            look.claims[unit] = Claim(row, exposure, url, known.get(unit))
    for instrument in sorted(night.backbone.instruments):
        for (exposure, file), found in butler.served(instrument, night.day_obs.value).items():
            look.groups[instrument, exposure, file] = found
    _look_closer(night, endpoint, butler, look)
    _look_at_parcels(night, endpoint, butler, look)
    return look


def _look_closer(night: Night, endpoint: str, butler: ButlerNights, look: ButlerLook) -> None:
    """Read the datasets, and the manifests, of exposures of which a part is not as it should be.

    What is not there at all, or all there from one other file, needs no closer look.
    """
    look.foreign = look.groups.keys() - {
        (*claim.place, claim.url) for claim in look.claims.values()
    }
    _find_moved(look)
    wrong = {key[:2] for key in look.foreign}
    present = {key[:2] for key in look.groups}
    for unit, claim in look.claims.items():
        delivery = night.delivery(unit, endpoint)
        is_served = delivery is not None and delivery.state in REGISTERED
        differs = claim.expected is None or look.group_of(claim) != claim.expected
        is_partly_there = claim.expected is None or claim.place in present
        if is_served and differs and is_partly_there and unit not in look.moved:
            wrong.add(claim.place)
    by_instrument: dict[str, list[int]] = defaultdict(list)
    for instrument, exposure in sorted(wrong):
        by_instrument[instrument].append(exposure)
        look.datasets[instrument, exposure] = []
    for instrument, exposures in by_instrument.items():
        for each in butler.datasets(instrument, exposures):
            look.datasets[instrument, each.exposure].append(each)
    for unit, claim in look.claims.items():
        if claim.place in wrong:
            document = night.document(claim.row, endpoint)
            look.named[unit] = set(image_ids(document)) if isinstance(document, Manifest) else None


def _find_moved(look: ButlerLook) -> None:
    """Find the units all of whose datasets are served from one other file."""
    strangers: dict[tuple[str, int], list[str]] = defaultdict(list)
    for instrument, exposure, file in sorted(look.foreign):
        if file:
            strangers[instrument, exposure].append(file)
    for unit, claim in look.claims.items():
        for file in strangers.get(claim.place, ()):
            if look.group_of(claim) is None and look.groups[*claim.place, file] == claim.expected:
                look.moved[unit] = file
                look.foreign.discard((*claim.place, file))


def _look_at_parcels(night: Night, endpoint: str, butler: ButlerNights, look: ButlerLook) -> None:
    store = night.backbone.store(endpoint)
    for unit, row in night.sealed.items():
        document = None if row.kind == Kind.RAW else night.document(row, endpoint)
        if not isinstance(document, Parcel):
            continue
        wanted = {
            uuid.UUID(ref["id"]).bytes: store.url_of(stored_name(Did(document.scope, file.name)))
            for file in document.files
            for ref in file.refs
        }
        if wanted:
            look.parcels[unit] = (wanted, butler.places(sorted(wanted)))
