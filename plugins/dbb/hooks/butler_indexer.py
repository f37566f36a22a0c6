"""Butler's index of a bundle, written where no registry is at hand."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from lsst.daf.butler import (
    DataCoordinate,
    DatasetRef,
    DatasetType,
    DimensionRecord,
    DimensionUniverse,
    SerializedDatasetRefContainerV1,
)
from lsst.daf.butler.datastore.stored_file_info import SerializedStoredFileInfo
from lsst.daf.butler.datastores.file_datastore.retrieve_artifacts import (
    ArtifactIndexInfo,
    ZipIndex,
)

from dbb.errors import UnexpectedFile, UnknownInstrument
from dbb.hooks import butler_formatter
from dbb.hooks.butler_dataset_types import STORAGE_CLASS, dataset_types, derive_id
from dbb.hooks.butler_records import Row, detector_row, exposure_rows, to_records
from dbb.hooks.butler_visits import visit_rows
from dbb.model import strict_json
from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.instrument import Detector, Instrument
from dbb.ports.images import BundleIndex


class ButlerIndexer:
    """Write the index that makes a zip of raw images a Butler bundle.

    The identifiers are UUIDv5 of dataset type, run and data ID, so that every site gives a dataset
    the same one; the same exposure always makes the same bytes.

    Parameters
    ----------
    instruments
        The instruments whose exposures can be indexed.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._instruments = {instrument.name: instrument for instrument in instruments}

    @cached_property
    def _universe(self) -> DimensionUniverse:
        return DimensionUniverse()

    @cached_property
    def _types(self) -> dict[str, DatasetType]:
        return dataset_types(self._universe)

    def index(
        self, unit: Unit, facts: ExposureFacts, members: Mapping[str, str], run: str
    ) -> BundleIndex:
        """Describe a bundle whose ``members`` map detector names to names in the zip.

        Raises
        ------
        UnknownInstrument
            If the unit's instrument is not one of those given.
        UnexpectedFile
            If the instrument has no such detector.
        UntranslatableHeader
            If the facts make no exposure record.
        """
        instrument = self._instruments.get(unit.instrument)
        if instrument is None:
            raise UnknownInstrument.for_name(unit.instrument, str(unit))
        detectors = _find_detectors(instrument, members)
        rows = exposure_rows(instrument, facts)
        rows["detector"] = [detector_row(instrument, detector) for detector in detectors]
        refs = self._make_refs(detectors, self._make_records(rows), run)
        index = ZipIndex(
            refs=SerializedDatasetRefContainerV1.from_refs(refs.values()),
            artifact_map={
                members[name]: _describe_member(members[name], ref.id) for name, ref in refs.items()
            },
        )
        return BundleIndex(
            member_name=ZipIndex.index_name,
            # Butler's own serialization has sets in it, whose order differs between processes.
            member_data=strict_json.canonical(index.model_dump(mode="json")),
            refs={name: _ref_to_json(ref) for name, ref in refs.items()},
            universe={"namespace": self._universe.namespace, "version": self._universe.version},
            records=rows | visit_rows(instrument, facts),
        )

    def _make_records(self, rows: Mapping[str, list[Row]]) -> dict[str, list[DimensionRecord]]:
        records = {
            element: to_records(element, element_rows, self._universe)
            for element, element_rows in rows.items()
        }
        band = rows["physical_filter"][0]["band"]
        records["band"] = to_records("band", [{"name": band}], self._universe)
        return records

    def _make_refs(
        self, detectors: list[Detector], records: Mapping[str, list[DimensionRecord]], run: str
    ) -> dict[str, DatasetRef]:
        common = {element: found[0] for element, found in records.items() if found}
        exposure = records["exposure"][0]
        refs = {}
        for detector, record in zip(detectors, records["detector"], strict=True):
            dataset_type = self._types[detector.dataset_type]
            data_id = DataCoordinate.from_required_values(
                dataset_type.dimensions, (exposure.instrument, detector.id, exposure.id)
            ).expanded({**common, "detector": record})
            refs[detector.full_name] = DatasetRef(
                dataset_type,
                data_id,
                run,
                id=derive_id(dataset_type, data_id, run),
                conform=False,
            )
        return refs


def _find_detectors(instrument: Instrument, members: Mapping[str, str]) -> list[Detector]:
    for name in members:
        if name not in instrument.by_name:
            raise UnexpectedFile.for_file(members[name])
    return sorted((instrument.by_name[name] for name in members), key=lambda found: found.id)


def _describe_member(name: str, dataset_id: uuid.UUID) -> ArtifactIndexInfo:
    info = SerializedStoredFileInfo(
        formatter=butler_formatter.NAME, path=name, storage_class=STORAGE_CLASS, file_size=-1
    )
    return ArtifactIndexInfo.from_single(info, dataset_id)


def _ref_to_json(ref: DatasetRef) -> dict[str, Any]:
    return {
        "id": str(ref.id),
        "dataset_type": ref.datasetType.name,
        "run": ref.run,
        "data_id": dict(ref.dataId.required),
    }
