"""Objects of the Large File Annex: replicated under their own names, and none lost."""

import contextlib

import pytest

from dbb.flows.lfa import announce
from dbb.flows.lfa_listing import list_bucket
from dbb.hooks.lfa import SqlLfaObjects
from dbb.model.delivery import State
from dbb.model.lfa import Announcement
from support.annex import KEY, TOPIC, available, event, lay, poison, run, state_of
from support.fake_store import MemoryStore


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
