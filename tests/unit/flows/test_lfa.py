"""The Large File Annex: poor events, odd names, and nothing lost."""

import contextlib

import pytest

from dbb.errors import LfaEventUnusable
from dbb.flows import lfa_copying, lfa_sealing
from dbb.flows.deciding import Signature, reject_refusal, release_refusal
from dbb.flows.lfa import announce, set_aside
from dbb.flows.lfa_copying import copy_objects, find_objects
from dbb.flows.lfa_listing import list_bucket, list_day
from dbb.flows.lfa_sealing import seal_parcels
from dbb.hooks.lfa import SqlLfaObjects
from dbb.model.delivery import State
from dbb.model.lfa import Announcement
from support.annex import (
    DAY,
    KEY,
    TOPIC,
    available,
    event,
    lay,
    make_annex,
    poison,
    run,
    state_of,
)
from support.fake_store import MemoryStore
from support.world import World

OTHER = "DREAM:1/dream/2026/11/21/DREAM:1_2026-11-21T23:02:00.000.fits"
ME = Signature("the operator", "it is what we have")


@pytest.fixture
def world():
    return World()


@pytest.fixture
def annex(world):
    return make_annex(world)


# -- objects ---------------------------------------------------------------------------------------


def test_an_object_is_replicated_under_its_own_name_and_seen_only_once_it_is_there(world, annex):
    lay(annex)
    announce(annex, [event()])
    assert available(world, "frdf") == []
    assert run(world, annex) == {"checked": 1}
    assert world.stores["frdf"].data(f"lfa/{KEY}") == b"SIMPLE"
    assert available(world, "usdf") == available(world, "frdf") == [KEY]
    assert state_of(annex).state == "sealed"
    assert world.codes() == []


def test_whoever_tells_of_an_object_tells_the_same_row(world, annex):
    lay(annex)
    assert announce(annex, [event(), event()]) == 1
    assert announce(annex, [event()]) == 0
    assert list_bucket(annex)["new"] == 0
    run(world, annex)
    assert announce(annex, [event()]) == 0
    assert run(world, annex) == {}


def test_an_object_of_which_no_event_came_is_found_by_the_listing(world, annex):
    lay(annex)
    assert list_bucket(annex)["new"] == 1
    run(world, annex)
    assert available(world, "frdf") == [KEY]
    assert state_of(annex).source == "listing"


def test_an_object_that_is_not_there_yet_waits_and_is_never_skipped(world, annex):
    announce(annex, [event()])
    assert run(world, annex)["absent"] == 1
    assert state_of(annex).code == "missing-copy"
    world.clock.advance(7 * 3600)
    run(world, annex)
    assert state_of(annex).code == "lfa-object-missing"
    lay(annex)
    world.clock.advance(3600)
    assert run(world, annex)["checked"] == 1
    assert available(world, "frdf") == [KEY]


@pytest.mark.parametrize("declared", [{"byteSize": 7}, {"checkSum": "0" * 32}])
def test_an_object_that_is_not_what_was_declared_is_refused_and_kept(world, annex, declared):
    lay(annex)
    announce(annex, [event(**declared)])
    assert run(world, annex)["refused"] == 1
    assert state_of(annex).code == "digest-mismatch"
    assert annex.source.data(KEY) == b"SIMPLE"
    assert available(world, "usdf") == []


def test_an_object_that_no_class_names_is_replicated_and_told_of(world, annex):
    key = "Novelty/thing/2026/11/21/x.xyz"
    lay(annex, key)
    announce(annex, [event(key, "lsst.sal.Novelty.logevent_largeFileObjectAvailable")])
    run(world, annex)
    assert available(world, "frdf") == [key]
    assert not state_of(annex, key).is_known


def test_an_object_of_another_bucket_is_a_row_for_a_person(world, annex):
    said = Announcement.of_event(TOPIC, {"url": "s3://other/a/b/c"})
    assert announce(annex, [said]) == announce(annex, [said]) == 0
    ((code, payload),) = poison(world)
    assert code == "lfa-event-unusable"
    assert "s3://other/a/b/c" in payload


