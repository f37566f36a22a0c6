"""A night of the tiny camera, from the summit's store to published at two endpoints."""

import json
import zipfile
from io import BytesIO

import pytest

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.landing import land_units
from dbb.model.delivery import State
from dbb.model.manifest import Manifest
from dbb.model.quarantine import Decision
from support.faults import BitFlippingStore, TruncatingStore
from support.tiny_camera import (
    DETECTORS,
    header_name,
    image_name,
    put_detector,
    sensors_name,
    take_exposure,
)
from support.world import NIGHT, World, run_night


@pytest.fixture
def world():
    return World()


def published(world, unit):
    return [world.state(unit, endpoint) for endpoint in ("usdf", "frdf")] == [State.PUBLISHED] * 2


def bundle(unit):
    stem = unit.rsplit("/", 1)[-1]
    folder = "/".join([*unit.split("/")[:2], stem.split(".")[0]])
    return f"raw/{folder}/{stem}.zip"


# -- the good night --------------------------------------------------------------------------------


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


# -- what is not there yet -------------------------------------------------------------------------


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


# -- what is wrong ---------------------------------------------------------------------------------


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


# -- duplicates ------------------------------------------------------------------------------------


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


# -- copies that go wrong --------------------------------------------------------------------------


def test_a_truncated_copy_is_never_published(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    real = world.stores["frdf"]
    world.catalog.stores["FRDF"] = TruncatingStore(real, lambda name: name.endswith(".zip"))
    run_night(world)
    assert world.state(unit, "usdf") is State.PUBLISHED
    assert world.state(unit, "frdf") is State.SUSPECT
    assert world.repositories["frdf"].datasets == {}
    assert world.state(unit, "summit") is State.VERIFIED  # not released
    assert world.codes(unit) == ["digest-mismatch"]


def test_a_bad_copy_is_fetched_again_and_published(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    real = world.stores["frdf"]
    world.catalog.stores["FRDF"] = TruncatingStore(real, lambda name: name.endswith(".zip"))
    run_night(world)
    world.catalog.stores["FRDF"] = real
    run_night(world)
    run_night(world)
    assert published(world, unit)
    assert world.codes() == []


def test_a_landing_that_reads_back_wrong_is_not_believed_and_costs_only_itself(world):
    bad, good = take_exposure(world.summit, 1), take_exposure(world.summit, 2)
    world.settle()
    real = world.stores["usdf"]
    world.stores["usdf"] = BitFlippingStore(real, lambda name: name.endswith("_000001.zip"))
    run_night(world)
    assert published(world, good)
    assert world.state(bad, "usdf") is None
    assert world.codes(bad) == ["digest-mismatch"]
    world.stores["usdf"] = real
    run_night(world)
    assert published(world, bad)
    assert world.codes() == []


def test_a_manifest_that_rots_in_the_archive_costs_only_its_own_exposure(world):
    bad, good = take_exposure(world.summit, 1), take_exposure(world.summit, 2)
    world.settle()
    backbone = world.backbone()
    land_units(backbone, receive_arrivals(backbone, NIGHT).work)
    world.stores["usdf"].put(bundle(bad).replace(".zip", ".manifest.json"), b"{}")
    run_night(world)
    assert published(world, good)
    assert world.state(bad, "usdf") is State.SUSPECT
    assert world.codes(bad) == ["digest-mismatch"]
    assert world.summit.stat(image_name(bad, "R22_S11"))


def test_rot_on_the_disk_under_a_healthy_cache_is_seen_before_publishing(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    backbone = world.backbone()
    run = world.catalog.run_daemons

    def copy_and_rot():
        run()
        if world.stores["frdf"].stat(bundle(unit)):
            world.stores["frdf"].rot(bundle(unit), 4000)

    world.catalog.run_daemons = copy_and_rot
    run_night(world)
    assert backbone.ledger.deliveries([unit])[unit, "frdf"].state is State.SUSPECT


def test_a_bundle_that_butler_refuses_costs_only_itself(world):
    bad, good = take_exposure(world.summit, 1), take_exposure(world.summit, 2)
    world.repositories["frdf"].refused[bad] = "unknown detector"
    world.settle()
    run_night(world)
    assert published(world, good)
    assert world.state(bad, "frdf") is State.QUARANTINED
    assert world.codes(bad) == ["ingest-refused"]
    assert world.state(bad, "summit") is State.VERIFIED


def test_an_exposure_whose_copy_has_not_come_yet_waits_without_being_released(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run = world.catalog.run_daemons
    world.catalog.run_daemons = lambda: run(fails=lambda _: "link down")
    run_night(world)
    assert world.state(unit, "usdf") is State.PUBLISHED
    assert world.state(unit, "frdf") is State.EXPECTED
    assert world.state(unit, "summit") is State.VERIFIED
    world.catalog.run_daemons = run
    run_night(world)
    assert world.state(unit, "summit") is State.RELEASED


def test_a_rule_that_somebody_removed_is_asked_for_again(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run = world.catalog.run_daemons
    world.catalog.run_daemons = lambda: run(fails=lambda _: "link down")
    run_night(world)
    world.catalog.remove_rule(world.ledger.deliveries([unit])[unit, "frdf"].rule_id)
    world.catalog.run_daemons = run
    run_night(world)
    run_night(world)
    assert published(world, unit)


def test_a_rule_that_stays_stuck_is_put_on_the_record_until_its_copy_comes(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run = world.catalog.run_daemons
    world.catalog.run_daemons = lambda: run(fails=lambda _: "link down")
    run_night(world)
    run_night(world)
    assert world.codes() == []  # it is tried again for a while
    world.settle(7201)
    run_night(world)
    run_night(world)
    [refusal] = world.ledger.refusals()
    assert (refusal.code, refusal.unit, refusal.endpoint) == ("rule-stuck", unit, "frdf")
    assert "link down" in refusal.reason
    world.catalog.run_daemons = run
    run_night(world)
    assert published(world, unit)
    assert world.codes() == []
