"""What events say of objects counts, whenever they come."""

import pytest

from dbb.errors import LfaEventUnusable
from dbb.flows.lfa import announce, set_aside
from dbb.flows.lfa_listing import list_bucket
from support.annex import KEY, TOPIC, available, event, lay, poison, run, state_of


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
