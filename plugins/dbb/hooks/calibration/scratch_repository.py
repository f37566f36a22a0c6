"""A Butler repository for one order: the inputs as a collection, the products as a run.

Pipelines of Rubin read and write collections. They get a repository of their own, in which the
inputs have the UUIDs of the real one and lie where they lie: whatever a pipeline does in it, no
repository that anybody else reads is touched.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits
from lsst.daf.butler import (
    Butler,
    CollectionType,
    DataCoordinate,
    DatasetRef,
    DatasetType,
    FileDataset,
    Timespan,
)
from lsst.resources import ResourcePath

from dbb.errors import CalibrationInputsRefused, UnsafeName, UntranslatableHeader
from dbb.hooks import butler_formatter, translators
from dbb.hooks.butler_dataset_types import STORAGE_CLASS, dataset_types
from dbb.hooks.butler_records import ELEMENTS, exposure_rows, to_records
from dbb.hooks.butler_setup import RUN, create_repository
from dbb.hooks.calibration.command_order import check_products
from dbb.hooks.calibration.reader import InputReader, place_of
from dbb.hooks.calibration.segments import open_fits
from dbb.model.exposure import ObsId, Unit
from dbb.model.instrument import Instrument
from dbb.model.payload import CalibrationKind, PayloadInput, PayloadOrder, Product

INPUTS = "order/inputs"
CALIBRATIONS = "order/calibrations"
OUTPUT_RUN = "order/products"

DIMENSIONS = {
    CalibrationKind.BIAS: ("instrument", "detector"),
    CalibrationKind.DARK: ("instrument", "detector"),
    CalibrationKind.FLAT: ("instrument", "detector", "physical_filter"),
}
"""As Rubin's pipelines define these dataset types."""


@dataclass(frozen=True)
class ScratchRepository:
    """Name what a pipeline is given, and collect what it made.

    Parameters
    ----------
    root
        The repository's folder.
    input_collection
        The chain of the images and the calibrations to apply.
    output_run
        Where the pipeline puts its products.
    data_query
        Selects the order's exposures and detectors, in Butler's language.
    """

    root: Path
    input_collection: str
    output_run: str
    data_query: str

    def collect(self, name: str, order: PayloadOrder, folder: Path, log: Path) -> list[Product]:
        """Copy the datasets of the output run into a folder.

        Raises
        ------
        PayloadFailed
            If there is not one product for each detector.
        """
        products = []
        with Butler.from_config(str(self.root), writeable=False) as butler:
            refs = butler.query_datasets(
                str(order.kind), collections=self.output_run, limit=None, explain=False
            )
            for ref in refs:
                detector = int(ref.dataId["detector"])
                file = f"{order.instrument}_{order.kind}_{detector:03d}_{ref.id.hex}.fits"
                _copy(butler.getURI(ref), folder / file)
                inputs = _inputs_of(folder / file, order, detector)
                products.append(Product(detector, file, inputs))
        check_products(name, order, products, folder, log)
        return sorted(products, key=lambda product: product.detector)


def make_scratch_repository(
    root: Path, order: PayloadOrder, instrument: Instrument
) -> ScratchRepository:
    """Make a repository that knows an order's inputs and nothing else.

    Raises
    ------
    CalibrationInputsRefused
        If an image is not what the order says, or its header gives no exposure record.
    Damaged
        If an input's bytes are not those that the order pins.
    """
    create_repository(root, [instrument])
    raws = [given for given in order.inputs if given.kind == "raw"]
    run = RUN.format(instrument=instrument.name)
    with Butler.from_config(str(root), writeable=True) as butler:
        types = _register(butler)
        _insert_exposures(butler, raws, instrument)
        butler.ingest(*_files(raws, types, run, instrument.name, order), transfer="direct")
        calibrations = [given for given in order.inputs if given.kind != "raw"]
        for kind in sorted({given.kind for given in calibrations}):
            chosen = [given for given in calibrations if given.kind == kind]
            files = list(_files(chosen, types, f"{CALIBRATIONS}/{kind}", instrument.name, order))
            butler.ingest(*files, transfer="direct")
            refs = [ref for file in files for ref in file.refs]
            butler.registry.certify(CALIBRATIONS, refs, Timespan(None, None))
        butler.collections.redefine_chain(INPUTS, [run, CALIBRATIONS])
    exposures = ", ".join(map(str, sorted({given.exposure_id for given in raws})))
    detectors = ", ".join(map(str, sorted({given.detector for given in raws})))
    query = (
        f"instrument='{instrument.name}' AND exposure IN ({exposures}) "
        f"AND detector IN ({detectors})"
    )
    return ScratchRepository(root, INPUTS, OUTPUT_RUN, query)


