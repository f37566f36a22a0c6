"""Exposures that lack detectors or the list of their sensors: they wait, and are published in parts."""

from dbb.model.delivery import State
from support.tiny_camera import DETECTORS, header_name, put_detector, take_exposure
from support.transferred import published
from support.world import run_night


def test_an_incomplete_exposure_waits_for_its_detectors(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle()
    arrivals = run_night(world)
    assert (arrivals.work, arrivals.waiting) == ([], [unit])
    put_detector(world.summit, unit, DETECTORS[2])
    world.settle()
    run_night(world)
    assert published(world, unit)
    assert world.codes() == []


def test_a_detector_without_its_header_document_has_not_arrived(world):
    unit = take_exposure(world.summit, 1)
    world.summit.delete([header_name(unit, "R22_S11")])
    world.settle()
    assert run_night(world).waiting == [unit]


def test_an_exposure_without_a_list_of_sensors_waits_for_it(world):
    unit = take_exposure(world.summit, 1, sensors=None)
    world.settle()
    assert run_night(world).waiting == [unit]
    world.settle(3600)
    run_night(world)
    assert published(world, unit)


def test_after_its_time_an_exposure_is_published_incomplete_and_on_the_record(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3601)
    run_night(world)
    assert published(world, unit)
    row = world.ledger.units([unit])[unit]
    assert row.missing == (DETECTORS[2],)
    assert world.codes(unit) == ["incomplete-exposure"]
    reasons = [event.reason for event in world.ledger.events(unit)]
    assert any("R22_S12" in reason for reason in reasons)


def test_a_late_detector_is_published_by_itself_as_a_second_part(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3601)
    run_night(world)
    put_detector(world.summit, unit, DETECTORS[2])
    world.settle()
    arrivals = run_night(world)
    assert arrivals.work == [f"{unit}.2"]
    assert published(world, f"{unit}.2")
    assert world.state(f"{unit}.2", "summit") is State.RELEASED
    assert world.codes() == []  # the record of incompleteness is superseded
    for repository in world.served:
        assert len(repository.datasets) == len(DETECTORS)
    assert world.summit.names == []


def test_a_partial_readout_is_complete_when_the_announced_sensors_are_there(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2], sensors=DETECTORS[:2])
    world.settle()
    run_night(world)
    assert published(world, unit)
    assert world.ledger.units([unit])[unit].missing == ()
