"""The reconciler over parcels: products, and objects of the annex."""

import uuid

import pytest

from dbb.digests import digest_bytes
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate
from dbb.flows.parcels import arrive
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.delivery import State
from dbb.model.kind import Kind
from dbb.model.lfn import escape_name
from dbb.model.names import SafeName
from dbb.model.parcel import Parcel, ParcelFile
from support.reconciled import DAY_S, scan
from support.world import World

PRODUCT = "products/20261121/coadds-1"
LFA = "lfa/20261121/objects-1"
KEYS = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"coadd {number}")) for number in range(3)]


def _digest(data):
    return digest_bytes(data)


def parcels():
    """A world in which a product and an object of the annex are published where they are wanted."""
    world = World()
    backbone = world.backbone()
    product = Parcel(
        PRODUCT,
        Kind.PRODUCT,
        "LSSTCam",
        "",
        20261121,
        tuple(
            ParcelFile(
                SafeName(f"20261121/coadds-1/{number}.fits"),
                _digest(b"coadd %d" % number),
                ({"id": key, "dataset_type": "coadd", "run": "u/x", "data_id": {}},),
                "lsst.daf.butler.formatters.file.FileFormatter",
            )
            for number, key in enumerate(KEYS)
        ),
        {"coadd": {"dimensions": [], "storage_class": "X", "is_calibration": False}},
    )
    annex = Parcel(
        LFA, Kind.LFA, "", "", 20261121,
        (ParcelFile(escape_name("GCS/cam:1/2026/11/21/a:b.yaml"), _digest(b"object")),),
    )  # fmt: skip
    for number in range(3):
        world.stores["usdf"].put(f"products/20261121/coadds-1/{number}.fits", b"coadd %d" % number)
    world.stores["usdf"].put("lfa/GCS/cam:1/2026/11/21/a:b.yaml", b"object")
    for parcel in (product, annex):
        name = f"{parcel.scope}/{parcel.name.manifest_name}"
        world.stores["usdf"].put(name, parcel.data)
        world.ledger.seal_parcel(parcel)
        arrive(backbone, parcel.unit)
    units = [PRODUCT, LFA]
    apply_gate(backbone, units, {})
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    world.catalog.run_daemons()
    for endpoint in ("frdf", "chile"):
        publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)
    assert world.state(PRODUCT, "chile") is State.PUBLISHED
    assert world.state(LFA, "frdf") is State.PUBLISHED
    world.clock.advance(DAY_S)
    return world


def test_parcels_that_are_well_give_nothing():
    assert scan(parcels()) == set()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda w: w.stores["chile"].delete(["products/20261121/coadds-1/1.fits"]),
            {("chile", "file-gone", PRODUCT)},
        ),
        (
            lambda w: w.stores["frdf"].delete(["lfa/GCS/cam:1/2026/11/21/a:b.yaml"]),
            {("frdf", "file-gone", LFA)},
        ),
        (
            lambda w: w.stores["frdf"].put("products/20261121/coadds-1/2.fits", b"short"),
            {("frdf", "file-size", PRODUCT)},
        ),
        (
            lambda w: w.stores["chile"].put("products/20261121/coadds-1/x.fits", b"?"),
            {("chile", "file-dark", "products/20261121/coadds-1/x.fits")},
        ),
        (
            lambda w: w.repositories["chile"].datasets.pop(KEYS[1]),
            {("chile", "butler-lacks", PRODUCT)},
        ),
        (
            lambda w: w.repositories["ukdf"].datasets.update({KEYS[0]: "memory://ukdf/x#0"}),
            {("ukdf", "butler-unpublished", PRODUCT)},
        ),
    ],
)
def test_what_is_wrong_with_a_parcel_is_named(damage, expected):
    world = parcels()
    damage(world)
    world.clock.advance(3600)
    assert scan(world) == expected


def test_a_parcel_whose_manifest_is_damaged_everywhere_is_named_and_nothing_of_it_is_dark():
    world = parcels()
    name = "products/20261121/coadds-1/coadds-1.parcel.json"
    for endpoint in ("usdf", "frdf", "chile"):
        world.stores[endpoint].put(name, b"{}")
    world.clock.advance(3600)
    places = ("usdf", "frdf", "chile")
    assert scan(world) == {(place, "manifest-unreadable", PRODUCT) for place in places}


def test_a_parcel_whose_manifest_is_damaged_at_the_archive_is_read_at_the_endpoint():
    world = parcels()
    world.stores["usdf"].put("products/20261121/coadds-1/coadds-1.parcel.json", b"{}")
    world.clock.advance(3600)
    assert scan(world) == {("usdf", "file-size", PRODUCT)}
