"""A backbone of real files and real Butlers, in which calibrations are made; only Rucio is a fake."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.backbone import Backbone
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
from dbb.model.payload import Payload
from sandbox.synthetic_night import make_calibration_group, make_night
from support.faults import Schedule
from support.world import NIGHT, RSES, World

CAMPAIGN = "2026B"
DETECTORS = ("R22_S11", "R22_S12")
PLACES = ("usdf", "frdf")


class CalibrationSite(World):
    """Real files and real Butlers; Rucio and the sky are fakes.

    Parameters
    ----------
    folder
        Where all of it lies; a folder that was used before is opened again.
    ledger_url
        The ledger's database.
    places
        Endpoints with a real Butler, the archive first.
    processes
        How many detectors are judged at once; 0 for one a core.
    registry_urls
        By place, the database of its Butler; in a file where there is none.
    """

    def __init__(
        self,
        folder: Path,
        ledger_url: str = "sqlite://",
        *,
        places: Sequence[str] = PLACES,
        processes: int = 1,
        registry_urls: dict[str, str] | None = None,
        **world: Any,
    ) -> None:
        super().__init__(ledger_url, **world)
        self.folder = folder
        self.places = tuple(places)
        self.cameras = load_instruments()
        camera = self.cameras["LSSTCam"]
        for name in ("summit", *RSES):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.stores = {name: PosixStore(folder / name) for name in ("summit", *RSES)}
        self.catalog.stores = {rse: self.stores[name] for name, rse in RSES.items()}
        for name in places:
            root = folder / "butler" / name
            if not root.exists():
                url = (registry_urls or {}).get(name)
                create_repository(root, [camera], registry_url=url, namespace=url and f"at_{name}")
            self.repositories[name] = ButlerRepository(str(root))
        found = load_payload()
        judge = CalibrationJudge(camera, processes=processes or None)
        self.workshop = Workshop(found.payload, judge, folder / "scratch", found.parameters)

    def backbone(self, schedule: Schedule | None = None) -> Backbone:
        return dataclasses.replace(
            super().backbone(schedule),
            instruments=self.cameras,
            inspector=FitsInspector(self.cameras),
            indexer=ButlerIndexer(self.cameras.values()),
        )

    def shoot(self, kind: str, first: int, **given: Any) -> None:
        """Take a sequence; its files have come to rest at the summit."""
        wanted = {"exposures": 3, "detectors": DETECTORS, "amplifiers": 2, "pixels": 48} | given
        make_calibration_group(
            self.folder / "summit", kind, day_obs=NIGHT.value, first_seq_num=first, **wanted
        )
        self.rest()

    def observe(self, exposures: int, seed: int = 0) -> None:
        """Take exposures of the sky and have them published everywhere."""
        make_night(
            self.folder / "summit",
            NIGHT,
            exposures=exposures,
            pixels=8,
            amplifiers=1,
            seed=seed,
            instruments=("LSSTCam",),
            detectors=DETECTORS,
        )
        self.rest()
        self.land()
        self.deliver()

    def rest(self) -> None:
        """Let the files at the summit have come to rest."""
        then = self.clock.now().timestamp() - 60
        for path in (self.folder / "summit").rglob("*.*"):
            os.utime(path, (then, then))

    def land(self, schedule: Schedule | None = None) -> list[str]:
        """Publish at the archive what has come."""
        backbone = self.backbone(schedule)
        work = receive_arrivals(backbone, NIGHT).work
        land_units(backbone, work)
        apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, work)], {})
        register_units(backbone, work)
        publish_units(backbone, work, "usdf")
        return work

    def take(self, kind: str, first: int, **given: Any) -> None:
        """Take a sequence and have it published everywhere."""
        self.shoot(kind, first, **given)
        self.land()
        self.deliver()

    def deliver(self, schedule: Schedule | None = None) -> None:
        """Have Rucio copy, and publish at the receivers."""
        self.catalog.run_daemons()
        backbone = self.backbone(schedule)
        for place in self.places[1:]:
            publish_units(backbone, look_for_copies(backbone, place).work, place)

    def make(self, payload: Payload | None = None, *, again: bool = False) -> list[str]:
        """Make the calibrations of every complete group, and deliver them."""
        workshop = self.workshop
        if payload is not None:
            workshop = dataclasses.replace(workshop, payload=payload, parameters={})
        units = []
        for group in find_work(self.backbone(), "LSSTCam", NIGHT.value, CAMPAIGN, again=again):
            unit = make_calibrations(self.backbone(), workshop, group, CAMPAIGN)
            bring_in(self.backbone(), [unit])
            units.append(unit)
        self.deliver()
        return units
