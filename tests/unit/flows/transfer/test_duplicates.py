"""What is sent again: the same bytes change nothing, and others are refused."""

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.landing import land_units
from support.tiny_camera import put_detector, take_exposure
from support.transferred import bundle, published
from support.world import NIGHT, run_night


def test_an_identical_exposure_that_is_sent_again_changes_nothing(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    before = len(world.ledger.events(unit))
    take_exposure(world.summit, 1)
    world.settle()
    assert run_night(world).work == []
    assert world.summit.names == []
    assert world.codes() == []
    assert len(world.ledger.events(unit)) == before


def test_a_second_file_of_the_same_identity_with_other_bytes_is_refused(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    kept = world.stores["usdf"].data(bundle(unit))
    put_detector(world.summit, unit, "R22_S11", EXPTIME=31.0)
    world.settle()
    run_night(world)
    assert world.codes(unit) == ["conflicting-duplicate"]
    assert world.stores["usdf"].data(bundle(unit)) == kept


def test_a_file_that_is_replaced_before_its_release_is_not_deleted_unread(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    backbone = world.backbone()
    land_units(backbone, receive_arrivals(backbone, NIGHT).work)
    put_detector(world.summit, unit, "R22_S11", EXPTIME=31.0)
    world.settle()
    run_night(world)
    assert published(world, unit)
    [refusal] = world.ledger.refusals()
    assert refusal.code == "conflicting-duplicate"
    assert b"31.0" in world.summit.data(refusal.kept_as)
