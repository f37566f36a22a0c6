"""Taking parcels: batches of products or permanent files that producers lay down at the archive.

A producer writes ``incoming/<scope>/<YYYYMMDD>/<name>/…`` in the archive's store and ends with the
empty file ``_READY``. The files are read, described by their sidecars, copied to their place, read
back; the manifest is written last, and only then does the batch count as arrived. What was taken is then
cleared away: ``_TAKEN`` lists it, so that a clearing that was cut short goes on and takes nothing else. What
comes after is what happens to every unit: registration, policies, delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from dbb.digests import digest_stream
from dbb.errors import (
    BadDayObs,
    BadDocument,
    BrokenContract,
    ConflictingDuplicate,
    Damaged,
    DigestMismatch,
    UnsafeName,
)
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import verify_cargo
from dbb.flows.refusing import refuse_unit
from dbb.model import strict_json
from dbb.model.delivery import State
from dbb.model.kind import Kind
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile, ParcelName
from dbb.model.quarantine import Decision
from dbb.model.sidecar import Sidecars
from dbb.ports.store import READ_BYTES, StoredFile

log = logging.getLogger(__name__)

INCOMING = "incoming"
READY = "_READY"
REFUSED = "_REFUSED"
TAKEN = "_TAKEN"

MAX_MARK_BYTES = 64 * 1024 * 1024

_MARKS = (READY, REFUSED, TAKEN)


def find_parcels(backbone: Backbone) -> list[str]:
    """List the parcels with something left to do: those that are ready, and those not published."""
    archive = backbone.policy.archive
    ready = {folder for folder in _marked_folders(backbone, READY, TAKEN) if _is_parcel(folder)}
    scopes = tuple(f"{kind.scope}/" for kind in Kind if kind is not Kind.RAW)
    unfinished = {
        delivery.unit
        for delivery in backbone.ledger.open_deliveries(archive)
        if delivery.unit.startswith(scopes) and delivery.state in (State.VERIFIED, State.REGISTERED)
    }
    return sorted(ready | unfinished)


def refuse_misnamed(backbone: Backbone) -> int:
    """Refuse the ready folders whose name is no parcel's: nobody would ever take them; count them."""
    misnamed = [folder for folder in _marked_folders(backbone, READY) if not _is_parcel(folder)]
    for folder in misnamed:
        error = UnsafeName.for_name(f"{INCOMING}/{folder}", "a parcel is SCOPE/YYYYMMDD/NAME")
        refuse_unit(backbone, folder, 0, backbone.policy.archive, error)
        mark = f"{INCOMING}/{folder}/".replace("//", "/")
        backbone.archive.move(f"{mark}{READY}", f"{mark}{REFUSED}")
    return len(misnamed)


def _marked_folders(backbone: Backbone, *marks: str) -> list[str]:
    found = set()
    for file in backbone.archive.list_files(f"{INCOMING}/"):
        folder, _, leaf = file.name.removeprefix(f"{INCOMING}/").rpartition("/")
        if leaf in marks:
            found.add(folder)
    return sorted(found)


def _is_parcel(folder: str) -> bool:
    try:
        return str(ParcelName.parse(folder)) == folder
    except (UnsafeName, BadDayObs):
        return False


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
        mark = TAKEN
        try:
            _clear(backbone, name)
            mark = READY
            if backbone.archive.stat(f"{_folder(name)}{READY}") is not None:
                counts["taken"] += _take(backbone, name)
        except (BrokenContract, Damaged) as error:
            counts["refused"] += 1
            refuse_unit(backbone, unit, name.day_obs.value, backbone.policy.archive, error)
            backbone.archive.move(f"{_folder(name)}{mark}", f"{_folder(name)}{REFUSED}")
    log.info("action=take-parcels taken=%d refused=%d", counts["taken"], counts["refused"])
    return counts


def _folder(name: ParcelName) -> str:
    return f"{INCOMING}/{name}/"


def _take(backbone: Backbone, name: ParcelName) -> bool:
    unit, archive = str(name), backbone.policy.archive
    everything = _list(backbone, name)
    listed = [file for file in everything if _leaf(name, file) not in _MARKS]
    is_new = not _is_verified(backbone, unit, listed)
    if is_new:
        parcel = _describe(backbone, name, listed)
        backbone.ledger.seal_parcel(parcel)
        for file in parcel.files:
            source = _folder(name) + file.name.removeprefix(f"{name.folder}/")
            _copy(backbone, source, file, parcel.scope)
        with backbone.archive.create(f"{parcel.scope}/{name.manifest_name}") as writer:
            writer.write(parcel.data)
        arrive(backbone, unit)
    held = backbone.ledger.refusals(unit=unit)
    backbone.ledger.decide(
        [item.refusal_id for item in held if item.endpoint == archive],
        Decision.SUPERSEDED,
        "a good parcel came",
    )
    with backbone.archive.create(f"{_folder(name)}{TAKEN}") as writer:
        writer.write(strict_json.canonical([_stamp(file) for file in everything]))
    _clear(backbone, name)
    return is_new


def _clear(backbone: Backbone, name: ParcelName) -> None:
    """Delete what was taken, as ``_TAKEN`` lists it; what has come since stays."""
    mark = f"{_folder(name)}{TAKEN}"
    if backbone.archive.stat(mark) is None:
        return
    with backbone.archive.open(mark) as stream:
        taken = strict_json.parse(stream.read(), mark, max_bytes=MAX_MARK_BYTES)
    if not isinstance(taken, list):
        raise BadDocument.for_document(mark, "it is no list of what was taken")
    here = _list(backbone, name)
    backbone.archive.delete([file.name for file in here if _stamp(file) in taken])
    backbone.archive.delete([mark])


def _stamp(file: StoredFile) -> list[str | int]:
    return [file.name, file.size_bytes, file.modified_at.isoformat()]


def _is_verified(backbone: Backbone, unit: str, listed: Sequence[StoredFile]) -> bool:
    """Say whether a parcel was taken before; one that comes again must be the same."""
    archive = backbone.policy.archive
    delivery = backbone.ledger.deliveries([unit]).get((unit, archive))
    if delivery is None or delivery.verified_at is None:
        return False
    row = backbone.ledger.units([unit])[unit]
    if listed:
        found = _describe(backbone, ParcelName.parse(unit), listed)
        if found.sha256 != row.manifest_sha256:
            raise ConflictingDuplicate.for_file(unit, row.manifest_sha256, found.sha256)
    return True


def _list(backbone: Backbone, name: ParcelName) -> list[StoredFile]:
    return list(backbone.archive.list_files(_folder(name)))


def _leaf(name: ParcelName, file: StoredFile) -> str:
    return file.name.removeprefix(_folder(name))


def _describe(backbone: Backbone, name: ParcelName, listed: Sequence[StoredFile]) -> Parcel:
    """Make the manifest of what lies in the folder: the same bytes make the same manifest.

    Raises
    ------
    BrokenContract
        If it is none that could be read again: a producer's documents may say anything.
    """
    leaves = [_leaf(name, file) for file in listed]
    told = backbone.sidecars(backbone.archive, _folder(name), leaves, name.kind)
    files = sorted(_files(backbone, name, told), key=lambda file: file.name)
    parcel = Parcel(
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
    return Parcel.parse(parcel.data, str(name))


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
