"""The calibration flow with the archive's store on a real S3 server: inputs and products are objects."""

from __future__ import annotations

import pytest
from lsst.daf.butler import Butler

from dbb.flows.calibration_force import compare
from dbb.hooks.stores import open_store
from dbb.model.delivery import State
from support.calibration_site import PLACES, CalibrationSite


@pytest.fixture
def world(s3_bucket, tmp_path):
    world = CalibrationSite(tmp_path)
    world.stores["usdf"] = open_store(f"s3://{s3_bucket}/usdf")
    world.catalog.stores["USDF"] = world.stores["usdf"]
    return world


def test_a_dark_is_made_of_images_and_a_bias_that_are_objects(world):
    units = []
    for kind, first in (("bias", 5001), ("dark", 5101)):
        world.take(kind, first)
        units += world.make()
    assert world.codes() == []
    for place in PLACES:
        assert [world.state(unit, place) for unit in units] == [State.PUBLISHED] * 2
    products = world.calibrations.products(units[1])
    assert {kind for row in products for _, _, kind in row.inputs} == {"raw", "bias"}
    found = world.repositories["usdf"].locate([row.dataset_id for row in products])
    assert all(url.startswith("s3://") for url in found.values())
    assert len(found) == len(products)
    with Butler.from_config(str(world.folder / "butler" / "usdf")) as butler:
        data_id = {"instrument": "LSSTCam", "exposure": 2026112105102, "detector": 94}
        assert len(butler.get("dark", data_id, collections="LSSTCam/calib")) > 1
    verdicts = {row.endpoint: row.verdict for row in compare(world.backbone(), "LSSTCam")}
    assert {verdicts[place] for place in PLACES} == {"equal"}
    assert not list((world.folder / "scratch").iterdir())
