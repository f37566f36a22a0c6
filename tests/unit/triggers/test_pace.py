"""A watcher wakes its DAG at once while things are calm, and evenly in a night that is full."""

import asyncio
import datetime as dt

from dbb.triggers import inbox
from dbb.triggers.inbox import InboxTrigger
from dbb.triggers.pace import Pace


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def calls_within(pace, clock, seconds, poll_s=3.0):
    """Call whenever it is allowed; count."""
    number, end = 0, clock.now + seconds
    while clock.now < end:
        number += 1
        clock.now += max(poll_s, pace.call())
    return number


def test_calls_that_are_far_apart_never_wait():
    clock = Clock()
    pace = Pace(saved=2, rest_s=45, clock=clock)
    for _ in range(100):
        assert pace.call() == 0
        clock.now += 46


def test_a_few_may_follow_each_other_at_once():
    clock = Clock()
    pace = Pace(saved=3, rest_s=45, clock=clock)
    assert [pace.call() for _ in range(3)] == [0, 0, 45]


def test_a_night_in_which_something_always_happens_has_as_many_calls_as_rests():
    clock = Clock()
    pace = Pace(saved=20, rest_s=45, clock=clock)
    hours = 11
    number = calls_within(pace, clock, hours * 3600)
    assert 0.98 < number / (20 + hours * 3600 / 45) <= 1.01


def test_what_was_saved_while_nothing_happened_is_not_more_than_that():
    clock = Clock()
    pace = Pace(saved=3, rest_s=45, clock=clock)
    calls_within(pace, clock, 600)
    clock.now += 10 * 3600
    assert [pace.call() for _ in range(3)] == [0, 0, 45]


def test_a_trigger_rests_as_its_pace_says(monkeypatch):
    pauses = []
    times = iter(dt.datetime(2026, 11, 21, 0, 0, second, tzinfo=dt.UTC) for second in range(9))

    async def ask(_kind, _question):
        return 1, next(times)

    async def pause(seconds):
        pauses.append(round(seconds))

    async def collect():
        async for _ in InboxTrigger(rse="FRDF", saved=3, rest_s=60).run():
            if len(pauses) == 4:
                break

    monkeypatch.setattr(inbox, "ask", ask)
    monkeypatch.setattr(asyncio, "sleep", pause)
    asyncio.run(collect())
    assert pauses == [3, 3, 60, 120]
