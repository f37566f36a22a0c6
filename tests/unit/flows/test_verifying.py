"""Reading copies again: damage is found wherever it is, and nothing is believed unread."""

import pytest

from dbb.errors import CatalogUnavailable
from dbb.flows.finding import find_night_or_units
from dbb.flows.verifying import verify_units
from dbb.flows.whereabouts import find_copies
from dbb.model.delivery import State
from dbb.model.exposure import Unit
from dbb.ports.catalog import RuleState
from support.tiny_camera import DETECTORS, take_exposure
from support.world import World, run_night

BOTH = ("usdf", "frdf")


@pytest.fixture
def world():
    made = World()
    for number in (1, 2):
        take_exposure(made.summit, number)
    made.settle()
    run_night(made)
    return made


def verify(world, item="20261121", endpoints=BOTH, **options):
    backbone = world.backbone()
    rows = find_night_or_units(backbone, item)
    return list(verify_units(backbone, rows, endpoints, **options))


def flip(world, endpoint, ending):
    store = world.stores[endpoint]
    name = next(name for name in store.names if name.endswith(ending))
    data = store.data(name)
    store.put(name, data[:100] + bytes([data[100] ^ 1]) + data[101:])
    return name


def test_a_good_night_is_right_in_every_copy(world):
    readings = verify(world)
    assert len(readings) == 4
    assert {reading.to_json()["result"] for reading in readings} == {"right"}


@pytest.mark.parametrize("ending", [".zip", ".manifest.json"])
@pytest.mark.parametrize("endpoint", BOTH)
def test_one_flipped_bit_is_found(world, endpoint, ending):
    flip(world, endpoint, ending)
    bad = [reading for reading in verify(world) if reading.error is not None]
    assert [(item.endpoint, item.error.code) for item in bad] == [(endpoint, "digest-mismatch")]


def test_a_reading_alone_changes_nothing(world):
    flip(world, "frdf", ".zip")
    verify(world)
    assert world.ledger.refusals() == []
    assert {reading.state for reading in verify(world)} == {State.PUBLISHED}


def test_a_bad_copy_that_is_recorded_is_fetched_anew(world):
    flip(world, "frdf", ".zip")
    (bad,) = [item for item in verify(world, record=True) if item.error is not None]
    assert world.state(bad.unit, "frdf") is State.SUSPECT
    assert world.codes(bad.unit) == ["digest-mismatch"]
    world.catalog.run_daemons()
    run_night(world)
    assert world.state(bad.unit, "frdf") is State.PUBLISHED
    assert world.codes() == []
    assert all(reading.error is None for reading in verify(world))


def test_a_bad_copy_at_the_archive_is_recorded_but_never_declared_to_rucio(world):
    name = flip(world, "usdf", ".zip")
    (bad,) = [item for item in verify(world, record=True) if item.error is not None]
    assert world.state(bad.unit, "usdf") is State.SUSPECT
    world.catalog.run_daemons()
    assert name in world.stores["usdf"].names


def test_a_copy_that_is_gone_is_missing(world):
    store = world.stores["frdf"]
    store.delete([name for name in store.names if name.endswith(".zip")][:1])
    bad = [item for item in verify(world, endpoints=("frdf",), record=True) if item.error]
    assert [item.error.code for item in bad] == ["missing-copy"]
    assert world.state(bad[0].unit, "frdf") is State.MISSING


def test_one_exposure_can_be_read_alone(world):
    readings = verify(world, "MC_O_20261121_000002")
    assert {reading.unit for reading in readings} == {"LSSTCam/20261121/MC_O_20261121_000002"}


# -- where -----------------------------------------------------------------------------------------


def where(world, number):
    unit = Unit.parse(f"LSSTCam/20261121/MC_O_20261121_{number:06d}")
    backbone = world.backbone()
    return find_copies(backbone, unit, list(backbone.ledger.units([str(unit)]).values()))


def test_every_place_of_an_exposure_is_listed_with_its_replicas(world):
    found = where(world, 1)
    assert [copy.endpoint for copy in found.copies] == ["summit", "usdf", "frdf"]
    assert [len(copy.replicas) for copy in found.copies] == [0, 2, 2]
    assert found.copies[2].rule is RuleState.OK
    assert found.source_files == ()
    assert found.to_json()["copies"][1]["verified_at"]


def test_files_at_the_source_are_listed_before_the_ledger_knows_them(world):
    take_exposure(world.summit, 7, detectors=DETECTORS[:1])
    found = where(world, 7)
    assert found.copies == ()
    assert len(found.source_files) == 3


def test_a_silent_catalogue_costs_only_its_own_columns(world, monkeypatch):
    def silent(*_):
        raise CatalogUnavailable.for_call("replicas", "it is away")

    monkeypatch.setattr(world.catalog, "replicas", silent)
    found = where(world, 1)
    assert [error.code for error in found.silent] == ["catalog-unavailable"]
    assert found.copies[1].state == "published"
