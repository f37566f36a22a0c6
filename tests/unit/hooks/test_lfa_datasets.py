"""Objects of the annex that are Butler datasets, in a real Butler repository."""

import io

import numpy as np
import pytest
from astropy.io import fits
from lsst.daf.butler import Butler

from dbb.errors import LfaNotIngested
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.instruments import load_instruments
from dbb.hooks.lfa_classes import load_classes
from dbb.hooks.lfa_datasets import describe_object
from dbb.hooks.posix_store import PosixStore
from dbb.model.day_obs import DayObs
from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.model.lfn import escape_name
from dbb.model.parcel import Parcel, ParcelFile
from dbb.ports.repository import LandedParcel
from dbb.settings import INCLUDE

FIBER = (
    "FiberSpectrograph:Broad/fits/2026/11/21/FiberSpectrograph:Broad_2026-11-21T23:01:02.000.fits"
)
CAMERA = "GenericCamera:101/GC101/2026/11/21/GC101_O_20261121_000012.fits"
BEGAN = {"DATE-BEG": "2026-11-21T23:01:02.000"}


@pytest.fixture(scope="module")
def datasets():
    return load_classes(INCLUDE / "lfa" / "classes.yaml")[1]


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store").mkdir()
    return PosixStore(tmp_path / "store")


def lay(store, key, **cards):
    image = fits.PrimaryHDU(np.arange(6, dtype=np.int16))
    image.header.update(cards)
    out = io.BytesIO()
    image.writeto(out)
    with store.create(f"lfa/{key}") as writer:
        writer.write(out.getvalue())


def parcel_of(told, key):
    file = told.files[key]
    return Parcel(
        unit="lfa/20261121/one",
        kind=Kind.LFA,
        instrument=told.instrument,
        program="",
        day_obs=20261121,
        files=(
            ParcelFile(
                escape_name(key), Digest(1, "0" * 64, "0" * 8, "0" * 8), file.refs, file.formatter
            ),
        ),
        dataset_types=told.dataset_types,
        universe=told.universe,
        records=told.records,
    )


@pytest.mark.parametrize(
    ("key", "name", "cards", "data_id"),
    [
        (FIBER, "fiber_spectrum", {},
         {"instrument": "FiberSpec", "exposure": 20261121_39662000_0, "detector": 0}),
        (CAMERA, "generic_camera_image", BEGAN | {"EXPTIME": 5.0},
         {"instrument": "GenericCamera101", "exposure": 2026112100012, "detector": 0}),
    ],
)  # fmt: skip
def test_butler_serves_an_object_by_its_data_id(
    tmp_path, store, datasets, key, name, cards, data_id
):
    root = str(tmp_path / "butler")
    create_repository(root, list(load_instruments().values()))
    lay(store, key, **cards)
    told = describe_object(store, f"lfa/{key}", key, datasets[name])
    parcel = Parcel.parse(parcel_of(told, key).data)
    landed = LandedParcel(parcel, {parcel.files[0].name: store.url_of(f"lfa/{key}")})
    repository = ButlerRepository(root)
    for _ in range(2):
        assert repository.ingest_parcels([landed]) == {}
    run = f"{data_id['instrument']}/raw/all"
    with Butler.from_config(root, collections=run) as butler:
        found = butler.get(datasets[name].dataset_type, data_id)
        assert found[0].data.tolist() == list(range(6))
        (record,) = butler.query_dimension_records(
            "exposure", instrument=data_id["instrument"], explain=False
        )
        assert (record.id, record.day_obs) == (data_id["exposure"], DayObs(20261121).value)
        assert record.exposure_time == cards.get("EXPTIME", 0.0)


def test_the_same_object_is_the_same_dataset_at_every_time(store, datasets):
    lay(store, FIBER)
    found = [
        describe_object(store, f"lfa/{FIBER}", FIBER, datasets["fiber_spectrum"]) for _ in range(2)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("key", "name", "cards"),
    [
        (CAMERA, "generic_camera_image", {}),
        (CAMERA, "generic_camera_image", {"DATE-BEG": "2026-11-25T23:01:02.000"}),
        (CAMERA, "generic_camera_image", {"DATE-BEG": "yesterday"}),
        (FIBER, "fiber_spectrum", {"EXPTIME": -1}),
        (FIBER, "fiber_spectrum", {"EXPTIME": "long"}),
        (FIBER, "fiber_spectrum", {"DATE-END": "2026-11-21T22:01:02.000"}),
    ],
)
def test_a_header_that_contradicts_the_key_or_tells_nonsense_has_its_code(
    store, datasets, key, name, cards
):
    lay(store, key, **cards)
    with pytest.raises(LfaNotIngested):
        describe_object(store, f"lfa/{key}", key, datasets[name])


def test_a_time_in_utc_is_made_tai(store, datasets):
    lay(store, CAMERA, TIMESYS="UTC", **BEGAN)
    told = describe_object(store, f"lfa/{CAMERA}", CAMERA, datasets["generic_camera_image"])
    lay(store, CAMERA, **BEGAN)
    tai = describe_object(store, f"lfa/{CAMERA}", CAMERA, datasets["generic_camera_image"])
    begins = [each.records["exposure"][0]["timespan"][0] for each in (told, tai)]
    assert begins[0] - begins[1] == 37 * 10**9
