"""Reading raw files as Butler does."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from lsst.daf.butler import Butler, DataCoordinate, DatasetRef, FileDataset

from dbb.hooks.butler_dataset_types import dataset_types
from dbb.hooks.butler_formatter import NAME, FitsFileFormatter, read_primary_header
from dbb.hooks.butler_setup import create_repository
from dbb.model.exposure import Unit
from support.raw_bundles import RUN, make_fits, make_instrument, make_pixels

UNIT = Unit.parse("LSSTCam/20261121/MC_O_20261121_000123")
INSTRUMENT = make_instrument()


def _ingest_file(folder: Path, name: str, data: bytes) -> tuple[Butler, DatasetRef]:
    create_repository(folder / "repo", [INSTRUMENT])
    (folder / name).write_bytes(data)
    butler = Butler.from_config(str(folder / "repo"), writeable=True)
    registry = butler.registry
    registry.insertDimensionData("day_obs", {"instrument": "LSSTCam", "id": 20261121})
    registry.insertDimensionData("group", {"instrument": "LSSTCam", "name": "g"})
    exposure = {"instrument": "LSSTCam", "id": 2026112100123, "obs_id": str(UNIT.obs_id)}
    links = {"group": "g", "day_obs": 20261121, "physical_filter": "r_57"}
    registry.insertDimensionData("exposure", {**exposure, **links})
    data_id = DataCoordinate.standardize(
        instrument="LSSTCam", exposure=2026112100123, detector=0, universe=butler.dimensions
    )
    ref = DatasetRef(dataset_types(butler.dimensions)["raw"], data_id, RUN)
    url = (folder / name).as_uri()
    butler.ingest(FileDataset(path=url, refs=[ref], formatter=NAME), transfer="direct")
    return butler, ref


@pytest.mark.parametrize("name", ["x.fits", "x.fits.fz"])
def test_a_local_file_reads_and_outlives_its_file(tmp_path: Path, name: str) -> None:
    butler, ref = _ingest_file(tmp_path, name, make_fits(UNIT, INSTRUMENT.detectors[0]))
    with butler:
        images = butler.get(ref)
    (tmp_path / name).unlink()
    assert np.array_equal(images[1].data, make_pixels(2026112100123 * 1000))


def test_the_header_alone_can_be_read(tmp_path: Path) -> None:
    butler, ref = _ingest_file(tmp_path, "x.fits", make_fits(UNIT, INSTRUMENT.detectors[0]))
    with butler:
        header = butler.get(ref.makeComponentRef("metadata"))
    assert header["OBSID"] == str(UNIT.obs_id)


def test_a_tile_compressed_image_reads_as_pixels() -> None:
    pixels = make_pixels(1, 64)
    out = BytesIO()
    compressed = fits.CompImageHDU(pixels, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), compressed]).writeto(out)
    images = FitsFileFormatter.read_from_stream(None, BytesIO(out.getvalue()))  # type: ignore[arg-type]
    assert np.array_equal(images[1].data, pixels)


def test_comments_stay_out_of_the_header() -> None:
    primary = fits.PrimaryHDU()
    primary.header["HISTORY"] = "one"
    primary.header["COMMENT"] = "two"
    out = BytesIO()
    primary.writeto(out)
    header = read_primary_header(BytesIO(out.getvalue()))
    assert header["SIMPLE"] is True
    assert not {"HISTORY", "COMMENT", ""} & header.keys()
