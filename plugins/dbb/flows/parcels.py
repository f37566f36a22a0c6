"""Taking parcels: batches of products or permanent files that producers lay down at the archive.

A producer writes ``incoming/<scope>/<YYYYMMDD>/<name>/…`` in the archive's store and ends with the
empty file ``_READY``. The files are read, described by their sidecars, copied to their place, read
back; the manifest is written last, and only then does the batch count as arrived. What comes after is
what happens to every unit: registration, policies, delivery.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence

from dbb.digests import digest_stream
from dbb.errors import (
    BadDayObs,
    BrokenContract,
    ConflictingDuplicate,
    Damaged,
    DigestMismatch,
    UnsafeName,
)
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import verify_cargo
from dbb.flows.refusing import refuse_unit
from dbb.model.delivery import State
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile, ParcelName
from dbb.model.quarantine import Decision
from dbb.model.sidecar import Sidecars
from dbb.ports import READ_BYTES

log = logging.getLogger(__name__)

INCOMING = "incoming"
READY = "_READY"
REFUSED = "_REFUSED"

_SIDECAR_NAMES = (READY, REFUSED)


def find_parcels(backbone: Backbone) -> list[str]:
    """List the parcels with something left to do: those that are ready, and those not published."""
    archive = backbone.policy.archive
    ready = set()
    for file in backbone.archive.list_files(f"{INCOMING}/"):
        folder, _, leaf = file.name.removeprefix(f"{INCOMING}/").rpartition("/")
        if leaf == READY:
            with contextlib.suppress(UnsafeName, BadDayObs):  # a folder of somebody else's
                ready.add(str(ParcelName.parse(folder)))
    scopes = tuple(f"{kind.scope}/" for kind in Kind if kind is not Kind.RAW)
    unfinished = {
        delivery.unit
        for delivery in backbone.ledger.open_deliveries(archive)
        if delivery.unit.startswith(scopes) and delivery.state in (State.VERIFIED, State.REGISTERED)
    }
    return sorted(ready | unfinished)


def take_parcels(backbone: Backbone, units: Sequence[str]) -> dict[str, int]:
    """Take the parcels of a chunk that are ready.

    Returns
    -------
    dict
        How many were newly ``taken``, and how many were ``refused``. A refused one stays where it
        is, with ``_REFUSED`` in place of ``_READY``: mended, it is made ready again.
    """
    counts = {"taken": 0, "refused": 0}
    for unit in units:
        name = ParcelName.parse(unit)
        if backbone.archive.stat(f"{_folder(name)}{READY}") is None:
            continue
        try:
            counts["taken"] += _take(backbone, name)
        except (BrokenContract, Damaged) as error:
            counts["refused"] += 1
            refuse_unit(backbone, unit, name.day_obs.value, backbone.policy.archive, error)
            backbone.archive.move(f"{_folder(name)}{READY}", f"{_folder(name)}{REFUSED}")
    log.info("action=take-parcels taken=%d refused=%d", counts["taken"], counts["refused"])
    return counts


def _folder(name: ParcelName) -> str:
    return f"{INCOMING}/{name}/"


def _take(backbone: Backbone, name: ParcelName) -> bool:
    unit, archive = str(name), backbone.policy.archive
    is_new = not _is_verified(backbone, unit)
    if is_new:
        parcel = _describe(backbone, name)
        backbone.ledger.seal_parcel(parcel)
        for file in parcel.files:
            source = _folder(name) + file.name.removeprefix(f"{name.folder}/")
            _copy(backbone, source, file, parcel.scope)
        with backbone.archive.create(f"{parcel.scope}/{name.manifest_name}") as writer:
            writer.write(parcel.data)
        arrive(backbone, unit)
    backbone.archive.delete([file.name for file in backbone.archive.list_files(_folder(name))])
    held = backbone.ledger.refusals(unit=unit)
    backbone.ledger.decide(
        [item.refusal_id for item in held if item.endpoint == archive],
        Decision.SUPERSEDED,
        "a good parcel came",
    )
    return is_new


def _is_verified(backbone: Backbone, unit: str) -> bool:
    """Say whether a parcel was taken before; one that comes again must be the same."""
    archive = backbone.policy.archive
    delivery = backbone.ledger.deliveries([unit]).get((unit, archive))
    if delivery is None or delivery.verified_at is None:
        return False
    row = backbone.ledger.units([unit])[unit]
    name = ParcelName.parse(unit)
    if not any(backbone.archive.list_files(_folder(name))):
        return True
    leaves = [leaf for leaf in _leaves(backbone, name) if leaf not in _SIDECAR_NAMES]
    if leaves and (found := _describe(backbone, name)).sha256 != row.manifest_sha256:
        raise ConflictingDuplicate.for_file(unit, row.manifest_sha256, found.sha256)
    return True


def _leaves(backbone: Backbone, name: ParcelName) -> list[str]:
    folder = _folder(name)
    return [file.name.removeprefix(folder) for file in backbone.archive.list_files(folder)]


def _describe(backbone: Backbone, name: ParcelName) -> Parcel:
    """Make the manifest of what lies in the folder: the same bytes make the same manifest."""
    leaves = [leaf for leaf in _leaves(backbone, name) if leaf not in _SIDECAR_NAMES]
    told = backbone.sidecars(backbone.archive, _folder(name), leaves, name.kind)
    files = sorted(_files(backbone, name, told), key=lambda file: file.name)
    return Parcel(
        unit=str(name),
        kind=name.kind,
        instrument=told.instrument,
        program=told.program,
        day_obs=name.day_obs.value,
        files=tuple(files),
        dataset_types=told.dataset_types,
        universe=told.universe,
        records=told.records,
    )


def _files(backbone: Backbone, name: ParcelName, told: Sidecars) -> Iterator[ParcelFile]:
    for leaf, about in told.files.items():
        place = SafeName.parse(f"{name.folder}/{leaf}")
        with backbone.archive.open(_folder(name) + leaf) as stream:
            found = digest_stream(stream)
        if why := about.contradiction(found):
            raise DigestMismatch(f"The file is not what its sidecar says: {why}.", leaf)
        yield ParcelFile(place, found, about.refs, about.formatter, about.labels)


def _copy(backbone: Backbone, source: str, file: ParcelFile, scope: str) -> None:
    """Copy a file to its place, unless the same is there."""
    target = f"{scope}/{file.name}"
    known = backbone.archive.stat(target)
    if known is not None and known.size_bytes == file.digest.size_bytes:
        with backbone.archive.open(target) as stream:
            if digest_stream(stream).same_bytes(file.digest):
                return
    with backbone.archive.open(source) as reader, backbone.archive.create(target) as writer:
        while piece := reader.read(READ_BYTES):
            writer.write(piece)


def arrive(backbone: Backbone, unit: str) -> None:
    """Read everything back from the disk, and say so."""
    ledger, archive = backbone.ledger, backbone.policy.archive
    ledger.expect([unit], archive, "laid down by its producer")
    ledger.advance([unit], archive, State.EXPECTED, State.ARRIVED, "copied to its place")
    verify_cargo(backbone, ledger.units([unit])[unit], archive)
    ledger.advance([unit], archive, State.ARRIVED, State.VERIFIED, "read back at the archive")
