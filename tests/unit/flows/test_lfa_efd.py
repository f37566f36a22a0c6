"""Asking the EFD: every window to its end, again after an outage, and nothing twice."""

import datetime as dt

import pytest

from dbb.errors import EfdUnavailable
from dbb.flows.lfa_efd import OVERLAP, WINDOW, ask_efd, ask_window
from support.annex import BUCKET, KEY, make_annex, poison, state_of
from support.world import World

MEASUREMENT = "lsst.sal.DREAM.logevent_largeFileObjectAvailable"


class KeptEvents:
    """Keep events in memory; fail when a test says so."""

    name = "efd"

    def __init__(self):
        self.kept = []
        self.asked = []
        self.fails_after = None
        self.fails_from = None

    def put(self, at, **fields):
        self.kept.append((at, fields))

    def events(self, begin, end):
        self.asked.append((begin, end))
        if self.fails_from is not None and end > self.fails_from:
            raise EfdUnavailable.for_query("http://efd", "timeout")
        for number, (at, fields) in enumerate(self.kept):
            if self.fails_after is not None and number >= self.fails_after:
                raise EfdUnavailable.for_query("http://efd", "timeout")
            if begin <= at < end:
                yield MEASUREMENT, {"time": 0, **fields}


@pytest.fixture
def world():
    return World()


@pytest.fixture
def annex(world):
    return make_annex(world)


@pytest.fixture
def efd():
    return KeptEvents()


def ask(world, annex, efd):
    return ask_efd(annex, efd, annex.objects, world.clock.now())


def url(key=KEY):
    return f"s3://{BUCKET}/{key}"


def test_an_object_of_which_only_the_efd_tells_is_noted_once(world, annex, efd):
    efd.put(world.clock.now() - dt.timedelta(hours=1), url=url(), byteSize=6)
    assert ask(world, annex, efd) == {"events": 1, "new": 1, "unusable": 0}
    assert (state_of(annex).source, state_of(annex).declared_bytes) == ("efd", 6)
    assert ask(world, annex, efd)["new"] == 0


def test_each_asking_begins_a_day_before_the_end_of_the_last(world, annex, efd):
    began = world.clock.now()
    ask(world, annex, efd)
    world.clock.advance(3600)
    efd.asked.clear()
    ask(world, annex, efd)
    assert efd.asked[0][0] == began - OVERLAP
    assert efd.asked[-1][1] == world.clock.now()
    assert all(end - begin <= WINDOW for begin, end in efd.asked)
    assert all(a[1] == b[0] for a, b in zip(efd.asked, efd.asked[1:], strict=False))


def test_after_an_outage_the_window_is_asked_for_again(world, annex, efd):
    ask(world, annex, efd)
    asked = annex.objects.efd_asked_until("efd")
    for number in range(3):
        efd.put(world.clock.now() + dt.timedelta(hours=number), url=url(f"DREAM/{number}.fits"))
    world.clock.advance(72 * 3600)
    efd.fails_after = 1
    with pytest.raises(EfdUnavailable):
        ask(world, annex, efd)
    assert annex.objects.efd_asked_until("efd") == asked
    efd.fails_after = None
    assert ask(world, annex, efd)["events"] == 3
    assert [each.key for each in annex.objects.due(9)] == [f"DREAM/{n}.fits" for n in range(3)]
    assert annex.objects.efd_asked_until("efd") == world.clock.now()


def test_an_outage_half_way_costs_the_windows_before_it_nothing(world, annex, efd):
    ask(world, annex, efd)
    world.clock.advance(72 * 3600)
    efd.fails_from = world.clock.now() - dt.timedelta(hours=8)
    with pytest.raises(EfdUnavailable):
        ask(world, annex, efd)
    asked = annex.objects.efd_asked_until("efd")
    assert efd.fails_from - WINDOW < asked <= efd.fails_from
    efd.fails_from = None
    efd.put(asked, url=url())
    assert ask(world, annex, efd)["new"] == 1


def test_a_row_of_the_efd_that_cannot_be_used_is_a_row_of_ours(world, annex, efd):
    efd.put(world.clock.now() - dt.timedelta(hours=1), url="file:///tmp/x.fits")
    for _ in range(2):
        assert ask(world, annex, efd)["unusable"] == 1
    ((code, payload),) = poison(world)
    assert code == "lfa-event-unusable"
    assert MEASUREMENT in payload


def test_asking_for_a_day_moves_nothing(world, annex, efd):
    ask(world, annex, efd)
    asked = annex.objects.efd_asked_until("efd")
    begin = world.clock.now() - dt.timedelta(days=9)
    efd.put(begin, url=url())
    assert ask_window(annex, efd, begin, begin + dt.timedelta(days=1))["new"] == 1
    assert annex.objects.efd_asked_until("efd") == asked
