"""Copies that go wrong on their way, do not come, or are refused by Butler."""

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.landing import land_units
from dbb.model.delivery import State
from support.faults import BitFlippingStore, TruncatingStore
from support.tiny_camera import image_name, take_exposure
from support.transferred import bundle, published
from support.world import NIGHT, run_night


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
