"""What a reconciler lists, in memory: Rucio's datasets and replicas, a Butler's files."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from dbb.flows.reconcile_views import Served, Sources
from dbb.hooks.findings import SqlFindings
from dbb.model.exposure import Unit
from dbb.model.fingerprint import Fingerprint
from dbb.model.names import Did
from support.fake_catalog import MemoryCatalog
from support.fake_repository import MemoryRepository
from support.faults import Schedule, faulty
from support.world import World

UNSTORED = "unstored "
"""Before a URL: the registry has the dataset, and the datastore no longer."""


class MemoryRucioNights:
    """List what the catalogue in memory knows."""

    def __init__(self, catalog: MemoryCatalog) -> None:
        self._catalog = catalog

    def datasets_below(self, scope: str, folder: str) -> Iterator[Did]:
        """List the Rucio datasets of a folder."""
        found = sorted(self._catalog.datasets)
        return (did for did in found if did.scope == scope and did.name.startswith(folder))

    def replicas_at(self, rses: Sequence[str], dids: Sequence[Did]) -> dict[Did, frozenset[str]]:
        """Say where files are."""
        files = self._catalog.files
        return {did: frozenset(files[did].rses & set(rses)) for did in dids if did in files}


class MemoryButlerNights:
    """List what the repository in memory serves: an image's file tells its exposure."""

    def __init__(self, repository: MemoryRepository) -> None:
        self._repository = repository

    def served(self, instrument: str, day_obs: int) -> dict[tuple[int, str], Fingerprint]:
        """Sum up a night."""
        ids: dict[tuple[int, str], list[bytes]] = {}
        for each, unit in self._images():
            if (unit.instrument, unit.obs_id.day_obs.value) == (instrument, day_obs):
                ids.setdefault((each.exposure, each.file), []).append(each.dataset_id)
        return {key: Fingerprint.of(found) for key, found in ids.items()}

    def datasets(self, instrument: str, exposures: Sequence[int]) -> Iterator[Served]:
        """List the images of some exposures."""
        for each, unit in self._images():
            if unit.instrument == instrument and each.exposure in exposures:
                yield each

    def places(self, ids: Sequence[bytes]) -> dict[bytes, str]:
        """Find datasets by identifier."""
        datasets = self._repository.datasets
        found = {key: datasets.get(str(uuid.UUID(bytes=key))) for key in ids}
        return {
            key: "" if url.startswith(UNSTORED) else url.partition("#")[0]
            for key, url in found.items()
            if url is not None
        }

    def _images(self) -> Iterator[tuple[Served, Unit]]:
        for key, url in list(self._repository.datasets.items()):
            file = url.removeprefix(UNSTORED).partition("#")[0]
            if "/raw/" in file:
                stem = file.rsplit("/", 1)[-1].removesuffix(".zip")
                instrument, day_obs = file.split("/")[-4:-2]
                unit = Unit.parse(f"{instrument}/{day_obs}/{stem}")
                shown = "" if url.startswith(UNSTORED) else file
                yield Served(uuid.UUID(key).bytes, unit.obs_id.exposure_id, shown), unit


def open_sources(world: World, schedule: Schedule | None = None) -> Sources:
    """Give a reconciler the world in memory."""
    rucio = MemoryRucioNights(world.catalog)
    butlers = {name: MemoryButlerNights(each) for name, each in world.repositories.items()}
    return Sources(
        backbone=world.backbone(schedule),
        rucio=rucio if schedule is None else faulty(rucio, schedule),
        butler=lambda name: butlers[name] if schedule is None else faulty(butlers[name], schedule),
        findings=SqlFindings(world.ledger),
    )
