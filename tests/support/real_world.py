"""A backbone with real files, real images and real Butlers; Rucio and the sky are fakes."""

import dataclasses
import os

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.calibration import Workshop, bring_in, make_calibrations
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
from sandbox.synthetic_night import make_calibration_group, make_night
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
            (folder / name).mkdir(parents=True)
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
        self.publish()

    def observe(self, exposures, seed=0):
        """Take, land and publish exposures of the sky."""
        make_night(
            self.folder / "summit", NIGHT, exposures=exposures, pixels=8, amplifiers=1, seed=seed,
            instruments=("LSSTCam",), detectors=DETECTORS,
        )  # fmt: skip
        self.publish()

    def publish(self):
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
