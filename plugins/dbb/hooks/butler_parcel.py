"""Parcels in a Butler repository: dimension records first, datasets second, all of it or nothing."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lsst.daf.butler import (
    Butler,
    CollectionType,
    DataCoordinate,
    DatasetRef,
    DatasetType,
    FileDataset,
)
from lsst.resources import ResourcePath

from dbb.errors import IngestRefused, ValidityOverlap
from dbb.hooks import butler_calibration
from dbb.hooks.butler_batch import REFUSALS, is_outage
from dbb.hooks.butler_files import find_missing
from dbb.hooks.butler_records import to_records
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel, ParcelFile
from dbb.ports.repository import LandedParcel

log = logging.getLogger(__name__)

FORMATTERS = (
    "lsst.daf.butler.formatters.",
    "lsst.obs.",
    "dbb.hooks.butler_formatter.",
)
"""Where the classes may come from that a parcel asks Butler to read its files with."""


def ingest_parcels(butler: Butler, parcels: Sequence[LandedParcel]) -> dict[str, Exception]:
    """Ingest parcels, each whole in a transaction of its own; those that are there are no-ops.

    Returns
    -------
    dict
        By unit, the ``IngestRefused`` of each parcel that is not in.
    """
    refused: dict[str, Exception] = {}
    for landed in sorted(parcels, key=lambda each: each.parcel.unit):
        # Somebody else may write the same at the same moment: what it has written, it has by then.
        why = _attempt(butler, landed) and _attempt(butler, landed)
        if why is not None:
            refused[landed.parcel.unit] = why
            log.warning("action=refuse unit=%s reason=%s", landed.parcel.unit, why)
    return refused


def _attempt(butler: Butler, landed: LandedParcel) -> Exception | None:
    """Ingest a parcel; give what speaks against it."""
    try:
        _ingest(butler, landed)
    except (IngestRefused, ValidityOverlap) as error:
        return error
    except (*REFUSALS, TypeError, AttributeError) as error:
        if is_outage(error):
            raise
        if not _is_there(butler, landed):
            return IngestRefused.for_bundle(landed.parcel.unit, _first_line(error))
    return None


def _ingest(butler: Butler, landed: LandedParcel) -> None:
    parcel = landed.parcel
    _check(butler, landed)
    types = _dataset_types(butler, parcel)
    for run in sorted({ref["run"] for file in parcel.files for ref in file.refs}):
        butler.collections.register(run, CollectionType.RUN)  # outside: no deadlock of two writers
    if landed.certify:
        butler_calibration.prepare(butler, parcel)
    with butler.transaction():
        for element, rows in parcel.records.items():
            records = to_records(element, rows, butler.dimensions)
            butler.registry.insertDimensionData(element, *records, skip_existing=True)
        datasets = list(_file_datasets(butler, landed, types))
        butler.ingest(
            *datasets, transfer="direct", record_validation_info=False, skip_existing=True
        )
        if landed.certify:
            butler_calibration.certify_parcel(butler, parcel)


def _check(butler: Butler, landed: LandedParcel) -> None:
    """Find what speaks against a parcel, before anything is written."""
    parcel = landed.parcel
    universe = {"namespace": butler.dimensions.namespace, "version": butler.dimensions.version}
    if parcel.universe != universe:
        raise IngestRefused.for_bundle(
            parcel.unit, f"its records follow {parcel.universe}, the repository {universe}"
        )
    for name in sorted({_formatter(file, ref) for file in parcel.files for ref in file.refs}):
        if not name.startswith(FORMATTERS):
            raise IngestRefused.for_bundle(
                parcel.unit, f"{name[:80]!r} is no formatter that may read its files"
            )
    if missing := find_missing(landed.urls.values()):
        raise IngestRefused.for_bundle(parcel.unit, f"{min(missing)} is not there")
    _check_places(butler, landed)


def _check_places(butler: Butler, landed: LandedParcel) -> None:
    """Refuse a parcel of which the repository has a dataset from another file."""
    wanted = {
        uuid.UUID(ref["id"]): ResourcePath(_path(landed.urls[file.name], ref))
        for file in landed.parcel.files
        for ref in file.refs
    }
    there = [ref for one in wanted if (ref := butler.get_dataset(one)) is not None]
    for ref, uris in butler.get_many_uris(there, allow_missing=True).items():
        if uris.primaryURI is not None and uris.primaryURI != wanted[ref.id]:
            raise IngestRefused.for_bundle(
                landed.parcel.unit, f"dataset {ref.id} is there already, from {uris.primaryURI}"
            )


def _path(url: str, ref: Mapping[str, Any]) -> str:
    """Give the address of a dataset: the file's, or that of its member in a zip."""
    return f"{url}#zip-path={ref['member']}" if "member" in ref else url