@pytest.mark.parametrize("killed_at", range(1, 14))
def test_a_run_that_is_killed_is_made_up_for_by_the_next(world, annex, monkeypatch, killed_at):
    class Killed(BaseException):
        pass

    keys = [f"DREAM/dream/2026/11/21/DREAM_{number}:00.fits" for number in range(3)]
    for key in keys:
        lay(annex, key)
    announce(annex, [event(key) for key in keys])
    calls = []
    with monkeypatch.context() as patched:
        for owner, names in (
            (SqlLfaObjects, ("check", "assign", "seal")),
            (MemoryStore, ("create",)),
            (type(world.ledger), ("seal_parcel", "advance")),
        ):
            for name in names:
                real = getattr(owner, name)

                def dying(*arguments, real=real, **options):
                    calls.append(1)
                    if len(calls) == killed_at:
                        raise Killed
                    return real(*arguments, **options)

                patched.setattr(owner, name, dying)
        with contextlib.suppress(Killed):
            run(world, annex)
    late = "DREAM/dream/2026/11/21/late.fits"
    lay(annex, late)
    announce(annex, [event(late)])
    run(world, annex)
    run(world, annex)
    assert sorted(available(world, "frdf")) == sorted([*keys, late])
    assert {world.state(unit, "frdf") for unit in {state_of(annex, k).unit for k in keys}} == {
        State.PUBLISHED
    }


# -- what the events say -----------------------------------------------------------------------------


def test_an_event_that_cannot_be_used_is_a_row_with_its_reason(world, annex):
    error = LfaEventUnusable.for_event(TOPIC, "it has no url")
    assert set_aside(annex, [(b'{"x": "\xff\0"}', error)] * 2) == 1
    assert set_aside(annex, [(b'{"x": "\xff\0"}', error)]) == 0
    assert poison(world) == [("lfa-event-unusable", '{"x": "\\xff\\0"}')]


@pytest.mark.parametrize("declared", [{"byteSize": 7}, {"checkSum": "0" * 32}])
def test_what_an_event_declares_counts_when_the_listing_came_first(world, annex, declared):
    lay(annex)
    list_bucket(annex)
    announce(annex, [event(**declared)])
    assert run(world, annex) == {"refused": 1}
    assert state_of(annex).code == "digest-mismatch"
    assert world.codes() == ["digest-mismatch"]


@pytest.mark.parametrize("declared", [{"byteSize": 7}, {"checkSum": "0" * 32}])
def test_what_an_event_declares_is_checked_when_it_comes_after_the_copy(world, annex, declared):
    lay(annex)
    list_bucket(annex)
    run(world, annex)
    announce(annex, [event(**declared)])
    assert run(world, annex) == {"compared": 1}
    assert world.codes() == ["digest-mismatch"]
    assert available(world, "frdf") == [KEY]
    announce(annex, [event(**declared)])
    assert run(world, annex) == {}


def test_what_an_event_declares_rightly_after_the_copy_changes_nothing(world, annex):
    lay(annex)
    list_bucket(annex)
    run(world, annex)
    announce(annex, [event(byteSize=6, checkSum=state_of(annex).md5)])
    assert run(world, annex) == {}
    assert world.codes() == []


@pytest.mark.parametrize(
    ("first", "then", "codes"),
    [
        ({}, {"byteSize": 7}, ["digest-mismatch"]),
        ({}, {"byteSize": 6}, []),
        ({"byteSize": 7}, {"byteSize": 6}, []),
    ],
)
def test_what_an_event_declares_while_the_object_is_copied_counts(
    world, annex, monkeypatch, first, then, codes
):
    lay(annex)
    announce(annex, [event(**first)])
    with monkeypatch.context() as patched:
        real = annex.source.open

        def open_(name, *, cold=False):
            announce(annex, [event(**then)])
            return real(name, cold=cold)

        patched.setattr(annex.source, "open", open_)
        run(world, annex)
    world.clock.advance(3600)
    run(world, annex)
    assert world.codes() == codes
    assert available(world, "frdf") == [KEY]


def test_an_event_says_whose_object_it_is_that_a_listing_found(annex):
    lay(annex)
    list_bucket(annex)
    topic = "lsst.sal.Scheduler.logevent_largeFileObjectAvailable"
    announce(annex, [event(topic=topic, id="MC_O_1", mimeType="text/plain")])
    found = state_of(annex)
    assert (found.csc, found.mime_type) == ("Scheduler", "text/plain")


# -- refused, and good again -------------------------------------------------------------------------


def test_an_object_that_was_refused_goes_through_when_it_is_uploaded_again(world, annex):
    lay(annex, data=b"SIMPL")
    announce(annex, [event(byteSize=6)])
    assert run(world, annex) == {"refused": 1}
    world.clock.advance(3600)
    lay(annex)
    assert run(world, annex) == {"checked": 1}
    assert available(world, "frdf") == [KEY]
    assert world.codes() == []
    assert (state_of(annex).code, state_of(annex).reason) == ("", "")


def test_an_object_that_was_refused_is_not_read_again_while_it_is_the_same(
    world, annex, monkeypatch
):
    lay(annex)
    announce(annex, [event(byteSize=7)])
    run(world, annex)
    world.clock.advance(3600)
    monkeypatch.setattr(annex.source, "open", None)
    assert run(world, annex) == {"refused": 1}
    assert world.codes() == ["digest-mismatch"]


