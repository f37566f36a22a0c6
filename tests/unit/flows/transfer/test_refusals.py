"""Files and exposures that are wrong as they arrive: each costs only itself, and is kept."""

import json

import pytest

from dbb.model.delivery import State
from dbb.model.quarantine import Decision
from support.tiny_camera import (
    DETECTORS,
    header_name,
    image_name,
    put_detector,
    sensors_name,
    take_exposure,
)
from support.transferred import published
from support.world import run_night


def spoil(data):
    return data[:-10] + bytes([data[-10] ^ 1]) + data[-9:]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[:-30], "truncated-file"),
        (spoil, "fits-checksum-mismatch"),
        (lambda _: b"", "truncated-file"),
    ],
)
def test_a_damaged_image_costs_its_exposure_and_never_its_neighbours(world, change, code):
    bad = take_exposure(world.summit, 1)
    good = [take_exposure(world.summit, number) for number in (2, 3)]
    name = image_name(bad, "R22_S11")
    world.summit.put(name, change(world.summit.data(name)))
    world.settle()
    run_night(world)
    assert all(published(world, unit) for unit in good)
    assert world.state(bad, "summit") is State.QUARANTINED
    assert world.state(bad, "usdf") is None
    [refusal] = world.ledger.refusals()
    assert (refusal.code, refusal.name, refusal.unit) == (code, name, bad)
    assert refusal.reason
    assert refusal.next_action
    assert [repository.ingest_calls for repository in world.served] == [1, 1]


def test_a_refused_file_is_kept_byte_for_byte(world):
    unit = take_exposure(world.summit, 1)
    name = image_name(unit, "R22_S11")
    damaged = world.summit.data(name)[:-7]
    world.summit.put(name, damaged)
    world.settle()
    run_night(world)
    [refusal] = world.ledger.refusals()
    assert world.summit.stat(name) is None
    assert world.summit.data(refusal.kept_as) == damaged


def test_a_good_copy_that_is_sent_again_goes_through_by_itself(world):
    unit = take_exposure(world.summit, 1)
    name = image_name(unit, "R22_S11")
    world.summit.put(name, world.summit.data(name)[:-7])
    world.settle()
    run_night(world)
    put_detector(world.summit, unit, "R22_S11")
    world.settle()
    run_night(world)
    assert published(world, unit)
    assert world.codes() == []
    [refusal] = world.ledger.refusals(decision=None)
    assert refusal.decision is Decision.SUPERSEDED


def test_every_bad_file_of_an_exposure_is_named_at_once(world):
    unit = take_exposure(world.summit, 1)
    for detector in ("R22_S11", "R22_S12"):
        name = image_name(unit, detector)
        world.summit.put(name, world.summit.data(name)[:-7])
    world.summit.put(header_name(unit, "R00_SG0"), b"{")
    world.settle()
    run_night(world)
    assert world.codes(unit) == ["bad-document", "truncated-file", "truncated-file"]


def test_an_image_of_another_detector_under_this_name_is_refused(world):
    unit = take_exposure(world.summit, 1)
    world.summit.put(image_name(unit, "R22_S11"), world.summit.data(image_name(unit, "R22_S12")))
    world.settle()
    run_night(world)
    assert world.codes(unit) == ["identity-mismatch"]


def test_a_header_document_of_another_exposure_is_refused(world):
    unit = take_exposure(world.summit, 1)
    world.summit.put(header_name(unit, "R22_S11"), json.dumps({"OBSID": "MC_O_x"}).encode())
    world.settle()
    run_night(world)
    assert world.codes(unit) == ["bad-document"]


@pytest.mark.parametrize("leaf", ["R99_S99.fits", "notes.txt", "R22_S11.fits.gz"])
def test_a_file_that_no_sensor_can_have_is_set_aside_and_the_exposure_goes_on(world, leaf):
    unit = take_exposure(world.summit, 1)
    folder = unit
    world.summit.put(f"{folder}/{folder.rsplit('/', 1)[-1]}_{leaf}", b"?")
    world.settle()
    run_night(world)
    assert published(world, unit)
    assert world.codes() == ["unexpected-file"]


def test_a_sensor_that_was_not_announced_is_set_aside(world):
    unit = take_exposure(world.summit, 1, sensors=DETECTORS[:2])
    world.settle()
    run_night(world)
    assert published(world, unit)
    assert world.codes() == ["unexpected-file"] * 2


def test_a_folder_that_is_no_exposure_is_set_aside(world):
    world.summit.put("LSSTCam/20261121/lost+found/x.fits", b"?")
    world.summit.put("LSSTCam/20261121/AT_O_20261121_000001/x.fits", b"?")
    world.summit.put("LSSTCam/20261121/MC_O_20261122_000001/x.fits", b"?")
    world.settle()
    assert run_night(world).work == []
    assert world.codes() == ["unsafe-name"] * 3


def test_a_broken_list_of_sensors_is_refused_and_a_good_one_goes_through(world):
    unit = take_exposure(world.summit, 1)
    good = world.summit.data(sensors_name(unit))
    world.summit.put(sensors_name(unit), b'{"expectedSensors": {"R99_S99": "SCIENCE"}}')
    world.settle()
    assert run_night(world).waiting == [unit]
    assert world.codes() == ["bad-document"]
    world.summit.put(sensors_name(unit), good)
    world.settle()
    run_night(world)
    assert published(world, unit)
    assert world.codes() == []


def test_an_exposure_record_that_breaks_an_expectation_is_held_not_dropped(world):
    bad, good = take_exposure(world.summit, 1), take_exposure(world.summit, 2)
    world.settle()
    run_night(world, broken={bad: "expect_column_values_to_be_between(airmass)"})
    assert published(world, good)
    assert world.state(bad, "usdf") is State.QUARANTINED
    assert world.state(bad, "summit") is State.VERIFIED  # and its files are still there
    assert world.codes(bad) == ["expectation-failed"]
    assert world.summit.stat(image_name(bad, "R22_S11"))
