"""The canary through real files, FITS and Butlers; only Rucio is a fake."""

import dataclasses
import hashlib

import pytest

from dbb.flows.canary import Cage, look_after, settle
from dbb.hooks.butler_canary import prepare_repository, read_dataset
from dbb.hooks.canary_camera import draw_exposure
from dbb.hooks.canary_rows import SqlCanaries
from dbb.hooks.instruments import CANARY, load_instrument
from dbb.settings import Settings
from dbb.wiring import watching as watching_wiring
from support.calibration_site import CalibrationSite

CAMERA = load_instrument("DBBCanary", CANARY)


@pytest.fixture
def cage(tmp_path):
    world = CalibrationSite(tmp_path)
    settings = Settings.load()
    settings = dataclasses.replace(
        settings, raw=dataclasses.replace(settings.raw, receivers=("frdf",), settle_s=0)
    )

    def root(place):
        return str(world.folder / "butler" / place)

    made = Cage(
        rows=SqlCanaries(world.ledger),
        draw=lambda unit: draw_exposure(unit, CAMERA),
        prepare=lambda place: prepare_repository(root(place), CAMERA, settings.raw.run),
        read=lambda place, name: read_dataset(root(place), name),
        forget=world.catalog.forget,
        open_backbone=lambda: watching_wiring.cage_backbone(settings, world.backbone(), CAMERA),
    )
    made.__dict__["world"] = world
    return made


def test_its_files_are_the_same_each_time(cage):
    unit = cage.rows.begin().unit
    one, other = cage.draw(unit), cage.draw(unit)
    assert one == other
    assert sorted(name.rpartition("_")[2] for name in one) == [
        "S00.fits", "S00.json", "expectedSensors.json",
    ]  # fmt: skip
    data = b"".join(one[name] for name in sorted(one))
    assert len(hashlib.sha256(data).hexdigest()) == 64


def test_it_goes_through_real_files_and_real_butlers_and_leaves_nothing(cage):
    world = cage.world
    canary = cage.rows.begin()
    for _ in range(5):
        stop = look_after(cage, canary)
        if not stop.step:
            break
        world.clock.advance(3600 * 24 * 365)  # files of now come to rest
        world.catalog.run_daemons()
    assert stop.reason == ""
    assert len(cage.rows.stages(canary)) == 8
    assert settle(cage, canary, stop, world.clock.now(), 600)
    (again,) = cage.rows.newest(1)
    assert (again.outcome, again.removed_at is not None) == ("through", True)
    assert [str(path) for path in world.folder.rglob("*DC_O*")] == []
    assert not world.catalog.datasets
    assert not world.catalog.files
