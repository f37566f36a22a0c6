"""The Butler dataset types of raw images, the same in every repository and bundle."""

from __future__ import annotations

import uuid

from lsst.daf.butler import (
    DataCoordinate,
    DatasetIdFactory,
    DatasetIdGenEnum,
    DatasetType,
    DimensionUniverse,
)

STORAGE_CLASS = "FitsHDUList"
STORAGE_CLASS_CONFIG = {
    "pytype": "astropy.io.fits.HDUList",
    "derivedComponents": {"metadata": "StructuredDataDict"},
}
"""What ``butler.yaml`` says of the storage class; a client needs astropy and our formatter."""

NAMES = ("guider_raw", "raw")
DIMENSIONS = ("instrument", "exposure", "detector")

_IDS = DatasetIdFactory()


def dataset_types(universe: DimensionUniverse) -> dict[str, DatasetType]:
    """Define the dataset types of raw images, by name.

    The storage class is given by name only: where a bundle is indexed, no repository's
    configuration has been read.
    """
    return {name: DatasetType(name, DIMENSIONS, STORAGE_CLASS, universe=universe) for name in NAMES}


def derive_id(dataset_type: DatasetType, data_id: DataCoordinate, run: str) -> uuid.UUID:
    """Derive a dataset's identifier of type, data ID and run: it is the same at every site."""
    mode = DatasetIdGenEnum.DATAID_TYPE_RUN
    derived: uuid.UUID = _IDS.makeDatasetId(run, dataset_type, data_id, mode)
    return derived
