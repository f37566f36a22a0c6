"""Two sweeps at the same moment on PostgreSQL: neither counts on the copy that the other takes away."""

from __future__ import annotations

import contextlib
import threading
import uuid

import pytest
from sqlalchemy import text

from dbb.flows.expiry_views import Wish
from dbb.hooks import expiry
from dbb.hooks.engine import open_engine
from dbb.hooks.expiry import SqlExpiry
from dbb.hooks.ledger import SqlLedger
from dbb.model.delivery import State
from dbb.model.kind import Kind
from dbb.model.policy import PolicyBook
from support.expiry_histories import POLICIES, PRODUCTS, publish_parcel
from support.own_database import own_database
from support.world import World

pytestmark = pytest.mark.sandbox


@pytest.fixture
def world(sandbox):
    with own_database(sandbox) as database:
        url = database.render_as_string(hide_password=False)
        made = World(ledger_url=url, policies=POLICIES)
        made.catalog.subscriptions = (PolicyBook(), {})
        made.url = url
        yield made
        made.ledger.engine.dispose()


class SlowExpiry(SqlExpiry):
    """Wait for the other one between looking at copies and letting go, but not for ever."""

    def __init__(self, ledger, both_looked, wait_s):
        super().__init__(ledger)
        self.both_looked, self.wait_s = both_looked, wait_s

    def _with_copies(self, *arguments):
        found = super()._with_copies(*arguments)
        with contextlib.suppress(threading.BrokenBarrierError):  # the other one may not look yet
            self.both_looked.wait(self.wait_s)
        return found


def race(world, wait_s=0.2):
    """Have two endpoints let go of one unit at the same moment; name those that did."""
    parcel = publish_parcel(world, Kind.PRODUCT, 20261121, f"p{uuid.uuid4().hex[:6]}")
    world.clock.advance(20 * 86400)
    wish = Wish(parcel.unit, (parcel.unit,), parcel.day_obs, 1, world.clock.now())
    went = []
    start, both_looked = threading.Barrier(2), threading.Barrier(2)

    def let_go(endpoint):
        ledger = SqlLedger(open_engine(world.url), world.clock, endpoint)
        with contextlib.closing(ledger.engine.raw_connection()):
            start.wait()
        rows = SlowExpiry(ledger, both_looked, wait_s)
        if rows.intend(endpoint, PRODUCTS, [wish], are_units=True):
            went.append(endpoint)
        ledger.engine.dispose()

    threads = [threading.Thread(target=let_go, args=(name,)) for name in ("frdf", "chile")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    published = [
        place
        for (_, place), delivery in world.ledger.deliveries([parcel.unit]).items()
        if delivery.state is State.PUBLISHED
    ]
    return went, published


def test_of_two_sweeps_at_the_same_moment_one_lets_go(world):
    for _ in range(5):
        went, published = race(world)
        assert (len(went), len(published)) == (1, 2)


def test_without_the_gate_both_do(world, monkeypatch):
    """What the test above would not notice, were the gate open."""
    real = expiry.statement

    def open_gate(name):
        return text("select 1") if name == "expiry/pass_gate" else real(name)

    monkeypatch.setattr(expiry, "statement", open_gate)
    went, published = race(world, wait_s=60)
    assert (sorted(went), published) == (["chile", "frdf"], ["usdf"])


def test_pins_ages_and_states_are_read_alike(world):
    rows = SqlExpiry(world.ledger)
    parcel = publish_parcel(world, Kind.LEVEL1, 20261121, "visit-1")
    (found,) = rows.candidates("usdf", {Kind.LEVEL1}, {State.PUBLISHED}, 20261121)
    assert (found.row.unit, found.ingested_at) == (parcel.unit, world.clock.now())
    assert rows.used("usdf", {State.PUBLISHED})[Kind.LEVEL1][0] == 1
    pin, _ = rows.pin("level1/20261121", "", "a", "b", world.clock.now().replace(year=2027))
    assert rows.pins() == [pin]
    assert rows.unpin([pin.pin_id]) == 1
    assert rows.pins() == []