def _register(butler: Butler) -> dict[str, DatasetType]:
    types = dict(dataset_types(butler.dimensions))
    for kind, dimensions in DIMENSIONS.items():
        types[str(kind)] = DatasetType(
            str(kind), dimensions, STORAGE_CLASS, universe=butler.dimensions, isCalibration=True
        )
        butler.registry.registerDatasetType(types[str(kind)])
    butler.collections.register(CALIBRATIONS, CollectionType.CALIBRATION)
    butler.collections.register(INPUTS, CollectionType.CHAINED)
    butler.collections.register(OUTPUT_RUN, CollectionType.RUN)
    return types


def _insert_exposures(butler: Butler, raws: list[PayloadInput], instrument: Instrument) -> None:
    """Make the exposures' records of the header of one image of each."""
    first = {given.exposure_id: given for given in reversed(raws)}
    rows: dict[str, dict[str, Any]] = {element: {} for element in ELEMENTS}
    with InputReader() as reader:
        for exposure_id, given in sorted(first.items()):
            name = place_of(given)
            with open_fits(name, reader.read(given)) as units:
                header = _plain(units[0].header)
            try:
                obs_id = ObsId.parse(str(header.get("OBSID")))
                unit = Unit(instrument.name, obs_id)
                facts = translators.translate(name, header, unit, instrument)
                found = exposure_rows(instrument, facts)
            except (UnsafeName, UntranslatableHeader) as error:
                raise CalibrationInputsRefused.for_image(name, error.message) from None
            if facts.exposure_id != exposure_id:
                why = f"it is of exposure {facts.exposure_id}, not {exposure_id}"
                raise CalibrationInputsRefused.for_image(name, why)
            for element, lines in found.items():
                rows[element] |= {repr(line): line for line in lines}
    with butler.transaction():
        for element in ELEMENTS:
            records = to_records(element, rows[element].values(), butler.dimensions)
            butler.registry.insertDimensionData(element, *records, skip_existing=True)


def _plain(header: fits.Header) -> dict[str, Any]:
    """Give a header's values as plain Python's."""
    blank = fits.card.Undefined
    return {
        key: None if isinstance(value, blank) else value for key, value in header.items() if key
    }


def _files(
    inputs: list[PayloadInput],
    types: dict[str, DatasetType],
    run: str,
    instrument: str,
    order: PayloadOrder,
) -> Iterator[FileDataset]:
    for given in inputs:
        values: dict[str, Any] = {"instrument": instrument, "detector": given.detector}
        if given.kind == "raw":
            values["exposure"] = given.exposure_id
        if given.kind == CalibrationKind.FLAT:
            values["physical_filter"] = order.physical_filter
        dataset_type = types[given.kind]
        data_id = DataCoordinate.standardize(values, dimensions=dataset_type.dimensions)
        ref = DatasetRef(dataset_type, data_id, run=run, id=uuid.UUID(given.dataset_id))
        place = ResourcePath(given.path.resolve())
        if given.member:
            place = place.replace(fragment=f"zip-path={given.member}")
        yield FileDataset(path=place, refs=[ref], formatter=butler_formatter.NAME)


def _copy(source: ResourcePath, target: Path) -> None:
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing)


def _inputs_of(path: Path, order: PayloadOrder, detector: int) -> tuple[str, ...]:
    """Read the inputs that Butler's provenance in a product's header names; without it, all."""
    ordered = tuple(given.dataset_id for given in order.inputs if given.detector == detector)
    try:
        header = fits.getheader(path)
    except OSError:
        return ordered
    number = header.get("LSST BUTLER N_INPUTS", 0)
    named = tuple(str(header.get(f"LSST BUTLER INPUT {each} ID")) for each in range(number))
    return named or ordered
