"""The source against the ledger: files that left too early, that stayed, that nobody took up."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from dbb.flows.reconcile_night import Night
from dbb.flows.reconcile_store import NAMES_SHOWN, see_dark
from dbb.flows.reconcile_views import UNTOLD, Scan
from dbb.model.delivery import Delivery, State
from dbb.model.exposure import Unit
from dbb.model.finding import Discrepancy
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.ports.ledger import UnitRow
from dbb.ports.store import StoredFile

Folders = Mapping[str, Sequence[StoredFile]]
"""The files of a night at the source, by folder."""


def list_source(night: Night) -> Folders:
    """List a night's files at the source."""
    found: dict[str, list[StoredFile]] = {}
    for instrument in night.backbone.policy.instruments:
        files = night.backbone.source.list_files(f"{instrument}/{night.day_obs}/")
        for folder, inside in itertools.groupby(files, lambda file: file.name.rpartition("/")[0]):
            found.setdefault(folder, []).extend(inside)
    return found


def judge_source(night: Night, folders: Folders, scan: Scan) -> None:
    """Compare the source's folders with the ledger."""
    source = night.backbone.policy.source
    raw = {unit: row for unit, row in night.known.items() if row.kind == Kind.RAW}
    for unit, row in raw.items():
        files = folders.get(str(Unit.parse(unit).folder), ())
        delivery = night.delivery(unit, source)
        if not night.is_quiet(unit, source) or unit not in night.before.rows:
            scan.unsettled.add(unit)
        elif delivery is None:
            continue
        elif delivery.state is State.RELEASED:
            _judge_released(night, row, files, scan)
        elif delivery.state in (State.EXPECTED, State.ARRIVED, State.VERIFIED):
            _judge_kept(night, row, delivery, files, scan)
    known = {str(Unit.parse(unit).folder) for unit in raw}
    for folder in sorted(folders.keys() - known):
        for file in folders[folder]:
            see_dark(night, file, scan)


def _judge_released(night: Night, row: UnitRow, files: Sequence[StoredFile], scan: Scan) -> None:
    """Find what was to be deleted; files of other detectors are another part's."""
    if not files:
        return
    known = _names(night, row)
    left = [file for file in files if known is None or file.name in known]
    if known is None or not all(night.is_old(file.modified_at) for file in left):
        scan.unsettled.add(row.unit)
    elif left:
        names = [file.name for file in left]
        scan.see(row.unit, Discrepancy.SOURCE_LEFT, files=names[:NAMES_SHOWN], number=len(names))


def _judge_kept(
    night: Night, row: UnitRow, delivery: Delivery, files: Sequence[StoredFile], scan: Scan
) -> None:
    gone = _gone(night, row, delivery, files)
    if not gone:
        return
    policy = night.backbone.policy
    copies = [
        other
        for place in policy.publishers
        if (other := night.delivery(row.unit, place)) and other.state is State.PUBLISHED
    ]
    releasable = delivery.state is State.VERIFIED and len(copies) >= policy.copies_before_release
    newest = max((other.since_at for other in copies), default=delivery.since_at)
    if not night.has_rested(delivery) or (releasable and newest > night.before.at - UNTOLD):
        scan.unsettled.add(row.unit)  # a release deletes first and says so afterwards
        return
    kind = Discrepancy.RELEASE_UNTOLD if releasable else Discrepancy.SOURCE_GONE
    scan.see(
        row.unit,
        kind,
        files=gone[:NAMES_SHOWN],
        number=len(gone),
        published=sorted(other.endpoint for other in copies),
    )


def _gone(night: Night, row: UnitRow, delivery: Delivery, files: Sequence[StoredFile]) -> list[str]:
    """Name files that the source should still have; manifests are read where one may be gone."""
    if delivery.state is not State.VERIFIED:
        folder = str(Unit.parse(row.unit).folder)
        return [] if files or not row.arrived else [f"{folder}/"]
    if len(files) >= 2 * row.arrived:  # an image and a document of each detector
        return []
    known = _names(night, row)
    if known is None:
        return [] if files else [f"{Unit.parse(row.unit).folder}/"]
    return sorted(known - {file.name for file in files})


def _names(night: Night, row: UnitRow) -> set[str] | None:
    """Name the files of which a unit's bundle was made; None where its manifest is unreadable."""
    document = night.document(row) if row.manifest_sha256 else None
    if not isinstance(document, Manifest):
        return None
    return {f"{document.unit.folder}/{entry.name}" for entry in document.entries}
