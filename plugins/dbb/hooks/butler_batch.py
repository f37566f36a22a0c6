"""One ingest call for many bundles, and whom to blame when it fails."""

from __future__ import annotations

import contextlib
import gc
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lsst.daf.butler import (
    Butler,
    ButlerUserError,
    DataCoordinate,
    DatasetRef,
    DatasetType,
    FileDataset,
)
from lsst.daf.butler.registry import RegistryError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from dbb.hooks.butler_dataset_types import dataset_types
from dbb.hooks.butler_formatter import FitsFileFormatter
from dbb.hooks.butler_records import Row, to_records
from dbb.hooks.butler_visits import VISIT_ELEMENTS
from dbb.ports.repository import LandedBundle

REFUSALS = (
    SQLAlchemyError,
    RegistryError,
    ButlerUserError,
    LookupError,
    ValueError,
    FileNotFoundError,
)
"""What Butler raises when data do not fit; anything else is a fault of a program."""


class _UndoError(Exception):
    """End a transaction without effect."""


ExposureKey = tuple[str, int]
"""Instrument and exposure number."""


@dataclass(frozen=True)
class Batch:
    """Hold bundles that may be ingested together.

    Parameters
    ----------
    bundles
        Checked bundles, not one of which is whole in the repository.
    known
        Exposures whose record is there; it is the bundles' own, or they had been refused.
    known_visits
        Visits whose record is there, with whatever regions.
    """

    bundles: Sequence[LandedBundle]
    known: frozenset[ExposureKey]
    known_visits: frozenset[ExposureKey] = frozenset()


def ingest_batch(butler: Butler, batch: Batch) -> None:
    """Insert the bundles' dimension records and datasets in one transaction and one call.

    The images stay in their zips: each dataset is a member, named as ``Butler.ingest_zip`` names
    it. Validation information is left out, because Butler would measure the zip and not the member;
    the bytes were read and compared with the manifest before.
    """
    types = dataset_types(butler.dimensions)
    datasets = [dataset for bundle in batch.bundles for dataset in _file_datasets(bundle, types)]
    with _no_collection(), butler.transaction():
        _insert_records(butler, batch)
        butler.ingest(
            *datasets, transfer="direct", record_validation_info=False, skip_existing=True
        )


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    # Butler makes a hundred thousand objects for a batch, and next to no cycles: looking through
    # them for garbage again and again took a quarter of the whole time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _insert_records(butler: Butler, batch: Batch) -> None:
    # The camera's own records are there: check_bundle saw to it. A new exposure is inserted without
    # skipping, so that another record which somebody inserts at this moment does not go unnoticed.
    exposures: dict[ExposureKey, Row] = {}
    days: dict[ExposureKey, Row] = {}
    groups: dict[tuple[str, str], Row] = {}
    for bundle in batch.bundles:
        records = bundle.manifest.records
        exposures.update(((row["instrument"], row["id"]), row) for row in records["exposure"])
        days.update(((row["instrument"], row["id"]), row) for row in records["day_obs"])
        groups.update(((row["instrument"], row["name"]), row) for row in records["group"])
    new = [row for key, row in exposures.items() if key not in batch.known]
    if new:
        _insert(butler, "day_obs", days.values(), skip_existing=True)
        _insert(butler, "group", groups.values(), skip_existing=True)
        _insert(butler, "exposure", new, skip_existing=False)
    _insert_visits(butler, batch)


def _insert_visits(butler: Butler, batch: Batch) -> None:
    # The rows of all bundles in one call for each element: there are 205 regions for an exposure.
    rows: dict[str, list[Row]] = {element: [] for element in VISIT_ELEMENTS}
    seen = set(batch.known_visits)
    for bundle in batch.bundles:
        records = bundle.manifest.records
        key = next(((row["instrument"], row["id"]) for row in records.get("visit", ())), None)
        if key is None or key in seen:
            continue  # none, or that of another part
        seen.add(key)
        for element in VISIT_ELEMENTS:
            rows[element] += records[element]
    if rows["visit"]:
        for element in VISIT_ELEMENTS:
            _insert(butler, element, rows[element], skip_existing=False)


def _insert(butler: Butler, element: str, rows: Iterable[Row], *, skip_existing: bool) -> None:
    records = to_records(element, rows, butler.dimensions)
    butler.registry.insertDimensionData(element, *records, skip_existing=skip_existing)


def _file_datasets(bundle: LandedBundle, types: dict[str, DatasetType]) -> Iterator[FileDataset]:
    records = bundle.manifest.records
    values = dict(records["exposure"][0])
    values["band"] = records["physical_filter"][0]["band"]
    for entry in bundle.manifest.images:
        ref = entry.ref or {}
        dataset_type = types[ref["dataset_type"]]
        values.update(ref["data_id"])
        # With all its values, also the implied ones, Butler need not look them up.
        data_id = DataCoordinate.from_full_values(
            dataset_type.dimensions,
            tuple(values[key] for key in dataset_type.dimensions.data_coordinate_keys),
        )
        yield FileDataset(
            path=f"{bundle.url}#zip-path={entry.name}",
            refs=[
                DatasetRef(
                    dataset_type, data_id, ref["run"], id=uuid.UUID(ref["id"]), conform=False
                )
            ],
            formatter=FitsFileFormatter,
        )


def is_outage(error: BaseException) -> bool:
    """Say whether an error is the database's silence, a deadlock or a lock, and not the data's."""
    return any(
        isinstance(cause, OperationalError | InterfaceError)
        or (isinstance(cause, DBAPIError) and cause.connection_invalidated)
        for cause in _causes(error)
    )


def suspects_of(butler: Butler, batch: Batch, error: Exception) -> list[LandedBundle]:
    """Find the bundles that an ingest failed for, without another ingest call.

    They are those that the error names, or else those whose dimension records alone fail too. A
    list of all bundles says nothing and is given as none.
    """
    bundles = batch.bundles
    words = " ".join(_own_words(cause) for cause in _causes(error))
    suspects = [bundle for bundle in bundles if any(mark in words for mark in _marks(bundle))]
    if not suspects or len(suspects) == len(bundles):
        suspects = [
            bundle
            for bundle in bundles
            if not _takes_records(butler, replace(batch, bundles=[bundle]))
        ]
    return suspects if len(suspects) < len(bundles) else []


def _takes_records(butler: Butler, batch: Batch) -> bool:
    try:
        with contextlib.suppress(_UndoError), butler.transaction():
            _insert_records(butler, batch)
            raise _UndoError
    except REFUSALS as error:
        if is_outage(error):
            raise
        return False
    return True


def _marks(bundle: LandedBundle) -> Iterator[str]:
    yield bundle.url
    yield str(bundle.manifest.unit.obs_id)
    yield str(bundle.manifest.unit.obs_id.exposure_id)
    for entry in bundle.manifest.images:
        if entry.ref is not None:
            yield entry.ref["id"]


def _own_words(error: BaseException) -> str:
    # SQLAlchemy appends the statement and a sample of its parameters: rows of innocent bundles.
    return str(error).split("[SQL:", 1)[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
