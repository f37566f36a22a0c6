"""Parcels in a world whose stores are folders, and the way of one from its producer to the receivers."""

from __future__ import annotations

from dbb.flows.copies import look_for_copies
from dbb.flows.parcels import take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.posix_store import PosixStore
from support.world import RSES, World

FILE = "files/20261121/weather-1"
PRODUCT = "products/20261121/coadds-1"


class Sites(World):
    """A world whose stores are folders, and some of whose repositories are real."""

    def __init__(self, folder):
        self.folder = folder
        super().__init__()
        for name in ("summit", *RSES):
            (folder / name).mkdir(parents=True)
        self.stores = {name: PosixStore(folder / name) for name in ("summit", *RSES)}
        self.catalog.stores = {rse: self.stores[name] for name, rse in RSES.items()}
        for name in self.repositories:
            self.repositories[name].stores = ()

    def put(self, unit, files, *, ready=True):
        for name, data in files.items():
            path = self.folder / "usdf" / "incoming" / unit / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if ready:
            with self.stores["usdf"].create(f"incoming/{unit}/_READY"):
                pass


def move(world, units):
    """Do what the DAGs do."""
    backbone = world.backbone()
    counts = take_parcels(backbone, units)
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    world.catalog.run_daemons()
    for endpoint in ("frdf", "chile"):
        publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)
    return counts


def names(store, prefix):
    return [file.name for file in store.list_files(prefix)]


def beside(made):
    """Lay each file down with Rubin's own sidecar beside it."""
    found = {}
    for ref in made["refs"]:
        name = ref.datasetType.name
        found[f"{name}{made['suffix'][name]}"] = made["files"][name]
        found[f"{name}{made['suffix'][name]}.json"] = ref.to_json().encode()
    return found
