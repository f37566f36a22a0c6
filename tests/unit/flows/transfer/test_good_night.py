"""A night of the tiny camera, from the summit's store to published at two endpoints."""

import zipfile
from io import BytesIO

from dbb.model.delivery import State
from dbb.model.manifest import Manifest
from support.tiny_camera import DETECTORS, take_exposure
from support.transferred import bundle, published
from support.world import World, run_night


def test_a_complete_exposure_is_published_at_both_endpoints_and_released(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    arrivals = run_night(world)
    assert arrivals.work == [unit]
    assert published(world, unit)
    assert world.state(unit, "summit") is State.RELEASED
    assert world.summit.names == []
    assert world.codes() == []
    for repository in world.served:
        assert len(repository.datasets) == len(DETECTORS)


def test_the_bundle_holds_every_file_of_the_exposure_unchanged(world):
    unit = take_exposure(world.summit, 1)
    before = {name.rsplit("/", 1)[-1]: world.summit.data(name) for name in world.summit.names}
    world.settle()
    run_night(world)
    data = world.stores["frdf"].data(bundle(unit))
    with zipfile.ZipFile(BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert members.pop("_butler_zip_index.json")
    assert members == before


def test_the_manifest_alone_tells_what_the_bundle_is(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    name = bundle(unit).replace(".zip", ".manifest.json")
    manifest = Manifest.parse(world.stores["frdf"].data(name))
    assert manifest.sha256 == world.ledger.units([unit])[unit].manifest_sha256
    assert len(manifest.images) == len(DETECTORS)
    assert manifest.missing == ()
    assert list(manifest.records) == ["exposure"]


def test_a_finished_night_is_no_work(world):
    for number in range(1, 4):
        take_exposure(world.summit, number)
    world.settle()
    run_night(world)
    calls = [repository.ingest_calls for repository in world.repositories.values()]
    arrivals = run_night(world)
    assert (arrivals.work, arrivals.waiting, arrivals.finished) == ([], [], 3)
    assert [repository.ingest_calls for repository in world.repositories.values()] == calls


def test_a_chunk_is_ingested_in_one_call(world):
    for number in range(1, 6):
        take_exposure(world.summit, number)
    world.settle()
    run_night(world)
    assert [repository.ingest_calls for repository in world.served] == [1, 1]


def test_a_file_that_was_just_written_is_left_to_settle(world):
    take_exposure(world.summit, 1)
    assert run_night(world).work == []
    world.settle()
    assert len(run_night(world).work) == 1


def test_the_same_files_make_the_same_bundle(world):
    other = World()
    for each in (world, other):
        unit = take_exposure(each.summit, 1)
        each.settle()
        run_night(each)
    assert world.ledger.units([unit]) == other.ledger.units([unit])