def test_an_object_that_was_refused_is_tried_again_when_something_else_is_declared(world, annex):
    lay(annex)
    announce(annex, [event(byteSize=7)])
    run(world, annex)
    world.clock.advance(60)
    announce(annex, [event(byteSize=6)])
    assert run(world, annex) == {"checked": 1}


def test_an_object_that_a_person_releases_goes_through_as_it_is(world, annex):
    lay(annex)
    announce(annex, [event(byteSize=7)])
    run(world, annex)
    (held,) = world.ledger.refusals()
    release_refusal(world.backbone(), held, ME)
    world.clock.advance(3600)
    assert run(world, annex) == {"checked": 1}
    assert available(world, "frdf") == [KEY]


def test_a_person_who_releases_an_object_does_not_release_the_next_one(world, annex):
    lay(annex)
    announce(annex, [event(byteSize=7)])
    run(world, annex)
    (held,) = world.ledger.refusals()
    release_refusal(world.backbone(), held, ME)
    world.clock.advance(3600)
    lay(annex, data=b"SIMPL")
    assert run(world, annex) == {"refused": 1}
    assert world.codes() == ["digest-mismatch"]


def test_an_object_that_a_person_rejects_stays_where_it_is(world, annex):
    lay(annex)
    announce(annex, [event(byteSize=7)])
    run(world, annex)
    (held,) = world.ledger.refusals()
    reject_refusal(world.backbone(), held, ME)
    world.clock.advance(3600)
    assert run(world, annex) == {"refused": 1}
    assert world.codes() == []


def test_a_copy_that_is_damaged_on_its_way_is_made_again_by_itself(world, annex, monkeypatch):
    lay(annex)
    announce(annex, [event()])
    with monkeypatch.context() as patched:
        real = MemoryStore.put

        def put(store, name, data):
            real(store, name, data)
            if name == f"lfa/{KEY}":
                store.rot(name)

        patched.setattr(MemoryStore, "put", put)
        assert run(world, annex) == {"again": 1}
    assert state_of(annex).code == "digest-mismatch"
    world.clock.advance(60)
    assert run(world, annex) == {"checked": 1}
    assert world.codes() == []


# -- overwritten at its source -----------------------------------------------------------------------


@pytest.mark.parametrize("find", [lambda a: list_day(a, DAY), list_bucket])
def test_an_object_that_is_overwritten_after_it_was_copied_is_noticed(world, annex, find):
    lay(annex)
    announce(annex, [event()])
    run(world, annex)
    world.clock.advance(60)
    lay(annex, data=b"SIMPLE, and another")
    assert find(annex)["changed"] == 1
    assert run(world, annex) == {"compared": 1}
    (held,) = world.ledger.refusals()
    assert (held.code, held.unit) == ("conflicting-duplicate", f"lfa:{KEY}")
    assert world.stores["usdf"].data(held.kept_as) == b"SIMPLE, and another"
    for endpoint in ("usdf", "frdf"):
        assert world.stores[endpoint].data(f"lfa/{KEY}") == b"SIMPLE"
    assert find(annex)["changed"] == 0
    assert run(world, annex) == {}


def test_an_object_that_is_uploaded_again_with_the_same_bytes_is_no_matter(world, annex):
    lay(annex)
    announce(annex, [event()])
    run(world, annex)
    world.clock.advance(60)
    lay(annex)
    assert list_bucket(annex)["changed"] == 1
    assert run(world, annex) == {"compared": 1}
    assert world.codes() == []
    assert list_bucket(annex)["changed"] == 0


def test_an_object_that_its_source_has_deleted_stays_as_it_was_copied(world, annex):
    lay(annex)
    announce(annex, [event()])
    run(world, annex)
    announce(annex, [event(byteSize=7)])
    annex.source.delete([KEY])
    assert run(world, annex) == {"compared": 1}
    assert run(world, annex) == {}
    assert available(world, "frdf") == [KEY]


def test_an_object_that_changes_while_it_is_copied_is_copied_again(world, annex, monkeypatch):
    lay(annex)
    announce(annex, [event()])
    with monkeypatch.context() as patched:
        real = annex.source.open

        def open_(name, *, cold=False):
            found = real(name, cold=cold)
            world.clock.advance(1)
            lay(annex, data=b"SIMPLE, and another")
            return found

        patched.setattr(annex.source, "open", open_)
        assert run(world, annex) == {"again": 1}
    world.clock.advance(3600)
    assert run(world, annex) == {"checked": 1}
    assert world.stores["frdf"].data(f"lfa/{KEY}") == b"SIMPLE, and another"


# -- nobody is held up -------------------------------------------------------------------------------


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


# -- listing -----------------------------------------------------------------------------------------


