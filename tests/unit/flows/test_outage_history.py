"""The noted sum of a year's publications changes no account, whenever it was made and asked."""

import datetime as dt
import itertools
import random

import pytest

from dbb.flows import outage_history
from dbb.flows.outage_history import Hour, note_published, read_published
from dbb.flows.outages import find_spans
from support.world import World

HOUR = dt.timedelta(hours=1)


class Published:
    """Know publications: when each was, and when its exposure was complete."""

    def __init__(self, clock, pairs):
        self.clock, self.pairs = clock, sorted(pairs)

    def hours(self, _archive, since):
        """Sum up by hour what was published until now."""
        seen = [pair for pair in self.pairs if since <= pair[0] <= self.clock.now()]
        for _, group in itertools.groupby(seen, lambda pair: pair[0].replace(minute=0, second=0)):
            times, complete = zip(*group, strict=True)
            yield Hour(times[0], times[-1], min(complete))


def some_days(seed, now):
    """Take exposures in bursts, publish most within minutes and some hours later, and stand at times."""
    dice = random.Random(seed)  # noqa: S311 - the same each time
    at, pairs = now - dt.timedelta(days=12), []
    while at < now + dt.timedelta(days=3):
        at += dt.timedelta(seconds=dice.choice([40, 400, 4000, 40_000]))
        late = dt.timedelta(seconds=dice.choice([60, 60, 60, 7200, 90_000]))
        pairs.append(((at + late).replace(microsecond=0), at))
    return pairs


def accounts(seed):
    """Give, three days after a sum was noted, the spans by the ledger alone and with the sum."""
    world = World()
    backbone = world.backbone()
    rows = Published(world.clock, some_days(seed, world.clock.now()))
    note_published(backbone, rows)
    world.clock.advance(3 * 86_400)
    now = world.clock.now()
    for days in (14, 7, 2):
        since = now - dt.timedelta(days=days)
        waits = now - dt.timedelta(hours=seed % 4)
        plain = find_spans(since, list(rows.hours("usdf", since)), waits, now)
        noted = find_spans(since, read_published(backbone, rows, since), waits, now)
        yield plain, noted


@pytest.mark.parametrize("seed", range(20))
def test_an_account_is_the_same_with_the_sum_and_without(seed):
    for plain, noted in accounts(seed):
        assert noted == plain
        assert plain


def test_a_sum_that_joins_too_much_is_seen(monkeypatch):
    """The harness sees what it is there for."""
    monkeypatch.setattr(outage_history, "SHORTEST", 3 * HOUR)
    assert any(plain != noted for seed in range(20) for plain, noted in accounts(seed))
