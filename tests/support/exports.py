"""Exports as tests make them: a key, the ports, an order, and a bag that is opened elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler, Config

from dbb.flows.export_ports import ExportPorts
from dbb.flows.exporting import make_export
from dbb.hooks import butler_formatter
from dbb.hooks.butler_dataset_types import STORAGE_CLASS, STORAGE_CLASS_CONFIG
from dbb.hooks.butler_export import ButlerExport
from dbb.hooks.export_work import ExportWork
from dbb.hooks.exports import SqlExports
from dbb.hooks.lfa import SqlLfaObjects
from dbb.hooks.posix_store import PosixStore
from dbb.hooks.ssh_signature import SshSigner
from dbb.model.export import ExportOrder
from support.bags import make_key
from support.calibration_site import CAMPAIGN, NIGHT, CalibrationSite


def make_order(**changes: Any) -> ExportOrder:
    """Order a night's raw images, and the calibrations in force."""
    fields: dict[str, Any] = {
        "name": "night",
        "endpoint": "usdf",
        "collections": ["LSSTCam/defaults", "LSSTCam/calib", f"LSSTCam/calib/daily/{CAMPAIGN}"],
        "dataset_types": ["raw", "bias"],
        "where": "instrument = 'LSSTCam'",
        "owner": "somebody",
        "title": "A night",
        "licence": "CC-BY-4.0",
    }
    return ExportOrder.parse(fields | changes)


@dataclass
class Exports:
    """Hold a world, its ports for exports, and where exports lie."""

    world: CalibrationSite
    folder: Path
    key: Path
    signers: Path
    name: str = "night"

    @property
    def ports(self) -> ExportPorts:
        """Open the ports, as a new process does."""
        objects = SqlLfaObjects(self.world.ledger)
        return ExportPorts(
            selection=lambda endpoint: ButlerExport(str(self.world.folder / "butler" / endpoint)),
            open_folder=PosixStore,
            open_work=ExportWork,
            rows=SqlExports(self.world.ledger),
            signer=SshSigner(self.key),
            units_of_objects=lambda keys: {each.key: each.unit for each in objects.by_key(keys)},
        )

    @property
    def bag(self) -> Path:
        return self.folder / self.name

    def make(self, **changes: Any) -> Any:
        """Make an export."""
        leave_out = changes.pop("leave_out", False)
        changes.setdefault("name", self.name)
        return make_export(
            self.world.backbone(),
            self.ports,
            make_order(**changes),
            self.folder,
            leave_out=leave_out,
        )


def make_world(folder: Path) -> CalibrationSite:
    """Make a backbone that serves two exposures of the sky, and a group of biases."""
    world = CalibrationSite(folder)
    world.observe(2)
    world.take("bias", 5001)
    world.make()
    return world


def import_bag(bag: Path, root: Path) -> None:
    """Open a bag in an empty repository, with Butler's own import, as its reader is told to."""
    config = Config()
    config["storageClasses", STORAGE_CLASS] = STORAGE_CLASS_CONFIG
    config["datastore", "formatters", STORAGE_CLASS] = butler_formatter.NAME
    Butler.makeRepo(str(root), config=config)
    with Butler.from_config(str(root), writeable=True) as butler:
        for path in sorted((bag / "data/butler").glob("*.yaml")):
            butler.import_(directory=str(bag / "data"), filename=str(path), transfer="copy")


__all__ = ["NIGHT", "Exports", "import_bag", "make_key", "make_order", "make_world"]
