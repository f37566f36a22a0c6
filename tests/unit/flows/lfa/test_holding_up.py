"""Objects that are absent, and copies that rot, hold up nobody else."""

from dbb.flows import lfa_copying, lfa_sealing
from dbb.flows.lfa import announce
from dbb.flows.lfa_copying import copy_objects, find_objects
from dbb.flows.lfa_listing import list_day
from dbb.flows.lfa_sealing import seal_parcels
from support.annex import DAY, KEY, OTHER, available, event, lay, run, state_of
from support.fake_store import MemoryStore


def test_objects_that_are_absent_hold_up_nobody(world, annex, monkeypatch):
    monkeypatch.setattr(lfa_copying, "OBJECTS_AT_ONCE", 3)
    announce(annex, [event(f"DREAM/dream/2026/11/21/{number}.fits") for number in range(6)])
    assert run(world, annex) == {"absent": 3}
    world.clock.advance(30)
    lay(annex)
    announce(annex, [event()])
    found = [run(world, annex) for _ in range(2)]
    assert found == [{"absent": 3}, {"checked": 1}]


def test_an_object_that_is_absent_is_looked_for_less_and_less_often(world, annex, monkeypatch):
    looks = []
    monkeypatch.setattr(annex.source, "stat", looks.append)
    announce(annex, [event()])
    for _ in range(24 * 60):
        world.clock.advance(60)
        copy_objects(world.backbone(), annex, find_objects(annex))
    assert 24 <= len(looks) < 60


def test_a_listing_or_an_event_has_an_object_looked_for_at_once(world, annex):
    announce(annex, [event()])
    world.clock.advance(7 * 3600)
    run(world, annex)
    assert find_objects(annex) == []
    announce(annex, [event()])
    assert find_objects(annex) == [KEY]
    run(world, annex)
    lay(annex)
    assert list_day(annex, DAY) == {"listed": 1, "new": 0, "changed": 0, "unusable": 0}
    assert find_objects(annex) == [KEY]


def test_a_copy_that_rots_before_it_is_sealed_costs_only_itself(world, annex):
    for key in (KEY, OTHER):
        lay(annex, key)
    announce(annex, [event(), event(OTHER)])
    copy_objects(world.backbone(), annex, find_objects(annex))
    world.stores["usdf"].rot(f"lfa/{KEY}")
    run(world, annex)
    assert available(world, "frdf") == [OTHER]
    assert (state_of(annex).state, state_of(annex).code) == ("announced", "digest-mismatch")
    run(world, annex)
    assert available(world, "frdf") == sorted([KEY, OTHER])


def test_a_parcel_all_of_whose_copies_rot_is_not_made(world, annex):
    lay(annex)
    announce(annex, [event()])
    copy_objects(world.backbone(), annex, find_objects(annex))
    world.stores["usdf"].rot(f"lfa/{KEY}")
    assert seal_parcels(world.backbone(), annex) == []
    run(world, annex)
    assert available(world, "frdf") == [KEY]


def test_a_manifest_that_rots_as_it_is_written_costs_only_its_own_parcel(world, annex, monkeypatch):
    keys = [KEY, "DREAM:1/dream/2026/11/22/x.fits"]
    for key in keys:
        lay(annex, key)
    announce(annex, [event(key) for key in keys])
    with monkeypatch.context() as patched:
        real = MemoryStore.put

        def put(store, name, data):
            real(store, name, data)
            if store.name == "usdf" and name.startswith("lfa/20261121/"):
                store.rot(name)

        patched.setattr(MemoryStore, "put", put)
        run(world, annex)
    assert available(world, "frdf") == keys[1:]
    run(world, annex)
    assert available(world, "frdf") == sorted(keys)


def test_every_object_of_a_parcel_that_is_sealed_is_in_its_manifest(world, annex, monkeypatch):
    monkeypatch.setattr(lfa_sealing, "OBJECTS_AT_ONCE", 2)
    keys = [f"DREAM/dream/2026/11/21/{number}.fits" for number in range(5)]
    for key in keys:
        lay(annex, key)
    announce(annex, [event(key) for key in keys])
    for _ in range(3):
        run(world, annex)
    assert available(world, "frdf") == keys
    assert all(f"lfa/{key}" in world.stores["frdf"].names for key in keys)
