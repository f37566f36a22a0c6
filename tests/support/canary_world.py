"""A canary in a backbone in memory, beside the exposures of a night."""

from __future__ import annotations

import dataclasses
import json

from dbb.flows.backbone import Backbone
from dbb.flows.canary import CAMERA_CODE, Cage, Canary, look_after, settle, tidy
from dbb.hooks.calibrations import SqlCalibrations
from dbb.hooks.canary_rows import SqlCanaries
from dbb.hooks.engine import open_engine
from dbb.hooks.inbox import SqlInbox
from dbb.hooks.ledger import SqlLedger
from dbb.model.exposure import CANARY_INSTRUMENT, Unit
from dbb.model.kind import Kind
from dbb.model.policy import Policy, PolicyBook, Selection
from support.fake_images import fake_image
from support.faults import Schedule, faulty
from support.tiny_camera import TINY
from support.world import World

CAMERA = dataclasses.replace(
    TINY, name=CANARY_INSTRUMENT, camera_code=CAMERA_CODE, detectors=TINY.detectors[1:2]
)


def draw(unit: Unit) -> dict[str, bytes]:
    """Make a canary's files."""
    (detector,) = CAMERA.detectors
    name = f"{unit.folder}/{unit.obs_id}_{detector.file_suffix}"
    sensors = {"obsId": str(unit.obs_id), "expectedSensors": {detector.full_name: "SCIENCE"}}
    return {
        name: fake_image(unit, detector.full_name),
        name.removesuffix("fits") + "json": json.dumps({"OBSID": str(unit.obs_id)}).encode(),
        f"{unit.folder}/{unit.obs_id}_expectedSensors.json": json.dumps(sensors).encode(),
    }


@dataclasses.dataclass
class Aviary:
    """Fly canaries through a world, as the DAG does."""

    world: World
    limit_s: float = 600

    def cage(self, schedule: Schedule | None = None) -> Cage:
        world = self.world
        rows = SqlCanaries(world.ledger)
        catalog = world.catalog if schedule is None else faulty(world.catalog, schedule)
        return Cage(
            rows=rows if schedule is None else faulty(rows, schedule),
            draw=draw,
            prepare=lambda _: None,
            read=self.read,
            forget=catalog.forget,
            open_backbone=lambda: self.backbone(schedule),
        )

    def backbone(self, schedule: Schedule | None) -> Backbone:
        world = self.world
        ledger = SqlLedger(open_engine("sqlite://"), world.clock, "canary")
        ledger.migrate()
        receivers = ("frdf",)
        policies = (Policy("canary-frdf", "frdf", Selection(Kind.RAW), ("usdf",), keep_days=1),)
        return dataclasses.replace(
            world.backbone(schedule),
            policy=dataclasses.replace(
                world.policy, instruments=(CANARY_INSTRUMENT,), receivers=receivers
            ),
            policies=PolicyBook(policies),
            instruments={CANARY_INSTRUMENT: CAMERA},
            ledger=ledger,
            calibrations=SqlCalibrations(ledger),
            inbox=SqlInbox(ledger),
        )

    def read(self, endpoint: str, dataset_id: str) -> bytes:
        import io
        import zipfile

        place = self.world.repositories[endpoint].datasets[dataset_id]
        url, _, member = place.partition("#")
        store = self.world.stores[endpoint]
        data = store.data(url.removeprefix(f"{store.url}/"))
        return zipfile.ZipFile(io.BytesIO(data)).read(member.removeprefix("zip-path="))

    def fly(self, schedule: Schedule | None = None, *, looks: int = 100) -> Canary:
        """Do what one run of the DAG does: look again every ten seconds until it has ended."""
        cage, now = self.cage(schedule), self.world.clock.now
        tidy(cage, now())
        canary = cage.rows.begin()
        for _ in range(looks):
            stop = look_after(cage, canary)
            if settle(cage, canary, stop, now(), self.limit_s):
                break
            self.world.clock.advance(10)
            self.world.catalog.run_daemons()
        return next(each for each in cage.rows.newest(9) if each.number == canary.number)

    def left(self) -> list[str]:
        """Name everything of any canary that is anywhere."""
        world = self.world
        found = [
            f"{place} {name}"
            for place, store in world.stores.items()
            for name in store.names
            if CANARY_INSTRUMENT in name
        ]
        found += [
            f"{place} {url}"
            for place, repository in world.repositories.items()
            for url in repository.datasets.values()
            if CANARY_INSTRUMENT in url
        ]
        catalog = world.catalog
        found += [
            str(did) for did in (*catalog.files, *catalog.datasets) if CANARY_INSTRUMENT in str(did)
        ]
        found += [
            str(rule.dataset)
            for rule in catalog._rules.values()
            if CANARY_INSTRUMENT in str(rule.dataset)
        ]
        return found
