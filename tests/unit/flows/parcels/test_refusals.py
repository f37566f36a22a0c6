"""Products that are refused: what describes them is wrong, or their place is taken."""

import dataclasses
import json

import pytest

from dbb.flows.copies import look_for_copies
from dbb.flows.parcels import take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.delivery import State
from support.parcel_sites import PRODUCT, beside, move


def test_a_product_that_nobody_describes_is_refused(world, made):
    files = beside(made)
    files["stray.fits"] = b"x"
    world.put(PRODUCT, files)
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 1}
    assert world.codes(PRODUCT) == ["bad-document"]


@pytest.mark.parametrize(
    "sidecar", [b"{}", b"[]", b"nonsense", b'{"id": NaN}', b'{"id": "1", "id": "2"}']
)
def test_a_sidecar_that_is_none_refuses_the_batch(world, made, sidecar):
    files = beside(made)
    name = next(name for name in files if name.endswith(".json") and name[:-5] in files)
    world.put(PRODUCT, {**files, name: sidecar})
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 1}
    assert world.codes(PRODUCT) == ["bad-document"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"files": {"x.json": 7}, "dataset_types": {}, "universe": {}, "records": []},
        {"files": {"x.json": {}}, "dataset_types": [], "universe": {}, "records": [[1, 2]]},
        {
            "files": {"x.json": {"refs": [{"id": 1}]}},
            "dataset_types": {},
            "universe": {},
            "records": [],
        },
        {
            "files": {"x.json": {"labels": {"a": 1}}},
            "dataset_types": {},
            "universe": {},
            "records": [],
        },
        {"files": {"x.json": {}}, "dataset_types": {}, "universe": {}, "records": 7},
    ],
)
def test_a_manifest_that_could_not_be_read_again_is_never_sealed(world, wrong):
    world.put(PRODUCT, {"x.json": b"1", "manifest.json": json.dumps(wrong).encode()})
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 1}
    assert world.ledger.units([PRODUCT]) == {}
    assert world.codes(PRODUCT)[0] in ("bad-document", "bad-manifest")


def test_a_dataset_that_is_there_from_another_file_is_a_conflict(world, made, real):
    from lsst.daf.butler import Butler

    world.put(PRODUCT, beside(made))
    move(world, [PRODUCT])
    again = PRODUCT.replace("coadds", "again")
    world.put(again, beside(made))
    move(world, [again])
    assert world.state(again, "chile") is State.QUARANTINED
    (held,) = [item for item in world.ledger.refusals(unit=again) if item.endpoint == "chile"]
    assert held.code == "ingest-refused"
    assert "is there already, from" in held.reason
    with Butler.from_config(real) as butler:
        uri = butler.getURI(butler.get_dataset(made["refs"][0].id))
        assert PRODUCT.rpartition("/")[2] in str(uri)


def test_a_formatter_from_elsewhere_is_refused_by_the_repository(world, made, real):  # noqa: ARG001
    world.put(PRODUCT, beside(made))
    backbone = world.backbone()
    read = backbone.sidecars

    def evil(*arguments):
        told = read(*arguments)
        files = {
            name: dataclasses.replace(each, formatter="os.system")
            for name, each in told.files.items()
        }
        return dataclasses.replace(told, files=files)

    backbone = dataclasses.replace(backbone, sidecars=evil)
    take_parcels(backbone, [PRODUCT])
    register_units(backbone, [PRODUCT])
    world.catalog.run_daemons()
    publish_units(backbone, look_for_copies(backbone, "chile").work, "chile")
    assert world.state(PRODUCT, "chile") is State.QUARANTINED
    assert world.codes(PRODUCT) == ["ingest-refused"]
