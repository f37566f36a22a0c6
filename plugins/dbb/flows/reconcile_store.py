"""The store against the ledger: files that are gone, changed, unwanted, or that no unit names."""

from __future__ import annotations

from collections.abc import Mapping

from dbb.flows.cargo import stored_name
from dbb.flows.reconcile_night import Night
from dbb.flows.reconcile_views import REAPED, Scan
from dbb.model.delivery import Delivery, State
from dbb.model.finding import Discrepancy
from dbb.ports.ledger import UnitRow
from dbb.ports.store import StoredFile

NAMES_SHOWN = 5

Listing = Mapping[str, StoredFile]
"""The files of a night at an endpoint, by their names in its store."""


def list_store(night: Night, endpoint: str) -> Listing:
    """List a night's files at an endpoint; what lies elsewhere (objects) is asked for one by one."""
    store = night.backbone.store(endpoint)
    found = {file.name: file for folder in night.folders for file in store.list_files(folder)}
    for row in night.sealed.values():
        for name in sorted(night.names_of(row)):
            if not name.startswith(tuple(night.folders)):
                file = store.stat(name)
                if file is not None:
                    found[name] = file
    return found


def judge_store(night: Night, endpoint: str, listing: Listing, scan: Scan) -> None:
    """Compare the files of the archive or a receiver with the ledger."""
    for unit, row in night.sealed.items():
        delivery = night.delivery(unit, endpoint)
        if not night.is_quiet(unit, endpoint):
            scan.unsettled.add(unit)
        elif night.should_have(delivery):
            _judge_files(night, row, listing, scan)
        elif delivery is None or delivery.state is State.RELEASED:
            _judge_unwanted(night, row, delivery, listing, scan)
        elif not night.has_rested(delivery):
            scan.unsettled.add(unit)
    _judge_dark(night, listing, scan)


def lacking_files(night: Night, row: UnitRow, listing: Listing) -> tuple[list[str], list[str]]:
    """Name a unit's files that are not there, and those that have another size."""
    files = night.files(row)
    if files is None:
        return [row.unit], []
    gone, other = [], []
    for did, size_bytes in files.items():
        name = stored_name(did)
        if name not in listing:
            gone.append(name)
        elif listing[name].size_bytes != size_bytes:
            other.append(f"{name}: {listing[name].size_bytes} bytes instead of {size_bytes}")
    return gone, other


def _judge_files(night: Night, row: UnitRow, listing: Listing, scan: Scan) -> None:
    if night.files(row) is None:
        scan.unsettled.add(row.unit)  # the look at Butler tells of manifests that cannot be read
        return
    gone, other = lacking_files(night, row, listing)
    if gone:
        scan.see(row.unit, Discrepancy.FILE_GONE, files=gone[:NAMES_SHOWN], number=len(gone))
    elif other:
        scan.see(row.unit, Discrepancy.FILE_SIZE, files=other[:NAMES_SHOWN], number=len(other))


def _judge_unwanted(
    night: Night, row: UnitRow, delivery: Delivery | None, listing: Listing, scan: Scan
) -> None:
    present = [listing[name] for name in sorted(night.names_of(row)) if name in listing]
    if not present:
        return
    if not (
        (delivery is not None or night.is_decided(row.unit))
        and night.has_rested(delivery, REAPED)
        and all(night.is_old(file.modified_at) for file in present)
    ):
        scan.unsettled.add(row.unit)
        return
    names = [file.name for file in present]
    state = "none" if delivery is None else str(delivery.state)
    scan.see(row.unit, Discrepancy.FILE_UNWANTED, files=names[:NAMES_SHOWN], ledger=state)


def _judge_dark(night: Night, listing: Listing, scan: Scan) -> None:
    named = {name for row in night.known.values() for name in night.names_of(row)}
    for name in sorted(listing.keys() - named):
        parcel = night.known.get(night.parcel_of(name))
        if parcel is not None and night.files(parcel) is None:
            continue  # it may well be named: by a manifest that nobody can read
        see_dark(night, listing[name], scan)


def see_dark(night: Night, file: StoredFile, scan: Scan) -> None:
    """Note a file that no unit names, unless somebody may be about to."""
    if night.is_old(file.modified_at):
        scan.see(
            file.name,
            Discrepancy.FILE_DARK,
            bytes=file.size_bytes,
            modified_at=file.modified_at.isoformat(timespec="seconds"),
        )
    else:
        scan.unsettled.add(file.name)
