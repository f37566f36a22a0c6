"""Synthetic groups through the real payload, judge, indexer and Butler, to a user's `get`."""

import dataclasses
import os

import pytest
from lsst.daf.butler import Butler

from dbb.errors import CalibrationInputsRefused
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.calibration import Workshop, bring_in, make_calibrations
from dbb.flows.calibration_budget import settle
from dbb.flows.calibration_force import apply_rollback, compare, plan_rollback
from dbb.flows.calibration_groups import find_work
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.butler_indexer import ButlerIndexer
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.calibration.judging import CalibrationJudge
from dbb.hooks.calibration.payloads import load_payload
from dbb.hooks.fits_inspector import FitsInspector
from dbb.hooks.instruments import load_instruments
from dbb.hooks.posix_store import PosixStore
from dbb.model.delivery import State
from sandbox.synthetic_night import make_calibration_group
from support.world import NIGHT, RSES, World

CAMPAIGN = "2026B"
DETECTORS = ("R22_S11", "R22_S12")
PLACES = ("usdf", "frdf")


class RealWorld(World):
    """Real files and real Butlers; Rucio and the sky are fakes."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.cameras = load_instruments()
        self.stores = {name: PosixStore(folder / name) for name in ("summit", *RSES)}
        for name in self.stores:
            (folder / name).mkdir()
        self.catalog.stores = {rse: self.stores[name] for name, rse in RSES.items()}
        for name in PLACES:
            root = folder / "butler" / name
            create_repository(root, [self.cameras["LSSTCam"]])
            self.repositories[name] = ButlerRepository(str(root))
        found = load_payload()
        self.workshop = Workshop(
            found.payload,
            CalibrationJudge(self.cameras["LSSTCam"], processes=1),
            folder / "scratch",
            found.parameters,
        )

    def backbone(self, schedule=None):
        return dataclasses.replace(
            super().backbone(schedule),
            instruments=self.cameras,
            inspector=FitsInspector(self.cameras),
            indexer=ButlerIndexer(self.cameras.values()),
        )

    def take(self, kind, first, **given):
        make_calibration_group(
            self.folder / "summit", kind, exposures=3, detectors=DETECTORS, amplifiers=2,
            pixels=48, day_obs=NIGHT.value, first_seq_num=first, **given,
        )  # fmt: skip
        then = self.clock.now().timestamp()
        for path in (self.folder / "summit").rglob("*.*"):
            os.utime(path, (then, then))
        self.clock.advance(7200)
        backbone = self.backbone()
        work = receive_arrivals(backbone, NIGHT).work
        land_units(backbone, work)
        apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, work)], {})
        register_units(backbone, work)
        publish_units(backbone, work, "usdf")
        self.deliver(work)

    def deliver(self, _units):
        self.catalog.run_daemons()
        publish_units(self.backbone(), look_for_copies(self.backbone(), "frdf").work, "frdf")

    def make(self):
        units = []
        for group in find_work(self.backbone(), "LSSTCam", NIGHT.value, CAMPAIGN):
            unit = make_calibrations(self.backbone(), self.workshop, group, CAMPAIGN)
            bring_in(self.backbone(), [unit])
            units.append(unit)
        self.deliver(units)
        return units


@pytest.fixture
def world(tmp_path):
    return RealWorld(tmp_path)


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
