"""A backbone in memory in which calibrations are made, by a payload of a few lines."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dbb.errors import CalibrationInputsRefused
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.backbone import Backbone
from dbb.flows.calibration import Workshop, bring_in, make_calibrations
from dbb.flows.calibration_budget import settle
from dbb.flows.calibration_groups import find_work
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.exposure import ExposureFacts, Unit
from dbb.model.payload import PayloadInput, PayloadOrder, Product
from dbb.ports.images import BundleIndex
from support.fake_images import MemoryIndexer, MemoryInspector
from support.faults import Schedule
from support.tiny_camera import TINY, take_exposure
from support.world import NIGHT, World

CAMPAIGN = "2026B"
COLLECTION = f"LSSTCam/calib/daily/{CAMPAIGN}"


class _Inspector(MemoryInspector):
    def translate(self, name: str, header: Mapping[str, Any], unit: Unit) -> ExposureFacts:
        facts = super().translate(name, header, unit)
        first = facts.seq_num - header.get("CURINDEX", 1) + 1
        return dataclasses.replace(
            facts, seq_start=first, seq_end=first + header.get("MAXINDEX", 1) - 1
        )


class _Indexer(MemoryIndexer):
    def index(
        self, unit: Unit, facts: ExposureFacts, members: Mapping[str, str], run: str
    ) -> BundleIndex:
        index = super().index(unit, facts, members, run)
        for name, ref in index.refs.items():
            ref["data_id"]["detector"] = TINY.by_name[name].id
            ref["dataset_type"] = TINY.by_name[name].dataset_type
        return index


class TinyPayload:
    """Write, for each detector, the identity of what it was given."""

    name = "tiny"

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.runs = 0

    def run(self, order: PayloadOrder) -> Sequence[Product]:
        self.runs += 1
        products = []
        for detector in sorted({given.detector for given in order.inputs if given.kind == "raw"}):
            inputs = [given for given in order.inputs if given.detector == detector]
            total = hashlib.sha256(self.version.encode())
            for given in inputs:
                assert hashlib.sha256(read_input(given)).hexdigest() == given.sha256
                total.update(given.sha256.encode())
            name = f"{order.kind}-{detector}.fits"
            (order.folder / name).write_bytes(total.digest())
            ids = tuple(given.dataset_id for given in inputs)
            products.append(Product(detector, name, ids, {"inputs": float(len(inputs))}))
        return products


def read_input(given: PayloadInput) -> bytes:
    """Read what an order pins."""
    if not given.member:
        return given.path.read_bytes()
    with zipfile.ZipFile(given.path) as bundle:
        return bundle.read(given.member)


class StrictJudge:
    """Refuse a group in which a detector is missing."""

    def check_inputs(self, order: PayloadOrder, detectors: Sequence[int]) -> None:
        found = {(given.exposure_id, given.detector) for given in order.inputs}
        exposures = {given.exposure_id for given in order.inputs if given.kind == "raw"}
        lost = sorted({(e, d) for e in exposures for d in detectors} - found)
        if lost:
            raise CalibrationInputsRefused.for_group(str(order.kind), f"{lost[0]} is missing")

    def check_products(
        self,
        order: PayloadOrder,  # noqa: ARG002 - as the port has it
        products: Sequence[Product],
        detectors: Sequence[int],
        in_force: Sequence[PayloadInput] = (),  # noqa: ARG002
    ) -> None:
        assert {each.detector for each in products} == set(detectors)


class CalibrationWorld(World):
    """A world with sequences of calibration exposures."""

    def __init__(self, scratch: Path, ledger_url: str = "sqlite://") -> None:
        super().__init__(ledger_url)
        self.scratch = scratch

    def backbone(self, schedule: Schedule | None = None) -> Backbone:
        return dataclasses.replace(
            super().backbone(schedule), inspector=_Inspector(), indexer=_Indexer()
        )

    def take(self, kind: str, first: int, exposures: int, **header: Any) -> list[str]:
        return [
            take_exposure(
                self.summit, first + number, IMGTYPE=kind, CURINDEX=number + 1,
                MAXINDEX=exposures, **header,
            )
            for number in range(exposures)
        ]  # fmt: skip

    def move_raws(self) -> None:
        self.settle()
        backbone = self.backbone()
        work = receive_arrivals(backbone, NIGHT).work
        land_units(backbone, work)
        apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, work)], {})
        register_units(backbone, work)
        publish_units(backbone, work, "usdf")

    def workshop(self, version: str = "1") -> Workshop:
        return Workshop(TinyPayload(version), StrictJudge(), self.scratch)

    def run(
        self,
        schedule: Schedule | None = None,
        workshop: Workshop | None = None,
        *,
        campaign: str = CAMPAIGN,
        again: bool = False,
        receivers: Sequence[str] = ("frdf", "chile"),
    ) -> list[str]:
        """Do what the DAGs do, for all groups of the night; give the attempts."""
        backbone = self.backbone(schedule)
        units = []
        for group in find_work(backbone, "LSSTCam", NIGHT.value, campaign, again=again):
            unit = make_calibrations(backbone, workshop or self.workshop(), group, campaign)
            bring_in(backbone, [unit])
            units.append(unit)
        for endpoint in receivers:
            self.catalog.run_daemons()
            publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)
        for unit in units:
            settle(backbone, unit)
        return units


def ranges(world, place, kind="bias"):
    found = world.repositories[place].validities(COLLECTION)
    return [each for each in found if each.dataset_type == kind]


def products(world, unit):
    return {each.dataset_id for each in world.calibrations.products(unit)}
