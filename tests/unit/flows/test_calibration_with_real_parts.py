"""Synthetic groups through the real payload, judge, indexer and Butler, to a user's `get`."""

import pytest
from lsst.daf.butler import Butler

from dbb.errors import CalibrationInputsRefused
from dbb.flows.calibration_budget import settle
from dbb.flows.calibration_force import apply_rollback, compare, plan_rollback
from dbb.model.delivery import State
from support.calibration_site import CAMPAIGN, PLACES, CalibrationSite


@pytest.fixture
def world(tmp_path):
    return CalibrationSite(tmp_path)


def test_bias_dark_and_flat_are_found_by_a_user_at_each_endpoint(world):
    units = []
    for kind, first in (("bias", 5001), ("dark", 5101), ("flat", 5201)):
        world.take(kind, first)
        units += world.make()
    assert len(units) == 3
    assert world.codes() == []
    for place in PLACES:
        assert [world.state(unit, place) for unit in units] == [State.PUBLISHED] * 3
        with Butler.from_config(str(world.folder / "butler" / place)) as butler:
            data_id = {"instrument": "LSSTCam", "exposure": 2026112105202, "detector": 94}
            # The group's own exposures: each calibration begins before them.
            for kind in ("bias", "dark", "flat"):
                images = butler.get(kind, data_id, collections="LSSTCam/calib")
                assert len(images) > 1
    verdicts = {row.endpoint: row.verdict for row in compare(world.backbone(), "LSSTCam")}
    assert verdicts == {
        "usdf": "equal",
        "frdf": "equal",
        "chile": "behind",
    }  # nothing came to Chile
    kinds = {kind for row in world.calibrations.products(units[2]) for _, _, kind in row.inputs}
    assert kinds == {"raw", "bias", "dark"}
    budget = settle(world.backbone(), units[2])
    assert [(str(each.step), each.is_running) for each in budget.shares][-1] == ("replicate", True)


def test_a_bad_group_leaves_the_one_in_force_and_a_rollback_brings_it_back(world):
    world.take("bias", 5001)
    (first,) = world.make()
    world.take("bias", 5011, fault="saturated")
    with pytest.raises(CalibrationInputsRefused):
        world.make()
    world.take("bias", 5021)
    (third,) = world.make()
    plan = plan_rollback(world.backbone(), third)
    assert [line.subject for line in plan.of("decertify")] == ["usdf", "frdf"]
    apply_rollback(world.backbone(), third, plan.sha256, "stripes")
    ids = {row.dataset_id for row in world.calibrations.products(first)}
    for place in PLACES:
        found = world.repositories[place].validities(f"LSSTCam/calib/daily/{CAMPAIGN}")
        assert {(each.dataset_id in ids, each.end_tai) for each in found} == {(True, "")}