def _formatter(file: ParcelFile, ref: Mapping[str, Any]) -> str:
    return str(ref.get("formatter", file.formatter))


def _dataset_types(butler: Butler, parcel: Parcel) -> dict[str, DatasetType]:
    """Register a parcel's dataset types; one that is there must be the same."""
    found = {}
    for name, told in sorted(parcel.dataset_types.items()):
        new = DatasetType(
            name,
            told["dimensions"],
            told["storage_class"],
            universe=butler.dimensions,
            isCalibration=told["is_calibration"],
        )
        butler.registry.registerDatasetType(new)  # raises where another one has the name
        found[name] = new
    return found


def _file_datasets(
    butler: Butler, landed: LandedParcel, types: dict[str, DatasetType]
) -> Iterator[FileDataset]:
    for file in landed.parcel.files:
        url = landed.urls[file.name]
        refs = [_ref(butler, ref, types) for ref in file.refs]
        if any("member" in ref for ref in file.refs):
            for ref, told in zip(refs, file.refs, strict=True):
                yield FileDataset(
                    path=_path(url, told), refs=[ref], formatter=_formatter(file, told)
                )
        elif refs:
            yield FileDataset(path=url, refs=refs, formatter=file.formatter)


def _ref(butler: Butler, told: Any, types: dict[str, DatasetType]) -> DatasetRef:
    dataset_type = types[told["dataset_type"]]
    data_id = DataCoordinate.standardize(told["data_id"], dimensions=dataset_type.dimensions)
    expanded = butler.registry.expandDataId(data_id)
    return DatasetRef(dataset_type, expanded, told["run"], id=uuid.UUID(told["id"]))


def find_whole(butler: Butler, parcel: Parcel) -> bool:
    """Say whether every dataset of a parcel is in the registry and the datastore."""
    ids = _ids(parcel)
    refs = [butler.get_dataset(one) for one in ids]
    there = [ref for ref in refs if ref is not None]
    return len(there) == len(ids) and len(butler.get_many_uris(there, allow_missing=True)) == len(
        ids
    )


def _is_there(butler: Butler, landed: LandedParcel) -> bool:
    """Say whether a whole parcel is in the repository, from these files."""
    try:
        _check_places(butler, landed)
    except IngestRefused:
        return False
    return find_whole(butler, landed.parcel)


def withdraw(butler: Butler, documents: Sequence[Manifest | Parcel]) -> None:
    """Take the datasets of units out of the registry; the files stay where they are."""
    refs = _refs(butler, documents)
    if refs:
        butler.pruneDatasets(refs, disassociate=True, unstore=True, purge=True)
    log.info("action=withdraw units=%d datasets=%d", len(documents), len(refs))


def suspend(butler: Butler, documents: Sequence[Manifest | Parcel]) -> None:
    """Take the datasets of units out of the datastore alone; the files stay, and so do tags."""
    refs = _refs(butler, documents)
    if refs:
        butler.pruneDatasets(refs, disassociate=False, unstore=True, purge=False)
    log.info("action=suspend units=%d datasets=%d", len(documents), len(refs))


def memberships(
    butler: Butler, documents: Sequence[Manifest | Parcel]
) -> dict[str, frozenset[str]]:
    """Name the TAGGED and CALIBRATION collections that datasets of units are in.

    The members of such collections are read, not the units' datasets: where nothing is tagged it costs
    one query.
    """
    kinds = {CollectionType.TAGGED, CollectionType.CALIBRATION}
    infos = butler.collections.query_info("*", collection_types=kinds, include_summary=True)
    if not infos:
        return {}
    unit_of = {one: _unit(document) for document in documents for one in _ids(document)}
    types = {ref.datasetType.name for ref in _refs(butler, documents)}
    found: dict[str, set[str]] = defaultdict(set)
    for info in infos:
        for name in sorted(types & set(info.dataset_types or ())):
            for member in butler.registry.queryDatasetAssociations(
                name, collections=[info.name], collectionTypes=kinds
            ):
                if member.ref.id in unit_of:
                    found[unit_of[member.ref.id]].add(info.name)
    return {unit: frozenset(names) for unit, names in found.items()}


def _unit(document: Manifest | Parcel) -> str:
    return str(document.unit)


def _refs(butler: Butler, documents: Sequence[Manifest | Parcel]) -> list[DatasetRef]:
    """Find the datasets of units that the registry knows, in as few questions as can be."""
    wanted = [one for document in documents for one in _ids(document)]
    return list(butler.get_many_datasets(wanted))


def _ids(document: Manifest | Parcel) -> list[uuid.UUID]:
    if isinstance(document, Manifest):
        return [uuid.UUID(entry.ref["id"]) for entry in document.images if entry.ref is not None]
    return [uuid.UUID(ref["id"]) for file in document.files for ref in file.refs]


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300] or type(error).__name__
