"""Landing exposures in the archive: bundle, write, read back, and only then believe it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dbb.errors import (
    BadDocument,
    ConflictingDuplicate,
    Damaged,
    DigestMismatch,
    IncompleteExposure,
    MissingCopy,
)
from dbb.flows.backbone import Backbone
from dbb.flows.bundling import BundleMaker, FilesRefused, refused_names
from dbb.flows.cargo import verify_cargo
from dbb.flows.exposure_files import ExposureFiles, read_expected_sensors
from dbb.flows.manifests import read_manifest
from dbb.flows.refusing import refuse_file, refuse_unit
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.model.manifest import Manifest
from dbb.model.quarantine import Decision
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)


def land_units(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Land every unit of a chunk that has arrived; a refused one costs only itself.

    Returns
    -------
    dict
        How many were ``landed``, ``refused`` and sent back to ``waiting``.
    """
    rows = backbone.ledger.units(units)
    deliveries = backbone.ledger.deliveries(units)
    outcome = {"landed": 0, "refused": 0, "waiting": 0}
    for number, (name, row) in enumerate(sorted(rows.items()), start=1):
        delivery = deliveries.get((name, backbone.policy.source))
        if delivery is None or delivery.state is not State.ARRIVED:
            continue
        state, reason = _land(backbone, row)
        backbone.ledger.advance([name], backbone.policy.source, State.ARRIVED, state, reason)
        outcome[_OUTCOMES[state]] += 1
        log.info("action=land unit=%s state=%s progress=%d/%d", name, state, number, len(rows))
    return outcome


_OUTCOMES = {
    State.VERIFIED: "landed",
    State.QUARANTINED: "refused",
    State.EXPECTED: "waiting",
}


def _land(backbone: Backbone, row: UnitRow) -> tuple[State, str]:
    """Bring one unit to the archive; tell what becomes of its delivery at the source."""
    if row.manifest_sha256 and _is_landed(backbone, row):
        return _believe(backbone, row)
    try:
        return _bundle(backbone, row)
    except FilesRefused as refusal:
        for file, error in refusal.refused:
            refuse_file(backbone, row.unit, row.day_obs, file, error)
        return State.QUARANTINED, f"refused {refused_names(refusal.refused)}"
    except ConflictingDuplicate as error:
        refuse_unit(backbone, row.unit, row.day_obs, backbone.policy.source, error)
        return State.QUARANTINED, error.message
    except (Damaged, BadDocument) as error:  # the copy that was made, or what it was made of
        refuse_unit(backbone, row.unit, row.day_obs, backbone.policy.archive, error)
        return State.EXPECTED, f"is landed again: {error.message}"


def _bundle(backbone: Backbone, row: UnitRow) -> tuple[State, str]:
    """Make the bundle of a unit and read it back."""
    unit = Unit.parse(row.unit)
    files = _list_files(backbone, unit)
    expected = _expected(backbone, unit, files)
    whole = files.whole_detectors & expected
    is_due = whole and files.is_due(backbone.clock.now(), backbone.policy.incomplete_after_s)
    if whole != expected and not is_due:
        held = any(item.name for item in backbone.ledger.refusals(unit=row.unit))
        state = State.QUARANTINED if held else State.EXPECTED
        return state, "some of its files left the source again"
    _write(backbone, BundleMaker(backbone, unit, files, expected), unit)
    sealed = backbone.ledger.units([row.unit])[row.unit]
    verify_cargo(backbone, sealed, backbone.policy.archive)
    return _believe(backbone, sealed)


def _list_files(backbone: Backbone, unit: Unit) -> ExposureFiles:
    folder = str(unit.folder)
    listing = backbone.source.list_files(f"{folder}/")
    return ExposureFiles.sort(folder, unit.obs_id, listing, backbone.instruments[unit.instrument])


def _expected(backbone: Backbone, unit: Unit, files: ExposureFiles) -> set[str]:
    if unit.part > 1:
        before = str(Unit(unit.instrument, unit.obs_id, unit.part - 1))
        return set(backbone.ledger.units([before])[before].missing)
    return read_expected_sensors(backbone.source, files, backbone.instruments[unit.instrument])


def _write(backbone: Backbone, maker: BundleMaker, unit: Unit) -> Manifest:
    """Write bundle and manifest; the ledger learns their identity before anybody can see them."""
    with backbone.archive.create(backbone.stored_name(unit.bundle_name)) as writer:
        manifest, facts = maker.write(writer)
        backbone.ledger.seal_unit(str(unit), manifest, facts)
    with backbone.archive.create(backbone.stored_name(unit.manifest_name)) as writer:
        writer.write(manifest.data)
    return manifest


def _is_landed(backbone: Backbone, row: UnitRow) -> bool:
    """Say whether an earlier attempt left the sealed bundle whole in the archive."""
    try:
        verify_cargo(backbone, row, backbone.policy.archive)
    except (MissingCopy, DigestMismatch) as error:
        log.info("action=land-again unit=%s reason=%s", row.unit, error.code)
        return False
    return True


def _believe(backbone: Backbone, row: UnitRow) -> tuple[State, str]:
    """Record a copy that was read back, and settle what had been refused before it came."""
    archive = backbone.policy.archive
    units = [row.unit]
    missing = f"{len(row.missing)} detectors missing" if row.missing else "complete"
    backbone.ledger.expect(units, archive, "bundled from the source")
    backbone.ledger.advance(units, archive, State.EXPECTED, State.ARRIVED, "landed")
    backbone.ledger.advance(
        units, archive, State.ARRIVED, State.VERIFIED, f"read back from the store, {missing}"
    )
    _supersede(backbone, row)
    return State.VERIFIED, f"each file read and judged, {missing}"


def _supersede(backbone: Backbone, row: UnitRow) -> None:
    """Close the refusals that the good bundle answers."""
    unit = Unit.parse(row.unit)
    names = {str(unit), str(Unit(unit.instrument, unit.obs_id, max(1, unit.part - 1)))}
    manifest = read_manifest(backbone, row)
    bundled = {f"{unit.folder}/{entry.name}" for entry in manifest.entries}
    held = [item for name in sorted(names) for item in backbone.ledger.refusals(unit=name)]
    settled = [
        item.refusal_id
        for item in held
        if item.name in bundled
        or (item.code == IncompleteExposure.code and not row.missing)
        or (item.endpoint == backbone.policy.archive and item.unit == row.unit and not item.name)
    ]
    backbone.ledger.decide(settled, Decision.SUPERSEDED, f"bundle of {row.unit}")
