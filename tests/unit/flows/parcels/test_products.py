"""Parcels of products with their sidecars, from their producer into the registries of others."""

import json

import pytest

from dbb.hooks.butler_repository import ButlerRepository
from dbb.model.delivery import State
from dbb.model.parcel import Parcel, ParcelName
from support.parcel_sites import PRODUCT, Sites, beside, move


def as_yaml(made):
    import yaml

    found = beside(made)
    return {
        (
            name[:-5] + ".yaml"
            if name.endswith(f"{made['suffix']['survey_config']}.json")
            else name
        ): (
            yaml.safe_dump(json.loads(data)).encode()
            if name.endswith(f"{made['suffix']['survey_config']}.json")
            else data
        )
        for name, data in found.items()
    }


def as_zip(made):
    return {"batch.zip": made["zip"]}


@pytest.mark.parametrize("form", [beside, as_yaml, as_zip])
def test_products_make_the_round_trip_into_an_empty_registry(world, made, real, form):
    from lsst.daf.butler import Butler

    world.put(PRODUCT, form(made))
    assert move(world, [PRODUCT]) == {"taken": 1, "refused": 0}
    assert world.codes() == []
    assert world.state(PRODUCT, "chile") is State.PUBLISHED
    with Butler.from_config(real) as butler:
        for ref in made["refs"]:
            there = butler.get_dataset(ref.id)
            assert (there.id, there.dataId.required) == (ref.id, ref.dataId.required)
            assert there.run == ref.run
            assert butler.get(there) == made["values"][ref.datasetType.name]
        (record,) = butler.query_dimension_records("tract", skymap="rings", tract=7)
        assert record.region is not None
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 0}


def test_a_manifest_for_the_whole_batch_is_as_good(world, made):
    from lsst.daf.butler import Butler

    world.put(PRODUCT, beside(made))
    move(world, [PRODUCT])
    with world.stores["usdf"].open(f"products/{ParcelName.parse(PRODUCT).manifest_name}") as stream:
        parcel = Parcel.parse(stream.read())
    folder = f"{parcel.name.folder}/"
    manifest = {
        "files": {
            file.name.removeprefix(folder): {
                "refs": [dict(ref) for ref in file.refs],
                "formatter": file.formatter,
                "sha256": file.digest.sha256,
            }
            for file in parcel.files
        },
        "dataset_types": parcel.dataset_types,
        "universe": parcel.universe,
        "records": [[element, rows] for element, rows in parcel.records.items()],
    }
    again = PRODUCT.replace("coadds", "again")
    files = {f"{name}{made['suffix'][name]}": made["files"][name] for name in made["files"]}
    other = Sites(world.folder / "other")
    Butler.makeRepo(str(world.folder / "other-butler"))
    other.repositories["chile"] = ButlerRepository(str(world.folder / "other-butler"))
    other.put(again, {**files, "manifest.json": json.dumps(manifest).encode()})
    assert move(other, [again]) == {"taken": 1, "refused": 0}
    assert other.state(again, "chile") is State.PUBLISHED
    manifest["files"][min(files)]["sha256"] = "0" * 64
    wrong = PRODUCT.replace("coadds", "wrong")
    other.put(wrong, {**files, "manifest.json": json.dumps(manifest).encode()})
    assert move(other, [wrong]) == {"taken": 0, "refused": 1}
    assert other.codes(wrong) == ["digest-mismatch"]


def test_a_mended_batch_goes_through_and_closes_the_record(world, made):
    files = beside(made)
    world.put(PRODUCT, {**files, "stray.fits": b"x"})
    move(world, [PRODUCT])
    world.stores["usdf"].delete([f"incoming/{PRODUCT}/stray.fits"])
    world.put(PRODUCT, {})
    assert move(world, [PRODUCT]) == {"taken": 1, "refused": 0}
    assert world.codes() == []