def test_a_day_is_listed_by_the_folders_that_are_known(annex, monkeypatch):
    announce(annex, [event()])
    lay(annex, OTHER)
    lay(annex, "Novelty/new/2026/11/21/x.fits")
    listed = []
    real = annex.source.list_files
    monkeypatch.setattr(
        annex.source, "list_files", lambda prefix: listed.append(prefix) or real(prefix)
    )
    assert list_day(annex, DAY)["new"] == 1
    assert listed == ["DREAM:1/dream/2026/11/21/"]
    assert list_bucket(annex)["new"] == 1
    assert list_day(annex, DAY)["listed"] == 2


def test_a_key_that_is_no_utf8_is_a_row_and_costs_nobody_else(world, annex):
    lay(annex)
    lay(annex, "DREAM/dream/2026/11/21/\udcff.fits")
    found = list_bucket(annex)
    assert (found["new"], found["unusable"]) == (1, 1)
    ((code, payload),) = poison(world)
    assert (code, payload) == ("lfa-event-unusable", "DREAM/dream/2026/11/21/\\xff.fits")
    run(world, annex)
    assert available(world, "frdf") == [KEY]


def test_a_name_that_rucio_cannot_have_is_refused_and_kept_at_its_source(world, annex):
    key = "DREAM/dream/2026/11/21/" + "x" * 300
    lay(annex, key)
    announce(annex, [event(key)])
    assert run(world, annex) == {"refused": 1}
    assert world.codes() == ["unsafe-name"]


def test_objects_copied_before_stamps_were_kept_are_not_all_read_again(world, annex):
    lay(annex)
    announce(annex, [event()])
    run(world, annex)
    annex.objects.settle(state_of(annex), "", "")
    assert list_bucket(annex)["changed"] == 0
    assert state_of(annex).stamp.startswith("6 ")


# -- Butler ------------------------------------------------------------------------------------------

CARDS = ("SIMPLE  =                    T", "DATE-BEG= '2026-11-21T23:01:02.000'", "END")
FITS = "".join(f"{card:80}" for card in CARDS).ljust(2880)
SPECTRUM = (
    "FiberSpectrograph:Broad/fits/2026/11/21/FiberSpectrograph:Broad_2026-11-21T23:01:02.000.fits"
)
CAMERA = "GenericCamera:101/GC101/2026/11/21/GC101_O_20261121_000012.fits"


def fiber(key=SPECTRUM):
    topic = "lsst.sal.FiberSpectrograph.logevent_largeFileObjectAvailable"
    return event(key, topic=topic)


def parcels(world, annex, keys):
    units = {state_of(annex, key).unit for key in keys}
    return {row.instrument for row in world.ledger.units(sorted(units)).values()}


def test_objects_that_are_datasets_are_served_wherever_they_come(world, annex):
    for key in (SPECTRUM, CAMERA):
        lay(annex, key, FITS.encode())
    lay(annex)
    list_bucket(annex)
    assert run(world, annex) == {"checked": 3}
    assert available(world, "frdf") == sorted([KEY, SPECTRUM, CAMERA])
    ids = {state_of(annex, key).dataset_id for key in (SPECTRUM, CAMERA)}
    for endpoint in ("usdf", "frdf"):
        assert set(world.repositories[endpoint].datasets) == ids
    assert parcels(world, annex, [SPECTRUM, CAMERA, KEY]) == {"FiberSpec", "GenericCamera101", ""}
    assert state_of(annex).dataset_id == ""


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (SPECTRUM, b"no FITS"),
        (SPECTRUM, FITS.encode()[:100]),
        (SPECTRUM.replace("Broad_", "Mauve_"), FITS.encode()),
        ("FiberSpectrograph:Broad/fits/2026/11/21/odd.fits", FITS.encode()),
    ],
)
def test_an_object_that_does_not_say_which_dataset_it_is_is_replicated_and_told_of(
    world, annex, key, data
):
    lay(annex, key, data)
    lay(annex, SPECTRUM.replace("23:01", "23:05"), FITS.encode())
    list_bucket(annex)
    run(world, annex)
    assert len(available(world, "frdf")) == 2
    assert state_of(annex, key).code == "lfa-not-ingested"
    assert world.codes() == ["lfa-not-ingested"]
    assert len(world.repositories["frdf"].datasets) == 1


def test_of_two_objects_that_say_the_same_dataset_one_is_it_and_the_other_is_told_of(world, annex):
    twin = SPECTRUM.replace("/fits/", "/other/")
    for key in (SPECTRUM, twin):
        lay(annex, key, FITS.encode())
        announce(annex, [fiber(key)])
        run(world, annex)
    assert available(world, "frdf") == [SPECTRUM, twin]
    assert state_of(annex, twin).code == "lfa-not-ingested"
    assert state_of(annex, SPECTRUM).dataset_id
    assert len(world.repositories["frdf"].datasets) == 1
